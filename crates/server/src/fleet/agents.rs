//! Host agents: who is linked, for which addresses, and what they say. It passes things on to the
//! engine; it holds no opinion. What an agent says is hostile until shown otherwise: it is cut to
//! its own host's name, its own addresses, and the ports that it may speak of.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};
use whydown_core::inside::wire::{
    AGENT_BEAT, AGENT_NEWS_PATH, AGENT_STREAM_PATH, AgentHello, AgentNews, AgentOrder,
    HAPPENINGS_MAX, VIEWS_MAX,
};
use whydown_core::inside::{InsideView, Transport};
use whydown_core::wire::{HEARTBEAT, PROTOCOL, Role, understands};

use super::heard::{self, AgentStatus, Heard, HostStatus};
use super::hosts::{WatchedHost, watched_hosts};
use super::link::{No, key, later, read};
use super::register::Key;
use crate::engine::Event;
use crate::web::Web;

/// Bytes of one message, packed or not.
const NEWS_MAX_BYTES: usize = 1 << 20;
/// Orders that may wait for one agent; what comes on top is not asked.
const ORDERS_MAX: usize = 64;
/// Addresses of one host.
const ADDRESSES_MAX: usize = 256;
/// Listeners, units, log lines … of one view.
const ENTRIES_MAX: usize = 64;
/// An agent that was not heard of for so long is away.
const GONE_AFTER: Duration = AGENT_BEAT.saturating_mul(3);
/// Clocks that differ by less are left alone: the way of a message takes time, too.
const CLOCKS_ALIKE: SignedDuration = SignedDuration::from_millis(500);

/// What an agent has said, cut to what it may say.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// The host's name.
    pub(crate) host: String,
    /// All addresses at which it is reached.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Ports on which something has stopped listening just now.
    pub(crate) gone: Vec<(Transport, u16)>,
    /// Views of ports, times by the server's clock.
    pub(crate) views: Vec<InsideView>,
}

/// The agents; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Agents(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By key id.
    links: HashMap<String, Link>,
    /// By host.
    heard: HashMap<String, Heard>,
    streams: u64,
}

struct Link {
    stream: u64,
    host: WatchedHost,
    addresses: BTreeSet<IpAddr>,
    orders: mpsc::Sender<AgentOrder>,
    /// When it said something.
    heard: Instant,
}

impl Link {
    /// A machine that lost its power closes no stream.
    fn is_live(&self) -> bool {
        self.heard.elapsed() < GONE_AFTER
    }

    fn all_addresses(&self) -> BTreeSet<IpAddr> {
        heard::addresses(&self.addresses, &self.host)
    }

    fn speaks_of(&self, port: u16) -> bool {
        self.host.ports.is_empty() || self.host.ports.contains(&port)
    }
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Agents")
    }
}

impl Agents {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is an agent linked that speaks of this address and port? Its host's name.
    pub(crate) fn host_of(&self, ip: IpAddr, port: u16) -> Option<String> {
        let state = self.state();
        let link = state.links.values().find(|link| {
            link.is_live()
                && link.speaks_of(port)
                && (link.addresses.contains(&ip) || link.host.addresses.contains(&ip))
        })?;
        Some(link.host.name.clone())
    }

    /// Asks a host for a view of a port. Never waits.
    pub(crate) fn ask(&self, host: &str, port: u16, transport: Transport, name: Option<&str>) {
        let state = self.state();
        let links = state.links.values().filter(|link| link.host.name == host);
        for link in links {
            let order = AgentOrder::Look { port, transport, name: name.map(str::to_owned) };
            // Full: it has enough to do.
            let _ = link.orders.try_send(order);
        }
    }

