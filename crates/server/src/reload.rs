//! The configuration file while the server runs: read again when it changes or on SIGHUP. A
//! broken file is refused with line and hint, and the old configuration stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::signal::unix::{SignalKind, signal};
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

/// Watches the file.
pub(crate) struct Watcher {
    pub(crate) options: ServeOptions,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) health: Arc<HealthBoard>,
}

impl Watcher {
    /// Runs until `stop`.
    pub(crate) async fn run(self, mut stop: Stop) {
        let Some(path) = self.options.config.clone() else { return stop.wait().await };
        let (changed, mut changes) = mpsc::channel(1);
        let watching = watch(&path, changed);
        if let Err(error) = &watching {
            tracing::warn!(
                "{} is not watched ({error}); send SIGHUP after a change",
                path.display()
            );
        }
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut text = std::fs::read(&path).ok();
        loop {
            let forced = tokio::select! {
                () = stop.wait() => return,
                Some(()) = changes.recv() => false,
                Some(()) = next(&mut hangup) => true,
            };
            tokio::time::sleep(SETTLE).await;
            while changes.try_recv().is_ok() {}
            let now = std::fs::read(&path).ok();
            if forced || now != text {
                text = now;
                self.reload().await;
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

async fn next(hangup: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    match hangup {
        Some(hangup) => hangup.recv().await,
        None => std::future::pending().await,
    }
}

/// Watches the directory, as editors replace files instead of writing to them.
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
