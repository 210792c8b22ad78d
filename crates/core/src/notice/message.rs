//! A notice in neutral parts: what every channel says in its own format. Wording only; markup,
//! limits and escaping are the channels' business, except that no text here holds control
//! characters or marks that turn the direction of writing.

use jiff::Timestamp;

use super::{NoticeBody, NoticeEvent, second};
use crate::cause::Side;
use crate::diagnosis::Instruction;
use crate::observation::State;
use crate::scope::{Scope, ScopeKind};

/// Evidence in a message.
const EVIDENCE_MAX: usize = 12;
/// Steps of one list.
const STEPS_MAX: usize = 4;
/// Causes named.
const CAUSES_MAX: usize = 3;

/// How bad it is, for colours, priorities and sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong: a test.
    Info,
    /// It works again.
    Fine,
    /// It works in part.
    Warning,
    /// It is down.
    Critical,
}

impl Severity {
    /// The colour, as red, green and blue.
    #[must_use]
    pub const fn colour(self) -> u32 {
        match self {
            Self::Info => 0x0036_6fd6,
            Self::Fine => 0x001f_8a4c,
            Self::Warning => 0x00c7_7700,
            Self::Critical => 0x00c6_2828,
        }
    }

    /// `#c62828`.
    #[must_use]
    pub fn hex(self) -> String {
        format!("#{:06x}", self.colour())
    }

    /// A sign that needs no colours.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Info => "ℹ️",
            Self::Fine => "✅",
            Self::Warning => "⚠️",
            Self::Critical => "🔴",
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do and why.
    pub text: String,
    /// The command to paste.
    pub command: Option<String>,
}

