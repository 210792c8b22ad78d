//! `whydown serve`: opens everything, runs it, and shuts it down in order.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use whydown_core::wire::Report;

use crate::app::{App, Hands, Seen};
use crate::clock::Clock;
use crate::config::{Config, ConfigErrors};
use crate::door;
use crate::engine::{Engine, Event, Inbox, Shared};
use crate::fleet::agents::Agents;
use crate::fleet::link::{DELIVERIES_MAX, EARLY_MAX, Wires as Links};
use crate::fleet::{Certificate, CertificateError, Fleet, FleetError, certificate};
use crate::health::HealthBoard;
use crate::heartbeat::Heart;
use crate::notify::reply::Replies;
use crate::notify::{ATTEMPT_TIMEOUT, House, Notifier};
use crate::outbox::{Outbox, Schedule};
use crate::probing::{Prober, Wires};
pub use crate::reload::Watch;
use crate::reload::Watcher;
use crate::store::{Lock, Store, StoreError};
use crate::tasks::Tasks;
use crate::{reload, upkeep};

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
    /// The server's certificate can't be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// What is stored of the fleet can't be read.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The address can't be listened on.
    #[error(
        "cannot listen on {address}: {source}; is another server there? give another --listen \
         address"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A part of the server ended by itself.
    #[error("{0}; the server stops")]
    Ended(String),
}

/// Who makes observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probing {
    /// The embedded probe, location `local`.
    Embedded,
    /// Nobody: tests hand in reports with [`Running::report`].
    Off,
}

/// Reports that may wait for the engine.
const REPORTS_MAX: usize = 4_096;
/// Requests that may wait for the engine.
const EVENTS_MAX: usize = 256;
/// Changes that a slow page may lag behind before it has to render everything.
const LIVE_MAX: usize = 1_024;

/// Everything that tests replace.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What time it is.
    pub clock: Clock,
    /// Who makes observations.
    pub probing: Probing,
    /// When failed deliveries are repeated.
    pub schedule: Schedule,
    /// How long one delivery may take.
    pub attempt_timeout: Duration,
    /// Certificate authorities that channels trust besides the system's.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            probing: Probing::Embedded,
            schedule: Schedule::default(),
            attempt_timeout: ATTEMPT_TIMEOUT,
            authorities: Vec::new(),
        }
    }
}

/// A running server without its listener: what `serve` wraps, and what tests use. Dropping it is
/// a crash: every task ends where it is.
#[derive(Debug)]
pub struct Running {
    app: App,
    reports: mpsc::Sender<Report>,
    events: mpsc::Sender<Event>,
    health: Arc<HealthBoard>,
    tasks: Tasks,
    _lock: Lock,
}

