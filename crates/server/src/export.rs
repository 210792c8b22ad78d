//! An incident as Markdown, for tickets and post-mortems. What came over the network is escaped:
//! nothing in it becomes a link, a heading or HTML.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use whydown_core::incident::{Incident, rounded};
use whydown_core::units::show;

use crate::store::{Delivery, DeliveryState};

/// One line of the time line.
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) text: String,
}

/// Everything that happened, notices included, oldest first.
pub(crate) fn time_line(incident: &Incident, notices: &[Delivery]) -> Vec<Line> {
    let moments = incident.timeline.iter();
    let moments = moments.map(|moment| Line { at: moment.at, text: moment.text.clone() });
    let mut all: Vec<Line> = moments.chain(notices.iter().map(notice_line)).collect();
    all.sort_by_key(|line| line.at);
    all
}

pub(crate) fn notice_line(delivery: &Delivery) -> Line {
    let event = delivery.event.rsplit('.').next().unwrap_or_default();
    let error = delivery.last_error.as_deref().unwrap_or("no answer yet");
    let times = match delivery.attempts {
        0 | 1 => String::new(),
        times => format!(" after {times} attempts"),
    };
    let what = match delivery.state {
        DeliveryState::Delivered => format!("delivered{times}"),
        DeliveryState::Dead => format!("given up{times}: {error}"),
        DeliveryState::Folded => "told with the end".to_owned(),
        DeliveryState::Waiting if delivery.attempts > 0 => format!("failing{times}: {error}"),
        DeliveryState::Waiting => "being sent".to_owned(),
    };
    let at = delivery.done_at.unwrap_or(delivery.created_at);
    Line { at, text: format!("{} ({event}): {what}", delivery.channel) }
}

/// The incident as a document.
pub(crate) fn markdown(
    incident: &Incident,
    notices: &[Delivery],
    base_url: Option<&str>,
    now: Timestamp,
) -> String {
    let diagnosis = &incident.diagnosis;
    let mut text = format!("# {}: {}\n\n", escaped(&incident.monitor), escaped(&diagnosis.summary));
    for (name, value) in facts(incident, base_url, now) {
        let _ = writeln!(text, "- **{name}**: {}", escaped(&value));
    }
    if !diagnosis.causes.is_empty() {
        text += "\n## Why\n\n| cause | certainty | who fixes it |\n|---|---|---|\n";
    }
    for cause in &diagnosis.causes {
        let percent = cause.confidence * 100.0;
        let _ = writeln!(text, "| `{}` | {percent:.0} % | {} |", cause.code, cause.side);
    }
    text += "\n## Time line\n\n";
    for line in time_line(incident, notices) {
        let _ = writeln!(text, "- `{}` {}", second(line.at), escaped(&line.text));
    }
    if !diagnosis.evidence.is_empty() {
        text += "\n## Evidence\n\n";
    }
    for fact in &diagnosis.evidence {
        let _ = writeln!(text, "- {} ({})", escaped(&fact.fact), escaped(&fact.source));
    }
    text
}

fn facts(
    incident: &Incident,
    base_url: Option<&str>,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let diagnosis = &incident.diagnosis;
    let mut facts = vec![("Target", diagnosis.target.url.clone())];
    if let Some(failure) = diagnosis.failure {
        let stage = diagnosis.stage.map_or("unknown", whydown_core::failure::Stage::name);
        facts.push(("Failure", format!("{failure} at stage {stage}")));
    }
    let scope = &diagnosis.scope;
    facts.push(("Seen by", format!("{} of {} locations", scope.failing, scope.reporting)));
    facts.push(("First failing check", second(incident.started_at)));
    let confirmed = since(incident.started_at, incident.opened_at);
    facts.push(("Confirmed", format!("{} (after {confirmed})", second(incident.opened_at))));
    if let Some(taken) = &incident.acknowledged {
        let after = since(incident.opened_at, taken.at);
        let text = format!("{} by {} (after {after})", second(taken.at), taken.by);
        facts.push(("Acknowledged", text));
    }
    match (incident.resolved_at, &incident.ended_by) {
        (Some(at), Some(why)) => facts.push(("Closed", format!("{}, {why}", second(at)))),
        (Some(at), None) => facts.push(("Fine again", second(at))),
        (None, _) => facts.push(("State", "not over".to_owned())),
    }
    facts.push(("Lasted", show(rounded(incident.duration(now)))));
    if incident.flapping {
        facts.push(("Flapping", format!("fine {} times in between", incident.flaps)));
    }
    let page = |base: &str| format!("{}/incidents/{}", base.trim_end_matches('/'), incident.id);
    facts.extend(base_url.map(|base| ("Page", page(base))));
    facts
}

fn since(from: Timestamp, to: Timestamp) -> String {
    show(rounded(Duration::try_from(to.duration_since(from)).unwrap_or_default()))
}

fn second(at: Timestamp) -> String {
    format!("{at:.0}").replace('T', " ").replace('Z', " UTC")
}

/// Text that stays text in Markdown, on one line.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_that_came_over_the_network_becomes_markup() {
        assert_eq!(escaped("<b>[x](y)</b>\n# z | `q`"), r"\<b\>\[x\](y)\</b\> \# z \| \`q\`");
    }
}
