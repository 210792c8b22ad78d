//! What is learnt after somebody was told.

use jiff::Timestamp;

use super::{Effect, MomentKind, Policy, Standing, set_state};
use crate::diagnosis::Diagnosis;
use crate::observation::State;

/// Another scope than was told is told: the first time at once, then as seldom as other updates.
/// Mere numbers are only shown. When places that failed are fine by now it is recovering, and its
/// scope stays what it was.
pub(super) fn correct(
    policy: &Policy,
    standing: &mut Standing,
    diagnosis: &Diagnosis,
    now: Timestamp,
) -> Vec<Effect> {
    let Some(incident) = &mut standing.incident else { return Vec::new() };
    let (known, scope) = (&incident.diagnosis.scope, &diagnosis.scope);
    let recovering = known.places.failing.iter().any(|name| !scope.places.failing.contains(name));
    let told = matches!(diagnosis.state, State::Down | State::Degraded);
    if recovering || !told || known.places == scope.places {
        return Vec::new();
    }
    let quiet_since = incident.told_at.checked_add(policy.update_gap).unwrap_or(Timestamp::MAX);
    let tell = known.kind != scope.kind && (incident.sequence == 1 || now >= quiet_since);
    if !tell {
        incident.diagnosis.widen(scope);
        return vec![Effect::Noted(Box::new(incident.clone()))];
    }
    incident.sequence += 1;
    incident.told_at = now;
    incident.diagnosis = diagnosis.clone();
    incident.note(now, MomentKind::Changed, diagnosis.summary.clone());
    let incident = Box::new(incident.clone());
    set_state(standing, diagnosis.state, now);
    vec![Effect::Updated(incident)]
}
