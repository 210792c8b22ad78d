//! What is said about an incident, to which channel, and the key by which a receiver recognises
//! a repetition. Wording only: delivery is the outbox's business.

mod absence;
pub mod message;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::diagnosis::Diagnosis;
use crate::failure::Failure;
use crate::incident::{Incident, Phase, rounded};
use crate::observation::State;
use crate::units::{ms, show};
pub use absence::Absent;
pub(crate) use absence::absence_body;

/// The schema of [`NoticeBody`].
pub const SCHEMA: &str = "whydown.notice/1";
/// Most incidents that one message lists.
pub const LISTED_MAX: usize = 20;

/// One message about an incident to one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The same for every delivery attempt of this message, and for no other message.
    pub key: String,
    /// The channel's name.
    pub channel: String,
    /// What is said.
    pub body: NoticeBody,
}

/// What is said; the webhook's body is this object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeBody {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What happened.
    pub event: NoticeEvent,
    /// The incident, without its diagnosis.
    pub incident: IncidentBrief,
    /// The monitor, without request secrets.
    pub monitor: MonitorBrief,
    /// The verdict; of a group, that of its first member with a summary of all.
    pub diagnosis: Diagnosis,
    /// What is to be said besides: why it comes now, what was held back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Several incidents in one message: a storm, or a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Locations that have no probe, when that is what it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Absent>,
    /// The channel that could not be reached, when this is sent in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

/// Several incidents in one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// All of it in one line: `4,997 monitors of h1.example.com are down`.
    pub title: String,
    /// Incidents in it so far.
    pub count: usize,
    /// Those of them that have not ended.
    pub open: usize,
    /// The first of those that came in or ended since the last message, at most [`LISTED_MAX`].
    pub listed: Vec<Member>,
}

/// One incident of a [`Group`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub incident: String,
    /// The monitor's name.
    pub monitor: String,
    /// What the monitor was or is.
    pub state: State,
    /// What fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Start of the first failing check.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
}

impl Member {
    /// What a list says of an incident.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        Self {
            incident: incident.id.clone(),
            monitor: incident.monitor.clone(),
            state: incident.diagnosis.state,
            failure: incident.diagnosis.failure,
            started_at: incident.started_at,
            resolved_at: incident.resolved_at,
        }
    }

    fn line(&self) -> String {
        let failure = self.failure.map_or("failing", |failure| failure.code());
        let since = second(self.started_at);
        match self.resolved_at {
            Some(at) => format!("{}: {failure} from {since} to {}", self.monitor, second(at)),
            None => format!("{}: {failure} since {since}", self.monitor),
        }
    }
}

/// What happened to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoticeEvent {
    /// It was confirmed.
    #[serde(rename = "incident.opened")]
    Opened,
    /// Its verdict changed.
    #[serde(rename = "incident.updated")]
    Updated,
    /// It goes on and nobody has taken it: said again.
    #[serde(rename = "incident.reminded")]
    Reminded,
    /// It ended.
    #[serde(rename = "incident.resolved")]
    Resolved,
    /// What was collected for an hour or a day.
    #[serde(rename = "digest")]
    Digest,
    /// Another channel could not be reached.
    #[serde(rename = "undelivered")]
    Undelivered,
    /// Nobody checks from a location.
    #[serde(rename = "location.no_data")]
    NoData,
    /// Somebody does again.
    #[serde(rename = "location.back")]
    Back,
    /// Nothing: somebody tries the channel out.
    #[serde(rename = "test")]
    Test,
}

impl NoticeEvent {
    /// The word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "incident.opened",
            Self::Updated => "incident.updated",
            Self::Reminded => "incident.reminded",
            Self::Resolved => "incident.resolved",
            Self::Digest => "digest",
            Self::Undelivered => "undelivered",
            Self::NoData => "location.no_data",
            Self::Back => "location.back",
            Self::Test => "test",
        }
    }

    /// Does it tell the end of what another message told the beginning of?
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Resolved | Self::Back)
    }

    /// Is it about one incident, or a group of them, and not about the server's own means?
    #[must_use]
    pub const fn is_of_incident(self) -> bool {
        !matches!(self, Self::Undelivered | Self::NoData | Self::Back)
    }
}

