//! How the server itself does, for pages, API and `/healthz`.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// How the server itself does; all empty when all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Why nothing can be stored at the moment, and what is waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Why the configuration file on disk is not the one in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Observations that were given up while nothing could be stored.
    #[serde(skip_serializing_if = "is_zero")]
    pub observations_lost: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Health {
    /// Is all well?
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.storage.is_none() && self.config.is_none()
    }
}

/// The one place where it is kept.
#[derive(Debug, Default)]
pub(crate) struct HealthBoard(Mutex<Health>);

impl HealthBoard {
    pub(crate) fn get(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
