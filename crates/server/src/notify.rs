//! How each kind of channel is spoken to: one file per kind, with its settings and one function
//! that delivers.

mod alertmanager;
mod command;
mod discord;
mod email;
mod gotify;
mod hidden;
mod https;
mod markup;
mod matrix;
pub(crate) mod mattermost;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod pushover;
pub(crate) mod reply;
pub(crate) mod slack;
mod sms;
mod teams;
pub(crate) mod telegram;
pub(crate) mod twilio;
pub(crate) mod voice;
pub(crate) mod vonage;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use whydown_core::monitor::Monitor;
use whydown_core::notice::message::Message;
use whydown_core::notice::{Notice, NoticeEvent};

use crate::channel::{Address, Channel, ChannelKind, Phone};
use crate::roster::Roster;
use crate::store::Store;
use hidden::Hidden;
use https::{Answer, Call, Client};
use reply::Replies;

pub use alertmanager::Alertmanager;
pub use command::Command;
pub use discord::Discord;
pub use email::Email;
pub use gotify::Gotify;
pub use matrix::Matrix;
pub use mattermost::Mattermost;
pub use ntfy::Ntfy;
pub use opsgenie::Opsgenie;
pub use pagerduty::PagerDuty;
pub use pushover::Pushover;
pub use slack::{SlackBot, SlackHook};
pub use sms::SmsGateway;
pub use teams::Teams;
pub use telegram::Telegram;
pub use twilio::{TwilioCall, TwilioSms};
pub use voice::VoiceGateway;
pub use vonage::{VonageCall, VonageSms};
pub use webhook::Webhook;

/// One attempt takes at most so long.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters of a receiver's own words that an error repeats.
const QUOTE_MAX: usize = 200;
/// Notices with some recipients reached and others not that are remembered.
const PARTLY_MAX: usize = 1_000;

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

/// What a setting's check says: key, what is wrong, hint.
pub(crate) type Wrong = (&'static str, String, &'static str);

/// A kind of channel.
pub(crate) trait Means {
    /// The server that it speaks to, for messages.
    fn at(&self) -> String;

    /// Who is reached, for people.
    fn reaches(&self) -> String {
        self.at()
    }

    /// What no single setting can say of itself.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// Delivers a notice, once.
    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError>;
}

/// What a provider said of a message that it took.
#[derive(Debug, Default)]
pub struct Receipt {
    /// How it names the message, where later ones can answer to it.
    pub(crate) thread: Option<String>,
}

/// One notice on its way over one channel.
pub(crate) struct Delivery<'a> {
    pub(crate) notice: &'a Notice,
    pub(crate) message: Message,
    pub(crate) now: Timestamp,
    pub(crate) timeout: Duration,
    pub(crate) authorities: &'a [CertificateDer<'static>],
    /// The incident's first message over this channel.
    pub(crate) thread: Option<String>,
    /// Where people and providers reach this server.
    pub(crate) base_url: Option<String>,
    /// May programs be started?
    pub(crate) allow_commands: bool,
    notifier: &'a Notifier,
    hidden: Hidden,
}

impl Delivery<'_> {
    /// Sends a request and reads the answer, whatever it says.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, DeliveryError> {
        self.notifier.0.client.send(&call, &self.hidden).await
    }

    /// The page that acknowledges, where somebody can.
    pub(crate) fn acknowledge_page(&self) -> Option<String> {
        let (base, replies) = self.answerable()?;
        Some(replies.page(base, &self.message.thread, &self.notice.channel))
    }

    /// The address by which a provider says that somebody answered.
    pub(crate) fn callback(&self, provider: &str) -> Option<String> {
        let (base, replies) = self.answerable()?;
        Some(replies.callback(base, provider, &self.message.thread, &self.notice.channel))
    }

    fn answerable(&self) -> Option<(&str, &Replies)> {
        let replies = self.notifier.0.house.as_ref().map(|house| &house.replies)?;
        let base = self.base_url.as_deref().filter(|_| self.message.is_open())?;
        Some((base, replies))
    }

    /// A secret that a provider sends back with what it calls.
    pub(crate) fn callback_secret(&self, provider: &str) -> Option<(String, String)> {
        let replies = self.notifier.0.house.as_ref().map(|house| &house.replies)?;
        let (base, channel) = (self.base_url.as_deref()?, &self.notice.channel);
        let url = format!("{base}/answer/{}/{provider}", reply::segment(channel));
        Some((url, replies.tag(provider, "", channel)))
    }

    /// Begins to deliver to several recipients, each on their own.
    pub(crate) fn round(&self) -> Round<'_> {
        let before = self.notifier.partly().get(&self.notice.key).cloned().unwrap_or_default();
        Round { delivery: self, before, failed: Vec::new() }
    }
}

