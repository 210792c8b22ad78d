//! One channel's place in the outbox: how many attempts it may have at once, how fast they may
//! follow each other, and how long it asked to be left alone.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::PER_CHANNEL;
use crate::channel::Rate;
use crate::store::Claimed;

/// One channel.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) busy: usize,
    pub(super) waiting: VecDeque<Claimed>,
    /// When attempts of the rate's span began.
    begun: VecDeque<Instant>,
    /// The receiver wants to hear nothing before.
    paused_until: Option<Instant>,
}

impl Lane {
    /// The next attempt that may begin now.
    pub(super) fn next(&mut self, rate: Option<Rate>, now: Instant) -> Option<Claimed> {
        if self.busy >= PER_CHANNEL || self.opens(rate, now).is_some_and(|at| at > now) {
            return None;
        }
        let claimed = self.waiting.pop_front()?;
        self.busy += 1;
        if rate.is_some() {
            self.begun.push_back(now);
        }
        Some(claimed)
    }

    /// When somebody has to come back to begin the next one. `None`: not before another one has
    /// ended, or more has to be sent.
    pub(super) fn wakes(&mut self, rate: Option<Rate>, now: Instant) -> Option<Instant> {
        let has_room = !self.waiting.is_empty() && self.busy < PER_CHANNEL;
        // It may have opened since somebody was here last: then at once.
        has_room.then(|| self.opens(rate, now).unwrap_or(now))
    }

    /// When the next one may begin, as far as time goes. `None`: at any time.
    fn opens(&mut self, rate: Option<Rate>, now: Instant) -> Option<Instant> {
        let paced = rate.and_then(|rate| {
            while self.begun.front().is_some_and(|at| *at + rate.span <= now) {
                self.begun.pop_front();
            }
            let full = self.begun.len() >= usize::try_from(rate.count).unwrap_or(usize::MAX);
            full.then(|| self.begun.front().map_or(now, |at| *at + rate.span))
        });
        self.paused_until = self.paused_until.filter(|until| *until > now);
        paced.max(self.paused_until)
    }

    pub(super) fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// Nothing to remember.
    pub(super) fn is_idle(&self) -> bool {
        self.busy == 0
            && self.waiting.is_empty()
            && self.begun.is_empty()
            && self.paused_until.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::notify::test_notice;

    const SECOND: Duration = Duration::from_secs(1);

    fn claimed(seq: i64) -> Claimed {
        let created_at = Timestamp::UNIX_EPOCH;
        Claimed { seq, notice: test_notice("ops", created_at), created_at, attempts: 0 }
    }

    /// Nobody else comes back for what waits here before the next look at the database.
    #[test]
    fn a_lane_that_has_opened_meanwhile_wakes_at_once() {
        let now = Instant::now();
        let mut lane = Lane::default();
        assert_eq!(lane.wakes(None, now), None, "nothing is to be sent");
        lane.waiting.extend((0..3).map(claimed));
        lane.pause(now + SECOND);
        assert!(lane.next(None, now).is_none());
        assert_eq!(lane.wakes(None, now), Some(now + SECOND));
        let later = now + 2 * SECOND;
        assert_eq!(lane.wakes(None, later), Some(later));
        let rate = Some(Rate { count: 1, span: SECOND });
        assert!(lane.next(rate, later).is_some());
        assert_eq!(lane.wakes(rate, later), Some(later + SECOND));
        assert_eq!(lane.wakes(rate, later + 2 * SECOND), Some(later + 2 * SECOND));
        assert!(lane.next(rate, later + 2 * SECOND).is_some());
        assert_eq!(lane.wakes(rate, later + 4 * SECOND), None, "both places are taken");
    }
}