/// An incident in a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentBrief {
    /// Its id in the API and in the pages' address.
    pub id: String,
    /// Where in its course it is.
    pub phase: Phase,
    /// Start of the first failing check.
    pub started_at: Timestamp,
    /// When it was confirmed.
    pub opened_at: Timestamp,
    /// Start of the first fine check after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Why it ended, when not by recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// How long it has lasted.
    #[serde(rename = "duration_ms", with = "ms")]
    pub duration: std::time::Duration,
    /// It comes and goes.
    pub flapping: bool,
    /// The page to look at, when the server knows its own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A monitor in a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorBrief {
    /// Its name.
    pub name: String,
    /// Its target.
    pub target: String,
}

/// What is said of an incident. `base_url` is the address of the server's pages.
#[must_use]
pub fn body(
    event: NoticeEvent,
    incident: &Incident,
    base_url: Option<&str>,
    now: Timestamp,
) -> NoticeBody {
    NoticeBody {
        schema: SCHEMA.to_owned(),
        event,
        incident: brief(incident, base_url, now),
        monitor: MonitorBrief {
            name: incident.monitor.clone(),
            target: incident.diagnosis.target.url.clone(),
        },
        diagnosis: Diagnosis::clone(&incident.diagnosis),
        notes: Vec::new(),
        group: None,
        locations: Vec::new(),
        instead_of: None,
    }
}

impl Notice {
    /// The same over another channel, as this one's can't be reached.
    #[must_use]
    pub fn over(&self, channel: &str, error: &str) -> Self {
        let mut body = self.body.clone();
        body.notes.push(format!("Sent here as {} could not be reached: {error}", self.channel));
        body.instead_of = Some(self.channel.clone());
        Self { key: format!("{}~{channel}", self.key), channel: channel.to_owned(), body }
    }

    /// Tells over another channel that this one's can't be reached: once an hour.
    #[must_use]
    pub fn undelivered(&self, channel: &str, error: &str, now: Timestamp) -> Self {
        let id = format!("undelivered-{}-{}", self.channel, now.as_second().div_euclid(3_600));
        let mut body = self.body.clone();
        body.event = NoticeEvent::Undelivered;
        body.group = None;
        body.locations = Vec::new();
        body.incident.id.clone_from(&id);
        body.monitor.name = format!("channel {}", self.channel);
        body.diagnosis.summary = format!("messages could not be delivered: {error}");
        body.notes = vec![
            format!("Not delivered: {}", self.body.subject()),
            "More of this channel within the hour are not told; the pages list them.".to_owned(),
        ];
        Self { key: format!("{id}.1.{channel}"), channel: channel.to_owned(), body }
    }
}

fn brief(incident: &Incident, base_url: Option<&str>, now: Timestamp) -> IncidentBrief {
    IncidentBrief {
        id: incident.id.clone(),
        phase: incident.phase,
        started_at: incident.started_at,
        opened_at: incident.opened_at,
        resolved_at: incident.resolved_at,
        ended_by: incident.ended_by.clone(),
        duration: incident.duration(now),
        flapping: incident.flapping,
        url: base_url
            .map(|base| format!("{}/incidents/{}", base.trim_end_matches('/'), incident.id)),
    }
}

impl NoticeBody {
    /// One line: a mail's subject, a chat message's first line.
    #[must_use]
    pub fn subject(&self) -> String {
        if let Some(group) = &self.group {
            return group.title.clone();
        }
        let name = &self.monitor.name;
        let state = self.diagnosis.state.name();
        match self.event {
            NoticeEvent::Opened => {
                let failure = self.diagnosis.failure.map_or("failing", |failure| failure.code());
                let again = if self.incident.flapping { " (flapping)" } else { "" };
                format!("{name} is {state}: {failure}{again}")
            }
            NoticeEvent::Updated => {
                let failure = self.diagnosis.failure.map_or("failing", |failure| failure.code());
                format!("{name} is still {state}: now {failure}")
            }
            NoticeEvent::Reminded => {
                let failure = self.diagnosis.failure.map_or("failing", |failure| failure.code());
                format!("{name} is still {state} after {}: {failure}", self.lasted())
            }
            NoticeEvent::Resolved => match &self.incident.ended_by {
                Some(reason) => format!("{name}: incident closed, {reason}"),
                None => format!("{name} is up again after {}", self.lasted()),
            },
            NoticeEvent::Digest | NoticeEvent::Undelivered => {
                format!("{name}: {}", self.diagnosis.summary)
            }
            NoticeEvent::NoData | NoticeEvent::Back => self.diagnosis.summary.clone(),
            NoticeEvent::Test => format!("{name}: test message"),
        }
    }