    /// Opens a stream; an older one of the same key ends.
    fn open(
        &self,
        id: &str,
        host: WatchedHost,
        hello: &AgentHello,
    ) -> (mpsc::Receiver<AgentOrder>, u64) {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let mut state = self.state();
        state.streams += 1;
        let stream = state.streams;
        let welcome = AgentOrder::Welcome {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host.name.clone(),
            ports: host.ports.clone(),
        };
        // The channel is empty: there is room.
        let _ = orders.try_send(welcome);
        tracing::info!(agent = id, host = host.name, "linked");
        let addresses = usable(&hello.addresses);
        state
            .links
            .insert(id.to_owned(), Link { stream, host, addresses, orders, heard: Instant::now() });
        (inbox, stream)
    }

    fn close(&self, id: &str, stream: u64) {
        let mut state = self.state();
        if state.links.get(id).is_some_and(|link| link.stream == stream) {
            tracing::info!(agent = id, "link closed");
            state.links.remove(id);
        }
    }

    /// Hosts with what is stored and what their agents told.
    pub(crate) fn statuses(&self, hosts: Vec<WatchedHost>, keys: &[Key]) -> Vec<HostStatus> {
        let state = self.state();
        let agents = keys.iter().filter(|key| key.role == Role::Agent).map(|key| {
            let status = AgentStatus {
                id: key.id.clone(),
                live: state.links.get(&key.id).is_some_and(Link::is_live),
                version: key.introduction.version.clone(),
                seen_at: key.seen_at,
            };
            (key.place.clone(), status)
        });
        let agents: Vec<(String, AgentStatus)> = agents.collect();
        heard::statuses(hosts, &agents, |name| state.heard.get(name).cloned().unwrap_or_default())
    }

    /// A host is known differently: its agents come back and are told.
    pub(crate) fn change(&self, host: &WatchedHost) {
        let is_other = |link: &Link| link.host.name == host.name && link.host != *host;
        self.state().links.retain(|_, link| !is_other(link));
    }

    /// Forgets a host: its streams end.
    pub(crate) fn forget(&self, host: &str) {
        let mut state = self.state();
        state.links.retain(|_, link| link.host.name != host);
        state.heard.remove(host);
    }

    /// What may be believed of a message; `None`: its agent has no stream open.
    fn take(&self, id: &str, news: AgentNews, now: Timestamp) -> Option<Word> {
        let mut guard = self.state();
        let state = &mut *guard;
        let link = state.links.get_mut(id)?;
        link.heard = Instant::now();
        if !news.addresses.is_empty() {
            link.addresses = usable(&news.addresses);
        }
        let ahead = news.sent_at.duration_since(now);
        let ahead = if ahead.abs() < CLOCKS_ALIKE { SignedDuration::ZERO } else { ahead };
        let heard = state.heard.entry(link.host.name.clone()).or_default();
        if let Some(listeners) = news.listeners {
            heard.listen(listeners, |port| link.speaks_of(port));
        }
        heard.happen(news.happenings, ahead, now);
        let gone = news.gone.iter().map(|listener| (listener.transport, listener.port));
        let gone = gone.filter(|(_, port)| link.speaks_of(*port)).take(ENTRIES_MAX).collect();
        let views = news.views.into_iter().take(VIEWS_MAX);
        let views = views.filter(|view| link.speaks_of(view.port));
        let views = views.map(|view| trimmed(view, &link.host.name, ahead, now)).collect();
        Some(Word { host: link.host.name.clone(), addresses: link.all_addresses(), gone, views })
    }
}

/// Addresses that can be somebody's own: loopback is everybody's.
fn usable(addresses: &[IpAddr]) -> BTreeSet<IpAddr> {
    let own = |ip: &&IpAddr| !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast();
    addresses.iter().filter(own).take(ADDRESSES_MAX).copied().collect()
}

