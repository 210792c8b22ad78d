//! When a failed delivery is tried again, and when it is given up. Pure but for the jitter, which
//! is handed in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::notify::DeliveryError;

/// Waits between the attempts of a notice that the receiver itself turned down: it may be
/// repaired within the hour.
const REFUSED_DELAYS: [Duration; 4] = [
    Duration::from_secs(30),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_mins(40),
];
/// The longest wait that a receiver may ask for (`Retry-After`).
const ASKED_MAX: Duration = Duration::from_hours(1);

/// When to try again.
#[derive(Clone)]
pub struct Schedule {
    /// Before the second attempt.
    pub first: Duration,
    /// Between two attempts at most.
    pub longest: Duration,
    /// A notice older than this is given up.
    pub give_up_after: Duration,
    /// So many attempts are made at most.
    pub attempts_max: u32,
    /// How long a claimed row is ours. Longer than any attempt takes.
    pub lease: Duration,
    /// A number from 0 to 1, another one each time.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(10),
            give_up_after: Duration::from_hours(24),
            attempts_max: 200,
            lease: Duration::from_mins(1),
            jitter: Arc::new(random),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("first", &self.first).finish_non_exhaustive()
    }
}

impl Schedule {
    /// How long to wait after `failed` earlier attempts and this one; `None`: give up.
    #[must_use]
    pub fn next(&self, failed: u32, age: Duration, error: &DeliveryError) -> Option<Duration> {
        if age >= self.give_up_after || failed.saturating_add(1) >= self.attempts_max {
            return None;
        }
        if !error.retry {
            let index = usize::try_from(failed).unwrap_or(usize::MAX);
            return REFUSED_DELAYS.get(index).copied();
        }
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failed).unwrap_or(u32::MAX));
        let delay = doubled.min(self.longest);
        // From half to one and a half times, so that many that failed together spread out.
        let delay = delay.mul_f64(0.5 + (self.jitter)().clamp(0.0, 1.0));
        Some(delay.max(error.after.unwrap_or_default().min(ASKED_MAX)))
    }
}

/// Without randomness of the system's there is just no jitter.
fn random() -> f64 {
    let number = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(number) / f64::from(u32::MAX)
}
