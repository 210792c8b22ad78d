//! Continuous knocking: shares, episodes, rhythm.

use whydown_core::knocks::Knocks;

use crate::incident::{fails, fine};

/// `f` fails, `.` is fine, one letter a second.
fn knock(letters: &str) -> Knocks {
    let mut knocks = Knocks::default();
    for (second, letter) in (0..).zip(letters.chars()) {
        knocks.add(&if letter == 'f' { fails(second) } else { fine(second) });
    }
    knocks
}

#[test]
fn patterns_are_named() {
    for (letters, pattern) in [
        ("....", "never failed"),
        ("ffff", "always failed"),
        ("..fff..", "failed in one stretch"),
        ("f..ff.....f.........f.", "failed in 4 stretches without a rhythm"),
        (
            "ff........ff........ff........ff",
            "fails for about 2s every 10s: looks like a restart timer",
        ),
    ] {
        assert_eq!(knock(letters).summary().pattern, pattern, "{letters}");
    }
}

#[test]
fn shares_and_episodes_are_counted() {
    let knocks = knock("..ff.f..");
    assert_eq!((knocks.checks, knocks.failed), (8, 3));
    assert!((knocks.failed_share() - 0.375).abs() < 1e-9);
    assert_eq!(knocks.episodes.len(), 2);
    assert_eq!(knocks.episodes[0].checks, 2);
    assert_eq!(knocks.summary().longest.unwrap().as_secs(), 2);
}

#[test]
fn an_episode_that_lasts_has_no_end() {
    assert_eq!(knock(".ff").episodes[0].ended_at, None);
}
