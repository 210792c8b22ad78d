//! The course of incidents: named cases, and a seeded simulation whose invariants hold at every
//! step.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::evidence::Evidence;
use whydown_core::failure::Failure;
use whydown_core::incident::{Effect, Incident, Input, Phase, Policy, Quorum, Standing, step};
use whydown_core::observation::{Attempt, Observation, State};
use whydown_core::quorum::AlertWhen;
use whydown_core::scope::{Extent, Location, ScopeKind, Sight, scope_of};
use whydown_core::target::Target;

/// Seconds after noon.
pub(crate) fn at(second: i64) -> Timestamp {
    "2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn observation(second: i64, failure: Option<Failure>) -> Observation {
    let mut attempt = Attempt::new("192.0.2.1".parse().unwrap(), 443, Duration::ZERO);
    attempt.failure = failure;
    attempt.elapsed = Duration::from_millis(10);
    let attempts = vec![attempt];
    let (state, failure) = Observation::judge(&attempts);
    Observation {
        at: at(second),
        elapsed: Duration::from_millis(10),
        state,
        failure,
        lookup: None,
        proxy: None,
        attempts,
    }
}

pub(crate) fn fails(second: i64) -> Observation {
    observation(second, Some(Failure::TcpRefused))
}

pub(crate) fn fine(second: i64) -> Observation {
    observation(second, None)
}

fn blind(second: i64) -> Observation {
    observation(second, Some(Failure::SelfOffline))
}

pub(crate) struct Watch {
    pub(crate) policy: Policy,
    pub(crate) standing: Standing,
    pub(crate) told: Vec<String>,
}

impl Watch {
    pub(crate) fn new(confirm: u32) -> Self {
        Self {
            policy: Policy::confirming(confirm),
            standing: Standing::default(),
            told: Vec::new(),
        }
    }

    fn report(&mut self, location: &str, observations: Vec<Observation>) -> Vec<Effect> {
        let target: Target = "https://shop.test/".parse().unwrap();
        let now = observations.last().unwrap().at;
        let evidence = Evidence { observations: observations.clone(), ..Evidence::default() };
        let diagnosis = Some(Box::new(diagnose(&target, &evidence)));
        let (location, quorum) = (location.into(), Quorum::default());
        self.input(&Input::Report { location, observations, diagnosis, quorum }, now)
    }

    pub(crate) fn input(&mut self, input: &Input, now: Timestamp) -> Vec<Effect> {
        let (standing, effects) = step(&self.policy, "shop", &self.standing, input, now);
        self.standing = standing;
        for effect in &effects {
            self.told.push(match effect {
                Effect::Opened(_) => "opened".into(),
                Effect::Updated(i) => format!("updated to {}", i.diagnosis.failure.unwrap()),
                Effect::Acknowledged(_) => "acknowledged".into(),
                Effect::Noted(_) => "noted".into(),
                Effect::Resolved(i) => format!("resolved after {:?}", i.duration(now)),
            });
        }
        effects
    }

    fn here(&mut self, observations: impl IntoIterator<Item = Observation>) {
        for observation in observations {
            self.report("local", vec![observation]);
        }
    }
}

/// A verdict with this scope.
pub(crate) fn verdict(failing: &[&str], fine: &[&str], silent: &[&str]) -> Box<Diagnosis> {
    let sight = |state| {
        move |name: &&str| Sight {
            location: Location { region: Some(name[..2].into()), ..Location::named(*name) },
            state,
            extent: Extent::default(),
        }
    };
    let sights: Vec<Sight> = (failing.iter().map(sight(State::Down)))
        .chain(fine.iter().map(sight(State::Up)))
        .chain(silent.iter().map(sight(State::Inconclusive)))
        .collect();
    let target: Target = "https://shop.test/".parse().unwrap();
    let scope = Some(scope_of(&sights));
    Box::new(diagnose(
        &target,
        &Evidence { observations: vec![fails(0)], scope, ..Evidence::default() },
    ))
}

