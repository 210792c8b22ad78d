//! One question to all places of a monitor: "you too?". Begun at the first failing check anywhere,
//! over when everybody has answered or the time is up. It holds no opinion; what the answers mean
//! is [`scope`](crate::scope)'s business.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// How long answers to a quick failure are waited for.
pub const WINDOW: Duration = Duration::from_millis(700);
/// How long more, at most, when fewer than half have answered: long enough to notice that a
/// probe is gone.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// When evidence and the last answers are waited for no longer, although enough places fail.
pub const EVIDENCE_WITHIN: Duration = Duration::from_millis(600);

/// Who was asked, and who has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    begun: Timestamp,
    soft: Timestamp,
    hard: Timestamp,
    asked: BTreeMap<String, bool>,
    evidence: bool,
}

impl Inquiry {
    /// Begins: a check that took `elapsed` has failed, and `asked` are checking now. They will
    /// need as long.
    #[must_use]
    pub fn new(now: Timestamp, elapsed: Duration, asked: Vec<String>) -> Self {
        let after = |wait: Duration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
        Self {
            begun: now,
            soft: after(elapsed + WINDOW),
            hard: after(elapsed + PATIENCE),
            asked: asked.into_iter().map(|name| (name, false)).collect(),
            evidence: false,
        }
    }

    /// When it began.
    #[must_use]
    pub fn begun(&self) -> Timestamp {
        self.begun
    }

    /// A place has spoken. Places that were not asked change nothing.
    pub fn heard(&mut self, place: &str) {
        if let Some(answered) = self.asked.get_mut(place) {
            *answered = true;
        }
    }

    /// A place that cannot answer any more.
    pub fn gone(&mut self, place: &str) {
        self.asked.remove(place);
    }

    /// Evidence around a failure has arrived.
    pub fn learnt(&mut self) {
        self.evidence = true;
    }

    /// Has this place been asked and not answered?
    #[must_use]
    pub fn waits_for(&self, place: &str) -> bool {
        self.asked.get(place) == Some(&false)
    }

    /// Who has not answered.
    #[must_use]
    pub fn unanswered(&self) -> Vec<String> {
        let waiting = self.asked.iter().filter(|(_, answered)| !**answered);
        waiting.map(|(name, _)| name.clone()).collect()
    }

    /// So many have not answered.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.asked.values().filter(|answered| !**answered).count()
    }

    /// Is a verdict better put off, although enough places fail, until evidence and all answers are
    /// here?
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        let until = self.begun.checked_add(EVIDENCE_WITHIN).unwrap_or(Timestamp::MAX);
        (!self.evidence || self.waiting() > 0) && now < until
    }

    /// Who has not answered by now is left out, or at last taken by its last word.
    #[must_use]
    pub fn stage(&self, now: Timestamp) -> Stage {
        let waiting = self.waiting();
        if waiting == 0 {
            Stage::Over
        } else if now >= self.hard {
            Stage::TimeUp
        } else if now >= self.soft && waiting * 2 <= self.asked.len() {
            Stage::Over
        } else {
            Stage::Open
        }
    }

    /// When it has to be looked at next, whatever arrives meanwhile.
    #[must_use]
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let evidence = self.begun.checked_add(EVIDENCE_WITHIN).unwrap_or(Timestamp::MAX);
        let moments = [evidence, self.soft, self.hard];
        moments.into_iter().filter(|at| *at > now).min().unwrap_or(now)
    }
}

/// How far an inquiry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Answers are still to come.
    Open,
    /// Enough have answered; the others are left out.
    Over,
    /// Too few have answered in time: their last word has to do.
    TimeUp,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use super::{Inquiry, Stage};

    fn at(ms: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_millis(ms)
    }

    fn ask(elapsed_ms: u64) -> Inquiry {
        let asked = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        Inquiry::new(at(0), Duration::from_millis(elapsed_ms), asked)
    }

    #[test]
    fn it_is_over_when_all_have_answered() {
        let mut inquiry = ask(5);
        for place in ["a", "b", "c"] {
            inquiry.heard(place);
            assert_eq!(inquiry.stage(at(100)), Stage::Open);
        }
        assert!(inquiry.waits_for("d") && !inquiry.waits_for("a") && !inquiry.waits_for("x"));
        inquiry.heard("d");
        assert_eq!(inquiry.stage(at(100)), Stage::Over);
    }

    #[test]
    fn half_of_the_answers_are_enough_when_the_window_ends_fewer_are_not() {
        let mut inquiry = ask(5);
        inquiry.heard("a");
        assert_eq!(inquiry.stage(at(800)), Stage::Open);
        inquiry.heard("b");
        assert_eq!((inquiry.stage(at(700)), inquiry.stage(at(705))), (Stage::Open, Stage::Over));
        assert_eq!(ask(5).stage(at(8_005)), Stage::TimeUp);
    }

    #[test]
    fn who_asks_about_silence_waits_as_long_as_the_silence_took() {
        let mut inquiry = ask(10_000);
        inquiry.heard("a");
        inquiry.heard("b");
        assert_eq!(inquiry.stage(at(10_600)), Stage::Open);
        assert_eq!(inquiry.stage(at(10_700)), Stage::Over);
    }

    #[test]
    fn a_verdict_waits_a_moment_for_evidence_and_wakes_are_in_order() {
        let mut inquiry = ask(5);
        assert!(inquiry.holds(at(599)) && !inquiry.holds(at(600)));
        inquiry.learnt();
        assert!(inquiry.holds(at(1)), "nobody has answered");
        for place in ["a", "b", "c", "d"] {
            assert!(inquiry.holds(at(1)), "{place} has not answered");
            inquiry.heard(place);
        }
        assert!(!inquiry.holds(at(1)));
        let wakes = [at(0), at(600), at(705), at(8_005)];
        assert!(wakes.windows(2).all(|pair| inquiry.next_at(pair[0]) == pair[1]));
        let mut inquiry = ask(5);
        inquiry.gone("a");
        assert_eq!(inquiry.waiting(), 3);
    }
}
