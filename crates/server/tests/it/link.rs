//! The link as a probe speaks it: what is ordered after what was reported.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tower::ServiceExt as _;
use whydown_core::failure::Failure;
use whydown_core::wire::{Batch, NOW_PATH, Numbered, Order, REPORTS_PATH, Report, STREAM_PATH};

use crate::site::{Site, introduction};
use crate::support::{PATIENCE, eventually, monitor, report, seen};

const KEY: &str = "a key that the probe made";

/// A probe that says what its test likes.
struct Probe<'a> {
    site: &'a Site,
    orders: Body,
    sequence: u64,
}

impl<'a> Probe<'a> {
    /// Enrols for a location and listens to its orders.
    async fn start(site: &'a Site) -> Self {
        site.visitor().await.enrol("fra1", KEY).await;
        let body = serde_json::to_vec(&introduction()).unwrap();
        let stream = site.router.clone().oneshot(request(STREAM_PATH, body)).await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        Self { site, orders: stream.into_body(), sequence: 0 }
    }

    /// Sends reports to `path`.
    async fn says(&mut self, path: &str, reports: Vec<Report>) {
        let first = self.sequence + 1;
        self.sequence += reports.len() as u64;
        let numbered = (first..).zip(reports);
        let reports =
            numbered.map(|(sequence, report)| Numbered { sequence, ahead_ms: None, report });
        let batch = Batch { reports: reports.collect(), ..Batch::default() };
        let answer = self.site.send(request(path, serde_json::to_vec(&batch).unwrap())).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }

    /// What it is to check now.
    async fn asked(&mut self) -> Vec<String> {
        let asked = async {
            loop {
                let frame = self.orders.frame().await.expect("the stream goes on").unwrap();
                let order = serde_json::from_slice(&frame.into_data().unwrap()).unwrap();
                if let Order::CheckNow { monitors } = order {
                    return monitors;
                }
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("an order to check")
    }
}

fn request(path: &str, body: Vec<u8>) -> Request<Body> {
    let request = Request::post(path)
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .header(header::CONTENT_TYPE, "application/json");
    request.body(body.into()).unwrap()
}

/// Refused three times, the last time at `at`.
fn refused(monitor: &str, at: Timestamp) -> Report {
    let mut observations = vec![seen(0, Some(Failure::TcpRefused)); 3];
    for (one, ago) in observations.iter_mut().zip([2, 1, 0]) {
        one.at = at - Duration::from_secs(ago);
    }
    report(monitor, observations)
}

/// A storm fed itself once: every answer came ahead, and in its batch again, where it was history
/// that ended with a failure.
#[tokio::test]
async fn history_that_ends_with_a_failure_is_followed_by_one_look() {
    let site = Site::watching(vec![monitor("shop", &[]), monitor("mail", &[])]).await;
    let mut probe = Probe::start(&site).await;
    let now = Timestamp::now();
    let ago = |seconds| now - Duration::from_secs(seconds);
    probe.says(REPORTS_PATH, vec![refused("shop", ago(60))]).await;
    assert_eq!(probe.asked().await, ["shop"]);
    probe.says(NOW_PATH, vec![refused("shop", now)]).await;
    eventually("the answer to be judged", async || {
        let status = site.running.app().status("shop")?;
        (status.standing.places.get("fra1")?.at == now).then_some(())
    })
    .await;
    probe.says(REPORTS_PATH, vec![refused("shop", ago(30))]).await;
    probe.says(REPORTS_PATH, vec![refused("mail", ago(30))]).await;
    assert_eq!(probe.asked().await, ["mail"], "how shop is was known");
}
