//! Waiting for something to become true, with a deadline: the only place of the lab that sleeps.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::fail::fail;

/// The first pause between two looks; doubled until [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Short enough that no test waits noticeably longer than it has to.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Polls `look` until it returns `Some`; ends the test with `what` when `deadline` has passed.
///
/// ```
/// # use std::time::Duration;
/// let mut looks = 0;
/// let seen = whydown_lab::until(Duration::from_secs(1), "the third look", || {
///     looks += 1;
///     (looks == 3).then_some(looks)
/// });
/// assert_eq!(seen, 3);
/// ```
#[track_caller]
pub fn until<T>(deadline: Duration, what: impl Display, look: impl FnMut() -> Option<T>) -> T {
    match try_until(deadline, look) {
        Some(value) => value,
        None => fail(format_args!("waited {deadline:?} in vain for {what}")),
    }
}

/// Like [`until`], but `None` when the deadline has passed.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that may wait: it polls with a deadline"
)]
pub fn try_until<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if start.elapsed() >= deadline {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