#[test]
fn late_answers_correct_the_scope_and_a_recovery_does_not() {
    let mut watch = Watch::new(0);
    for place in ["eu1", "eu2", "us1", "us2"] {
        watch.report(place, vec![fine(0)]);
    }
    for place in ["eu1", "eu2"] {
        let observations = vec![fails(10)];
        let (location, quorum) = (place.into(), Quorum::default());
        let report = Input::Report { location, observations, diagnosis: None, quorum };
        watch.input(&report, at(10));
    }
    let quorum = Quorum { waiting: vec!["us1".into(), "us2".into()], ..Quorum::default() };
    let diagnosis = verdict(&["eu1", "eu2"], &[], &["us1", "us2"]);
    watch.input(&Input::Decide { diagnosis, quorum }, at(11));
    let scope = |watch: &Watch| {
        let scope = &watch.standing.incident.as_ref().unwrap().diagnosis.scope;
        (scope.kind, scope.failing, scope.reporting)
    };
    assert_eq!(scope(&watch), (ScopeKind::Global, 2, 2));
    let answer = |watch: &mut Watch, failing: &[&str], fine: &[&str], silent: &[&str]| {
        watch.told.clear();
        let diagnosis = verdict(failing, fine, silent);
        watch.input(&Input::Answered { diagnosis }, at(12));
        watch.told.join(" ")
    };
    // Another kind is told, at once; more of the same is shown.
    assert_eq!(answer(&mut watch, &["eu1", "eu2"], &["us1"], &["us2"]), "updated to tcp.refused");
    assert_eq!(scope(&watch), (ScopeKind::Regional, 2, 3));
    assert_eq!(answer(&mut watch, &["eu1", "eu2"], &["us1", "us2"], &[]), "noted");
    assert_eq!(scope(&watch), (ScopeKind::Regional, 2, 4));
    assert_eq!(answer(&mut watch, &["eu1", "eu2"], &["us1", "us2"], &[]), "", "no news");
    // One that failed is fine by now.
    assert_eq!(answer(&mut watch, &["eu1"], &["eu2", "us1", "us2"], &[]), "");
    assert_eq!(scope(&watch), (ScopeKind::Regional, 2, 4));
    watch.standing.incident = None;
    assert_eq!(answer(&mut watch, &["eu1"], &["eu2", "us1", "us2"], &[]), "", "it is over");
}

#[test]
fn who_joins_later_is_shown_at_once_and_told_seldom() {
    let mut watch = Watch::new(0);
    for place in ["eu1", "eu2", "us1", "us2"] {
        watch.report(place, vec![fine(0)]);
    }
    watch.policy.alert_when = AlertWhen::Any;
    let join = |watch: &mut Watch, second: i64, failing: &[&str], fine: &[&str]| {
        let location = (*failing.last().unwrap()).into();
        let diagnosis = Some(verdict(failing, fine, &[]));
        let (observations, quorum) = (vec![fails(second)], Quorum::default());
        watch.told.clear();
        watch.input(&Input::Report { location, observations, diagnosis, quorum }, at(second));
        let kind = watch.standing.incident.as_ref().unwrap().diagnosis.scope.kind;
        (watch.told.join(" "), kind)
    };
    let told = |words: &str, kind| (words.to_owned(), kind);
    let all = ["eu1", "eu2", "us1", "us2"];
    assert_eq!(join(&mut watch, 10, &all[..1], &all[1..]), told("opened", ScopeKind::Local));
    let second = join(&mut watch, 12, &all[..2], &all[2..]);
    assert_eq!(second, told("updated to tcp.refused", ScopeKind::Regional), "wrong at first");
    assert_eq!(join(&mut watch, 13, &all[..3], &all[3..]), told("noted", ScopeKind::Global));
    assert_eq!(join(&mut watch, 80, &all, &[]), told("updated to tcp.refused", ScopeKind::Global));
    assert_eq!(join(&mut watch, 90, &all, &[]), told("", ScopeKind::Global), "that was told");
}

