//! What several tests need: a server in a directory of its own, reports, and waiting.

use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use whydown_core::alerting::rules::Rules;
use whydown_core::evidence::Evidence;
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Attempt, Observation, State};
use whydown_core::wire::Report;
use whydown_server::channel::Channel;
use whydown_server::clock::Clock;
use whydown_server::config::{self, Config, Retention};
use whydown_server::outbox::Schedule;
use whydown_server::serve::{Probing, Running, Surroundings};

/// Longer than anything here takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// 2026-01-01 00:00 UTC and so many seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct HandClock(Arc<AtomicI64>);

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(0)))
    }

    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let shared = Arc::clone(&self.0);
        Clock::new(move || at(shared.load(Ordering::SeqCst)))
    }
}

/// An observation of one attempt.
pub(crate) fn seen(seconds: i64, failure: Option<Failure>) -> Observation {
    let ip: IpAddr = "192.0.2.1".parse().unwrap();
    let mut attempt = Attempt::new(ip, 443, Duration::ZERO);
    attempt.elapsed = Duration::from_millis(20);
    attempt.failure = failure;
    Observation {
        at: at(seconds),
        elapsed: Duration::from_millis(20),
        state: if failure.is_some() { State::Down } else { State::Up },
        failure,
        lookup: None,
        proxy: None,
        attempts: vec![attempt],
    }
}

/// A report of a check and its repeats.
pub(crate) fn report(monitor: &str, observations: Vec<Observation>) -> Report {
    Report {
        monitor: monitor.to_owned(),
        location: "local".to_owned(),
        evidence: Evidence { observations, ..Evidence::default() },
    }
}

/// A check and two repeats, all refused: enough to open an incident.
pub(crate) fn refused(monitor: &str, seconds: i64) -> Report {
    let one = |i| seen(seconds + i, Some(Failure::TcpRefused));
    report(monitor, (0..3).map(one).collect())
}

/// A check and two repeats, all fine: enough to end one.
pub(crate) fn fine(monitor: &str, seconds: i64) -> Report {
    report(monitor, (0..3).map(|i| seen(seconds + i, None)).collect())
}

/// One fine check.
pub(crate) fn once(monitor: &str, seconds: i64) -> Report {
    report(monitor, vec![seen(seconds, None)])
}

pub(crate) fn monitor(name: &str, notify: &[&str]) -> Monitor {
    let mut monitor = Monitor::new(name, "https://shop.example.com/".parse().unwrap());
    monitor.notify = notify.iter().map(|&name| name.to_owned()).collect();
    monitor
}

pub(crate) fn webhook(name: &str, url: &str) -> Channel {
    let value = serde_json::json!({ "name": name, "webhook": { "url": url } });
    config::channel(&value).unwrap()
}

/// A configuration with its data in `dir`.
pub(crate) fn config(dir: &Path, monitors: &[Monitor], channels: &[Channel]) -> Config {
    let ages = Duration::from_hours(24 * 36_500);
    Config {
        data: dir.to_owned(),
        monitors: monitors.to_vec(),
        channels: channels.to_vec(),
        // Tests speak of the beginning of 2026, whatever the machine's clock says.
        retention: Retention { observations: ages, history: ages },
        // Every message by itself: what a storm becomes has tests of its own.
        rules: Rules::default(),
        ..Config::default()
    }
}

/// Quick repeats without jitter.
pub(crate) fn quick() -> Schedule {
    Schedule {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(100),
        jitter: Arc::new(|| 0.5),
        ..Schedule::default()
    }
}

pub(crate) fn around() -> Surroundings {
    Surroundings {
        probing: Probing::Off,
        schedule: quick(),
        attempt_timeout: Duration::from_secs(2),
        ..Surroundings::default()
    }
}

pub(crate) async fn start(config: Config) -> Running {
    Running::start_in(config, around()).await.unwrap()
}

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Looks until `look` finds something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
