//! Every task that the server starts belongs to one set: it hears when to stop, is waited for,
//! and when one ends on its own the whole server stops rather than limp.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long tasks may take to finish what they have begun.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// Tells that it is time to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns when it is time.
    pub(crate) async fn wait(&mut self) {
        // An error means that the set is gone: time as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl From<Stop> for watch::Receiver<bool> {
    fn from(stop: Stop) -> Self {
        stop.0
    }
}

/// The set.
#[derive(Debug)]
pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    set: JoinSet<&'static str>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { stop: watch::Sender::new(false), set: JoinSet::new() }
    }

    pub(crate) fn stop_signal(&self) -> Stop {
        Stop(self.stop.subscribe())
    }

    pub(crate) fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.set.spawn(async move {
            task.await;
            name
        });
    }

    /// Returns when a task has ended although nobody asked it to, with its name.
    pub(crate) async fn failed(&mut self) -> String {
        match self.set.join_next().await {
            Some(Ok(name)) => format!("{name} ended"),
            Some(Err(error)) => format!("a task panicked: {error}"),
            None => std::future::pending().await,
        }
    }

    /// Tells all tasks to stop and waits for them. `false`: some had to be cut off.
    pub(crate) async fn finish(mut self) -> bool {
        self.stop.send_replace(true);
        let all = async { while self.set.join_next().await.is_some() {} };
        let drained = tokio::time::timeout(DRAIN_MAX, all).await.is_ok();
        self.set.shutdown().await;
        drained
    }
}