    /// How long the incident has lasted, for people.
    #[must_use]
    pub fn lasted(&self) -> String {
        show(rounded(self.incident.duration))
    }

    /// The whole message as plain text, at most 78 columns where the facts allow.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![message::Message::of(self).headline, String::new()];
        if self.event == NoticeEvent::Test {
            return lines.join("\n");
        }
        if !self.notes.is_empty() {
            lines.extend(self.notes.iter().cloned());
            lines.push(String::new());
        }
        if let Some(group) = &self.group {
            lines.extend(group.listed.iter().map(|member| format!("  {}", member.line())));
            let more = group.count.saturating_sub(group.listed.len());
            if more > 0 {
                lines.push(format!("  … and {more} more"));
            }
            lines.extend(self.incident.url.iter().flat_map(|url| [String::new(), url.clone()]));
            return lines.join("\n") + "\n";
        }
        if !self.event.is_of_incident() {
            lines.extend(self.incident.url.clone());
            return lines.join("\n") + "\n";
        }
        lines.push(format!("Target    {}", self.monitor.target));
        lines.push(format!("Since     {}", second(self.incident.started_at)));
        if let Some(at) = self.incident.resolved_at {
            lines.push(format!("Until     {} ({})", second(at), self.lasted()));
        }
        self.verdict_lines(&mut lines);
        if self.event != NoticeEvent::Resolved {
            self.cause_lines(&mut lines);
            self.evidence_lines(&mut lines);
        }
        if let Some(url) = &self.incident.url {
            lines.push(String::new());
            lines.push(url.clone());
        }
        lines.join("\n") + "\n"
    }

    fn verdict_lines(&self, lines: &mut Vec<String>) {
        let diagnosis = &self.diagnosis;
        if let Some(failure) = diagnosis.failure {
            let stage = diagnosis.stage.map_or("unknown", crate::failure::Stage::name);
            lines.push(format!("Failure   {failure} at stage {stage}"));
        }
        let scope = &diagnosis.scope;
        lines.push(format!("Seen by   {} of {} locations", scope.failing, scope.reporting));
    }

    fn cause_lines(&self, lines: &mut Vec<String>) {
        for (i, cause) in self.diagnosis.causes.iter().take(3).enumerate() {
            if i == 0 {
                lines.push(String::new());
            }
            lines.push(format!(
                "{} {:.0} %: {} (to be fixed by: {})",
                if i == 0 { "Cause" } else { "or   " },
                cause.confidence * 100.0,
                cause.code,
                cause.side
            ));
        }
        let Some(cause) = self.diagnosis.causes.first() else { return };
        for (title, list) in [("To make sure", &cause.confirm), ("To fix it", &cause.fix)] {
            if list.is_empty() {
                continue;
            }
            lines.push(String::new());
            lines.push(format!("{title}:"));
            for (i, instruction) in list.iter().take(4).enumerate() {
                lines.push(format!("  {}. {}", i + 1, instruction.text));
                if let Some(command) = &instruction.command {
                    lines.push(format!("     {command}"));
                }
            }
        }
    }

    fn evidence_lines(&self, lines: &mut Vec<String>) {
        if self.diagnosis.evidence.is_empty() {
            return;
        }
        lines.push(String::new());
        lines.push("Evidence:".to_owned());
        for fact in self.diagnosis.evidence.iter().take(12) {
            lines.push(format!("  {} ({})", fact.fact, fact.source));
        }
    }
}

/// To the second: what a person compares with their own clock.
fn second(at: Timestamp) -> String {
    format!("{at:.0}").replace('T', " ").replace('Z', " (UTC)")
}
