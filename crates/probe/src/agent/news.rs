//! Tells the server: listeners that are gone at once, and then the inside view of their port;
//! views that were asked for; what happened to the machine.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use whydown_core::inside::wire::{AGENT_BEAT, AGENT_NEWS_PATH, AgentNews, HAPPENINGS_MAX};
use whydown_core::inside::{Happening, HappeningKind, InsideView, Rise, Transport};
use whydown_host::inside::{Question, addresses, look};
use whydown_host::machine;

use super::sight::{Allowed, Memory, Seen, Sight};
use crate::link::{Client, LinkError};

/// Views that may be in the making at once.
const LOOKS_MAX: usize = 4;
/// A port is not looked at more often than this: the last view is sent again.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long each program that is asked for a view may take.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Happenings remembered for views of any port.
const REMEMBERED_MAX: usize = HAPPENINGS_MAX;
/// Happenings that wait for a server that is away; beyond it the oldest are lost.
const UNTOLD_MAX: usize = 1_024;

/// Talks to the server.
pub(super) struct Post {
    pub(super) client: Client,
    pub(super) allowed: Allowed,
}

/// What is to be told without anything having happened.
pub(super) enum Order {
    /// A view of a port.
    Look { port: u16, transport: Transport, name: Option<String> },
    /// What listens here: the link is new, and the server may know nothing.
    Introduce,
}

/// What is going on.
struct State {
    looks: JoinSet<InsideView>,
    looked: BTreeMap<u16, Instant>,
    happenings: Vec<Happening>,
    overflows: Option<Rise>,
    /// What could not be told yet, in the order of time.
    untold: VecDeque<Happening>,
}

impl Post {
    /// Tells, until watching ends.
    pub(super) async fn run(self, mut sight: Sight, mut orders: mpsc::Receiver<Order>) {
        let memory = sight.memory().clone();
        let mut state = State {
            looks: JoinSet::new(),
            looked: BTreeMap::new(),
            happenings: Vec::new(),
            overflows: machine::overflows(),
            untold: VecDeque::new(),
        };
        let mut beats = interval_at(Instant::now() + AGENT_BEAT, AGENT_BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut news = AgentNews {
                sent_at: Timestamp::now(),
                addresses: Vec::new(),
                gone: Vec::new(),
                views: Vec::new(),
                happenings: Vec::new(),
                listeners: None,
            };
            let mut is_due = false;
            tokio::select! {
                seen = sight.next() => match seen {
                    Some(seen) => self.take(seen, &memory, &mut state, &mut news),
                    None => return,
                },
                Some(order) = orders.recv() => match order {
                    Order::Look { port, transport, name } => {
                        self.look(port, transport, name, &memory, &mut state);
                    }
                    Order::Introduce => news.listeners = Some(memory.listeners(&self.allowed)),
                },
                Some(Ok(view)) = state.looks.join_next() => {
                    news.views.push(with_happenings(view, &state.happenings));
                }
                _ = beats.tick() => is_due = true,
                else => return,
            }
            if is_due || !is_empty(&news) {
                self.send(news, &mut state).await;
            }
        }
    }

    fn take(&self, seen: Seen, memory: &Memory, state: &mut State, news: &mut AgentNews) {
        let happening = match seen {
            Seen::Gone(listener, at, word) => {
                let text =
                    format!("{} no longer listens on {}", listener.holder(), listener.place());
                // The view is in the making while the server has the port checked.
                self.look(listener.port, listener.transport, None, memory, state);
                let gone = Happening { at, kind: HappeningKind::ListenerGone, text };
                news.views.push(with_happenings(*word, std::slice::from_ref(&gone)));
                news.gone.push(listener);
                gone
            }
            Seen::Came(listener, at) => {
                let text = format!("{} listens on {}", listener.holder(), listener.place());
                Happening { at, kind: HappeningKind::ListenerCame, text }
            }
            Seen::Happened(happening) => happening,
            Seen::Listening => {
                news.listeners = Some(memory.listeners(&self.allowed));
                return;
            }
        };
        news.happenings.push(happening.clone());
        state.happenings.push(happening);
        let surplus = state.happenings.len().saturating_sub(REMEMBERED_MAX);
        state.happenings.drain(..surplus);
    }

    fn look(
        &self,
        port: u16,
        transport: Transport,
        name: Option<String>,
        memory: &Memory,
        state: &mut State,
    ) {
        let now = Instant::now();
        let lately = state.looked.get(&port).is_some_and(|at| now < *at + LOOK_EVERY);
        if !self.allowed.has(port) || lately || state.looks.len() >= LOOKS_MAX {
            return;
        }
        state.looked.retain(|_, at| now < *at + LOOK_EVERY);
        state.looked.insert(port, now);
        let clues = memory.clues(port, name);
        let question =
            Question { port, transport, clues, before: state.overflows, patience: PATIENCE };
        state.looks.spawn_blocking(move || look(&question));
    }

    /// Tells, first what has waited. What can't be told waits: happenings with their times, while
    /// views are made anew when somebody asks.
    async fn send(&self, mut news: AgentNews, state: &mut State) {
        let fresh = std::mem::take(&mut news.happenings);
        state.untold.extend(fresh);
        let surplus = state.untold.len().saturating_sub(UNTOLD_MAX);
        state.untold.drain(..surplus);
        loop {
            let count = state.untold.len().min(HAPPENINGS_MAX);
            news.happenings = state.untold.iter().take(count).cloned().collect();
            news.sent_at = Timestamp::now();
            news.addresses = addresses();
            let sent: Result<serde_json::Value, LinkError> =
                self.client.post(AGENT_NEWS_PATH, &news).await;
            if let Err(error) = sent {
                let waiting = state.untold.len();
                tracing::warn!(waiting, "the server could not be told: {error}");
                return;
            }
            state.untold.drain(..count);
            if state.untold.is_empty() {
                return;
            }
            (news.gone, news.views, news.listeners) = (Vec::new(), Vec::new(), None);
        }
    }
}

fn is_empty(news: &AgentNews) -> bool {
    news.gone.is_empty()
        && news.views.is_empty()
        && news.happenings.is_empty()
        && news.listeners.is_none()
}

/// A view with what the agent has seen happen, in the order of time.
fn with_happenings(mut view: InsideView, known: &[Happening]) -> InsideView {
    view.happenings.extend(known.iter().cloned());
    view.happenings.sort_by_key(|happening| happening.at);
    view.happenings.dedup();
    let surplus = view.happenings.len().saturating_sub(HAPPENINGS_MAX);
    view.happenings.drain(..surplus);
    view
}