/// Deliveries of one notice to several recipients; those who were reached by an earlier attempt
/// are left out.
pub(crate) struct Round<'a> {
    delivery: &'a Delivery<'a>,
    before: BTreeSet<String>,
    failed: Vec<DeliveryError>,
}

impl Round<'_> {
    /// Who has not been reached yet.
    pub(crate) fn left<'a>(&self, numbers: &'a [Phone]) -> Vec<&'a Phone> {
        numbers.iter().filter(|number| !self.before.contains(number.reveal())).collect()
    }

    /// What became of one.
    pub(crate) fn note(&mut self, to: &Phone, result: Result<(), DeliveryError>) {
        match result {
            Ok(()) => self.delivery.notifier.remember(&self.delivery.notice.key, to.reveal()),
            Err(error) => self.failed.push(error),
        }
    }

    /// Delivered when everybody was reached. An error that may pass decides: whoever cannot be
    /// reached at all fails again then.
    pub(crate) fn end(mut self) -> Result<Receipt, DeliveryError> {
        let worst = self.failed.iter().position(|error| error.retry).unwrap_or_default();
        if worst < self.failed.len() {
            return Err(self.failed.swap_remove(worst));
        }
        self.delivery.notifier.partly().remove(&self.delivery.notice.key);
        Ok(Receipt::default())
    }
}

/// Delivers notices; cheap to clone.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    timeout: Duration,
    authorities: Arc<Vec<CertificateDer<'static>>>,
    house: Option<House>,
    /// Recipients reached by notices that did not reach all. Never held across an await.
    partly: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// What the server lends to its channels.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) roster: watch::Receiver<Arc<Roster>>,
    pub(crate) replies: Replies,
}

impl Notifier {
    /// Trusts the system's certificate authorities and those given.
    #[must_use]
    pub fn new(timeout: Duration, authorities: Vec<CertificateDer<'static>>) -> Self {
        Self::build(timeout, authorities, None)
    }

    /// The same for a server: with threads, and with addresses by which people answer.
    pub(crate) fn of_house(
        timeout: Duration,
        authorities: Vec<CertificateDer<'static>>,
        house: House,
    ) -> Self {
        Self::build(timeout, authorities, Some(house))
    }

    fn build(
        timeout: Duration,
        authorities: Vec<CertificateDer<'static>>,
        house: Option<House>,
    ) -> Self {
        let authorities = Arc::new(authorities);
        let client = Client::new(Arc::clone(&authorities));
        Self(Arc::new(Inner { client, timeout, authorities, house, partly: Mutex::default() }))
    }

