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

    /// When the next one may begin, as far as time goes. `None`: at any time.
    pub(super) fn opens(&mut self, rate: Option<Rate>, now: Instant) -> Option<Instant> {
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