#[test]
fn a_failure_counts_after_the_asked_number_of_repeats() {
    let mut watch = Watch::new(2);
    watch.here([fine(0), fails(10), fails(11)]);
    assert!(watch.told.is_empty(), "two failures are not three");
    watch.here([fails(12)]);
    assert_eq!(watch.told, ["opened"]);
    assert_eq!(watch.standing.incident.as_ref().unwrap().started_at, at(10), "since the first");
}

#[test]
fn repeats_in_one_report_count_like_single_ones() {
    let mut watch = Watch::new(2);
    watch.report("local", vec![fails(10), fails(10 + 1), fails(10 + 2)]);
    assert_eq!(watch.told, ["opened"]);
}

#[test]
fn a_blip_opens_nothing() {
    let mut watch = Watch::new(2);
    watch.here([
        fine(0),
        fails(10),
        fails(11),
        fine(12),
        fails(20),
        fine(21),
        fails(30),
        fails(31),
    ]);
    assert!(watch.told.is_empty());
    assert_eq!(watch.standing.state, Some(State::Up));
}

#[test]
fn recovery_needs_as_many_fine_checks_and_dates_back_to_the_first() {
    let mut watch = Watch::new(2);
    watch.here([fails(0), fails(1), fails(2), fine(60), fine(61)]);
    assert_eq!(watch.told, ["opened"]);
    watch.here([fine(62)]);
    assert_eq!(watch.told, ["opened", "resolved after 60s"]);
    assert_eq!(watch.standing.since, Some(at(60)));
}

#[test]
fn own_trouble_neither_opens_nor_ends_anything() {
    let mut watch = Watch::new(0);
    watch.here([blind(0), blind(1), blind(2)]);
    assert!(watch.told.is_empty());
    assert_eq!(watch.standing.state, Some(State::Inconclusive));
    watch.here([fails(3), blind(4), blind(5)]);
    assert_eq!(watch.told, ["opened"]);
    assert!(watch.standing.incident.is_some(), "still open");
}

#[test]
fn acknowledging_happens_once_and_keeps_the_incident_open() {
    let mut watch = Watch::new(0);
    watch.input(&Input::Acknowledge { by: "ada".into() }, at(0));
    watch.here([fails(1)]);
    watch.input(&Input::Acknowledge { by: "ada".into() }, at(2));
    watch.input(&Input::Acknowledge { by: "bob".into() }, at(3));
    assert_eq!(watch.told, ["opened", "acknowledged"]);
    let incident = watch.standing.incident.clone().unwrap();
    assert_eq!(incident.phase, Phase::Acknowledged);
    assert_eq!(incident.acknowledged.unwrap().by, "ada");
    watch.here([fine(9)]);
    assert_eq!(watch.told.last().unwrap(), "resolved after 8s");
}

#[test]
fn a_changed_verdict_is_told_but_not_too_often() {
    let mut watch = Watch::new(0);
    watch.here([fails(0), observation(10, Some(Failure::TcpTimedOut))]);
    assert_eq!(watch.told, ["opened"], "within the update gap");
    watch.here([observation(70, Some(Failure::TcpTimedOut))]);
    watch.here([observation(80, Some(Failure::TcpTimedOut))]);
    assert_eq!(watch.told, ["opened", "updated to tcp.timed_out"]);
}

#[test]
fn a_flapping_monitor_is_one_incident_until_it_has_been_calm() {
    let mut watch = Watch::new(0);
    for round in 0..20 {
        watch.here([fails(round * 20), fine(round * 20 + 10)]);
    }
    let opened = watch.told.iter().filter(|told| *told == "opened").count();
    assert_eq!(opened, 4, "{:?}", watch.told);
    assert!(watch.standing.incident.as_ref().unwrap().flapping);
    watch.here([fine(20 * 20), fine(20 * 20 + 299)]);
    assert!(watch.standing.incident.is_none(), "calm for five minutes since 19·20+10 s");
}

#[test]
fn retiring_a_monitor_ends_its_incident() {
    let mut watch = Watch::new(0);
    watch.here([fails(0)]);
    let effects = watch.input(&Input::Retire { reason: "paused".into() }, at(5));
    assert!(matches!(&effects[..], [Effect::Resolved(i)] if i.ended_by.is_some()));
    assert!(watch.standing.incident.is_none());
    assert!(watch.input(&Input::Retire { reason: "removed".into() }, at(6)).is_empty());
}

