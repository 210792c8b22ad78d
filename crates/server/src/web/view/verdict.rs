//! A diagnosis as a page shows it: the sentence, the drawn path, causes with what to do, what
//! visitors see, and the evidence.

use whydown_core::advice;
use whydown_core::cause::{Cause, Side};
use whydown_core::client::SeenAs;
use whydown_core::diagnosis::{Diagnosis, Fact, PathStage, RankedCause, StageState};
use whydown_core::failure::{Failure, Stage};
use whydown_core::scope::{Scope, ScopeKind};

use super::state::Shown;
use super::steps::{Place, places};
use super::time::latency;

/// Causes shown.
const CAUSES_MAX: usize = 8;
/// Facts shown.
const FACTS_MAX: usize = 100;
/// Addresses shown.
const ADDRESSES_MAX: usize = 64;

/// A diagnosis, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) state: Shown,
    pub(crate) target: String,
    pub(crate) sentence: String,
    pub(crate) failure: Option<Named>,
    pub(crate) stage: Option<&'static str>,
    pub(crate) scope: String,
    pub(crate) side: Side,
    pub(crate) path: Vec<Node>,
    pub(crate) causes: Vec<CauseView>,
    pub(crate) addresses: Vec<AddressRow>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) evidence: Vec<Fact>,
    pub(crate) took: String,
}

/// A code with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) code: &'static str,
    pub(crate) title: String,
    pub(crate) text: &'static str,
}

/// One stage of the drawn path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) stage: Stage,
    pub(crate) title: &'static str,
    pub(crate) state: &'static str,
    pub(crate) said: &'static str,
    pub(crate) mark: Option<&'static str>,
    pub(crate) took: Option<String>,
}

/// A cause with what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct CauseView {
    pub(crate) number: usize,
    pub(crate) name: Named,
    pub(crate) side: Side,
    pub(crate) percent: u32,
    pub(crate) because: Vec<Because>,
    pub(crate) confirm: Vec<Place>,
    pub(crate) fix: Vec<Place>,
}

/// A fact that speaks for a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Because {
    pub(crate) id: String,
    pub(crate) fact: String,
}

/// How one address did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressRow {
    pub(crate) ip: String,
    pub(crate) failure: Option<Named>,
    pub(crate) took: String,
}

/// What one client shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) client: &'static str,
    pub(crate) code: String,
    pub(crate) message: Option<String>,
}

impl Verdict {
    /// Whose turn it is, in words.
    pub(crate) fn who(&self) -> &'static str {
        who(self.side)
    }

    /// The verdict's first sentence, for the heading.
    pub(crate) fn heading(&self) -> &str {
        first_sentence(&self.sentence).0
    }

    /// What follows it.
    pub(crate) fn rest(&self) -> Option<&str> {
        first_sentence(&self.sentence).1
    }
}

/// The first sentence, and what follows it.
pub(crate) fn first_sentence(text: &str) -> (&str, Option<&str>) {
    let ends = |end: &usize| text[end + 2..].starts_with(char::is_uppercase);
    match text.find(". ").filter(ends) {
        Some(end) => (&text[..=end], Some(&text[end + 2..])),
        None => (text, None),
    }
}

impl CauseView {
    /// Whose turn it is, in words.
    pub(crate) fn who(&self) -> &'static str {
        who(self.side)
    }
}

/// Whose turn it is, in words.
pub(crate) const fn who(side: Side) -> &'static str {
    match side {
        Side::Owner => "The owner of the service",
        Side::Visitor => "The visitor",
        Side::Network => "Whoever runs the network",
        Side::Unknown => "Not decided yet",
    }
}

/// Makes a diagnosis ready to be shown.
pub(crate) fn verdict(diagnosis: &Diagnosis) -> Verdict {
    let causes = diagnosis.causes.iter().take(CAUSES_MAX).enumerate();
    Verdict {
        state: diagnosis.state.into(),
        target: diagnosis.target.url.clone(),
        sentence: sentence(diagnosis),
        failure: diagnosis.failure.map(failure),
        stage: diagnosis.stage.map(stage_title),
        scope: scope(&diagnosis.scope),
        side: diagnosis.causes.first().map_or(Side::Unknown, |cause| cause.side),
        path: diagnosis.path.iter().map(node).collect(),
        causes: causes.map(|(i, cause)| cause_view(i + 1, cause, diagnosis)).collect(),
        addresses: diagnosis.addresses.iter().take(ADDRESSES_MAX).map(address).collect(),
        seen: diagnosis.seen_as.as_ref().map(seen).unwrap_or_default(),
        evidence: diagnosis.evidence.iter().take(FACTS_MAX).cloned().collect(),
        took: latency(diagnosis.elapsed),
    }
}

