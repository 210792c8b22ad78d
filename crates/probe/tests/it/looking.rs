//! How these tests look at a target: from a host of the lab, with the probe's own code.

use std::net::IpAddr;
use std::time::Duration;

use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Attempt, Observation};
use whydown_lab::{Ca, Host};
use whydown_probe::observe::{ProxyChoice, Settings, observe_with};
use whydown_probe::tls::Trust;

/// Patience of most checks here: longer than any answer takes on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);
/// Patience where silence is expected.
pub(crate) const SHORT: Duration = Duration::from_millis(600);

/// A monitor of a target with these tests' patience.
pub(crate) fn monitor(target: &str) -> Monitor {
    Monitor { timeout: TIMEOUT, ..Monitor::new("test", target.parse().unwrap()) }
}

/// Settings that trust one CA and nobody else.
pub(crate) fn trusting(ca: &Ca) -> Settings {
    let pem = std::fs::read(ca.bundle()).unwrap();
    let trust = Trust::from_pem(&pem);
    Settings { proxy: ProxyChoice::None, trust, ..Settings::default() }
}

/// Runs something async on a host of the lab.
pub(crate) fn on<T: Send>(host: &Host, work: impl Future<Output = T> + Send) -> T {
    host.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work)
    })
}

/// One check from a host.
pub(crate) fn see(host: &Host, monitor: &Monitor) -> Observation {
    see_with(host, monitor, &Settings::default())
}

/// One check from a host with settings.
pub(crate) fn see_with(host: &Host, monitor: &Monitor, settings: &Settings) -> Observation {
    let seen = on(host, observe_with(monitor, settings));
    assert!(
        seen.elapsed < monitor.timeout + Duration::from_millis(500),
        "took {:?} of {:?}",
        seen.elapsed,
        monitor.timeout
    );
    seen
}

/// The failure of a target as one host sees it.
pub(crate) fn failure(host: &Host, target: &str) -> Option<Failure> {
    see(host, &monitor(target)).failure
}

/// The attempt at one address.
pub(crate) fn at(observation: &Observation, ip: impl Into<IpAddr>) -> &Attempt {
    let ip = ip.into();
    let found = observation.attempts.iter().find(|attempt| attempt.ip == ip);
    found.unwrap_or_else(|| panic!("no attempt at {ip} in {observation:#?}"))
}
