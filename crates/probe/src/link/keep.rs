//! Takes what the runner reports to the spool and from there to the server: one batch at a time,
//! acknowledged when it is stored. What somebody should judge at once goes ahead, unstored.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Future, FutureExt as _};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use whydown_core::wire::{
    Acknowledgement, BATCH_MAX, BATCH_UNPACKED_MAX_BYTES, Batch, HEARTBEAT, NOW_PATH, Numbered,
    REPORTS_PATH, Report,
};

use super::{Client, LinkError, Pauses, ServerClock};
use crate::spool::{Line, Spool};

/// Fine reports wait so long for company.
const LINGER: Duration = Duration::from_millis(500);
/// Reports that may wait to be sent ahead; what comes on top waits for its turn.
const AHEAD_MAX: usize = 4_096;
/// Reports sent ahead in one request.
const AHEAD_BATCH_MAX: usize = 500;
/// When stopping: so long for what has not been sent yet.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// A batch is filled up to a part of what the server takes.
const FILL_BYTES: usize = BATCH_UNPACKED_MAX_BYTES / 16;

/// What the tasks of a probe share.
pub(super) struct Shared {
    pub(super) clock: Mutex<ServerClock>,
    /// The sequence that the server has stored, and how often it has welcomed us.
    pub(super) welcomed: watch::Sender<(u64, u64)>,
}

impl Shared {
    pub(super) fn ahead_ms(&self) -> Option<i64> {
        let clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.ahead_ms(Timestamp::now(), Instant::now())
    }
}

type Posting = Pin<Box<dyn Future<Output = Result<Acknowledgement, LinkError>> + Send>>;

/// The way of reports.
pub(super) struct Keeper {
    pub(super) spool: Spool,
    pub(super) client: Arc<Client>,
    pub(super) shared: Arc<Shared>,
    pub(super) ahead: mpsc::Sender<Numbered>,
}

/// Where reports wait to be sent ahead.
pub(super) fn ahead() -> (mpsc::Sender<Numbered>, mpsc::Receiver<Numbered>) {
    mpsc::channel(AHEAD_MAX)
}

impl Keeper {
    /// Runs until the runner is gone and what it left is sent, or can't be.
    pub(super) async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
    ) -> Result<(), LinkError> {
        let mut welcomed = self.shared.welcomed.subscribe();
        let mut posting: Option<Posting> = None;
        let mut pauses = Pauses::default();
        let mut next = Instant::now();
        let mut end: Option<Instant> = None;
        loop {
            if posting.is_none()
                && end.is_some_and(|end| !self.spool.is_pending() || Instant::now() >= end)
            {
                return Ok(());
            }
            let idle = posting.is_none();
            let post = async {
                match &mut posting {
                    Some(posting) => posting.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                report = reports.recv(), if end.is_none() => match report {
                    Some(report) => {
                        let soon = Instant::now() + LINGER;
                        if self.keep(report) {
                            next = next.min(soon);
                        }
                    }
                    None => {
                        end = Some(Instant::now() + DRAIN_MAX);
                        next = Instant::now();
                    }
                },
                done = post => {
                    posting = None;
                    next = self.posted(done, &mut pauses)?;
                }
                Ok(()) = welcomed.changed() => {
                    let (sequence, _) = *welcomed.borrow_and_update();
                    self.on_disk(|spool| spool.begin_after(sequence));
                    self.spool.rewind();
                    pauses.reset();
                    next = Instant::now();
                }
                () = sleep_until(next), if idle => {
                    posting = Some(self.post());
                }
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {
                    return Ok(());
                }
            }
        }
    }

    /// Keeps a report; true: it should go soon.
    fn keep(&mut self, report: Report) -> bool {
        let ahead_ms = self.shared.ahead_ms();
        match self.spool.push(report.clone(), ahead_ms) {
            Ok(line) => {
                if line.important {
                    let numbered = Numbered { sequence: line.sequence, ahead_ms, report };
                    // Full: it goes with its batch.
                    let _ = self.ahead.try_send(numbered);
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "a report could not be kept on disk and is lost");
                false
            }
        }
    }

    fn on_disk(&mut self, work: impl FnOnce(&mut Spool) -> std::io::Result<()>) {
        if let Err(error) = work(&mut self.spool) {
            tracing::error!(%error, "the spool failed");
        }
    }

    fn post(&mut self) -> Posting {
        let lines = self.spool.take(BATCH_MAX, FILL_BYTES).unwrap_or_else(|error| {
            tracing::error!(%error, "the spool cannot be read");
            Vec::new()
        });
        let body = body(&lines, self.shared.ahead_ms(), self.spool.take_thinned());
        let client = Arc::clone(&self.client);
        async move { client.post_json(REPORTS_PATH, body).await }.boxed()
    }

    /// After a batch: when the next one goes.
    fn posted(
        &mut self,
        done: Result<Acknowledgement, LinkError>,
        pauses: &mut Pauses,
    ) -> Result<Instant, LinkError> {
        match done {
            Ok(acknowledged) => {
                pauses.reset();
                self.on_disk(|spool| spool.acknowledge(acknowledged.sequence));
                let wait = if self.spool.is_pending() { Duration::ZERO } else { HEARTBEAT };
                Ok(Instant::now() + wait)
            }
            Err(error) if error.is_passing() => {
                self.spool.rewind();
                let pause = pauses.next_pause();
                let waiting = self.spool.waiting();
                tracing::warn!(waiting, "reports wait on disk: {error}; trying in {pause:.1?}");
                Ok(Instant::now() + pause)
            }
            Err(error) => Err(error),
        }
    }
}

