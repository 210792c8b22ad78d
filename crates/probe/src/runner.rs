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
use whydown_core::observation::State;
use whydown_core::wire::{Assignment, Report};

use crate::examine::{self, Before, Examined, examine_telling};
use crate::observe::own_fault;
use backlog::Backlog;
use plan::{Plan, Start, Ticket};

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

/// What a runner is connected to.
#[derive(Debug)]
pub struct Wires {
    /// What to check.
    pub assignments: watch::Receiver<Arc<Vec<Assignment>>>,
    /// What to do besides.
    pub commands: mpsc::Receiver<Command>,
    /// Where every report goes.
    pub reports: mpsc::Sender<Report>,
    /// Where goes what somebody should know before its report is complete: the first failing
    /// check, what was found around it, and the outcome of checks that were asked for. Nothing of
    /// it is missing in `reports`.
    pub early: Option<mpsc::Sender<Report>>,
}

/// A check that has ended.
struct Done {
    ticket: Ticket,
    examined: Examined,
    asked: bool,
}

/// Checks the assigned monitors until `stop` becomes true (or its sender, or the receiver of
/// reports, is gone). Checks under way are then dropped.
pub async fn run(
    location: String,
    settings: Settings,
    wires: Wires,
    mut stop: watch::Receiver<bool>,
) {
    let Wires { mut assignments, mut commands, reports, early } = wires;
    let mut runner = Runner::new(location, settings, early);
    let mut assigned = true;
    let mut commanded = true;
    let first = assignments.borrow_and_update().clone();
    runner.assign(&first);
    drop(first);
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
    early: Option<mpsc::Sender<Report>>,
}

impl Runner {
    fn new(location: String, settings: Settings, early: Option<mpsc::Sender<Report>>) -> Self {
        Self {
            early,
            plan: Plan::new(Timestamp::now(), Instant::now()),
            backlog: Backlog::new(settings.backlog_max),
            tasks: JoinSet::new(),
            tickets: HashMap::new(),
            location,
            settings,
        }
    }

    fn assign(&mut self, assignments: &[Assignment]) {
        self.plan.assign(assignments, Instant::now());
    }

    /// Starts what is due, as far as the concurrency limit allows.
    fn start_ready(&mut self) {
        while self.tasks.len() < self.settings.concurrency {
            let Some(start) = self.plan.take_ready(Instant::now()) else { break };
            let Start { ticket, monitor, known, asked } = start;
            let before = Before { evidence_every: self.settings.evidence_every, ..known };
            // One allocation per check; the settings are a few shared pointers and short lists.
            let settings = self.settings.examine.clone();
            let mine = ticket.clone();
            let tell = self.teller(&ticket);
            let handle = self.tasks.spawn(async move {
                let examined = examine_telling(&monitor, &settings, before, &tell).await;
                Done { ticket: mine, examined, asked }
            });
            self.tickets.insert(handle.id(), (ticket.clone(), Timestamp::now()));
            self.plan.started(&ticket, handle);
        }
    }

    /// Tells what is known of a monitor before its report is complete. Nobody waits for a receiver
    /// that is slow.
    fn teller(&self, ticket: &Ticket) -> impl Fn(Evidence) + Send + Sync + 'static {
        let (early, location) = (self.early.clone(), self.location.clone());
        let monitor = ticket.name.to_string();
        move |evidence| {
            if let Some(early) = &early {
                let (monitor, location) = (monitor.clone(), location.clone());
                let _ = early.try_send(Report { monitor, location, evidence });
            }
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
                Done { ticket, examined: Examined { evidence, investigated: false }, asked: false }
            }
        };
        let Done { ticket, examined, asked } = done;
        let last = examined.evidence.observations.last();
        let failing = last.filter(|o| matches!(o.state, State::Down | State::Degraded));
        let failure = failing.and_then(|observation| observation.failure);
        let now = Instant::now();
        // A monitor that was changed or removed meanwhile has nothing to report any more.
        if !self.plan.ended(&ticket, failure, examined.investigated, now) {
            return;
        }
        if asked && failure.is_none() {
            self.teller(&ticket)(examined.evidence.clone());
        }
        self.backlog.push(Report {
            monitor: ticket.name.to_string(),
            location: self.location.clone(),
            evidence: examined.evidence,
        });
    }
}