#[test]
fn a_late_report_changes_nothing() {
    let mut watch = Watch::new(0);
    watch.here([fine(100)]);
    let before = watch.standing.clone();
    watch.here([fails(50)]);
    assert!(watch.told.is_empty());
    assert_eq!(watch.standing, before);
}

#[test]
fn one_of_three_places_is_no_majority() {
    let mut watch = Watch::new(0);
    for place in ["a", "b", "c"] {
        watch.report(place, vec![fine(0)]);
    }
    watch.report("a", vec![fails(10)]);
    assert!(watch.told.is_empty());
    watch.report("b", vec![fails(11)]);
    assert_eq!(watch.told, ["opened"]);
    watch.report("a", vec![fine(20)]);
    watch.report("b", vec![fine(21)]);
    assert_eq!(watch.told.last().unwrap(), "resolved after 11s");
}

#[test]
fn replaying_a_report_names_the_same_incident() {
    let open = || {
        let mut watch = Watch::new(0);
        watch.here([fails(3)]);
        watch.standing.incident.unwrap().id
    };
    assert_eq!(open(), open());
}

/// xorshift64*: the simulation's own small source of chance, so that a seed names a run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

#[test]
fn two_hundred_seeded_lives_keep_every_invariant() {
    for seed in 1..=200_u64 {
        live(seed);
    }
}

fn live(seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let confirm = u32::try_from(chance.below(4)).unwrap();
    let places = 1 + chance.below(4);
    let mut watch = Watch::new(confirm);
    let mut broken = false;
    let mut open: Option<Incident> = None;
    for tick in 0..200_i64 {
        if chance.below(25) == 0 {
            broken = !broken;
        }
        let second = tick * 10;
        let effects = match chance.below(40) {
            0 => watch.input(&Input::Acknowledge { by: "ada".into() }, at(second)),
            1 => watch.input(&Input::Retire { reason: "paused".into() }, at(second)),
            _ => {
                let place = format!("p{}", chance.below(places));
                let observation = match chance.below(10) {
                    0 => blind(second),
                    1 => fine(second),
                    _ if broken => fails(second),
                    _ => fine(second),
                };
                watch.report(&place, vec![observation])
            }
        };
        for effect in &effects {
            open = follow(seed, open, effect);
        }
        let id = |incident: &Option<Incident>| incident.as_ref().map(|i| i.id.clone());
        assert_eq!(id(&watch.standing.incident), id(&open), "seed {seed}: effects tell everything");
    }
}

/// What a listener to the effects alone knows, and what must never happen.
fn follow(seed: u64, open: Option<Incident>, effect: &Effect) -> Option<Incident> {
    let incident = effect.incident().clone();
    let ordered = incident.timeline.windows(2).filter(|pair| pair[0].at > pair[1].at).count();
    assert!(incident.started_at <= incident.opened_at, "seed {seed}");
    match effect {
        Effect::Opened(_) => {
            assert!(open.is_none(), "seed {seed}: one incident at a time");
            assert_eq!(ordered, 0, "seed {seed}: the time line is in order");
            Some(incident)
        }
        Effect::Resolved(_) => {
            let known = open.unwrap_or_else(|| panic!("seed {seed}: resolved without opening"));
            assert_eq!(known.id, incident.id, "seed {seed}");
            assert!(incident.resolved_at.unwrap() >= incident.started_at, "seed {seed}");
            assert!(incident.sequence > known.sequence, "seed {seed}: a new dedup key");
            None
        }
        Effect::Updated(_) | Effect::Acknowledged(_) | Effect::Noted(_) => {
            let known = open.unwrap_or_else(|| panic!("seed {seed}: changed without opening"));
            assert_eq!(known.id, incident.id, "seed {seed}");
            assert_ne!(incident.phase, Phase::Resolved, "seed {seed}");
            Some(incident)
        }
    }
}
