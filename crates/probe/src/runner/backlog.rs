//! Reports that wait for their receiver. Bounded; what is dropped first is the oldest report of a
//! check that was fine, then the oldest of all.

use std::collections::VecDeque;

use tokio::sync::mpsc::{self, Permit, error::TrySendError};
use whydown_core::observation::State;
use whydown_core::wire::Report;

/// The receiver is gone.
pub(super) struct Gone;

pub(super) struct Backlog {
    reports: VecDeque<Report>,
    max: usize,
    dropped: u64,
}

impl Backlog {
    pub(super) fn new(max: usize) -> Self {
        Self { reports: VecDeque::new(), max: max.max(1), dropped: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    pub(super) fn push(&mut self, report: Report) {
        if self.reports.len() >= self.max {
            let oldest_fine = self.reports.iter().position(is_fine).unwrap_or(0);
            self.reports.remove(oldest_fine);
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::warn!(dropped = self.dropped, "reports are dropped: nobody takes them");
            }
        }
        self.reports.push_back(report);
    }

    /// Hands over what the receiver has room for.
    pub(super) fn flush(&mut self, to: &mpsc::Sender<Report>) -> Result<(), Gone> {
        while let Some(report) = self.reports.pop_front() {
            match to.try_send(report) {
                Ok(()) => {}
                Err(TrySendError::Full(report)) => {
                    self.reports.push_front(report);
                    break;
                }
                Err(TrySendError::Closed(_)) => return Err(Gone),
            }
        }
        Ok(())
    }

    /// Hands over the oldest one.
    pub(super) fn send(&mut self, permit: Permit<'_, Report>) {
        if let Some(report) = self.reports.pop_front() {
            permit.send(report);
        }
    }
}

fn is_fine(report: &Report) -> bool {
    report.evidence.observations.iter().all(|observation| observation.state == State::Up)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use whydown_core::evidence::Evidence;
    use whydown_core::observation::State;
    use whydown_core::wire::Report;

    use super::Backlog;
    use crate::observe::own_fault;

    fn report(name: &str, state: State) -> Report {
        let mut observation = own_fault(Timestamp::UNIX_EPOCH, Duration::ZERO);
        observation.state = state;
        let evidence = Evidence { observations: vec![observation], ..Evidence::default() };
        Report { monitor: name.to_owned(), location: "here".to_owned(), evidence }
    }

    #[test]
    fn a_full_backlog_drops_the_oldest_fine_report_and_keeps_the_failures() {
        let mut backlog = Backlog::new(3);
        backlog.push(report("a", State::Down));
        backlog.push(report("b", State::Up));
        backlog.push(report("c", State::Up));
        backlog.push(report("d", State::Down));
        backlog.push(report("e", State::Down));
        backlog.push(report("f", State::Up));
        let names: Vec<&str> = backlog.reports.iter().map(|r| r.monitor.as_str()).collect();
        assert_eq!(names, ["d", "e", "f"]);
    }
}
