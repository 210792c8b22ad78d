//! What probes talk to: enrolment, the stream of orders, batches of reports, answers, the time.
//!
//! What comes in is hostile until shown otherwise: of strangers hardly anything is read, sizes and
//! rates are limited per key, a report's location is that of its key, and what was not assigned
//! there, or not asked, is passed over.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use flate2::read::ZlibDecoder;
use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval, timeout};
use whydown_core::evidence::Evidence;
use whydown_core::wire::{
    ANSWER_PATH, Acknowledgement, Answer, BATCH_MAX, BATCH_MAX_BYTES, BATCH_UNPACKED_MAX_BYTES,
    Batch, ENROL_PATH, Enrolled, Enrolment, HEARTBEAT, Introduction, NOW_PATH, Numbered, Order,
    PROTOCOL, REPORTS_PATH, Report, Role, STREAM_PATH, TIME_PATH, Time, understands,
};

use super::agents::Agents;
use super::allowance::{Turn, Way};
use super::register::{self, FleetError, Key};
use super::{Delivery, Fleet, GONE_AFTER, Link, ORDERS_MAX, Receipt};
use crate::access::secret_hash;
use crate::app::App;
use crate::clock::Clock;
use crate::engine::Event;
use crate::web::Web;

/// Observations of one report at most: a check, its repeats, and room for later versions.
const OBSERVATIONS_MAX: usize = 32;
/// What is older when it arrives is history: nobody is told of it.
const LATE_AFTER: Duration = Duration::from_secs(20);
/// Bytes of what anybody may say: who they are, and a token.
const HELLO_MAX_BYTES: usize = 16 << 10;
/// How long a request may take to arrive.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How long a batch may wait to be stored before its probe is asked to try again.
const STORE_WITHIN: Duration = Duration::from_secs(20);
/// Reports sent ahead that may wait for the engine; what comes on top arrives with its batch.
pub(crate) const EARLY_MAX: usize = 16_384;
/// Batches that may wait for the engine.
pub(crate) const DELIVERIES_MAX: usize = 256;

/// What links are connected to.
#[derive(Clone, Debug)]
pub(crate) struct Wires {
    pub(crate) fleet: Fleet,
    pub(crate) agents: Agents,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    pub(crate) early: mpsc::Sender<Report>,
    pub(crate) clock: Clock,
}

/// The paths that links use.
pub(crate) fn routes() -> Router<Web> {
    Router::new()
        .route(ENROL_PATH, post(enrol))
        .route(STREAM_PATH, post(orders))
        .route(REPORTS_PATH, post(reports))
        .route(NOW_PATH, post(now))
        .route(ANSWER_PATH, post(answer))
        .route(TIME_PATH, get(time))
        // Of strangers; what known ones send is read by `said`.
        .layer(DefaultBodyLimit::max(HELLO_MAX_BYTES))
}

/// An answer that says no for good. The word `link` tells a probe that it was the server who said
/// so, and not something in between.
pub(super) struct No(pub(super) StatusCode, pub(super) String);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "link": self.1 }))).into_response()
    }
}

/// An answer that asks for another attempt.
pub(super) fn later(status: StatusCode) -> Response {
    (status, [(header::RETRY_AFTER, "5")]).into_response()
}

impl From<FleetError> for No {
    fn from(error: FleetError) -> Self {
        Self(StatusCode::FORBIDDEN, error.to_string())
    }
}

fn wires(web: &Web) -> &Wires {
    web.app.links()
}

/// Who is speaking.
pub(super) async fn key(app: &App, headers: &HeaderMap, role: Role) -> Result<Key, Response> {
    let unknown = || {
        let text = "this key is not known, or was revoked; enrol again with a new token";
        No(StatusCode::UNAUTHORIZED, text.to_owned()).into_response()
    };
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let Some(hash) = secret.and_then(secret_hash) else { return Err(unknown()) };
    let fleet = &app.links().fleet;
    let known = fleet.state().keys.get(&hash).cloned();
    let found = match known {
        Some(key) => Some(key),
        None => match register::find(app.store(), &hash).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!("a key could not be looked up: {error}");
                return Err(later(StatusCode::SERVICE_UNAVAILABLE));
            }
        },
    };
    let Some(mut key) = found.filter(|key| key.role == role) else { return Err(unknown()) };
    let now = app.links().clock.now();
    key.seen_at = Some(now);
    let mut state = fleet.state();
    state.keys.entry(hash).or_insert_with(|| key.clone()).seen_at = Some(now);
    state.note_isolation(Instant::now());
    if let Some(link) = state.links.get_mut(&key.id) {
        link.heard = Instant::now();
    }
    Ok(key)
}

