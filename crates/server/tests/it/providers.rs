//! Every channel against a server that accepts what the provider documents, and nothing else, over
//! real sockets with TLS; and every documented error: what is said of it, whether it is tried
//! again, and when.

mod chat;
mod fake;
mod on_call;
mod own;
pub(crate) mod phone;
mod push;
mod shape;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value};
use whydown_core::notice::{Group, Member, Notice, NoticeEvent, body};
use whydown_lab::Ca;
use whydown_server::channel::Channel;
use whydown_server::config;
use whydown_server::notify::DeliveryError;
use whydown_server::serve::{Running, Surroundings};
use whydown_server::store::IncidentFilter;

use crate::support::{
    around, config as configuration, eventually, fine, monitor, refused, scratch,
};
use fake::{Answer, Check, Fake, Good, Seen};

/// A name as nobody's friend would choose it: markup of every kind, mentions, quotes, a mark that
/// turns the direction, letters from right to left, and more than one plane of Unicode.
const HOSTILE: &str = "<script>alert(1)<\\script> @everyone <!channel> <@U1> *b* _i_ `c` [x](y) \
     \u{202e}&amp; \"q\" 'q' {{title}} שלום 😀";

/// One kind of channel and the provider behind it.
struct Provider {
    /// Its settings, given the provider's address.
    settings: Value,
    check: Check,
    good: Good,
    refusals: Vec<Refusal>,
}

/// A documented error and what is made of it.
struct Refusal {
    answer: Answer,
    /// Parts of what a person reads.
    words: &'static [&'static str],
    retry: bool,
    after_s: Option<u64>,
}

fn lasting(answer: Answer, words: &'static [&'static str]) -> Refusal {
    Refusal { answer, words, retry: false, after_s: None }
}

fn passing(answer: Answer, words: &'static [&'static str]) -> Refusal {
    Refusal { answer, words, retry: true, after_s: None }
}

fn limited(answer: Answer, after_s: u64) -> Refusal {
    Refusal { answer, words: &[], retry: true, after_s: Some(after_s) }
}

