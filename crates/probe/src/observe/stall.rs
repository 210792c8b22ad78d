//! Was this process itself kept from running while a check waited? A machine that was suspended,
//! swaps or has no processor time left misses answers that were there in time: its silence says
//! nothing about the target.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Observation, State};

/// Looks at the clock within a timeout.
const TICKS: u32 = 8;
/// A stretch of at least this share of the timeout is blamed for its passing.
const BLAMED_ONE_IN: u32 = 4;
/// Shorter ones happen to everybody.
const BLAMED_MIN: Duration = Duration::from_millis(400);

/// Does some work that has a timeout; also the longest stretch during which this process did not
/// run although its time had come.
pub(super) async fn watched<T>(timeout: Duration, work: impl Future<Output = T>) -> (T, Duration) {
    let mut work = pin!(work);
    let mut longest = Duration::ZERO;
    loop {
        let tick = Instant::now() + timeout / TICKS;
        let done = tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = sleep_until(tick) => None,
        };
        longest = longest.max(Instant::now().saturating_duration_since(tick));
        if let Some(done) = done {
            return (done, longest);
        }
    }
}

/// Takes the blame for what failed only because the time was over.
pub(super) fn blame(observation: &mut Observation, stall: Duration, timeout: Duration) {
    if stall < (timeout / BLAMED_ONE_IN).max(BLAMED_MIN) {
        return;
    }
    let (stall, timeout_ms) = (stall.as_millis(), timeout.as_millis());
    let mut blamed = false;
    for attempt in observation.attempts.iter_mut().filter(|one| ran_out_of_time(one, timeout)) {
        attempt.failure = Some(Failure::SelfResources);
        attempt.detail =
            Some(format!("this machine let the check rest for {stall} ms of its {timeout_ms} ms"));
        blamed = true;
    }
    if blamed {
        (observation.state, observation.failure) = Observation::judge(&observation.attempts);
    } else if observation.attempts.is_empty()
        && observation.failure.is_some_and(Failure::is_silence)
    {
        (observation.state, observation.failure) =
            (State::Inconclusive, Some(Failure::SelfResources));
    }
}

fn ran_out_of_time(attempt: &Attempt, timeout: Duration) -> bool {
    attempt.failure.is_some_and(|failure| {
        !failure.is_own_fault()
            && (failure == Failure::AssertionLatency
                || attempt.offset + attempt.elapsed >= timeout * 9 / 10)
    })
}
