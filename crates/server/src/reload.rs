//! The configuration file while the server runs: read again when it changes or on SIGHUP. A
//! broken file is refused with line and hint, and the old configuration stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{self, Config, ConfigErrors};
use crate::engine::Event;
use crate::health::HealthBoard;
use crate::serve::ServeOptions;
use crate::tasks::Stop;

/// An editor writes a file in several steps; they count as one change.
const SETTLE: Duration = Duration::from_millis(100);

/// The configuration as file and command line say together.
pub(crate) fn read(options: &ServeOptions) -> Result<Config, ConfigErrors> {
    let mut config = match &options.config {
        Some(path) => config::load(path, &|name| std::env::var(name).ok())?,
        None => Config::default(),
    };
    if let Some(data) = &options.data {
        config.data.clone_from(data);
    }
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    Ok(config)
}

/// Hands a configuration to the engine.
pub(crate) async fn put_in_force(events: &mpsc::Sender<Event>, config: Config) {
    // An error means that the server is stopping.
    let _ = events.send(Event::Reloaded(Box::new(config))).await;
}

/// Hears of changes of a file, from the moment that it is made.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    changes: mpsc::Receiver<()>,
    hangup: Option<Signal>,
    text: Option<Vec<u8>>,
    _watching: Option<notify::RecommendedWatcher>,
}

impl Watch {
    /// Watches the file's directory, as editors replace files instead of writing to them; also
    /// listens for SIGHUP.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let (changed, changes) = mpsc::channel(1);
        let watching = watch(path, changed);
        if let Err(error) = &watching {
            let path = path.display();
            tracing::warn!("{path} is not watched ({error}); send SIGHUP after a change");
        }
        Self {
            path: path.to_owned(),
            changes,
            hangup: signal(SignalKind::hangup()).ok(),
            text: std::fs::read(path).ok(),
            _watching: watching.ok(),
        }
    }

    /// Returns when the file is another one, or somebody says that it is.
    async fn changed(&mut self) {
        loop {
            let forced = tokio::select! {
                Some(()) = self.changes.recv() => false,
                Some(()) = next(&mut self.hangup) => true,
                else => std::future::pending().await,
            };
            tokio::time::sleep(SETTLE).await;
            while self.changes.try_recv().is_ok() {}
            let text = std::fs::read(&self.path).ok();
            if forced || text != self.text {
                self.text = text;
                return;
            }
        }
    }
}

/// Puts changes of the file in force.
pub(crate) struct Watcher {
    pub(crate) options: ServeOptions,
    pub(crate) watch: Watch,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) health: Arc<HealthBoard>,
}

impl Watcher {
    /// Runs until `stop`.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        loop {
            tokio::select! {
                () = stop.wait() => return,
                () = self.watch.changed() => self.reload().await,
            }
        }
    }

    async fn reload(&self) {
        let options = self.options.clone();
        let read = tokio::task::spawn_blocking(move || read(&options)).await;
        match read {
            Ok(Ok(config)) => {
                tracing::info!("configuration read again");
                self.health.set(|health| health.config = None);
                put_in_force(&self.events, config).await;
            }
            Ok(Err(errors)) => {
                tracing::error!("configuration refused, the old one stays in force:\n{errors}");
                self.health.set(|health| health.config = Some(errors.to_string()));
            }
            Err(error) => tracing::error!("configuration not read: {error}"),
        }
    }
}

async fn next(hangup: &mut Option<Signal>) -> Option<()> {
    match hangup {
        Some(hangup) => hangup.recv().await,
        None => std::future::pending().await,
    }
}

fn watch(
    path: &Path,
    changed: mpsc::Sender<()>,
) -> Result<notify::RecommendedWatcher, notify::Error> {
    let name = path.file_name().map(std::ffi::OsStr::to_owned);
    let mut watcher =
        notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
            let ours =
                |paths: &[PathBuf]| paths.iter().any(|path| path.file_name() == name.as_deref());
            let read = |event: &notify::Event| event.kind.is_access();
            if event.is_ok_and(|event| !read(&event) && ours(&event.paths)) {
                // Full: a change is announced already.
                let _ = changed.try_send(());
            }
        })?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
