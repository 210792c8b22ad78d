//! What people do with an incident: take it, comment on it, stop watching its monitor.

use jiff::Timestamp;

use super::ending::end;
use super::{Acknowledgement, Effect, MomentKind, Phase, Standing};

pub(super) fn acknowledge(standing: &mut Standing, by: &str, now: Timestamp) -> Vec<Effect> {
    let Some(incident) = &mut standing.incident else { return Vec::new() };
    if incident.phase != Phase::Open {
        return Vec::new();
    }
    incident.phase = Phase::Acknowledged;
    incident.acknowledged = Some(Acknowledgement { at: now, by: by.to_owned() });
    incident.note(now, MomentKind::Acknowledged, format!("acknowledged by {by}"));
    vec![Effect::Acknowledged(Box::new(incident.clone()))]
}

pub(super) fn comment(
    standing: &mut Standing,
    by: &str,
    text: &str,
    now: Timestamp,
) -> Vec<Effect> {
    let Some(incident) = &mut standing.incident else { return Vec::new() };
    incident.comment(by, text, now);
    vec![Effect::Noted(Box::new(incident.clone()))]
}

pub(super) fn retire(standing: &mut Standing, reason: &str, now: Timestamp) -> Vec<Effect> {
    let incident = standing.incident.take();
    *standing = Standing { recent: std::mem::take(&mut standing.recent), ..Standing::default() };
    let Some(mut incident) = incident else { return Vec::new() };
    end(&mut incident, now, now);
    incident.ended_by = Some(format!("the monitor was {reason}"));
    incident.note(now, MomentKind::Resolved, format!("the monitor was {reason}"));
    vec![Effect::Resolved(Box::new(incident))]
}
