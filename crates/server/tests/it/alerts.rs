//! Alerts through the engine and the store: what a crash leaves of an escalation, and what people
//! do with incidents.

use std::path::Path;
use std::time::Duration;

use whydown_core::alerting::rules::Select;
use whydown_core::incident::{MomentKind, Phase};
use whydown_server::app::EditError;
use whydown_server::config::{self, Config, Retention};
use whydown_server::serve::{Running, Surroundings};
use whydown_server::store::{DeliveryState, IncidentFilter};

use crate::support::{HandClock, around, at, eventually, fine, refused, scratch};

const POLICIES: &str = "
channels:
  - { name: mail, webhook: { url: 'http://127.0.0.1:9/' } }
  - { name: sms, webhook: { url: 'http://127.0.0.1:9/' } }
monitors:
  - { name: shop, target: 'https://shop.example.com/', tags: [front] }
  - { name: blog, target: 'https://blog.example.com/' }
policies:
  - name: urgent
    steps: [{ after: 0s, notify: mail }, { after: 2m, notify: sms }]
grouping: { after: 1, window: 10s }
";

fn written(dir: &Path) -> Config {
    let file = dir.join("whydown.yaml");
    std::fs::write(&file, POLICIES).unwrap();
    let ages = Duration::from_hours(24 * 36_500);
    let retention = Retention { observations: ages, history: ages };
    let config = config::load(&file, &|_| None).unwrap();
    Config { data: dir.join("data"), retention, ..config }
}

async fn start(dir: &Path, hand: &HandClock) -> Running {
    let surroundings = Surroundings { clock: hand.clock(), ..around() };
    Running::start_in(written(dir), surroundings).await.unwrap()
}

async fn incident(running: &Running) -> whydown_core::incident::Incident {
    let store = running.app().store();
    store.incidents(&IncidentFilter::default(), None, 10).await.unwrap().remove(0)
}

async fn told(running: &Running, id: &str) -> Vec<(String, String)> {
    let told = running.app().store().notices_of(id).await.unwrap();
    told.into_iter().map(|told| (told.channel, told.event)).collect()
}

#[tokio::test]
async fn an_escalation_goes_on_after_a_crash_and_repeats_no_step() {
    let dir = scratch();
    let hand = HandClock::new();
    let running = start(dir.path(), &hand).await;
    running.report(refused("shop", 0)).await;
    running.settled().await;
    let id = incident(&running).await.id;
    let opened = ("mail".to_owned(), "incident.opened".to_owned());
    assert_eq!(told(&running, &id).await, std::slice::from_ref(&opened));
    drop(running);
    hand.set(60);
    let running = start(dir.path(), &hand).await;
    hand.set(121);
    let both = eventually("the second step", async || {
        let all = told(&running, &id).await;
        (all.len() > 1).then_some(all)
    })
    .await;
    assert_eq!(both, [opened, ("sms".to_owned(), "incident.opened".to_owned())]);
    let moment = incident(&running).await.timeline.pop().unwrap();
    assert_eq!(moment.kind, MomentKind::Escalated);
    drop(running);
    hand.set(600);
    let running = start(dir.path(), &hand).await;
    running.report(fine("shop", 600)).await;
    running.settled().await;
    let ends: Vec<String> =
        told(&running, &id).await.into_iter().skip(2).map(|(channel, _)| channel).collect();
    assert_eq!(ends, ["mail", "sms"], "the end, to both");
    running.stop().await;
}

