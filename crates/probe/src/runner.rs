//! Runs monitors on schedule and reports what was seen: one loop that owns all state, checks in
//! a supervised set of tasks. It decides nothing about incidents.
//!
//! A monitor is never checked twice at the same time, a slow check delays no other (as long as
//! fewer than [`Settings::concurrency`] are slow), and a receiver of reports that does not keep
//! up stops no check: reports wait in a bounded backlog, from which the oldest fine ones are
//! dropped first.

mod backlog;
mod plan;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use whydown_core::evidence::Evidence;
use whydown_core::monitor::Monitor;
use whydown_core::observation::State;
use whydown_core::wire::Report;

use crate::examine::{self, Before, Examined, examine};
use crate::observe::own_fault;
use backlog::Backlog;
use plan::{Plan, Ticket};

/// Limits and choices of a runner.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Checks under way at the same time at most.
    pub concurrency: usize,
    /// Reports kept while the receiver does not take them.
    pub backlog_max: usize,
    /// While a monitor keeps failing in the same way, evidence is collected anew so often.
    pub evidence_every: Duration,
    /// How checks are made and evidence is collected.
    pub examine: examine::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 2_000,
            backlog_max: 10_000,
            evidence_every: Duration::from_mins(5),
            examine: examine::Settings::default(),
        }
    }
}

/// What a runner can be told besides its assignments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Check now, out of turn. A check that is already under way is repeated after it, because
    /// it may have begun before whatever made somebody ask.
    CheckNow {
        /// The monitor's name. Unknown and paused ones are passed over.
        monitor: String,
    },
}

/// A check that has ended.
struct Done {
    ticket: Ticket,
    examined: Examined,
}

/// Checks the assigned monitors until `stop` becomes true (or its sender, or the receiver of
/// reports, is gone). Checks under way are then dropped.
pub async fn run(
    location: String,
    settings: Settings,
    mut assignments: watch::Receiver<Arc<Vec<Monitor>>>,
    mut commands: mpsc::Receiver<Command>,
    reports: mpsc::Sender<Report>,
    mut stop: watch::Receiver<bool>,
) {
    let mut runner = Runner::new(location, settings);
    let mut assigned = true;
    let mut commanded = true;
    let first = assignments.borrow_and_update().clone();
    runner.assign(&first);
    loop {
        runner.start_ready();
        if runner.backlog.flush(&reports).is_err() {
            return;
        }
        let next = runner.plan.next_at();
        tokio::select! {
            stopped = stop.wait_for(|stop| *stop) => {
                drop(stopped);
                return;
            }
            changed = assignments.changed(), if assigned => match changed {
                Ok(()) => {
                    let monitors = assignments.borrow_and_update().clone();
                    runner.assign(&monitors);
                }
                Err(_) => assigned = false,
            },
            command = commands.recv(), if commanded => match command {
                Some(Command::CheckNow { monitor }) => runner.plan.check_now(&monitor),
                None => commanded = false,
            },
            Some(ended) = runner.tasks.join_next_with_id() => runner.ended(ended),
            permit = reports.reserve(), if !runner.backlog.is_empty() => match permit {
                Ok(permit) => runner.backlog.send(permit),
                Err(_) => return,
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                runner.plan.wake(Instant::now());
            }
        }
    }
}

struct Runner {
    location: String,
    settings: Settings,
    plan: Plan,
    tasks: JoinSet<Done>,
    /// Which monitor a task checks, for tasks that panic.
    tickets: HashMap<Id, (Ticket, Timestamp)>,
    backlog: Backlog,
}

impl Runner {
    fn new(location: String, settings: Settings) -> Self {
        Self {
            plan: Plan::new(Timestamp::now(), Instant::now()),
            backlog: Backlog::new(settings.backlog_max),
            tasks: JoinSet::new(),
            tickets: HashMap::new(),
            location,
            settings,
        }
    }

    fn assign(&mut self, monitors: &[Monitor]) {
        self.plan.assign(monitors, Instant::now());
    }

    /// Starts what is due, as far as the concurrency limit allows.
    fn start_ready(&mut self) {
        while self.tasks.len() < self.settings.concurrency {
            let Some(start) = self.plan.take_ready(Instant::now()) else { break };
            let (ticket, monitor, known) = (start.ticket, start.monitor, start.known);
            let before = Before { evidence_every: self.settings.evidence_every, ..known };
            // One allocation per check; the settings are a few shared pointers and short lists.
            let settings = self.settings.examine.clone();
            let mine = ticket.clone();
            let handle = self.tasks.spawn(async move {
                let examined = examine(&monitor, &settings, before).await;
                Done { ticket: mine, examined }
            });
            self.tickets.insert(handle.id(), (ticket.clone(), Timestamp::now()));
            self.plan.started(&ticket, handle);
        }
    }

    fn ended(&mut self, ended: Result<(Id, Done), JoinError>) {
        let done = match ended {
            Ok((id, done)) => {
                self.tickets.remove(&id);
                done
            }
            Err(error) => {
                let Some((ticket, at)) = self.tickets.remove(&error.id()) else { return };
                if error.is_cancelled() {
                    return;
                }
                tracing::error!(monitor = %ticket.name, %error, "a check panicked");
                let elapsed = Timestamp::now().duration_since(at).unsigned_abs();
                let observations = vec![own_fault(at, elapsed)];
                let evidence = Evidence { observations, ..Evidence::default() };
                Done { ticket, examined: Examined { evidence, investigated: false } }
            }
        };
        let Done { ticket, examined } = done;
        let last = examined.evidence.observations.last();
        let failing = last.filter(|o| matches!(o.state, State::Down | State::Degraded));
        let failure = failing.and_then(|observation| observation.failure);
        let now = Instant::now();
        // A monitor that was changed or removed meanwhile has nothing to report any more.
        if !self.plan.ended(&ticket, failure, examined.investigated, now) {
            return;
        }
        self.backlog.push(Report {
            monitor: ticket.name.to_string(),
            location: self.location.clone(),
            evidence: examined.evidence,
        });
    }
}
