//! The dial-out link that probes and host agents share: enrolment with a one-time token, a long
//! answer with orders, reports posted back. Nothing listens here; it works behind NAT and forward
//! proxies.
//!
//! [`Client`] speaks it, [`Identity`] remembers who we are; [`run()`] is a whole probe.

mod client;
mod clock;
mod dial;
mod identity;
mod keep;
mod orders;
mod run;

pub use client::{Client, Lines};
pub use clock::ServerClock;
pub use dial::{Pin, Server};
pub use identity::{Identity, Token, enrol};
pub use run::{Settings, run, run_with};

use std::time::Duration;

/// The first pause after a failed attempt to reach the server.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Why the server could not be talked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The server understands and says no; trying again changes nothing.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The address, token or identity can't be used.
    #[error("{0}")]
    Unusable(String),
    /// Perhaps later.
    #[error("{0}")]
    Passing(String),
}

impl LinkError {
    /// Does trying again make sense?
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Passing(_))
    }
}

/// Pauses between attempts: doubled each time, with chance, so that thousands of probes do not
/// come back in one moment.
#[derive(Debug, Default)]
pub struct Pauses(u32);

impl Pauses {
    /// The next one.
    pub fn next_pause(&mut self) -> Duration {
        let pause = PAUSE_MIN * 2_u32.saturating_pow(self.0.min(16));
        self.0 = self.0.saturating_add(1);
        let mut random = [0_u8; 1];
        // Without chance the pause is only less spread.
        let _ = getrandom::fill(&mut random);
        pause.min(PAUSE_MAX).mul_f64(0.5 + f64::from(random[0]) / 512.0)
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}