/// What a channel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub event: NoticeEvent,
    /// How bad it is.
    pub severity: Severity,
    /// A subject: what, and what failed.
    pub title: String,
    /// What, where, for whom, why, who fixes it, since when: one paragraph.
    pub headline: String,
    /// The verdict alone: the headline's second half.
    pub summary: String,
    /// Since when and for whom: the headline's first half.
    pub opening: String,
    /// What is to be said besides: why it comes now, what was held back.
    pub notes: Vec<String>,
    /// One line per incident of a group.
    pub members: Vec<String>,
    /// Label and value.
    pub facts: Vec<(&'static str, String)>,
    /// How to make sure.
    pub confirm: Vec<Step>,
    /// How to end it.
    pub fix: Vec<Step>,
    /// What speaks for the verdict.
    pub evidence: Vec<String>,
    /// The incident's page.
    pub link: Option<String>,
    /// The same for every message of one incident.
    pub thread: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Message {
    /// Of a notice.
    #[must_use]
    pub fn of(body: &NoticeBody) -> Self {
        let summary = clean(&body.diagnosis.summary);
        let opening = opening(body);
        let headline =
            if opening.is_empty() { summary.clone() } else { format!("{opening}: {summary}") };
        let goes_on = is_one(body) && body.event != NoticeEvent::Resolved;
        let cause = body.diagnosis.causes.first().filter(|_| goes_on);
        let evidence = body.diagnosis.evidence.iter().filter(|_| goes_on).take(EVIDENCE_MAX);
        Self {
            event: body.event,
            severity: severity(body),
            title: clean(&body.subject()),
            headline,
            summary,
            opening,
            notes: body.notes.iter().map(|note| clean(note)).collect(),
            members: members(body),
            facts: facts(body),
            confirm: cause.map(|cause| steps(&cause.confirm)).unwrap_or_default(),
            fix: cause.map(|cause| steps(&cause.fix)).unwrap_or_default(),
            evidence: evidence
                .map(|fact| clean(&format!("{} ({})", fact.fact, fact.source)))
                .collect(),
            link: body.incident.url.clone(),
            thread: body.incident.id.clone(),
            started_at: body.incident.started_at,
            ended_at: body.incident.resolved_at,
        }
    }

    /// Has the trouble ended?
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.event.is_end()
    }

    /// Is it trouble that somebody can take: an incident, or all of a storm?
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.event, NoticeEvent::Opened | NoticeEvent::Updated | NoticeEvent::Reminded)
    }

    /// Notes and the incidents of a group, a line each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let members = self.members.iter().map(|member| format!("• {member}"));
        self.notes.iter().cloned().chain(members)
    }

    /// For a voice: no addresses to spell, no marks.
    #[must_use]
    pub fn spoken(&self) -> String {
        let text: String = self
            .headline
            .chars()
            .map(|c| if matches!(c, '_' | '/' | '<' | '>' | '|' | '*' | '`') { ' ' } else { c })
            .collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Is it about one incident, and not about several or none?
fn is_one(body: &NoticeBody) -> bool {
    let other = matches!(body.event, NoticeEvent::Digest | NoticeEvent::Test);
    body.group.is_none() && !other && body.event.is_of_incident()
}

/// What a list of incidents says, line by line.
fn members(body: &NoticeBody) -> Vec<String> {
    let Some(group) = &body.group else { return Vec::new() };
    let mut lines: Vec<String> = group.listed.iter().map(|member| clean(&member.line())).collect();
    let more = group.count.saturating_sub(group.listed.len());
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

fn severity(body: &NoticeBody) -> Severity {
    match (body.event, body.diagnosis.state) {
        (NoticeEvent::Test | NoticeEvent::Digest, _) => Severity::Info,
        (NoticeEvent::Undelivered | NoticeEvent::NoData, _) => Severity::Warning,
        (NoticeEvent::Resolved | NoticeEvent::Back, _) => Severity::Fine,
        (_, State::Down) => Severity::Critical,
        (_, State::Up | State::Degraded | State::Inconclusive) => Severity::Warning,
    }
}

/// What, for whom, since when.
fn opening(body: &NoticeBody) -> String {
    if !is_one(body) {
        // A group's verdict begins with its title.
        return String::new();
    }
    let name = isolated(&clean(&body.monitor.name));
    let whom = whom(&body.diagnosis.scope);
    let since = second(body.incident.started_at);
    let state = body.diagnosis.state.name();
    match body.event {
        NoticeEvent::Opened => format!("{name} is {state} {whom} since {since}"),
        NoticeEvent::Updated | NoticeEvent::Reminded => {
            format!("{name} is still {state} {whom} since {since}")
        }
        NoticeEvent::Resolved => match &body.incident.ended_by {
            Some(reason) => format!("{name}: incident closed, {}", clean(reason)),
            None => format!("{name} is up again after {}", body.lasted()),
        },
        NoticeEvent::Digest
        | NoticeEvent::Undelivered
        | NoticeEvent::NoData
        | NoticeEvent::Back
        | NoticeEvent::Test => String::new(),
    }
}

/// For whom it fails.
fn whom(scope: &Scope) -> String {
    let Scope { failing, reporting, places, .. } = scope;
    match scope.kind {
        ScopeKind::Global => format!("for everyone ({failing} of {reporting} locations)"),
        ScopeKind::Regional => format!("in a region ({failing} of {reporting} locations)"),
        ScopeKind::Network => format!("from one network ({failing} of {reporting} locations)"),
        ScopeKind::Local => match places.failing.first() {
            Some(place) if *reporting > 1 => format!("from {} only", clean(place)),
            Some(place) => format!("as seen from {}", clean(place)),
            None => "from one location".to_owned(),
        },
        ScopeKind::Family => "over one IP family".to_owned(),
        ScopeKind::Address => "at some addresses".to_owned(),
        ScopeKind::Flapping => "off and on".to_owned(),
        ScopeKind::Inconclusive => "for whom is not known".to_owned(),
    }
}

fn facts(body: &NoticeBody) -> Vec<(&'static str, String)> {
    if !is_one(body) {
        return Vec::new();
    }
    let diagnosis = &body.diagnosis;
    let mut facts =
        vec![("Target", clean(&body.monitor.target)), ("Since", second(body.incident.started_at))];
    if let Some(at) = body.incident.resolved_at {
        facts.push(("Until", format!("{} ({})", second(at), body.lasted())));
    }
    if let Some(failure) = diagnosis.failure {
        let stage = diagnosis.stage.map_or("unknown", crate::failure::Stage::name);
        facts.push(("Failure", format!("{failure} at stage {stage}")));
    }
    let scope = &diagnosis.scope;
    facts.push(("Seen by", format!("{} of {} locations", scope.failing, scope.reporting)));
    if body.event == NoticeEvent::Resolved {
        return facts;
    }
    for (i, cause) in diagnosis.causes.iter().take(CAUSES_MAX).enumerate() {
        let label = if i == 0 { "Cause" } else { "or" };
        facts.push((label, format!("{} ({:.0} %)", cause.code, cause.confidence * 100.0)));
    }
    if let Some(cause) = diagnosis.causes.first() {
        facts.push(("Who fixes it", fixer(cause.side).to_owned()));
    }
    facts
}

fn fixer(side: Side) -> &'static str {
    match side {
        Side::Owner => "the owner of the site or service",
        Side::Visitor => "the visitor's own side",
        Side::Network => "the network in between",
        Side::Unknown => "not decided",
    }
}

fn steps(instructions: &[Instruction]) -> Vec<Step> {
    let step = |instruction: &Instruction| Step {
        text: clean(&instruction.text),
        command: instruction.command.as_deref().map(clean),
    };
    instructions.iter().take(STEPS_MAX).map(step).collect()
}

/// On one line, without control characters and without marks that change the direction of what
/// follows (Unicode TR 9 §2): names and answers come from elsewhere.
#[must_use]
pub fn clean(text: &str) -> String {
    let turns = |c: char| {
        matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
    };
    let text: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !turns(*c)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text with right-to-left letters between isolates, so that it cannot reorder its neighbours.
fn isolated(text: &str) -> String {
    let blocks = ['\u{0590}'..='\u{08ff}', '\u{fb1d}'..='\u{fdff}', '\u{fe70}'..='\u{fefc}'];
    let is_right_to_left = |c: char| blocks.iter().any(|block| block.contains(&c));
    if text.chars().any(is_right_to_left) {
        format!("\u{2068}{text}\u{2069}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, isolated};

    #[test]
    fn hostile_names_are_one_line_and_turn_nothing() {
        assert_eq!(clean("a\r\nb\u{202e}c\u{0}d\t e"), "a bc d e");
        assert_eq!(isolated("shop"), "shop");
        assert_eq!(isolated("שלום"), "\u{2068}שלום\u{2069}");
    }
}