    /// Delivers a notice over a channel, once. What the receiver gave in return is to be
    /// kept.
    ///
    /// # Errors
    /// Why it did not arrive, as far as can be told.
    pub async fn deliver(
        &self,
        channel: &Channel,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<Receipt, DeliveryError> {
        let attempt = self.attempt(channel, notice, now);
        let timeout = self.0.timeout;
        tokio::time::timeout(timeout, attempt).await.unwrap_or_else(|_| {
            let limit = whydown_core::units::show(timeout);
            let message = format!("{} did not answer within {limit}", channel.kind.at());
            Err(DeliveryError::passing(message))
        })
    }

    /// Remembers where later notices of the same incident belong.
    pub(crate) async fn keep(&self, notice: &Notice, receipt: Receipt) {
        let (Some(house), Some(handle)) = (&self.0.house, receipt.thread) else { return };
        let incident = &notice.body.incident.id;
        if let Err(error) = house.store.keep_thread(incident, &notice.channel, &handle).await {
            tracing::warn!(key = notice.key, "the thread was not remembered: {error}");
        }
    }

    async fn attempt(
        &self,
        channel: &Channel,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<Receipt, DeliveryError> {
        let hidden = Hidden::new(&channel.kind.hidden());
        let config = self.0.house.as_ref().map(|house| Arc::clone(&house.roster.borrow().config));
        let delivery = Delivery {
            notice,
            message: Message::of(&notice.body),
            now,
            timeout: self.0.timeout,
            authorities: &self.0.authorities,
            thread: self.thread(notice).await,
            base_url: config.as_ref().and_then(|config| config.base_url.clone()),
            allow_commands: config.as_ref().is_some_and(|config| config.allow_commands),
            notifier: self,
            hidden,
        };
        let result = hand_over(&channel.kind, &delivery).await;
        result.map_err(|error| DeliveryError {
            message: delivery.hidden.starred(&error.message),
            ..error
        })
    }

    async fn thread(&self, notice: &Notice) -> Option<String> {
        let house = self.0.house.as_ref()?;
        if notice.body.event == NoticeEvent::Test {
            return None;
        }
        // Without it the message stands alone, which is better than not at all.
        house.store.thread(&notice.body.incident.id, &notice.channel).await.ok().flatten()
    }

    fn partly(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.0.partly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, key: &str, to: &str) {
        let mut partly = self.partly();
        if partly.len() >= PARTLY_MAX && !partly.contains_key(key) {
            partly.pop_first();
        }
        partly.entry(key.to_owned()).or_default().insert(to.to_owned());
    }

    pub(crate) fn replies(&self) -> Option<&Replies> {
        self.0.house.as_ref().map(|house| &house.replies)
    }

    /// Sends a request that belongs to no notice; `secrets` are starred out of the answer.
    pub(crate) async fn call(
        &self,
        call: Call,
        secrets: &[String],
    ) -> Result<Answer, DeliveryError> {
        let hidden = Hidden::new(secrets);
        let sending = self.0.client.send(&call, &hidden);
        let timed_out = || DeliveryError::passing("no answer in time");
        tokio::time::timeout(self.0.timeout, sending).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Tells an outside service that this server lives.
    pub(crate) async fn beat(&self, to: &Address) -> Result<(), DeliveryError> {
        let call = https::Call::post(to.url().clone());
        let mut texts = Vec::new();
        to.secrets(&mut texts);
        let hidden = Hidden::new(&texts);
        let sent = tokio::time::timeout(self.0.timeout, self.0.client.send(&call, &hidden)).await;
        sent.map_err(|_| DeliveryError::passing("no answer"))??.judge()
    }

    /// Delivers a message that says that it is a test.
    ///
    /// # Errors
    /// Why it did not arrive, as far as can be told.
    pub async fn send_test(&self, channel: &Channel, now: Timestamp) -> Result<(), DeliveryError> {
        self.deliver(channel, &test_notice(&channel.name, now), now).await.map(drop)
    }
}

async fn hand_over(kind: &ChannelKind, to: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
    match kind {
        ChannelKind::Email(settings) => settings.deliver(to).await,
        ChannelKind::TwilioSms(settings) => settings.deliver(to).await,
        ChannelKind::VonageSms(settings) => settings.deliver(to).await,
        ChannelKind::SmsGateway(settings) => settings.deliver(to).await,
        ChannelKind::TwilioCall(settings) => settings.deliver(to).await,
        ChannelKind::VonageCall(settings) => settings.deliver(to).await,
        ChannelKind::VoiceGateway(settings) => settings.deliver(to).await,
        ChannelKind::SlackBot(settings) => settings.deliver(to).await,
        ChannelKind::SlackHook(settings) => settings.deliver(to).await,
        ChannelKind::Discord(settings) => settings.deliver(to).await,
        ChannelKind::Telegram(settings) => settings.deliver(to).await,
        ChannelKind::Teams(settings) => settings.deliver(to).await,
        ChannelKind::Matrix(settings) => settings.deliver(to).await,
        ChannelKind::Mattermost(settings) => settings.deliver(to).await,
        ChannelKind::Ntfy(settings) => settings.deliver(to).await,
        ChannelKind::Gotify(settings) => settings.deliver(to).await,
        ChannelKind::Pushover(settings) => settings.deliver(to).await,
        ChannelKind::PagerDuty(settings) => settings.deliver(to).await,
        ChannelKind::Opsgenie(settings) => settings.deliver(to).await,
        ChannelKind::Alertmanager(settings) => settings.deliver(to).await,
        ChannelKind::Webhook(settings) => settings.deliver(to).await,
        ChannelKind::Command(settings) => settings.deliver(to).await,
    }
}

/// What "send test" sends.
pub(crate) fn test_notice(channel: &str, now: Timestamp) -> Notice {
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
            locations: Vec::new(),
            instead_of: None,
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

/// An address of a provider's API: of its own, or where a test or a proxy stands in for it.
fn endpoint(
    base: Option<&crate::channel::Address>,
    usual: &str,
    path: &str,
) -> Result<url::Url, DeliveryError> {
    let base = base.map_or(usual, crate::channel::Address::reveal);
    let base = base.trim_end_matches('/');
    url::Url::parse(&format!("{base}/{path}"))
        .map_err(|error| DeliveryError::lasting(format!("the address cannot be made: {error}")))
}
