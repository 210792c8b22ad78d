//! For whom it fails.

use std::time::Duration;

use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Observation};
use whydown_core::scope::{Location, Scope, ScopeKind, Sight, correlate, is_settled};

fn place(name: &str, region: &str, network: &str) -> Location {
    let (region, network) = (Some(region.into()), Some(network.into()));
    Location { region, network, ..Location::named(name) }
}

fn seen(addresses: &[(&str, bool)], own_fault: bool) -> Observation {
    let attempts: Vec<Attempt> = addresses
        .iter()
        .map(|(ip, fine)| {
            let mut attempt = Attempt::new(ip.parse().unwrap(), 443, Duration::ZERO);
            let failure = if own_fault { Failure::SelfOffline } else { Failure::TcpRefused };
            attempt.failure = (!fine).then_some(failure);
            attempt
        })
        .collect();
    let (state, failure) = Observation::judge(&attempts);
    Observation {
        at: "2026-11-23T12:00:00Z".parse().unwrap(),
        elapsed: Duration::from_millis(10),
        state,
        failure,
        lookup: None,
        proxy: None,
        attempts,
    }
}

const PLACES: [(&str, &str, &str); 5] = [
    ("fra1", "eu", "AS 1"),
    ("fra2", "eu", "AS 2"),
    ("ams1", "eu", "AS 1"),
    ("nyc1", "us", "AS 3"),
    ("sfo1", "us", "AS 4"),
];

/// `f` fails, `.` fine, `?` cannot tell, one letter for each of [`PLACES`].
fn picture(letters: &str) -> Scope {
    correlate(&reports(letters))
}

fn reports(letters: &str) -> Vec<(Location, Observation)> {
    PLACES
        .iter()
        .zip(letters.chars())
        .map(|((name, region, network), letter)| {
            let observation = match letter {
                'f' => seen(&[("192.0.2.1", false)], false),
                '.' => seen(&[("192.0.2.1", true)], false),
                _ => seen(&[("192.0.2.1", false)], true),
            };
            (place(name, region, network), observation)
        })
        .collect()
}

#[test]
fn the_picture_names_the_scope() {
    for (letters, kind, failing, reporting) in [
        ("fffff", ScopeKind::Global, 5, 5),
        ("fff??", ScopeKind::Global, 3, 3),
        ("fff..", ScopeKind::Regional, 3, 5),
        ("f.f..", ScopeKind::Network, 2, 5),
        ("f....", ScopeKind::Local, 1, 5),
        ("...ff", ScopeKind::Regional, 2, 5),
        ("?????", ScopeKind::Inconclusive, 0, 0),
        (".....", ScopeKind::Inconclusive, 0, 5),
        ("ffff.", ScopeKind::Global, 4, 5),
        ("f????", ScopeKind::Local, 1, 1),
    ] {
        let scope = picture(letters);
        assert_eq!(
            (scope.kind, scope.failing, scope.reporting),
            (kind, failing, reporting),
            "{letters}"
        );
    }
}

#[test]
fn the_minority_is_named() {
    let scope = picture("f..?.");
    assert_eq!(scope.places.failing, ["fra1"]);
    assert_eq!(scope.places.fine, ["fra2", "ams1", "sfo1"]);
    assert_eq!(scope.places.silent, ["nyc1"]);
}

#[test]
fn one_family_or_some_addresses_are_told_apart() {
    let both = |list: &[(&str, bool)]| {
        correlate(&[
            (place("fra1", "eu", "AS 1"), seen(list, false)),
            (place("nyc1", "us", "AS 3"), seen(list, false)),
        ])
    };
    let family = both(&[("192.0.2.1", true), ("2001:db8::1", false)]);
    assert_eq!(family.kind, ScopeKind::Family);
    let address = both(&[("192.0.2.1", true), ("192.0.2.2", false)]);
    assert_eq!(address.kind, ScopeKind::Address);
    assert_eq!(address.failing, 2);
}

#[test]
fn a_verdict_is_settled_when_no_answer_could_change_it() {
    for (letters, settled) in [
        // Everybody has answered.
        ("ff...", true),
        // Four fail: whatever the fifth says, it is everyone.
        ("ffff?", true),
        // Three fail: a whole region if nobody else does.
        ("fff??", false),
        ("f???.", false),
        ("fff.?", false),
        ("ff.f?", true),
        ("?????", false),
    ] {
        let reports = reports(letters);
        let sights: Vec<Sight> =
            reports.iter().map(|(place, seen)| Sight::of(place.clone(), seen)).collect();
        let waiting: Vec<String> = reports
            .iter()
            .zip(letters.chars())
            .filter(|(_, letter)| *letter == '?')
            .map(|((place, _), _)| place.name.clone())
            .collect();
        assert_eq!(is_settled(&sights, &waiting), settled, "{letters}");
    }
}