impl Running {
    /// Opens the data directory of `config` and starts engine, outbox and probe.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub async fn start(config: Config, probing: Probing) -> Result<Self, ServeError> {
        Self::start_in(config, Surroundings { probing, ..Surroundings::default() }).await
    }

    /// The same with other surroundings.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub async fn start_in(config: Config, around: Surroundings) -> Result<Self, ServeError> {
        let lock = Lock::take(&config.data)?;
        Self::start_locked(config, around, lock).await
    }

    async fn start_locked(
        config: Config,
        around: Surroundings,
        lock: Lock,
    ) -> Result<Self, ServeError> {
        let store = Store::open(&config.data).await?;
        store.verify().await?;
        let (reports, report_inbox) = mpsc::channel(REPORTS_MAX);
        let (events, event_inbox) = mpsc::channel(EVENTS_MAX);
        let live = broadcast::Sender::new(LIVE_MAX);
        let (deliveries, delivery_inbox) = mpsc::channel(DELIVERIES_MAX);
        let (early, early_inbox) = mpsc::channel(EARLY_MAX);
        let (local, assignments) = watch::channel(Arc::default());
        let fleet = Fleet::new(local);
        let agents = Agents::default();
        fleet.read(&store).await?;
        let shared = Shared {
            store: store.clone(),
            clock: around.clock.clone(),
            board: Arc::default(),
            health: Arc::default(),
            roster: watch::Sender::default(),
            live,
            outbox: Arc::default(),
            fleet: fleet.clone(),
            agents: agents.clone(),
            heard: Arc::default(),
        };
        let seen = shared.seen();
        let health = Arc::clone(&shared.health);
        let wake = Arc::clone(&shared.outbox);
        let heard = Arc::clone(&shared.heard);
        let engine = Engine::load(shared, config).await?;
        let mut tasks = Tasks::new();
        let inbox = Inbox {
            events: event_inbox,
            reports: report_inbox,
            deliveries: delivery_inbox,
            early: early_inbox,
        };
        tasks.start("the engine", engine.run(inbox, tasks.stop_signal()));
        let notifier = start_outbox(&mut tasks, &store, &seen, &wake, &around).await?;
        let (clock, roster) = (around.clock.clone(), seen.roster.clone());
        let keeper = upkeep::run(store.clone(), clock, roster, tasks.stop_signal());
        tasks.start("housekeeping", keeper);
        let prober = match around.probing {
            Probing::Off => Prober::off(),
            Probing::Embedded => {
                let (reports, early) = (reports.clone(), early.clone());
                Prober::start(&mut tasks, Wires { assignments, reports, early, fleet: &fleet })
            }
        };
        let (roster, stop) = (seen.roster.clone(), tasks.stop_signal());
        let running = fleet.clone().run(store.clone(), roster.clone(), events.clone(), stop);
        tasks.start("the fleet", running);
        let clock = around.clock;
        let hands =
            Hands { prober, notifier: notifier.clone(), outbox: wake, clock: clock.clone() };
        let links = Links {
            fleet,
            agents,
            events: events.clone(),
            deliveries,
            early,
            clock: clock.clone(),
        };
        let app = App::new(store, seen, events.clone(), hands, links);
        let heart = Heart { app: app.clone(), roster, notifier, clock, heard };
        tasks.start("the heartbeat", heart.run(tasks.stop_signal()));
        Ok(Self { app, reports, events, health, tasks, _lock: lock })
    }

    /// For pages and API.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Hands in a report as a probe does.
    pub async fn report(&self, report: Report) {
        // An error means that the server is stopping: reports are lost then.
        let _ = self.reports.send(report).await;
    }

    /// Waits until everything handed in so far is stored.
    pub async fn settled(&self) {
        self.app.settled().await;
    }

    /// Puts another configuration in force, as a changed file does.
    pub async fn reload(&self, config: Config) {
        reload::put_in_force(&self.events, config).await;
    }

    /// Follows the configuration file from now on.
    pub fn follow(&mut self, options: ServeOptions, watch: Watch) {
        let watcher = Watcher {
            options,
            watch,
            events: self.events.clone(),
            health: Arc::clone(&self.health),
        };
        let stop = self.tasks.stop_signal();
        self.tasks.start("the configuration's watcher", watcher.run(stop));
    }

    /// Drains and stops everything.
    pub async fn stop(self) {
        if !self.tasks.finish().await {
            tracing::warn!("some tasks did not stop in time and were cut off");
        }
        self.app.store().close().await;
    }
}

/// Starts what delivers.
async fn start_outbox(
    tasks: &mut Tasks,
    store: &Store,
    seen: &Seen,
    wake: &Arc<Notify>,
    around: &Surroundings,
) -> Result<Notifier, ServeError> {
    let key = store.reply_key(&crate::access::fresh_key().map_err(random)?).await?;
    let (roster, replies) = (seen.roster.clone(), Replies::new(key));
    let house = House { store: store.clone(), roster: roster.clone(), replies };
    let authorities = around.authorities.clone();
    let notifier = Notifier::of_house(around.attempt_timeout, authorities, house);
    let outbox = Outbox {
        store: store.clone(),
        clock: around.clock.clone(),
        roster,
        notifier: notifier.clone(),
        schedule: around.schedule.clone(),
        live: seen.live.clone(),
        wake: Arc::clone(wake),
    };
    tasks.start("the outbox", outbox.run(tasks.stop_signal()));
    Ok(notifier)
}

fn random(source: std::io::Error) -> StoreError {
    StoreError::Io {
        action: "read",
        path: "/dev/urandom".into(),
        source,
        hint: "the operating system gives no random numbers",
    }
}

/// Runs the server until `stop` is done, then drains and returns. `ready` is called once, when
/// connections are accepted.
///
/// # Errors
/// Whatever kept it from starting, or ended it.
pub async fn serve(
    options: ServeOptions,
    ready: impl FnOnce(Ready) + Send,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    // Watching begins before reading: a change in between is not missed.
    let watch = options.config.as_deref().map(Watch::new);
    let config = reload::read(&options)?;
    let lock = Lock::take(&config.data)?;
    let address = config.listen;
    let listen = |source| ServeError::Listen { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let url = config.base_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let Certificate { config: tls, .. } = certificate(&config.data)?;
    let mut running = Running::start_locked(config, Surroundings::default(), lock).await?;
    let setup_link = crate::access::setup_link(running.app.store(), &url).await?;
    let router = crate::web::router(running.app.clone());
    let serving = door::serve(listener, router, tls, running.tasks.stop_signal());
    running.tasks.start("the web server", serving);
    if let Some(watch) = watch {
        running.follow(options, watch);
    }
    ready(Ready { address, url, setup_link });
    let ended = tokio::select! {
        () = stop => None,
        ended = running.tasks.failed() => Some(ended),
    };
    running.stop().await;
    ended.map_or(Ok(()), |ended| Err(ServeError::Ended(ended)))
}