/// The verdict in one sentence, also where the diagnosis brings none.
pub(crate) fn sentence(diagnosis: &Diagnosis) -> String {
    if !diagnosis.summary.is_empty() {
        return diagnosis.summary.clone();
    }
    let target = &diagnosis.target.url;
    match diagnosis.failure {
        Some(failure) => format!("{target}: {}.", failure_title(failure)),
        None => format!("{target} is {}.", diagnosis.state),
    }
}

/// A failure's code and name.
pub(crate) fn failure(failure: Failure) -> Named {
    let text = advice::explanation(failure);
    Named { code: failure.code(), title: failure_title(failure), text }
}

fn failure_title(failure: Failure) -> String {
    let title = advice::title(failure);
    if title.is_empty() { failure.code().to_owned() } else { title.to_owned() }
}

fn cause_name(cause: Cause) -> Named {
    let title = advice::cause_title(cause);
    let title = if title.is_empty() { cause.code() } else { title };
    Named { code: cause.code(), title: title.to_owned(), text: advice::cause_explanation(cause) }
}

/// A stage's name on pages.
pub(crate) const fn stage_title(stage: Stage) -> &'static str {
    match stage {
        Stage::Client => "Client",
        Stage::Dns => "DNS",
        Stage::Network => "Network",
        Stage::Proxy => "Proxy",
        Stage::Server => "Server",
        Stage::App => "App",
    }
}

fn scope(scope: &Scope) -> String {
    let counts = format!("{} of {} places", scope.failing, scope.reporting);
    let word = match scope.kind {
        ScopeKind::Global => "Everyone",
        ScopeKind::Regional => "One region",
        ScopeKind::Network => "One network",
        ScopeKind::Local if scope.reporting <= 1 => {
            return "Seen from the one place that looks".to_owned();
        }
        ScopeKind::Local => "One place",
        ScopeKind::Family => "One IP family",
        ScopeKind::Address => "Some addresses",
        ScopeKind::Flapping => "Comes and goes",
        ScopeKind::Inconclusive => return "Not known".to_owned(),
    };
    if scope.reporting <= 1 { word.to_owned() } else { format!("{word} ({counts})") }
}

fn node(stage: &PathStage) -> Node {
    let (state, said, mark) = match stage.state {
        StageState::Ok => ("ok", "fine", Some("up")),
        StageState::Failing => ("failing", "fails here", Some("down")),
        StageState::Degraded => ("degraded", "works in part", Some("degraded")),
        StageState::NotReached => ("not_reached", "not reached", None),
        StageState::Absent => ("absent", "not used", None),
        StageState::Unknown => ("unknown", "nothing learnt", None),
    };
    let title = stage_title(stage.stage);
    Node { stage: stage.stage, title, state, said, mark, took: stage.elapsed.map(latency) }
}

fn cause_view(number: usize, cause: &RankedCause, diagnosis: &Diagnosis) -> CauseView {
    let known = |id: &String| {
        let fact = diagnosis.evidence.iter().take(FACTS_MAX).find(|fact| fact.id == *id)?;
        Some(Because { id: fact.id.clone(), fact: fact.fact.clone() })
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let percent = (cause.confidence.clamp(0.0, 1.0) * 100.0).round() as u32;
    CauseView {
        number,
        name: cause_name(cause.code),
        side: cause.side,
        percent,
        because: cause.because.iter().filter_map(known).collect(),
        confirm: places(&cause.confirm, &format!("confirm-{number}")),
        fix: places(&cause.fix, &format!("fix-{number}")),
    }
}

fn address(address: &whydown_core::diagnosis::AddressVerdict) -> AddressRow {
    AddressRow {
        ip: address.ip.to_string(),
        failure: address.failure.map(failure),
        took: latency(address.elapsed),
    }
}

fn seen(seen_as: &SeenAs) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut add = |client: &'static str, code: Option<String>, message: Option<String>| {
        if let Some(code) = code {
            all.push(Seen { client, code, message });
        }
    };
    add("Chrome, Edge", seen_as.chrome.clone(), None);
    let firefox = seen_as.firefox.as_ref();
    add(
        "Firefox",
        firefox.map(|error| error.message.clone()),
        firefox.map(|error| error.id.clone()),
    );
    add("Safari", seen_as.safari.clone(), None);
    let curl = seen_as.curl.as_ref();
    add("curl", curl.map(|error| format!("curl: ({}) {}", error.exit, error.message)), None);
    add("Wget", seen_as.wget.clone(), None);
    add("nc", seen_as.nc.clone(), None);
    add("Node.js", seen_as.node.clone(), None);
    add("Python", seen_as.python.clone(), None);
    add("Go", seen_as.go.clone(), None);
    add("Java", seen_as.java.clone(), None);
    all
}
