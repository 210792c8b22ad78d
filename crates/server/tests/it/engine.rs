//! The engine: from reports to incidents and outbox rows, and what a crash at any point leaves.

use std::time::Duration;

use tokio::net::TcpListener;
use whydown_core::failure::Failure;
use whydown_core::incident::Phase;
use whydown_core::observation::State;
use whydown_server::app::{EditError, Live, Origin};
use whydown_server::config;
use whydown_server::serve::{Running, Surroundings};
use whydown_server::store::{DeliveryState, IncidentFilter};

use crate::support::{
    HandClock, around, at, config, eventually, fine, monitor, once, refused, report, scratch, seen,
    start, webhook,
};

/// Nobody listens there: a port that was free a moment ago.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

async fn incidents(running: &Running) -> Vec<whydown_core::incident::Incident> {
    let store = running.app().store();
    store.incidents(&IncidentFilter::default(), None, 100).await.unwrap()
}

#[tokio::test]
async fn an_outage_becomes_one_incident_with_true_times_and_one_notice_each_way() {
    let dir = scratch();
    let url = nobody().await;
    let running =
        start(config(dir.path(), &[monitor("shop", &["ops"])], &[webhook("ops", &url)])).await;
    running.report(once("shop", 0)).await;
    running.report(refused("shop", 30)).await;
    running.report(refused("shop", 60)).await;
    running.settled().await;
    let status = running.app().status("shop").unwrap();
    let open = status.standing.incident.clone().unwrap();
    assert_eq!(open.started_at, at(30));
    assert_eq!(status.standing.state, Some(State::Down));
    assert_eq!(status.last.unwrap().failure, Some(Failure::TcpRefused));
    assert_eq!(status.recent.len(), 7);
    running.report(fine("shop", 90)).await;
    running.settled().await;
    let all = incidents(&running).await;
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].phase, all[0].resolved_at), (Phase::Resolved, Some(at(90))));
    let told = running.app().store().notices_of(&open.id).await.unwrap();
    let events: Vec<&str> = told.iter().map(|told| told.event.as_str()).collect();
    assert_eq!(events, ["incident.opened", "incident.resolved"]);
    running.stop().await;
}

#[tokio::test]
async fn fine_checks_are_kept_and_counted() {
    let dir = scratch();
    // Housekeeping goes by this clock: what has just been seen is not old.
    let hand = HandClock::new();
    hand.set(100);
    let file = config(dir.path(), &[monitor("shop", &[])], &[]);
    let surroundings = Surroundings { clock: hand.clock(), ..around() };
    let running = Running::start_in(file, surroundings).await.unwrap();
    for i in 0..100 {
        running.report(once("shop", i)).await;
    }
    running.settled().await;
    let store = running.app().store();
    assert_eq!(store.observations("shop", None, 1_000).await.unwrap().len(), 100);
    assert_eq!(store.history("shop", at(0), at(3_600), 1).await.unwrap()[0].up, 100);
    let status = running.app().status("shop").unwrap();
    assert_eq!((status.standing.state, status.recent.len()), (Some(State::Up), 60));
    running.stop().await;
}

#[tokio::test]
async fn pages_hear_of_a_change_after_it_is_stored() {
    let dir = scratch();
    let running = start(config(dir.path(), &[monitor("shop", &[])], &[])).await;
    let mut live = running.app().subscribe();
    running.report(refused("shop", 0)).await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.push(live.recv().await.unwrap());
    }
    assert_eq!(heard[0], Live::Monitor("shop".into()));
    let Live::Incident(id) = &heard[1] else { panic!("{heard:?}") };
    assert!(running.app().store().incident(id).await.unwrap().is_some());
    running.stop().await;
}

#[tokio::test]
async fn reports_of_unknown_paused_and_empty_kind_change_nothing() {
    let dir = scratch();
    let mut paused = monitor("paused", &[]);
    paused.paused = true;
    let running = start(config(dir.path(), &[monitor("shop", &[]), paused], &[])).await;
    running.report(refused("nobody", 0)).await;
    running.report(refused("paused", 0)).await;
    running.report(report("shop", Vec::new())).await;
    running.settled().await;
    assert!(incidents(&running).await.is_empty());
    assert!(running.app().status("nobody").is_none());
    assert!(running.app().status("paused").unwrap().last.is_none());
    running.stop().await;
}

