//! When an incident is over, and what it was then.

use std::sync::Arc;

use jiff::Timestamp;

use super::places::{Quorum, Tally, lacks_witness};
use super::{Effect, Incident, MomentKind, Phase, Policy, Standing, rounded, set_state};
use crate::observation::State;

/// Too few places fail to go on. When all who saw it fail have fallen silent the others can't say
/// that it is over: they may never have seen it.
pub(super) fn is_over(
    policy: &Policy,
    standing: &Standing,
    incident: &Incident,
    now: Timestamp,
) -> bool {
    let tally = Tally::of(standing, &Quorum::default());
    tally.is_over(policy.alert_when, standing.places.len())
        && !lacks_witness(standing, incident, now)
}

pub(super) fn recover(
    policy: &Policy,
    standing: &mut Standing,
    (mut incident, just): (Incident, bool),
    now: Timestamp,
) -> Vec<Effect> {
    // The end is when the last location that had failed was fine again.
    let fine_since = standing
        .places
        .values()
        .filter(|place| place.failure.is_none() && place.streak_since >= incident.started_at)
        .map(|place| place.streak_since)
        .max()
        .unwrap_or(now);
    let calm_at = fine_since.checked_add(policy.calm).unwrap_or(Timestamp::MAX);
    if incident.flapping && now < calm_at {
        if just {
            incident.flaps = incident.flaps.saturating_add(1);
            incident.note(fine_since, MomentKind::Fine, "fine for a moment");
        }
        standing.incident = Some(incident);
        return Vec::new();
    }
    end(&mut incident, fine_since, now);
    standing.places.values_mut().for_each(|place| place.held = None);
    let lasted = crate::units::show(rounded(incident.duration(now)));
    incident.note(fine_since, MomentKind::Resolved, format!("fine again after {lasted}"));
    set_state(standing, State::Up, fine_since);
    vec![Effect::Resolved(Box::new(incident))]
}

pub(super) fn end(incident: &mut Incident, at: Timestamp, now: Timestamp) {
    incident.phase = Phase::Resolved;
    if let Some(peak) = incident.peak.take() {
        Arc::make_mut(&mut incident.diagnosis).widen(&peak);
    }
    incident.resolved_at = Some(at);
    incident.sequence += 1;
    incident.told_at = now;
}
