//! For whom it fails: everyone, a region, a network, one place, one IP family, some addresses.
//!
//! Rules are written for sights, one per place. How many have to fail before somebody is told is
//! [`quorum`](crate::quorum)'s business.

use serde::{Deserialize, Serialize};

use crate::evidence::Families;
use crate::observation::{Observation, State};

/// Most characters of a location's name and labels.
pub const NAME_MAX_CHARS: usize = 64;

/// A named vantage point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// Unique name, such as `fra1`; the server's own is `local`.
    pub name: String,
    /// Region label, such as `eu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Network label, such as `AS 64500` or an office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Other words to choose it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Location {
    /// A location of which only the name is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The location of the server's embedded probe.
    #[must_use]
    pub fn local() -> Self {
        Self::named("local")
    }
}

/// Which locations: one by name, or all with a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The location of this name.
    Name(String),
    /// All of a region.
    Region(String),
    /// All of a network.
    Network(String),
    /// All with a label.
    Label(String),
}

/// A text that chooses no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no location; write a name such as fra1, \"region:eu\", \"network:AS 64500\" or \
     \"label:edge\""
)]
pub struct NotSelector(pub String);

impl Selector {
    /// Is this location one of them?
    #[must_use]
    pub fn covers(&self, location: &Location) -> bool {
        match self {
            Self::Name(name) => location.name == *name,
            Self::Region(region) => location.region.as_deref() == Some(region),
            Self::Network(network) => location.network.as_deref() == Some(network),
            Self::Label(label) => location.labels.contains(label),
        }
    }

    /// Does a list of selectors choose this location? An empty one chooses all.
    #[must_use]
    pub fn any_covers(selectors: &[Self], location: &Location) -> bool {
        selectors.is_empty() || selectors.iter().any(|selector| selector.covers(location))
    }
}

impl std::str::FromStr for Selector {
    type Err = NotSelector;

    fn from_str(text: &str) -> Result<Self, NotSelector> {
        let bad = || NotSelector(text.to_owned());
        let (make, value): (fn(String) -> Self, &str) = match text.split_once(':') {
            Some(("region", value)) => (Self::Region, value),
            Some(("network", value)) => (Self::Network, value),
            Some(("label", value)) => (Self::Label, value),
            Some(_) => return Err(bad()),
            None => (Self::Name, text),
        };
        check_label(value).map_err(|_| bad())?;
        Ok(make(value.to_owned()))
    }
}

/// Can this be a location's name, region, network or label?
///
/// # Errors
/// What is wrong with it, and what would be valid.
pub fn check_label(text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if length == 0 || text.trim() != text {
        Err(format!("{text:?} is empty or has blanks at its ends"))
    } else if length > NAME_MAX_CHARS {
        Err(format!("a label has at most {NAME_MAX_CHARS} characters, this one has {length}"))
    } else if text.chars().any(|c| c.is_control() || matches!(c, '/' | ':' | ',')) {
        Err(format!("{text:?} has a slash, colon, comma or line break in it; leave that out"))
    } else {
        Ok(())
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Region(region) => write!(f, "region:{region}"),
            Self::Network(network) => write!(f, "network:{network}"),
            Self::Label(label) => write!(f, "label:{label}"),
        }
    }
}

impl Serialize for Selector {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// For whom a target fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// Every location that can speak, and more than one can.
    Global,
    /// All of one region, and no other.
    Regional,
    /// All of one network, and no other.
    Network,
    /// One location (also: the only one that looked).
    Local,
    /// One IP family.
    Family,
    /// Some of the target's addresses.
    Address,
    /// It comes and goes.
    Flapping,
    /// Nobody can tell.
    Inconclusive,
}

/// A scope with its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// For whom.
    pub kind: ScopeKind,
    /// Locations that see the failure.
    pub failing: usize,
    /// Locations that could tell.
    pub reporting: usize,
    /// The locations by name.
    pub places: Places,
}

/// The source of the fact that tells a scope among the evidence.
pub const OTHER_LOCATIONS: &str = "other locations";

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} locations see it fail", self.failing, self.reporting)
    }
}

/// Locations by what they see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// See the failure.
    pub failing: Vec<String>,
    /// See nothing wrong.
    pub fine: Vec<String>,
    /// Cannot tell.
    pub silent: Vec<String>,
}

/// How much of a target a place has tried, and how much of that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The families it has tried.
    pub tried: Families,
    /// The families of which an address fails.
    pub bad: Families,
    /// The families of which an address works.
    pub good: Families,
}

impl Extent {
    /// Of an observation's attempts.
    #[must_use]
    pub fn of(observation: &Observation) -> Self {
        let mut extent = Self::default();
        for attempt in &observation.attempts {
            let bad = attempt.failure.is_some();
            for (families, counts) in
                [(&mut extent.tried, true), (&mut extent.bad, bad), (&mut extent.good, !bad)]
            {
                families.v4 |= counts && attempt.ip.is_ipv4();
                families.v6 |= counts && attempt.ip.is_ipv6();
            }
        }
        extent
    }

    /// The one family that fails, while the other works or was not tried and did not have to be.
    fn one_family(&self) -> Option<bool> {
        match (self.bad.v4, self.bad.v6) {
            (true, false) if !self.good.v4 => Some(true),
            (false, true) if !self.good.v6 => Some(false),
            _ => None,
        }
    }

    fn tried_family(&self, v4: bool) -> bool {
        if v4 { self.tried.v4 } else { self.tried.v6 }
    }
}