#[tokio::test]
async fn two_places_disagreeing_are_told_apart() {
    let dir = scratch();
    let running = start(config(dir.path(), &[monitor("shop", &[])], &[])).await;
    let mut elsewhere = fine("shop", 0);
    elsewhere.location = "fra1".to_owned();
    running.report(elsewhere).await;
    running.settled().await;
    running.report(refused("shop", 10)).await;
    running.settled().await;
    let incident = running.app().status("shop").unwrap().standing.incident.clone().unwrap();
    assert_eq!(incident.diagnosis.scope.places.fine, ["fra1"]);
    assert_eq!(incident.diagnosis.scope.places.failing, ["local"]);
    running.stop().await;
}

#[tokio::test]
async fn somebody_takes_an_incident_once() {
    let dir = scratch();
    let running = start(config(dir.path(), &[monitor("shop", &[])], &[])).await;
    running.report(refused("shop", 0)).await;
    running.settled().await;
    let id = incidents(&running).await[0].id.clone();
    let taken = running.app().acknowledge(&id, "ada").await.unwrap();
    assert_eq!(
        (taken.phase, taken.acknowledged.unwrap().by.as_str()),
        (Phase::Acknowledged, "ada")
    );
    let stored = running.app().store().incident(&id).await.unwrap().unwrap();
    assert_eq!(stored.phase, Phase::Acknowledged);
    let again = running.app().acknowledge(&id, "bob").await.unwrap_err();
    assert!(matches!(again, EditError::NotOpen(_)), "{again}");
    let none = running.app().acknowledge("none", "bob").await.unwrap_err();
    assert_eq!(none.to_string(), "incident \"none\" does not exist");
    running.report(fine("shop", 60)).await;
    running.settled().await;
    let over = running.app().acknowledge(&id, "bob").await.unwrap_err();
    assert!(matches!(over, EditError::NotOpen(_)), "{over}");
    running.stop().await;
}

#[tokio::test]
async fn monitors_and_channels_are_made_changed_and_removed_and_survive_a_restart() {
    let dir = scratch();
    let file =
        || config(dir.path(), &[monitor("file", &[])], &[webhook("filed", "http://x.example/")]);
    let running = start(file()).await;
    let app = running.app();
    app.create_channel(webhook("ops", "http://a.example/planted")).await.unwrap();
    let mut shop = monitor("shop", &["ops"]);
    shop.request.headers.insert("Authorization".to_owned(), "planted".to_owned());
    let entry = app.create_monitor(shop.clone()).await.unwrap();
    assert_eq!(entry.origin, Origin::Api);
    assert_eq!(entry.shown().request.headers["Authorization"], "***");
    let taken = app.create_monitor(shop.clone()).await.unwrap_err();
    assert_eq!(taken.to_string(), "a monitor named \"shop\" exists already");
    let read_only = app.update_monitor("file", monitor("file", &[])).await.unwrap_err();
    assert!(matches!(read_only, EditError::ReadOnly { .. }), "{read_only}");
    assert!(matches!(app.delete_channel("filed").await, Err(EditError::ReadOnly { .. })));
    let in_use = app.delete_channel("ops").await.unwrap_err();
    assert_eq!(in_use.to_string(), "channel \"ops\" is used by shop");
    let mut edited = entry.shown();
    edited.name = "store".to_owned();
    edited.interval = Duration::from_secs(5);
    app.update_monitor("shop", edited.clone()).await.unwrap();
    edited.interval = Duration::ZERO;
    let invalid = app.update_monitor("store", edited).await.unwrap_err();
    assert_eq!(invalid.to_string(), "interval: 0s is not between 1s and 1d");
    running.stop().await;

    let running = start(file()).await;
    let app = running.app();
    let names: Vec<String> =
        app.monitors().iter().map(|entry| entry.monitor.name.clone()).collect();
    assert_eq!(names, ["file", "store"]);
    let kept = app.status("store").unwrap().entry;
    assert_eq!(kept.monitor.interval, Duration::from_secs(5));
    assert_eq!(kept.monitor.request.headers["Authorization"], "planted", "the mask kept it");
    assert_eq!(app.channels().len(), 2);
    app.delete_monitor("store").await.unwrap();
    app.delete_channel("ops").await.unwrap();
    assert!(matches!(app.delete_monitor("store").await, Err(EditError::NotFound { .. })));
    assert_eq!((app.monitors().len(), app.channels().len()), (1, 1));
    running.stop().await;
}