/// `POST /link/enrol`
async fn enrol(State(web): State<Web>, Json(enrolment): Json<Enrolment>) -> Response {
    if let Err(no) = check_protocol(&enrolment.introduction) {
        return no.into_response();
    }
    match register::enrol(web.app.store(), &enrolment, wires(&web).clock.now()).await {
        Ok(key) => {
            tracing::info!(key = key.id, "enrolled");
            // Its location may have been defined beside this server a moment ago.
            if let Err(error) = wires(&web).fleet.read(web.app.store()).await {
                tracing::warn!("the fleet could not be read: {error}");
            }
            let enrolled =
                Enrolled { id: key.id, role: key.role, place: key.place, protocol: PROTOCOL };
            Json(enrolled).into_response()
        }
        Err(error @ (FleetError::Store(_) | FleetError::Random(_))) => {
            tracing::error!("somebody could not be enrolled: {error}");
            later(StatusCode::SERVICE_UNAVAILABLE)
        }
        Err(error) => No::from(error).into_response(),
    }
}

fn check_protocol(introduction: &Introduction) -> Result<(), No> {
    if understands(introduction.protocol) {
        return Ok(());
    }
    let text = format!(
        "it speaks protocol {PROTOCOL}, and version {} of the probe speaks {}; update the older of \
         the two",
        introduction.version, introduction.protocol
    );
    Err(No(StatusCode::UPGRADE_REQUIRED, text))
}

/// `GET /link/time`
async fn time(State(web): State<Web>) -> Json<Time> {
    Json(Time { at: wires(&web).clock.now() })
}

