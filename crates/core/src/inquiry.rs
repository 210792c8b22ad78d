//! One question to all places of a monitor: "you too?". Begun at the first failing check anywhere,
//! over when everybody has answered or the time is up. It holds no opinion; what the answers mean
//! is [`scope`](crate::scope)'s business.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// How long answers to a quick failure are waited for when they could change the verdict.
pub const WINDOW: Duration = Duration::from_secs(3);
/// How long they count as able to speak, so that their share is not told of in haste: long enough
/// to notice that a probe is gone.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// How long a late answer corrects the verdict that was told.
pub const CORRECTION: Duration = Duration::from_secs(30);
/// How long evidence, and answers that would not change the verdict, are waited for.
pub const EVIDENCE_WITHIN: Duration = Duration::from_millis(600);

/// Who was asked, and who has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    begun: Timestamp,
    soft: Timestamp,
    hard: Timestamp,
    end: Timestamp,
    asked: BTreeMap<String, bool>,
    /// More than one was asked.
    several: bool,
    answered: bool,
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
            end: after(elapsed + CORRECTION),
            several: asked.len() >= 2,
            answered: false,
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
            self.answered = true;
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

    /// Were several asked, and none of them has said a word? Those who are gone were asked as well:
    /// when one's own uplink is cut, the others are missed one after the other.
    #[must_use]
    pub fn nobody_has_answered(&self) -> bool {
        self.several && !self.answered
    }

    /// Is a verdict better put off, although enough places fail? It is until evidence and all
    /// answers are here, for a moment; and for as long as the window is open when it is not
    /// `settled`, that is, when those who have not answered could still change it.
    #[must_use]
    pub fn holds(&self, now: Timestamp, settled: bool) -> bool {
        let waits = self.waiting() > 0;
        let moment = self.begun.checked_add(EVIDENCE_WITHIN).unwrap_or(Timestamp::MAX);
        ((!self.evidence || waits) && now < moment) || (waits && !settled && now < self.soft)
    }

    /// May an answer that comes now still correct the verdict that was told?
    #[must_use]
    pub fn corrects(&self, now: Timestamp) -> bool {
        self.waiting() > 0 && now < self.end
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self, now: Timestamp) -> Stage {
        match self.waiting() {
            0 => Stage::Over,
            _ if now >= self.hard => Stage::TimeUp,
            _ => Stage::Open,
        }
    }

    /// When it has to be looked at next, whatever arrives meanwhile.
    #[must_use]
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let evidence = self.begun.checked_add(EVIDENCE_WITHIN).unwrap_or(Timestamp::MAX);
        let moments = [evidence, self.soft, self.hard, self.end];
        moments.into_iter().filter(|at| *at > now).min().unwrap_or(now)
    }
}

/// How far an inquiry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Answers are still to come.
    Open,
    /// All who can have answered.
    Over,
    /// Some have not answered in time: their last word has to do.
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
        assert!(inquiry.nobody_has_answered());
        for place in ["a", "b", "c"] {
            inquiry.heard(place);
            assert_eq!(inquiry.stage(at(100)), Stage::Open);
            assert!(!inquiry.nobody_has_answered());
        }
        assert!(inquiry.waits_for("d") && !inquiry.waits_for("a") && !inquiry.waits_for("x"));
        inquiry.heard("d");
        assert_eq!(inquiry.stage(at(100)), Stage::Over);
    }

    #[test]
    fn those_who_are_gone_have_not_answered_either() {
        let mut inquiry = ask(5);
        for place in ["a", "b", "c"] {
            inquiry.gone(place);
            assert!(inquiry.nobody_has_answered(), "{place} is gone");
        }
        inquiry.heard("d");
        assert!(!inquiry.nobody_has_answered());
    }

    #[test]
    fn who_is_silent_for_too_long_is_taken_by_its_last_word() {
        let mut inquiry = ask(5);
        for place in ["a", "b", "c"] {
            inquiry.heard(place);
        }
        assert_eq!(inquiry.stage(at(8_004)), Stage::Open);
        assert_eq!(inquiry.stage(at(8_005)), Stage::TimeUp);
    }

    #[test]
    fn who_asks_about_silence_waits_as_long_as_the_silence_took() {
        let inquiry = ask(10_000);
        assert!(inquiry.holds(at(12_999), false) && !inquiry.holds(at(13_000), false));
        assert_eq!(inquiry.stage(at(17_999)), Stage::Open);
        assert_eq!(inquiry.stage(at(18_000)), Stage::TimeUp);
    }

    #[test]
    fn a_verdict_waits_a_moment_for_evidence_and_wakes_are_in_order() {
        let mut inquiry = ask(5);
        assert!(inquiry.holds(at(599), true) && !inquiry.holds(at(600), true));
        inquiry.learnt();
        assert!(inquiry.holds(at(1), true), "nobody has answered");
        for place in ["a", "b", "c", "d"] {
            assert!(inquiry.holds(at(1), true), "{place} has not answered");
            inquiry.heard(place);
        }
        assert!(!inquiry.holds(at(1), true));
        let wakes = [at(0), at(600), at(3_005), at(8_005), at(30_005)];
        assert!(wakes.windows(2).all(|pair| inquiry.next_at(pair[0]) == pair[1]));
        let mut inquiry = ask(5);
        inquiry.gone("a");
        assert_eq!(inquiry.waiting(), 3);
    }

    #[test]
    fn a_verdict_that_could_still_change_waits_for_the_window_and_is_corrected_after_it() {
        let mut inquiry = ask(5);
        inquiry.learnt();
        for place in ["a", "b", "c"] {
            inquiry.heard(place);
        }
        assert!(inquiry.holds(at(3_004), false) && !inquiry.holds(at(3_005), false));
        assert!(!inquiry.holds(at(700), true), "what d sees would change nothing");
        assert!(inquiry.corrects(at(30_004)) && !inquiry.corrects(at(30_005)));
        inquiry.heard("d");
        assert!(!inquiry.holds(at(700), false) && !inquiry.corrects(at(700)));
    }
}