#[tokio::test]
async fn the_open_incident_follows_a_renamed_monitor() {
    let dir = scratch();
    let running = start(config(dir.path(), &[], &[])).await;
    let app = running.app();
    app.create_monitor(monitor("shop", &[])).await.unwrap();
    running.report(refused("shop", 0)).await;
    running.settled().await;
    app.update_monitor("shop", monitor("store", &[])).await.unwrap();
    assert!(app.status("store").unwrap().standing.incident.is_some());
    running.report(fine("store", 60)).await;
    running.settled().await;
    let all = incidents(&running).await;
    assert_eq!((all.len(), all[0].monitor.as_str(), all[0].phase), (1, "store", Phase::Resolved));
    running.stop().await;
}

#[tokio::test]
async fn removing_or_pausing_a_monitor_ends_its_incident_and_says_so() {
    let url = nobody().await;
    for (reason, paused) in [("removed", false), ("paused", true)] {
        let dir = scratch();
        let channels = [webhook("ops", &url)];
        let shop = monitor("shop", &["ops"]);
        let running = start(config(dir.path(), std::slice::from_ref(&shop), &channels)).await;
        running.report(refused("shop", 0)).await;
        running.settled().await;
        let left =
            if paused { vec![whydown_core::monitor::Monitor { paused, ..shop }] } else { vec![] };
        running.reload(config(dir.path(), &left, &channels)).await;
        running.settled().await;
        let all = incidents(&running).await;
        let ended_by = format!("the monitor was {reason}");
        assert_eq!(all[0].ended_by.as_deref(), Some(&*ended_by));
        let told = running.app().store().notices_of(&all[0].id).await.unwrap();
        assert_eq!(told.len(), 2, "{reason}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_monitor_removed_while_the_server_was_off_has_its_incident_ended_at_the_start() {
    let dir = scratch();
    let channels = [webhook("ops", &nobody().await)];
    let running = start(config(dir.path(), &[monitor("shop", &["ops"])], &channels)).await;
    running.report(refused("shop", 0)).await;
    running.settled().await;
    running.stop().await;
    let running = start(config(dir.path(), &[], &channels)).await;
    running.settled().await;
    let all = incidents(&running).await;
    assert_eq!(all[0].ended_by.as_deref(), Some("the monitor was removed"));
    let told = running.app().store().notices_of(&all[0].id).await.unwrap();
    assert_eq!(told.iter().filter(|told| told.channel == "ops").count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn memory_is_filled_again_after_a_restart() {
    let dir = scratch();
    let file = || config(dir.path(), &[monitor("shop", &[])], &[]);
    let running = start(file()).await;
    for i in 0..10 {
        running.report(once("shop", i)).await;
    }
    running.stop().await;
    let running = start(file()).await;
    let status = running.app().status("shop").unwrap();
    assert_eq!(status.recent.len(), 10);
    assert_eq!(status.last.unwrap().at, at(9));
    assert_eq!(status.standing.state, Some(State::Up));
    running.stop().await;
}

/// Where a server is killed during an outage.
#[derive(Clone, Copy, Debug)]
enum Crash {
    BeforeTheReport,
    ReportHandedIn,
    Committed,
    NeverMind,
}

/// One outage with a crash at one point while it opens and one while it ends. What a probe saw
/// and the server lost, it sees again.
async fn outage(opening: Crash, ending: Crash) {
    let dir = scratch();
    let hand = HandClock::new();
    let url = nobody().await;
    let monitors = [monitor("shop", &["ops"])];
    let file = || config(dir.path(), &monitors, &[webhook("ops", &url)]);
    let around = || Surroundings { clock: hand.clock(), ..around() };
    let begin = async || Running::start_in(file(), around()).await.unwrap();
    let mut running = begin().await;
    for (crash, make) in
        [(opening, refused as fn(&str, i64) -> whydown_core::wire::Report), (ending, fine)]
    {
        let start = if std::ptr::fn_addr_eq(make, fine as fn(&str, i64) -> _) { 1_000 } else { 0 };
        hand.set(start + 3);
        match crash {
            Crash::BeforeTheReport => drop(running),
            Crash::ReportHandedIn => {
                running.report(make("shop", start)).await;
                drop(running);
            }
            Crash::Committed => {
                running.report(make("shop", start)).await;
                running.settled().await;
                drop(running);
            }
            Crash::NeverMind => running.stop().await,
        }
        running = begin().await;
        hand.set(start + 13);
        running.report(make("shop", start + 10)).await;
        running.settled().await;
    }
    let all = incidents(&running).await;
    assert_eq!(all.len(), 1, "{opening:?}, {ending:?}");
    let incident = &all[0];
    let late = |at_second: jiff::Timestamp, start: i64| (at_second - at(start)).get_seconds();
    assert!((0..=10).contains(&late(incident.started_at, 0)), "{incident:?}");
    assert!((0..=10).contains(&late(incident.resolved_at.unwrap(), 1_000)), "{incident:?}");
    let told = running.app().store().notices_of(&incident.id).await.unwrap();
    let keys: Vec<&str> = told.iter().map(|told| told.key.as_str()).collect();
    let expected = [format!("{}.1.ops", incident.id), format!("{}.2.ops", incident.id)];
    assert_eq!(keys, expected, "{opening:?}, {ending:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_crash_at_any_point_loses_no_notice_and_gives_none_another_key() {
    let points =
        [Crash::BeforeTheReport, Crash::ReportHandedIn, Crash::Committed, Crash::NeverMind];
    for opening in points {
        for ending in points {
            outage(opening, ending).await;
        }
    }
}

#[tokio::test]
async fn replaying_the_same_report_after_a_crash_tells_nothing_new() {
    let dir = scratch();
    let url = nobody().await;
    let file = || config(dir.path(), &[monitor("shop", &["ops"])], &[webhook("ops", &url)]);
    for _ in 0..3 {
        let running = start(file()).await;
        running.report(refused("shop", 0)).await;
        running.settled().await;
        drop(running);
    }
    let running = start(file()).await;
    let all = incidents(&running).await;
    assert_eq!(all.len(), 1);
    let told = running.app().store().notices_of(&all[0].id).await.unwrap();
    assert_eq!(told.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn stopping_stores_what_was_handed_in() {
    let dir = scratch();
    let file = || config(dir.path(), &[monitor("shop", &[])], &[]);
    let running = start(file()).await;
    for i in 0..500 {
        running.report(once("shop", i)).await;
    }
    running.stop().await;
    let running = start(file()).await;
    let found = running.app().store().observations("shop", None, 1_000).await.unwrap();
    assert_eq!(found.len(), 500);
    running.stop().await;
}

#[tokio::test]
async fn a_channel_that_is_gone_is_a_waiting_notice_that_says_so() {
    let dir = scratch();
    let running = start(config(dir.path(), &[monitor("shop", &["gone"])], &[])).await;
    running.report(refused("shop", 0)).await;
    running.settled().await;
    let id = incidents(&running).await[0].id.clone();
    let told = eventually("an attempt", async || {
        let told = running.app().store().notices_of(&id).await.unwrap();
        told.into_iter().find(|told| told.attempts > 0)
    })
    .await;
    assert_eq!(told.state, DeliveryState::Waiting);
    assert_eq!(told.last_error.as_deref(), Some("channel \"gone\" is not defined any more"));
    running.stop().await;
}

#[tokio::test]
async fn one_unfinished_failure_is_remembered_over_a_restart() {
    let dir = scratch();
    let file = || config(dir.path(), &[monitor("shop", &[])], &[]);
    let running = start(file()).await;
    running.report(report("shop", vec![seen(0, Some(Failure::TcpRefused))])).await;
    running.settled().await;
    drop(running);
    let running = start(file()).await;
    let rest = vec![seen(1, Some(Failure::TcpRefused)), seen(2, Some(Failure::TcpRefused))];
    running.report(report("shop", rest)).await;
    running.settled().await;
    assert_eq!(incidents(&running).await[0].started_at, at(0));
    running.stop().await;
}

#[test]
fn a_channel_reads_back_from_what_is_shown_only_without_its_secrets() {
    let channel = webhook("ops", "https://hooks.example.com/x");
    let shown = serde_json::to_value(&channel).unwrap();
    let again = config::channel(&shown).unwrap();
    assert_ne!(again, channel);
}
