//! Live updates: a stream that says what changed, at most once a second. What it looks like now,
//! the page fetches like anybody else.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::Web;
use crate::app::Live;

/// Streams open at the same time.
pub(super) const STREAMS_MAX: usize = 500;
/// A stream ends after so long; the browser opens another, and with it shows its session again.
const STREAM_LIFE: Duration = Duration::from_mins(10);
/// Changes are gathered for so long before the browser hears of them.
const GATHER: Duration = Duration::from_millis(700);
/// Names in one message; when there are more it says "everything".
const NAMES_MAX: usize = 100;
/// A sign of life, so that proxies keep the stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /live`
pub(super) async fn live(State(web): State<Web>) -> Response {
    let Ok(place) = Arc::clone(&web.live).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let receiver = web.app.subscribe();
    let ends = Instant::now() + STREAM_LIFE;
    let stream =
        futures_util::stream::unfold((receiver, place), move |(receiver, place)| async move {
            let (changed, receiver) =
                tokio::time::timeout_at(ends, gather(receiver)).await.ok()??;
            let event = Event::default().event("change").data(changed.json());
            Some((Ok::<_, Infallible>(event), (receiver, place)))
        });
    Sse::new(hello(stream)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// The first words make the browser fetch once: what changed between page and stream is not lost.
fn hello(
    stream: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let first = Event::default().event("hello").retry(Duration::from_secs(2)).data("{}");
    futures_util::StreamExt::chain(futures_util::stream::iter([Ok(first)]), stream)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Changed {
    everything: bool,
    monitors: BTreeSet<Arc<str>>,
    incidents: BTreeSet<Arc<str>>,
}

impl Changed {
    fn add(&mut self, live: Live) {
        match live {
            Live::Monitor(name) => self.monitors.insert(name),
            Live::Incident(id) => self.incidents.insert(id),
            Live::Monitors => std::mem::replace(&mut self.everything, true),
        };
        if self.monitors.len() + self.incidents.len() > NAMES_MAX {
            *self = Self { everything: true, ..Self::default() };
        }
    }

    fn json(&self) -> String {
        let names = |set: &BTreeSet<Arc<str>>| set.iter().map(ToString::to_string).collect();
        let (monitors, incidents): (Vec<String>, Vec<String>) =
            (names(&self.monitors), names(&self.incidents));
        serde_json::json!({
            "everything": self.everything,
            "monitors": monitors,
            "incidents": incidents,
        })
        .to_string()
    }
}

/// Waits for a change, then a little for its companions. `None`: the server is stopping.
async fn gather(mut receiver: Receiver<Live>) -> Option<(Changed, Receiver<Live>)> {
    let mut changed = Changed::default();
    let mut until = None;
    loop {
        let next = match until {
            None => receiver.recv().await,
            Some(until) => match tokio::time::timeout_at(until, receiver.recv()).await {
                Ok(next) => next,
                Err(_) => return Some((changed, receiver)),
            },
        };
        match next {
            Ok(live) => changed.add(live),
            Err(RecvError::Lagged(_)) => changed.everything = true,
            Err(RecvError::Closed) => return None,
        }
        until.get_or_insert_with(|| Instant::now() + GATHER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_changes_become_everything() {
        let mut changed = Changed::default();
        changed.add(Live::Monitor("shop".into()));
        changed.add(Live::Monitor("shop".into()));
        assert_eq!(changed.json(), r#"{"everything":false,"incidents":[],"monitors":["shop"]}"#);
        for i in 0..200 {
            changed.add(Live::Monitor(format!("m{i}").into()));
        }
        assert!(changed.everything);
        assert!(changed.monitors.len() <= NAMES_MAX);
    }
}
