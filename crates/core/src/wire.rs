//! What a probe tells the server.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;

/// One scheduled check with its repeats and the evidence collected around a failure.
/// `evidence.observations` is never empty; of a check that was fine it is all there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The monitor's name.
    pub monitor: String,
    /// The location's name.
    pub location: String,
    /// What was seen.
    pub evidence: Evidence,
}