/// `POST /link/stream`
async fn orders(
    State(web): State<Web>,
    headers: HeaderMap,
    Json(introduction): Json<Introduction>,
) -> Response {
    let key = match key(&web.app, &headers, Role::Probe).await {
        Ok(key) => key,
        Err(no) => return no,
    };
    if let Err(no) = check_protocol(&introduction) {
        return no.into_response();
    }
    let Some((orders, stream)) = wires(&web).fleet.open(&key, introduction) else {
        let text = format!("its location {:?} does not exist any more", key.place);
        return No(StatusCode::GONE, text).into_response();
    };
    let open = Open { fleet: wires(&web).fleet.clone(), id: key.id, stream };
    let pings = interval(HEARTBEAT);
    let lines = stream::unfold((orders, pings, open), |(mut orders, mut pings, open)| async {
        let order = tokio::select! {
            order = orders.recv() => order?,
            _ = pings.tick() => Order::Ping,
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
    fleet: Fleet,
    id: String,
    stream: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.fleet.close(&self.id, self.stream);
    }
}

impl Fleet {
    /// Opens a stream; an older one of the same key ends. `None`: its location is gone.
    fn open(&self, key: &Key, introduction: Introduction) -> Option<(mpsc::Receiver<Order>, u64)> {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let mut guard = self.state();
        let state = &mut *guard;
        let location = state.locations.get(&key.place)?.location.clone();
        state.streams += 1;
        let welcome = Order::Welcome {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            location,
            acknowledged: state.keys.get(&key.hash).map_or(key.sequence, |key| key.sequence),
        };
        // The channel is empty: there is room.
        let _ = orders.try_send(welcome);
        if let Some(known) = state.keys.get_mut(&key.hash) {
            known.introduction = introduction;
        }
        let link = Link {
            location: key.place.clone(),
            stream: state.streams,
            orders,
            heard: Instant::now(),
            sent: Vec::new(),
            first: true,
            fresh: true,
        };
        tracing::info!(probe = key.id, location = key.place, "linked");
        state.note_isolation(link.heard);
        state.links.insert(key.id.clone(), link);
        let stream = state.streams;
        drop(guard);
        self.0.changed.notify_one();
        Some((inbox, stream))
    }

    fn close(&self, id: &str, stream: u64) {
        let mut state = self.state();
        if state.links.get(id).is_some_and(|link| link.stream == stream) {
            tracing::info!(probe = id, "link closed");
            state.links.remove(id);
            drop(state);
            self.0.changed.notify_one();
        }
    }

    /// Which of these reports are new and belong to the location; the others are left out.
    fn take(&self, key: &Key, batch: Batch) -> Vec<Numbered> {
        let mut guard = self.state();
        let state = &mut *guard;
        if batch.thinned > 0 {
            let (probe, thinned) = (&key.id, batch.thinned);
            tracing::warn!(probe, thinned, "fine reports were thinned out while it was cut off");
        }
        let taken = state.taken.entry(key.id.clone()).or_insert(key.sequence);
        let before = batch.reports.len();
        let mut kept = Vec::with_capacity(before);
        for numbered in batch.reports {
            if numbered.sequence <= *taken {
                continue;
            }
            *taken = numbered.sequence;
            kept.push(numbered);
        }
        let mine = state.planned.checked_from(&key.place);
        kept.retain(|one| {
            let evidence = &one.report.evidence.observations;
            mine(&one.report.monitor) && (1..=OBSERVATIONS_MAX).contains(&evidence.len())
        });
        kept
    }

    /// Everything up to `sequence` is stored.
    pub(crate) fn stored(&self, id: &str, sequence: u64) {
        let mut state = self.state();
        if let Some(key) = state.keys.values_mut().find(|key| key.id == id) {
            key.sequence = key.sequence.max(sequence);
        }
    }

    fn taken(&self, key: &Key) -> (u64, u64) {
        let state = self.state();
        let stored = state.keys.get(&key.hash).map_or(key.sequence, |key| key.sequence);
        (state.taken.get(&key.id).copied().unwrap_or(stored), stored)
    }
}

/// A request of a probe: who sends it, that it is the only one there, and what it says.
struct Said<T> {
    key: Key,
    turn: Turn,
    value: T,
    /// Its size, unpacked.
    bytes: usize,
}

/// Reads what a probe says. Strangers and those who have another request under way are turned away
/// before a byte of it is read.
async fn said<T: DeserializeOwned>(
    web: &Web,
    headers: &HeaderMap,
    body: Body,
    path: &'static str,
) -> Result<Said<T>, Response> {
    let key = key(&web.app, headers, Role::Probe).await?;
    let Some(turn) = wires(web).fleet.0.allowances.turn(&key.id, path) else {
        return Err(later(StatusCode::TOO_MANY_REQUESTS));
    };
    // A line that was cut in the middle of it must not hold the turn.
    let read = timeout(READ_WITHIN, to_bytes(body, BATCH_MAX_BYTES)).await;
    let body = read.map_err(|_| later(StatusCode::REQUEST_TIMEOUT))?.map_err(|_| {
        let text = format!("a request has at most {BATCH_MAX_BYTES} bytes");
        No(StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
    })?;
    let (value, bytes) = read_sized(headers, &body).map_err(|no| *no)?;
    Ok(Said { key, turn, value, bytes })
}

/// The same for a batch, within the limits of its key.
async fn batch(
    web: &Web,
    headers: &HeaderMap,
    body: Body,
    (path, way): (&'static str, Way),
) -> Result<Said<Batch>, Response> {
    let said: Said<Batch> = said(web, headers, body, path).await?;
    let count = said.value.reports.len();
    if count > BATCH_MAX {
        let text = format!("a batch has at most {BATCH_MAX} reports");
        return Err(No(StatusCode::PAYLOAD_TOO_LARGE, text).into_response());
    }
    let seen = said.value.reports.iter().map(|one| one.report.evidence.observations.len().max(1));
    let allowances = &wires(web).fleet.0.allowances;
    if !allowances.take(&said.turn, way, (seen.sum(), said.bytes), Instant::now()) {
        tracing::warn!(probe = said.key.id, "sends more than it may");
        return Err(later(StatusCode::TOO_MANY_REQUESTS));
    }
    Ok(said)
}

/// `POST /link/reports`: answered when everything in it is stored.
async fn reports(State(web): State<Web>, headers: HeaderMap, body: Body) -> Response {
    let said = match batch(&web, &headers, body, (REPORTS_PATH, Way::Batch)).await {
        Ok(said) => said,
        Err(no) => return no,
    };
    let Said { key, turn, value: batch, .. } = said;
    let wires = wires(&web);
    let (ahead_ms, now) = (batch.ahead_ms, wires.clock.now());
    let last = batch.reports.last().map(|one| one.sequence);
    let kept = wires.fleet.take(&key, batch);
    let (taken, stored) = wires.fleet.taken(&key);
    if last.is_none() || taken <= stored {
        return Json(Acknowledgement { sequence: stored }).into_response();
    }
    let reports = timely(kept, &key, ahead_ms, now);
    let (stored, durable) = oneshot::channel();
    let (id, sequence) = (key.id.clone(), taken);
    let receipt = Receipt { stored, turn };
    let delivery = Delivery { key: id, reports, sequence, receipt };
    if wires.deliveries.send(delivery).await.is_err() {
        return later(StatusCode::SERVICE_UNAVAILABLE);
    }
    match timeout(STORE_WITHIN, durable).await {
        Ok(Ok(())) => {
            wires.fleet.stored(&key.id, sequence);
            Json(Acknowledgement { sequence }).into_response()
        }
        // It is remembered as taken: the probe sends it again and waits for the same store.
        _ => later(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// `POST /link/now`: judged at once, stored when it comes again with its batch.
async fn now(State(web): State<Web>, headers: HeaderMap, body: Body) -> Response {
    let said = match batch(&web, &headers, body, (NOW_PATH, Way::Ahead)).await {
        Ok(said) => said,
        Err(no) => return no,
    };
    let Said { key, value: batch, .. } = said;
    let wires = wires(&web);
    let (ahead_ms, now) = (batch.ahead_ms, wires.clock.now());
    let planned = Arc::clone(&wires.fleet.state().planned);
    let mine = planned.checked_from(&key.place);
    let mut kept = batch.reports;
    kept.retain(|one| {
        mine(&one.report.monitor)
            && (1..=OBSERVATIONS_MAX).contains(&one.report.evidence.observations.len())
    });
    for (report, late) in timely(kept, &key, ahead_ms, now) {
        // Full: it arrives with its batch.
        if !late && wires.early.try_send(report).is_err() {
            break;
        }
    }
    Json(json!({})).into_response()
}

/// Reads JSON that may be packed (RFC 9110 §8.4.1.2).
pub(super) fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<T, Box<Response>> {
    read_sized(headers, body).map(|(value, _)| value)
}

/// The same, with the size of the text.
fn read_sized<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(T, usize), Box<Response>> {
    let bad = |text: String| Box::new(No(StatusCode::BAD_REQUEST, text).into_response());
    let packed = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value == "deflate");
    if !packed {
        let value = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
        return Ok((value, body.len()));
    }
    let limit = u64::try_from(BATCH_UNPACKED_MAX_BYTES).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    let unpacked = ZlibDecoder::new(&body[..]).take(limit).read_to_end(&mut text);
    unpacked.map_err(|error| bad(error.to_string()))?;
    let value = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    Ok((value, text.len()))
}

/// Gives reports their location and the server's time, and says which of them are history: old
/// ones, and those that a newer one of the same monitor has overtaken on the way.
fn timely(reports: Vec<Numbered>, key: &Key, ahead_ms: i64, now: Timestamp) -> Vec<(Report, bool)> {
    let newest: HashMap<String, u64> =
        reports.iter().map(|one| (one.report.monitor.clone(), one.sequence)).collect();
    let line = now.checked_sub(LATE_AFTER).unwrap_or(Timestamp::MIN);
    reports
        .into_iter()
        .map(|one| {
            let ahead = SignedDuration::from_millis(one.ahead_ms.unwrap_or(ahead_ms));
            let mut report = one.report;
            report.location.clone_from(&key.place);
            for seen in &mut report.evidence.observations {
                // A probe that speaks from the future would not be heard again until then.
                seen.at = seen.at.checked_sub(ahead).unwrap_or(now).min(now);
            }
            bound(&mut report.evidence);
            let last = report.evidence.observations.last();
            let ended = last.and_then(|seen| seen.at.checked_add(seen.elapsed).ok());
            let overtaken = newest.get(&report.monitor) != Some(&one.sequence);
            (report, overtaken || ended.is_none_or(|ended| ended < line))
        })
        .collect()
}

/// What other places see, and what agents see inside, is not a probe's to say.
fn bound(evidence: &mut Evidence) {
    evidence.scope = None;
    evidence.inside = None;
}

/// `POST /link/answer`: of whoever was asked, and of nobody else.
async fn answer(State(web): State<Web>, headers: HeaderMap, body: Body) -> Response {
    let said = match said::<Answer>(&web, &headers, body, ANSWER_PATH).await {
        Ok(said) => said,
        Err(no) => return no,
    };
    let Said { key, value: mut answer, .. } = said;
    bound(&mut answer.evidence);
    if let Some(waiting) = wires(&web).fleet.answered(answer.id, &key.id) {
        // Whoever asked may have gone.
        let _ = waiting.try_send((key.place, answer.evidence));
    }
    Json(Value::Object(serde_json::Map::new())).into_response()
}

const _: () = assert!(GONE_AFTER.as_millis() >= 3 * HEARTBEAT.as_millis(), "three signs of life");
