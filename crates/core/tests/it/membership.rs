//! Who belongs to an open incident's scope: joining and leaving it, and falling silent meanwhile.

use whydown_core::incident::{Effect, Input, Quorum};
use whydown_core::observation::{Observation, State};
use whydown_core::quorum::AlertWhen;
use whydown_core::scope::{Location, Scope, ScopeKind, Sight, scope_of};

use crate::incident::{Watch, at, fails, fine, verdict};

const PLACES: [&str; 4] = ["eu1", "eu2", "us1", "us2"];

/// Reports what a place sees, without a verdict of its own.
fn report(watch: &mut Watch, place: &str, seen: Observation) -> Vec<Effect> {
    let now = seen.at;
    let (location, quorum) = (place.to_owned(), Quorum::default());
    let report = Input::Report { location, observations: vec![seen], diagnosis: None, quorum };
    watch.input(&report, now)
}

/// An incident that some of the places see, after all of them were fine.
fn opened(when: AlertWhen, failing: &[&str]) -> Watch {
    let mut watch = Watch::new(1);
    watch.policy.alert_when = when;
    for place in PLACES {
        report(&mut watch, place, fine(0));
    }
    for second in [10, 11] {
        for place in failing {
            report(&mut watch, place, fails(second));
        }
    }
    let others: Vec<&str> =
        PLACES.iter().copied().filter(|place| !failing.contains(place)).collect();
    let diagnosis = verdict(failing, &others, &[]);
    watch.input(&Input::Decide { diagnosis, quorum: Quorum::default() }, at(12));
    assert_eq!(watch.told, ["opened"]);
    watch.told.clear();
    watch
}

/// The scope as the places count in the open incident.
fn counted(watch: &Watch) -> Scope {
    let places = watch.standing.places.iter().map(|(name, place)| {
        let word = place.counted();
        let location = Location { region: Some(name[..2].into()), ..Location::named(name) };
        Sight { location, state: word.state, extent: word.extent }
    });
    scope_of(&places.collect::<Vec<_>>())
}

fn failing(watch: &Watch) -> Vec<String> {
    counted(watch).places.failing
}

#[test]
fn one_blip_does_not_join_an_open_incident_and_a_confirmed_failure_does() {
    let mut watch = opened(AlertWhen::Majority, &["eu1", "eu2"]);
    report(&mut watch, "us1", fails(20));
    assert_eq!(
        watch.standing.places.get("us1").unwrap().state,
        State::Down,
        "its newest word is kept"
    );
    assert_eq!(failing(&watch), ["eu1", "eu2"], "and does not count yet");
    report(&mut watch, "us1", fine(21));
    report(&mut watch, "us1", fails(30));
    assert_eq!(failing(&watch), ["eu1", "eu2"], "nor does another one");
    report(&mut watch, "us1", fails(31));
    assert_eq!(failing(&watch), ["eu1", "eu2", "us1"]);
    // One that was never heard of before can't tell until it is sure.
    report(&mut watch, "us3", fails(40));
    assert_eq!(counted(&watch).places.silent, ["us3"]);
    report(&mut watch, "us3", fails(41));
    assert_eq!(failing(&watch), ["eu1", "eu2", "us1", "us3"]);
}

#[test]
fn who_was_asked_joins_with_the_first_answer() {
    let mut watch = opened(AlertWhen::Majority, &["eu1", "eu2"]);
    report(&mut watch, "us1", fails(13));
    assert_eq!(failing(&watch), ["eu1", "eu2"]);
    let diagnosis = verdict(&["eu1", "eu2", "us1"], &["us2"], &[]);
    watch.input(&Input::Answered { diagnosis }, at(14));
    assert_eq!(failing(&watch), ["eu1", "eu2", "us1"]);
    assert_eq!(watch.told, ["updated to tcp.refused"]);
}

#[test]
fn who_is_fine_again_for_a_while_leaves_in_silence_and_the_end_tells_the_widest() {
    let mut watch = opened(AlertWhen::Majority, &PLACES);
    let go_on = |watch: &mut Watch, second| {
        for place in ["us1", "us2"] {
            report(watch, place, fails(second));
        }
    };
    for place in ["eu1", "eu2"] {
        report(&mut watch, place, fine(30));
        report(&mut watch, place, fine(31));
        report(&mut watch, place, fine(39));
        assert!(failing(&watch).contains(&place.to_owned()), "{place} is fine for a moment only");
    }
    go_on(&mut watch, 40);
    report(&mut watch, "eu2", fails(40));
    report(&mut watch, "eu1", fine(40));
    assert_eq!(failing(&watch), ["eu2", "us1", "us2"], "ten seconds in one go");
    for second in [41, 51, 52] {
        report(&mut watch, "eu2", fine(second));
    }
    let scope = counted(&watch);
    assert_eq!((scope.kind, scope.failing), (ScopeKind::Regional, 2));
    watch.input(&Input::Recovering { scope: scope.clone() }, at(52));
    assert_eq!(watch.told, ["noted"], "nobody is told");
    let shown = |watch: &Watch| watch.standing.incident.as_ref().unwrap().diagnosis.scope.clone();
    assert_eq!(shown(&watch), scope);
    watch.input(&Input::Recovering { scope }, at(53));
    assert_eq!(watch.told, ["noted"], "once");
    // It fails for everyone again, which was told already.
    watch.told.clear();
    let diagnosis = verdict(&PLACES, &[], &[]);
    let again = Input::Report {
        location: "us1".into(),
        observations: vec![fails(100)],
        diagnosis: Some(diagnosis),
        quorum: Quorum::default(),
    };
    watch.input(&again, at(100));
    assert_eq!(watch.told, ["noted"]);
    assert_eq!((shown(&watch).kind, shown(&watch).failing), (ScopeKind::Global, 4));
    watch.input(&Input::Recovering { scope: counted(&watch) }, at(101));
    assert_eq!(shown(&watch).failing, 2);
    for second in [110, 111] {
        for place in ["us1", "us2"] {
            report(&mut watch, place, fine(second));
        }
    }
    assert!(watch.standing.incident.is_none(), "{:?}", watch.told);
}

