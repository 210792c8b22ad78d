//! Listens to the server: what is to be checked, what should be checked now, what somebody wants
//! to know about a target.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use whydown_core::monitor::Monitor;
use whydown_core::wire::{
    ANSWER_PATH, Answer, Assignment, Introduction, Order, STREAM_PATH, TIME_PATH, Time, understands,
};

use super::identity::write_private;
use super::keep::Shared;
use super::{Client, Lines, LinkError, Pauses};
use crate::examine::{self, Before, examine};
use crate::runner::Command;

/// Targets diagnosed for the server at the same time.
const DIAGNOSES_MAX: usize = 16;
/// Asks for the server's clock at the beginning of a stream.
const CLOCK_SAMPLES: usize = 4;
/// Further ones come so often.
const CLOCK_EVERY: Duration = Duration::from_mins(1);
/// What was to be checked last, for a start without the server. It holds request headers.
const ASSIGNMENTS_FILE: &str = "assignments.json";

/// Follows orders.
pub(super) struct Listener {
    pub(super) client: Arc<Client>,
    pub(super) shared: Arc<Shared>,
    pub(super) introduction: Introduction,
    pub(super) data: PathBuf,
    pub(super) settings: examine::Settings,
    pub(super) assignments: watch::Sender<Arc<Vec<Assignment>>>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) known: BTreeMap<String, Assignment>,
}

/// What was to be checked when the process ended last.
pub(super) fn remembered(data: &std::path::Path) -> BTreeMap<String, Assignment> {
    let text = std::fs::read(data.join(ASSIGNMENTS_FILE)).unwrap_or_default();
    let known: Vec<Assignment> = serde_json::from_slice(&text).unwrap_or_default();
    known.into_iter().map(|one| (one.monitor.name.clone(), one)).collect()
}

impl Listener {
    /// Keeps a stream open, for ever; returns when the server refuses for good.
    pub(super) async fn run(mut self) -> LinkError {
        let mut pauses = Pauses::default();
        self.publish();
        loop {
            let begun = Instant::now();
            let error = match self.client.stream(STREAM_PATH, &self.introduction).await {
                Ok(lines) => self.follow(lines).await,
                Err(error) => error,
            };
            if !error.is_passing() {
                return error;
            }
            if begun.elapsed() > Duration::from_secs(10) {
                pauses.reset();
            }
            let pause = pauses.next_pause();
            tracing::warn!("no orders from the server: {error}; trying in {pause:.1?}");
            tokio::time::sleep(pause).await;
        }
    }

    async fn follow(&mut self, mut lines: Lines) -> LinkError {
        let mut diagnoses = JoinSet::new();
        let mut tick = interval(CLOCK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..CLOCK_SAMPLES {
            self.read_clock().await;
        }
        loop {
            tokio::select! {
                order = lines.next::<Order>() => match order {
                    Ok(order) => {
                        if let Err(error) = self.obey(order, &mut diagnoses).await {
                            return error;
                        }
                    }
                    Err(error) => return error,
                },
                _ = tick.tick() => self.read_clock().await,
                Some(_) = diagnoses.join_next() => {}
            }
        }
    }

    async fn read_clock(&self) {
        let sent = Instant::now();
        let answer: Result<Time, LinkError> = self.client.get(TIME_PATH).await;
        if let Ok(time) = answer {
            let mut clock = self.shared.clock.lock().unwrap_or_else(PoisonError::into_inner);
            clock.measure(time.at, sent, Instant::now());
        }
    }

    async fn obey(&mut self, order: Order, diagnoses: &mut JoinSet<()>) -> Result<(), LinkError> {
        match order {
            Order::Welcome { protocol, version, location, acknowledged } => {
                if !understands(protocol) {
                    return Err(LinkError::Refused(format!(
                        "it has version {version} and speaks protocol {protocol}; update the \
                         older of the two"
                    )));
                }
                tracing::info!(location = location.name, server = version, "linked");
                self.shared.welcomed.send_modify(|welcomed| {
                    *welcomed = (acknowledged, welcomed.1.wrapping_add(1));
                });
            }
            Order::Assign { all, set, drop, more } => self.assign(all, set, &drop, more),
            Order::CheckNow { monitors } => {
                for monitor in monitors {
                    // An error means that the runner is stopping.
                    let _ = self.commands.send(Command::CheckNow { monitor }).await;
                }
            }
            Order::Diagnose { id, target, timeout } => {
                if diagnoses.len() < DIAGNOSES_MAX {
                    let mut monitor = Monitor::new("diagnose", target);
                    monitor.timeout = timeout;
                    diagnoses.spawn(diagnose(
                        id,
                        monitor,
                        self.settings.clone(),
                        Arc::clone(&self.client),
                    ));
                }
            }
            Order::Ping | Order::Unknown => {}
        }
        Ok(())
    }

    fn assign(&mut self, all: bool, set: Vec<Assignment>, drop: &[String], more: bool) {
        if all {
            self.known.clear();
        }
        for name in drop {
            self.known.remove(name);
        }
        self.known.extend(set.into_iter().map(|one| (one.monitor.name.clone(), one)));
        if !more {
            self.publish();
            let known: Vec<&Assignment> = self.known.values().collect();
            let text = serde_json::to_vec(&known).unwrap_or_default();
            if let Err(error) = write_private(&self.data, ASSIGNMENTS_FILE, &text) {
                tracing::warn!(%error, "what is to be checked could not be remembered");
            }
        }
    }

    fn publish(&self) {
        let known: Vec<Assignment> = self.known.values().cloned().collect();
        tracing::info!(monitors = known.len(), "assigned");
        self.assignments.send_replace(Arc::new(known));
    }
}

async fn diagnose(id: u64, monitor: Monitor, settings: examine::Settings, client: Arc<Client>) {
    let evidence = examine(&monitor, &settings, Before::default()).await.evidence;
    let answer = Answer { id, evidence };
    let posted: Result<serde_json::Value, LinkError> = client.post(ANSWER_PATH, &answer).await;
    if let Err(error) = posted {
        tracing::warn!("an answer could not be delivered: {error}");
    }
}
