//! How each kind of channel is spoken to: one file per kind, one function that delivers.

mod email;
mod https;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use whydown_core::monitor::Monitor;
use whydown_core::notice::Notice;

use crate::channel::{Channel, ChannelKind};
use https::Client;

/// One attempt takes at most so long.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters of a receiver's own words that an error repeats.
const QUOTE_MAX: usize = 200;

/// Why a notice was not delivered. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// May the same attempt work later? `false`: the receiver turned it down for good.
    pub retry: bool,
    /// How long the receiver asks to wait.
    pub after: Option<Duration>,
    /// What went wrong, for a person.
    pub message: String,
}

impl DeliveryError {
    pub(crate) fn passing(message: impl Into<String>) -> Self {
        Self { retry: true, after: None, message: message.into() }
    }

    pub(crate) fn lasting(message: impl Into<String>) -> Self {
        Self { retry: false, after: None, message: message.into() }
    }

    /// The channel is defined no more; it may come back with the next reload.
    pub(crate) fn gone(channel: &str) -> Self {
        Self::lasting(format!("channel {channel:?} is not defined any more"))
    }
}

/// Delivers notices; cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier {
    client: Arc<Client>,
    timeout: Duration,
    authorities: Arc<Vec<CertificateDer<'static>>>,
}

impl Notifier {
    /// Trusts the system's certificate authorities and those given.
    #[must_use]
    pub fn new(timeout: Duration, authorities: Vec<CertificateDer<'static>>) -> Self {
        let authorities = Arc::new(authorities);
        let client = Arc::new(Client::new(Arc::clone(&authorities)));
        Self { client, timeout, authorities }
    }

    /// Delivers a notice over a channel, once.
    ///
    /// # Errors
    /// Why it did not arrive, as far as can be told.
    pub async fn deliver(
        &self,
        channel: &Channel,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let attempt = async {
            match &channel.kind {
                ChannelKind::Webhook(webhook) => {
                    webhook::deliver(&self.client, webhook, notice, now).await
                }
                ChannelKind::Email(email) => {
                    email::deliver(email, notice, self.timeout, &self.authorities).await
                }
            }
        };
        let timed_out = || {
            let limit = whydown_core::units::show(self.timeout);
            DeliveryError::passing(format!("{} did not answer within {limit}", channel.kind.at()))
        };
        tokio::time::timeout(self.timeout, attempt).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Delivers a message that says that it is a test.
    ///
    /// # Errors
    /// As [`deliver`](Self::deliver).
    pub async fn send_test(&self, channel: &Channel, now: Timestamp) -> Result<(), DeliveryError> {
        self.deliver(channel, &test_notice(&channel.name, now), now).await
    }
}

/// What "send test" sends.
fn test_notice(channel: &str, now: Timestamp) -> Notice {
    use whydown_core::notice::{IncidentBrief, MonitorBrief, NoticeBody, NoticeEvent, SCHEMA};
    let target: whydown_core::target::Target = match "https://example.com/".parse() {
        Ok(target) => target,
        Err(error) => unreachable!("a constant: {error}"),
    };
    let evidence = whydown_core::evidence::Evidence::default();
    let mut diagnosis = whydown_core::diagnose::diagnose(&target, &evidence);
    diagnosis.state = whydown_core::observation::State::Up;
    "This is a test message from whydown. Nothing is wrong.".clone_into(&mut diagnosis.summary);
    let monitor = Monitor::new("whydown", target);
    let id = format!("test-{}", now.as_millisecond());
    Notice {
        key: format!("{id}.1.{channel}"),
        channel: channel.to_owned(),
        body: NoticeBody {
            schema: SCHEMA.to_owned(),
            event: NoticeEvent::Test,
            incident: IncidentBrief {
                id,
                phase: whydown_core::incident::Phase::Resolved,
                started_at: now,
                opened_at: now,
                resolved_at: Some(now),
                ended_by: None,
                duration: Duration::ZERO,
                flapping: false,
                url: None,
            },
            monitor: MonitorBrief { name: monitor.name, target: monitor.target.to_string() },
            diagnosis,
            notes: Vec::new(),
            group: None,
        },
    }
}

/// A receiver's own words, cut and on one line.
fn quote(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printable = text.chars().filter(|c| !c.is_control());
    let mut short: String = printable.clone().take(QUOTE_MAX).collect();
    if printable.count() > QUOTE_MAX {
        short.push('…');
    }
    short
}
