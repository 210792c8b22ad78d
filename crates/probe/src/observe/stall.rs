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
const BLAMED_ONE_IN: u32 = 2;
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

/// Did it fail because its time was over? Whoever was answered was not kept from looking.
fn ran_out_of_time(attempt: &Attempt, timeout: Duration) -> bool {
    let used_up = attempt.offset + attempt.elapsed >= timeout * 9 / 10;
    attempt.failure.is_some_and(|failure| match failure {
        Failure::AssertionLatency => true,
        // A service that should speak first.
        Failure::BannerUnexpected => used_up && attempt.banner.is_none(),
        failure => used_up && failure.is_silence(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(4);
    const STALL: Duration = Duration::from_secs(2);

    /// What becomes of an attempt of so many milliseconds that failed, after such a stretch.
    fn blamed(failure: Failure, elapsed_ms: u64, stall: Duration) -> (State, Option<Failure>) {
        let mut attempt = Attempt::new([192, 0, 2, 1].into(), 80, Duration::ZERO);
        attempt.failure = Some(failure);
        attempt.elapsed = Duration::from_millis(elapsed_ms);
        let mut observation = Observation {
            at: Timestamp::UNIX_EPOCH,
            elapsed: attempt.elapsed,
            state: State::Down,
            failure: Some(failure),
            lookup: None,
            proxy: None,
            attempts: vec![attempt],
        };
        blame(&mut observation, stall, TIMEOUT);
        (observation.state, observation.failure)
    }

    #[test]
    fn only_time_that_ran_out_is_blamed_on_this_machine() {
        let own = (State::Inconclusive, Some(Failure::SelfResources));
        let down = |failure| (State::Down, Some(failure));
        for failure in [Failure::HttpTimedOut, Failure::TcpTimedOut, Failure::BannerUnexpected] {
            assert_eq!(blamed(failure, 4_001, STALL), own, "{failure}");
            assert_eq!(blamed(failure, 4_001, STALL / 2), down(failure), "{failure}, a short one");
            assert_eq!(blamed(failure, 2_000, STALL), down(failure), "{failure}, in time");
        }
        assert_eq!(blamed(Failure::AssertionLatency, 1_500, STALL), own);
        for failure in [Failure::HttpStatus, Failure::TcpRefused, Failure::HttpEmptyReply] {
            assert_eq!(blamed(failure, 5_589, STALL), down(failure), "{failure} is an answer");
        }
    }
}