/// What a place sees, in few words.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// From where.
    pub location: Location,
    /// The state there.
    pub state: State,
    /// How much of the target that is.
    pub extent: Extent,
}

impl Sight {
    /// Of an observation.
    #[must_use]
    pub fn of(location: Location, observation: &Observation) -> Self {
        Self { location, state: observation.state, extent: Extent::of(observation) }
    }

    /// Of a place that cannot tell.
    #[must_use]
    pub fn silent(location: Location) -> Self {
        Self { location, state: State::Inconclusive, extent: Extent::default() }
    }

    fn fails(&self) -> bool {
        matches!(self.state, State::Degraded | State::Down)
    }

    fn is_fine(&self) -> bool {
        self.state == State::Up
    }
}

/// What the newest observation of each location says about the scope.
#[must_use]
pub fn correlate(seen: &[(Location, Observation)]) -> Scope {
    let sights = seen.iter().map(|(location, seen)| Sight::of(location.clone(), seen));
    scope_of(&sights.collect::<Vec<_>>())
}

/// What the sights of all places say about the scope. Places that cannot tell count neither way.
#[must_use]
pub fn scope_of(sights: &[Sight]) -> Scope {
    let mut places = Places::default();
    for sight in sights {
        let list = match sight.state {
            State::Up => &mut places.fine,
            State::Degraded | State::Down => &mut places.failing,
            State::Inconclusive => &mut places.silent,
        };
        list.push(sight.location.name.clone());
    }
    let failing = places.failing.len();
    Scope { kind: kind(sights), failing, reporting: failing + places.fine.len(), places }
}

/// Is the kind of scope the same whatever those who have not answered yet will say? They are
/// among the sights as places that cannot tell. Tried are: all of them fine, all failing, and each
/// of them alone against the others.
#[must_use]
pub fn is_settled(sights: &[Sight], waiting: &[String]) -> bool {
    let open: Vec<usize> = (0..sights.len())
        .filter(|i| sights.get(*i).is_some_and(|sight| waiting.contains(&sight.location.name)))
        .collect();
    if open.is_empty() {
        return true;
    }
    let Some(failing) = sights.iter().find(|sight| sight.fails()) else { return false };
    let (state, extent) = (failing.state, failing.extent);
    let tried = extent.tried;
    let fine = Extent { tried, good: tried, bad: Families::default() };
    let known = kind(sights);
    let with = |fails: &dyn Fn(usize) -> bool| {
        let mut sights = sights.to_vec();
        for i in &open {
            let Some(sight) = sights.get_mut(*i) else { continue };
            (sight.state, sight.extent) =
                if fails(*i) { (state, extent) } else { (State::Up, fine) };
        }
        kind(&sights) == known
    };
    with(&|_| true)
        && with(&|_| false)
        && open.iter().all(|one| with(&|i| i == *one) && with(&|i| i != *one))
}

fn kind(sights: &[Sight]) -> ScopeKind {
    let (failing, fine) = (count(sights, Sight::fails), count(sights, Sight::is_fine));
    if failing == 0 {
        return ScopeKind::Inconclusive;
    }
    if let Some(part) = common_part(sights) {
        return part;
    }
    match (failing, fine) {
        (1, _) => ScopeKind::Local,
        (_, 0) => ScopeKind::Global,
        _ if alone_in(sights, |location| location.network.as_deref()) => ScopeKind::Network,
        _ if alone_in(sights, |location| location.region.as_deref()) => ScopeKind::Regional,
        // Several whole regions, while more than half of all places are fine.
        _ if failing <= fine => ScopeKind::Regional,
        // More than half without a common label: everyone, and the minority is named.
        _ => ScopeKind::Global,
    }
}

fn count(sights: &[Sight], is: impl Fn(&Sight) -> bool) -> usize {
    sights.iter().filter(|sight| is(sight)).count()
}

/// When every failing place sees only a part of the addresses fail, and no place that has tried
/// this part sees it work: which part.
fn common_part(sights: &[Sight]) -> Option<ScopeKind> {
    let failing = || sights.iter().filter(|sight| sight.fails());
    let families: Vec<Option<bool>> = failing().map(|sight| sight.extent.one_family()).collect();
    let first = families.first().copied().flatten();
    if let Some(v4) = first.filter(|_| families.iter().all(|family| *family == first)) {
        // A place that has tried only this family says nothing about the other; one does have to.
        let other_works = sights.iter().any(|s| {
            let good = if v4 { s.extent.good.v6 } else { s.extent.good.v4 };
            good && !matches!(s.state, State::Inconclusive)
        });
        let contradicted = sights.iter().any(|s| s.is_fine() && s.extent.tried_family(v4));
        return (other_works && !contradicted).then_some(ScopeKind::Family);
    }
    let partial = failing().all(|sight| sight.state == State::Degraded);
    let contradicted = sights.iter().any(Sight::is_fine);
    (partial && !contradicted).then_some(ScopeKind::Address)
}

/// Do the failing places share one label that no working place carries?
fn alone_in(sights: &[Sight], label: impl Fn(&Location) -> Option<&str>) -> bool {
    let mut failing = sights.iter().filter(|sight| sight.fails()).map(|s| label(&s.location));
    let Some(Some(first)) = failing.next() else { return false };
    let shared = failing.all(|label| label == Some(first));
    shared && !sights.iter().any(|s| s.is_fine() && label(&s.location) == Some(first))
}