/// A [`Batch`] put together from lines that are JSON already.
fn body(lines: &[Line], ahead_ms: Option<i64>, thinned: u64) -> Vec<u8> {
    let size = lines.iter().map(|line| line.json.len() + 1).sum::<usize>();
    let mut body = Vec::with_capacity(size + 64);
    let ahead_ms = ahead_ms.unwrap_or_default();
    body.extend_from_slice(
        format!("{{\"ahead_ms\":{ahead_ms},\"thinned\":{thinned},\"reports\":[").as_bytes(),
    );
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&line.json);
    }
    body.extend_from_slice(b"]}");
    body
}

/// Sends ahead what somebody should judge at once. Whatever does not arrive comes with its batch.
pub(super) async fn send_ahead(
    client: Client,
    shared: Arc<Shared>,
    mut early: mpsc::Receiver<Report>,
    mut ahead: mpsc::Receiver<Numbered>,
) {
    loop {
        let mut reports = Vec::new();
        tokio::select! {
            Some(report) = early.recv() => reports.push(unnumbered(report, &shared)),
            count = ahead.recv_many(&mut reports, AHEAD_BATCH_MAX) => {
                if count == 0 {
                    return;
                }
            }
        }
        while reports.len() < AHEAD_BATCH_MAX {
            match early.try_recv() {
                Ok(report) => reports.push(unnumbered(report, &shared)),
                Err(_) => break,
            }
        }
        let ahead_ms = shared.ahead_ms().unwrap_or_default();
        let batch = Batch { reports, ahead_ms, thinned: 0 };
        let sent: Result<serde_json::Value, LinkError> = client.post(NOW_PATH, &batch).await;
        if let Err(error) = sent {
            tracing::debug!("reports could not be sent ahead: {error}");
        }
    }
}

fn unnumbered(report: Report, shared: &Shared) -> Numbered {
    Numbered { sequence: 0, ahead_ms: shared.ahead_ms(), report }
}

#[cfg(test)]
mod tests {
    use whydown_core::wire::Batch;

    use super::body;

    #[test]
    fn an_empty_batch_is_a_sign_of_life() {
        let batch: Batch = serde_json::from_slice(&body(&[], Some(-5), 3)).unwrap();
        assert_eq!((batch.reports.len(), batch.ahead_ms, batch.thinned), (0, -5, 3));
    }
}
