//! From evidence to a verdict.

use crate::diagnosis::Diagnosis;
use crate::evidence::Evidence;
use crate::target::Target;

/// The verdict on `target` that the evidence supports.
#[must_use]
pub fn diagnose(target: &Target, evidence: &Evidence) -> Diagnosis {
    let scope = crate::scope::correlate(&[]);
    let last = evidence.observations.last();
    Diagnosis {
        schema: crate::diagnosis::SCHEMA.to_owned(),
        target: target.into(),
        state: last.map_or(crate::observation::State::Inconclusive, |o| o.state),
        failure: last.and_then(|o| o.failure),
        stage: last.and_then(|o| o.failure).map(crate::failure::Failure::stage),
        scope: evidence.scope.clone().unwrap_or(scope),
        summary: String::new(),
        causes: Vec::new(),
        path: Vec::new(),
        addresses: Vec::new(),
        seen_as: None,
        evidence: Vec::new(),
        elapsed: last.map(|o| o.elapsed).unwrap_or_default(),
    }
}