/// What every HTTP provider may do besides.
fn usual() -> Vec<Refusal> {
    vec![
        limited(Answer::new(429, "slow down").header("Retry-After", 7), 7),
        limited(
            Answer::new(503, "<html>maintenance</html>")
                .header("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
                .header("Retry-After", "Mon, 23 Nov 2026 12:02:00 GMT"),
            120,
        ),
        passing(Answer::new(500, "$ECHO"), &["answered 500 Internal Server Error"]),
        passing(Answer::new(502, ""), &["answered 502 Bad Gateway"]),
    ]
}

/// A channel over which a server has been told of one incident.
struct Stage {
    running: Running,
    channel: Channel,
    fake: Fake,
    opened: Notice,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn set(make: impl FnOnce(&str) -> Provider) -> (Self, Vec<Refusal>) {
        let ca = Ca::new();
        // The check needs the settings, and these the address: a provider without any first.
        let slot: Arc<std::sync::OnceLock<Provider>> = Arc::default();
        let (a, b) = (Arc::clone(&slot), Arc::clone(&slot));
        let check = Arc::new(move |seen: &Seen| (a.get().unwrap().check)(seen));
        let good = Arc::new(move |seen: &Seen| (b.get().unwrap().good)(seen));
        let fake = Fake::start(&ca, check, good).await;
        let provider = make(&fake.origin);
        let mut value = provider.settings.clone();
        value["name"] = "ops".into();
        let refusals = provider.refusals.iter().map(copy).collect();
        slot.set(provider).ok().unwrap();
        let channel = config::channel(&value).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let dir = scratch();
        let mut file = configuration(
            dir.path(),
            &[monitor(HOSTILE, &["ops"])],
            std::slice::from_ref(&channel),
        );
        file.base_url = Some("https://up.example.com".to_owned());
        let bundle = CertificateDer::pem_file_iter(ca.bundle()).unwrap().map(Result::unwrap);
        let around = Surroundings { authorities: bundle.collect(), ..around() };
        let running = Running::start_in(file, around).await.unwrap();
        running.report(refused(HOSTILE, 0)).await;
        eventually("the first message", async || (!fake.seen().is_empty()).then_some(())).await;
        fake.assert_documented();
        let store = running.app().store().clone();
        let incident = eventually("the incident", async || {
            store.incidents(&IncidentFilter::default(), None, 1).await.unwrap().pop()
        })
        .await;
        let base = Some("https://up.example.com");
        let body = body(NoticeEvent::Opened, &incident, base, incident.opened_at);
        let key = format!("{}.1.ops", incident.id);
        let opened = Notice { key, channel: "ops".to_owned(), body };
        (Self { running, channel, fake, opened, _dir: dir }, refusals)
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
        let notifier = self.running.app().notifier();
        notifier.deliver(&self.channel, notice, Timestamp::now()).await.map(drop)
    }

    /// The same incident in another state, or as another kind of message.
    fn notice(&self, event: NoticeEvent, change: impl FnOnce(&mut Notice)) -> Notice {
        let mut notice = self.opened.clone();
        notice.body.event = event;
        notice.key = format!("{}.{}.ops", notice.body.incident.id, event.name());
        change(&mut notice);
        notice
    }
}

fn copy(refusal: &Refusal) -> Refusal {
    Refusal { answer: refusal.answer.clone(), ..*refusal }
}

/// Everything that a provider is sent, and everything that it may answer.
#[expect(clippy::print_stdout, reason = "what was shown is wanted")]
async fn play(name: &str, make: impl FnOnce(&str) -> Provider) -> Vec<Seen> {
    let (stage, refusals) = Stage::set(make).await;
    stage.running.report(fine(HOSTILE, 60)).await;
    eventually("the end", async || {
        let told = stage.running.app().store();
        let told = told.notices_of(&stage.opened.body.incident.id).await.unwrap();
        told.iter().all(|told| told.done_at.is_some()).then_some(()).filter(|()| told.len() == 2)
    })
    .await;
    for notice in variants(&stage) {
        let event = notice.body.event;
        stage.deliver(&notice).await.unwrap_or_else(|error| panic!("{event:?}: {error}"));
    }
    stage.running.app().send_test("ops").await.unwrap();
    stage.fake.assert_documented();
    let messages = stage.fake.seen();
    for refusal in &refusals {
        stage.fake.answer(Some(refusal.answer.clone()));
        let error = stage.deliver(&stage.opened).await.expect_err("this was refused");
        let Refusal { answer, words, retry, after_s } = refusal;
        assert_eq!(error.retry, *retry, "{answer:?}: {error}");
        assert_eq!(error.after, after_s.map(Duration::from_secs), "{answer:?}: {error}");
        for words in *words {
            assert!(error.message.contains(words), "{words:?} is not in: {error}");
        }
        assert!(!error.message.contains("planted"), "{error}");
        assert!(error.message.chars().count() < 500, "{error}");
    }
    stage.fake.answer(None);
    stage.deliver(&stage.opened).await.unwrap();
    stage.fake.assert_documented();
    let (sent, refused) = (messages.len(), refusals.len());
    println!("{name}: {sent} requests as documented, {refused} refusals understood");
    stage.running.stop().await;
    messages
}

/// What else may be said: updates, reminders, storms, digests, endless texts.
fn variants(stage: &Stage) -> Vec<Notice> {
    let long = "very ".repeat(4_000);
    vec![
        stage.notice(NoticeEvent::Updated, |notice| {
            notice.body.incident.phase = whydown_core::incident::Phase::Acknowledged;
        }),
        stage.notice(NoticeEvent::Reminded, |notice| {
            notice.body.notes = vec!["Nobody has taken it.".to_owned()];
        }),
        stage.notice(NoticeEvent::Opened, |notice| {
            notice.body.monitor.name = format!("{HOSTILE} {long}");
            notice.body.diagnosis.summary = format!("It is {long} broken: жж 😀");
            for fact in &mut notice.body.diagnosis.evidence {
                fact.fact = format!("{long}\u{0}\u{1b}[31m");
            }
            for cause in &mut notice.body.diagnosis.causes {
                for step in cause.fix.iter_mut().chain(&mut cause.confirm) {
                    step.text.clone_from(&long);
                    step.command = Some(format!("echo '```' {long}"));
                }
            }
        }),
        stage.notice(NoticeEvent::Opened, |notice| notice.body.group = Some(group(notice))),
        stage.notice(NoticeEvent::Digest, |notice| notice.body.group = Some(group(notice))),
        stage.notice(NoticeEvent::Undelivered, |_| {}),
        stage.notice(NoticeEvent::NoData, |_| {}),
        stage.notice(NoticeEvent::Back, |_| {}),
        stage.notice(NoticeEvent::Resolved, |notice| {
            notice.body.incident.ended_by = Some("the monitor was removed".to_owned());
        }),
    ]
}

fn group(notice: &Notice) -> Group {
    let member = Member {
        incident: notice.body.incident.id.clone(),
        monitor: HOSTILE.to_owned(),
        state: whydown_core::observation::State::Down,
        failure: notice.body.diagnosis.failure,
        started_at: notice.body.incident.started_at,
        resolved_at: None,
    };
    Group {
        title: "4,997 monitors of h1.example.com are down".to_owned(),
        count: 4_997,
        open: 4_997,
        listed: vec![member; 20],
    }
}

/// The first message's text is in it somewhere.
fn assert_headline(seen: &Seen) {
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    for words in ["shop.example.com", "refuses"] {
        assert!(body.contains(words), "{words:?} is not in {body}");
    }
}

/// A channel of a kind.
fn channel(word: &str, settings: Value) -> Value {
    Value::Object(Map::from_iter([(word.to_owned(), settings)]))
}