/// A view under its host's own name, of bounded size, with times by the server's clock.
fn trimmed(mut view: InsideView, host: &str, ahead: SignedDuration, now: Timestamp) -> InsideView {
    host.clone_into(&mut view.host);
    let shift = |at: &mut Timestamp| {
        *at = at.checked_sub(ahead).unwrap_or(now).min(now);
    };
    view.listeners.truncate(ENTRIES_MAX);
    view.elsewhere.truncate(ENTRIES_MAX);
    view.firewall.truncate(ENTRIES_MAX);
    view.units.truncate(ENTRIES_MAX);
    view.passages.truncate(ENTRIES_MAX);
    view.happenings.truncate(HAPPENINGS_MAX);
    view.at.iter_mut().for_each(shift);
    view.machine.booted_at.iter_mut().for_each(shift);
    view.happenings.iter_mut().for_each(|happening| shift(&mut happening.at));
    for unit in &mut view.units {
        unit.log.truncate(ENTRIES_MAX);
        unit.changes.truncate(ENTRIES_MAX);
        unit.started_at.iter_mut().for_each(shift);
        unit.stopped_at.iter_mut().for_each(shift);
        unit.changes.iter_mut().for_each(|change| shift(&mut change.at));
        unit.log.iter_mut().filter_map(|line| line.at.as_mut()).for_each(shift);
    }
    view
}

/// The paths that agents use.
pub(crate) fn routes() -> Router<Web> {
    Router::new()
        .route(AGENT_STREAM_PATH, post(orders))
        .route(AGENT_NEWS_PATH, post(news))
        .layer(DefaultBodyLimit::max(NEWS_MAX_BYTES))
}

/// `POST /link/inside/stream`
async fn orders(
    Extract(web): Extract<Web>,
    headers: HeaderMap,
    Json(hello): Json<AgentHello>,
) -> Response {
    let key = match key(&web.app, &headers, Role::Agent).await {
        Ok(key) => key,
        Err(no) => return no,
    };
    if !understands(hello.protocol) {
        let text = format!(
            "it speaks protocol {PROTOCOL}, and version {} of the agent speaks {}; update the \
             older of the two",
            hello.version, hello.protocol
        );
        return No(StatusCode::UPGRADE_REQUIRED, text).into_response();
    }
    let hosts = match watched_hosts(web.app.store()).await {
        Ok(hosts) => hosts,
        Err(error) => {
            tracing::error!("an agent's host could not be looked up: {error}");
            return later(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    let Some(host) = hosts.into_iter().find(|host| host.name == key.place) else {
        let text = format!("its host {:?} does not exist any more", key.place);
        return No(StatusCode::GONE, text).into_response();
    };
    let agents = web.app.links().agents.clone();
    let (orders, stream) = agents.open(&key.id, host, &hello);
    let open = Open { agents, id: key.id, stream };
    let pings = interval(HEARTBEAT);
    let lines = stream::unfold((orders, pings, open), |(mut orders, mut pings, open)| async {
        let order = tokio::select! {
            order = orders.recv() => order?,
            _ = pings.tick() => AgentOrder::Ping,
        };
        let mut line = serde_json::to_vec(&order).ok()?;
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), (orders, pings, open)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    // Proxies that collect an answer before they pass it on would hold back orders.
    let unbuffered = [("x-accel-buffering", "no")];
    (kind, unbuffered, Body::from_stream(lines.boxed())).into_response()
}

/// A stream that is open for as long as this lives.
struct Open {
    agents: Agents,
    id: String,
    stream: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.agents.close(&self.id, self.stream);
    }
}

/// `POST /link/inside/news`
async fn news(Extract(web): Extract<Web>, headers: HeaderMap, body: Bytes) -> Response {
    let key = match key(&web.app, &headers, Role::Agent).await {
        Ok(key) => key,
        Err(no) => return no,
    };
    let news: AgentNews = match read(&headers, &body) {
        Ok(news) => news,
        Err(no) => return *no,
    };
    let links = web.app.links();
    let Some(word) = links.agents.take(&key.id, news, links.clock.now()) else {
        // Its stream comes back in a moment.
        return later(StatusCode::SERVICE_UNAVAILABLE);
    };
    if links.events.send(Event::Inside(Box::new(word))).await.is_err() {
        return later(StatusCode::SERVICE_UNAVAILABLE);
    }
    Json(json!({})).into_response()
}
