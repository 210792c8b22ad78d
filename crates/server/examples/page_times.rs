//! How long pages take with many monitors: `cargo run --release --example page_times [MONITORS]`.
//! Prints the time to build each page, from request to last byte, without a network.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tower::ServiceExt as _;
use whydown_core::evidence::Evidence;
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Attempt, Observation, State, Step};
use whydown_core::wire::Report;
use whydown_server::access;
use whydown_server::config::Config;
use whydown_server::serve::{Probing, Running};

/// Monitors when the command line names no number.
const MONITORS: usize = 10_000;
/// Times each page is asked for.
const ROUNDS: usize = 30;
/// Checks of each monitor.
const CHECKS: u64 = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = std::env::args().nth(1).map_or(Ok(MONITORS), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let monitors: Result<Vec<Monitor>, _> = (0..count)
        .map(|i| {
            let target = format!("https://host{i}.example.com/").parse()?;
            Ok::<_, whydown_core::target::TargetError>(Monitor::new(format!("host {i}"), target))
        })
        .collect();
    let config = Config { data: dir.path().to_owned(), monitors: monitors?, ..Config::default() };
    let running = Running::start(config, Probing::Off).await?;
    fill(&running, count).await;
    let store = running.app().store();
    let link = access::setup_link(store, "").await?.ok_or("there is a user already")?;
    let link = link.rsplit('/').next().unwrap_or_default();
    let password = "page times only".to_owned();
    let session = access::finish_setup(store, link, "bench", password, Timestamp::now()).await?;
    let cookie = format!("whydown_session={session}");
    let router = whydown_server::web::router(running.app().clone());
    for path in ["/", "/?window=7d", "/?window=90d", "/?page=100", "/?q=99", "/monitors/host%207"] {
        measure(&router, path, &cookie).await?;
    }
    running.stop().await;
    Ok(())
}

/// Every hundredth monitor fails, the rest is fine.
async fn fill(running: &Running, count: usize) {
    let start = Instant::now();
    for check in (0..CHECKS).rev() {
        let at = Timestamp::now() - Duration::from_secs(check * 30);
        for i in 0..count {
            let report = Report {
                monitor: format!("host {i}"),
                location: "local".to_owned(),
                evidence: evidence(at, i % 100 == 0),
            };
            running.report(report).await;
        }
    }
    running.settled().await;
    let reports = CHECKS * u64::try_from(count).unwrap_or_default();
    println!("{reports} reports stored in {:?}", start.elapsed());
}

fn evidence(at: Timestamp, fails: bool) -> Evidence {
    let mut attempt = Attempt::new([192, 0, 2, 7].into(), 443, Duration::ZERO);
    attempt.elapsed = Duration::from_millis(23);
    attempt.step = if fails { Step::Connect } else { Step::Done };
    attempt.failure = fails.then_some(whydown_core::failure::Failure::TcpRefused);
    let observation = Observation {
        at,
        elapsed: Duration::from_millis(24),
        state: if fails { State::Down } else { State::Up },
        failure: attempt.failure,
        lookup: None,
        proxy: None,
        attempts: vec![attempt],
    };
    Evidence { observations: vec![observation], ..Evidence::default() }
}

async fn measure(
    router: &Router,
    path: &str,
    cookie: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::with_capacity(ROUNDS);
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty())?;
        let response = router.clone().oneshot(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("{path}: {}", response.status()).into());
        }
        bytes = response.into_body().collect().await?.to_bytes().len();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let (median, slowest) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    println!("{path:20} median {median:>10.1?}  slowest {slowest:>10.1?}  {} KiB", bytes / 1_024);
    Ok(())
}