#[tokio::test]
async fn taking_a_storm_takes_every_incident_in_it() {
    let dir = scratch();
    let hand = HandClock::new();
    let running = start(dir.path(), &hand).await;
    running.report(refused("shop", 0)).await;
    running.report(refused("blog", 0)).await;
    running.settled().await;
    let store = running.app().store();
    let all = store.incidents(&IncidentFilter::default(), None, 10).await.unwrap();
    let rows = store.alerting().await.unwrap();
    let group = rows.iter().find(|row| row.kind == "group").map(|row| row.key.clone());
    if let Some(group) = group {
        running.app().acknowledge(&group, "ada").await.unwrap();
        let again = running.app().acknowledge(&group, "bob").await.unwrap_err();
        assert!(matches!(again, EditError::NotOpen(_)), "{again}");
        let taken = store.incidents(&IncidentFilter::default(), None, 10).await.unwrap();
        let open = taken.iter().filter(|incident| incident.phase == Phase::Open).count();
        // Both in one batch are one message; otherwise the first went alone.
        assert!(open < all.len(), "{open} of {} are open", all.len());
    } else {
        panic!("two incidents at once are a storm here: {rows:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn comments_figures_and_a_silence_by_the_clock() {
    let dir = scratch();
    let hand = HandClock::new();
    let running = start(dir.path(), &hand).await;
    let app = running.app();
    let front = Select { tags: vec!["front".to_owned()], ..Select::default() };
    let silence =
        app.silence(front.clone(), Duration::from_mins(5), "ada", "moving").await.unwrap();
    assert_eq!(silence.until, at(300));
    let short = app.silence(front, Duration::from_secs(1), "ada", "").await.unwrap_err();
    assert_eq!(short.to_string(), "for: 1s is not between 1m and 30d");
    running.report(refused("shop", 0)).await;
    running.settled().await;
    let id = incident(&running).await.id;
    assert!(told(&running, &id).await.is_empty(), "silenced");
    let quiet = incident(&running).await.timeline.pop().unwrap();
    assert_eq!(quiet.text, "not told: silenced by ada until 2026-01-01T00:05:00Z");
    app.comment(&id, "ada", " the switch ").await.unwrap();
    let taken = app.acknowledge(&id, "bob").await.unwrap();
    assert_eq!(taken.timeline.iter().filter(|m| m.kind == MomentKind::Comment).count(), 1);
    let empty = app.comment(&id, "ada", " ").await.unwrap_err();
    assert!(matches!(empty, EditError::Invalid(_)), "{empty}");
    app.end_silence(&silence.id).await.unwrap();
    hand.set(600);
    running.report(fine("shop", 600)).await;
    running.settled().await;
    let ended = app.comment(&id, "ada", "was the cable").await.unwrap();
    assert_eq!(ended.timeline.last().unwrap().text, "ada: was the cable");
    let none = app.comment("none", "ada", "x").await.unwrap_err();
    assert!(matches!(none, EditError::NotFound { .. }), "{none}");
    let figures = app.store().reliability(Some("shop"), (at(-10), at(10)), at(600)).await.unwrap();
    assert_eq!((figures.incidents, figures.acknowledged, figures.resolved), (1, 1, 1));
    assert_eq!(figures.to_resolve, Some(Duration::from_mins(10)));
    let other = app.store().reliability(Some("blog"), (at(-10), at(10)), at(600)).await.unwrap();
    assert_eq!(other.incidents, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_silence_survives_a_restart_and_is_forgotten_when_it_is_over() {
    let dir = scratch();
    let hand = HandClock::new();
    let running = start(dir.path(), &hand).await;
    let all = Select::default();
    running.app().silence(all, Duration::from_mins(5), "ada", "").await.unwrap();
    running.stop().await;
    let running = start(dir.path(), &hand).await;
    assert_eq!(running.app().silences().len(), 1);
    running.report(refused("shop", 0)).await;
    running.settled().await;
    let id = incident(&running).await.id;
    hand.set(301);
    eventually("the end of the silence", async || {
        (!told(&running, &id).await.is_empty()).then_some(())
    })
    .await;
    let states = running.app().store().notices_of(&id).await.unwrap();
    assert_ne!(states[0].state, DeliveryState::Folded);
    running.stop().await;
    let running = start(dir.path(), &hand).await;
    assert!(running.app().silences().is_empty());
    running.stop().await;
}