#[test]
fn the_end_tells_for_whom_it_was_at_its_widest() {
    let mut watch = opened(AlertWhen::Any, &PLACES);
    for place in ["eu1", "eu2", "us1"] {
        for second in [20, 21, 31] {
            report(&mut watch, place, fine(second));
        }
    }
    watch.input(&Input::Recovering { scope: counted(&watch) }, at(31));
    assert_eq!(watch.standing.incident.as_ref().unwrap().diagnosis.scope.failing, 1);
    report(&mut watch, "us2", fine(40));
    let effects = report(&mut watch, "us2", fine(41));
    let [Effect::Resolved(incident)] = &effects[..] else { panic!("{effects:?}") };
    let scope = &incident.diagnosis.scope;
    assert_eq!((scope.kind, scope.failing), (ScopeKind::Global, 4));
    assert_eq!(incident.peak, None);
}

#[test]
fn those_who_never_saw_it_do_not_say_that_it_is_over() {
    let mut watch = opened(AlertWhen::Any, &["eu1"]);
    watch.input(&Input::Silent { location: "eu1".into() }, at(30));
    for second in [40, 300, 600] {
        report(&mut watch, "us1", fine(second));
    }
    assert!(watch.told.is_empty(), "its last word stands: {:?}", watch.told);
    // It is heard of again, and it is over.
    report(&mut watch, "eu1", fine(610));
    report(&mut watch, "eu1", fine(611));
    assert_eq!(watch.told, ["resolved after 600s"]);
}

#[test]
fn who_stays_silent_is_not_waited_for_longer_than_a_while() {
    let mut watch = opened(AlertWhen::Any, &["eu1"]);
    watch.input(&Input::Silent { location: "eu1".into() }, at(30));
    report(&mut watch, "us1", fine(629));
    assert!(watch.standing.incident.is_some());
    report(&mut watch, "us1", fine(630));
    assert!(watch.standing.incident.is_none(), "ten minutes are over");
    // One that is gone for good is not waited for at all.
    let mut watch = opened(AlertWhen::Any, &["eu1"]);
    watch.input(&Input::Silent { location: "eu1".into() }, at(30));
    watch.input(&Input::Leave { location: "eu1".into() }, at(40));
    assert!(watch.standing.incident.is_none());
    // One of those who saw it says that it is over.
    let mut watch = opened(AlertWhen::Any, &["eu1", "eu2"]);
    watch.input(&Input::Silent { location: "eu1".into() }, at(30));
    report(&mut watch, "eu2", fine(40));
    report(&mut watch, "eu2", fine(41));
    assert!(watch.standing.incident.is_none());
}

#[test]
fn what_a_place_saw_while_it_was_itself_at_fault_does_not_date_an_incident_back() {
    let mut watch = Watch::new(0);
    watch.policy.alert_when = AlertWhen::Any;
    report(&mut watch, "eu1", fine(0));
    report(&mut watch, "eu1", fails(8));
    for second in [10, 20] {
        let mut diagnosis = verdict(&["eu1"], &[], &[]);
        diagnosis.state = State::Inconclusive;
        let own = Input::Report {
            location: "eu1".into(),
            observations: vec![fails(second)],
            diagnosis: Some(diagnosis),
            quorum: Quorum::default(),
        };
        watch.input(&own, at(second));
    }
    assert_eq!(watch.standing.places.get("eu1").unwrap().state, State::Inconclusive);
    report(&mut watch, "eu1", fails(30));
    let diagnosis = verdict(&["eu1"], &[], &[]);
    watch.input(&Input::Decide { diagnosis, quorum: Quorum::default() }, at(31));
    assert_eq!(watch.standing.incident.as_ref().unwrap().started_at, at(30));
}

#[test]
fn who_sees_another_part_of_it_fail_joins_at_once_too() {
    let mut watch = opened(AlertWhen::Any, &["eu1"]);
    report(&mut watch, "us1", fails(20));
    let mut diagnosis = verdict(&["eu1", "us1"], &["eu2", "us2"], &[]);
    diagnosis.state = State::Degraded;
    let partly = Input::Report {
        location: "us1".into(),
        observations: vec![fails(21)],
        diagnosis: Some(diagnosis),
        quorum: Quorum::default(),
    };
    watch.input(&partly, at(50));
    let known = &watch.standing.incident.as_ref().unwrap().diagnosis;
    assert_eq!((known.state, known.scope.failing), (State::Down, 2));
    assert_eq!(watch.told, ["noted"]);
}
