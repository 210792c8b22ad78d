//! The store's suite: every test gets a fresh store from [`fresh`], so that a second backend can
//! run the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use whydown_core::diagnose::diagnose;
use whydown_core::evidence::Evidence;
use whydown_core::failure::Failure;
use whydown_core::incident::{Effect, Incident, Input, Policy, Quorum, Standing, step};
use whydown_core::monitor::Monitor;
use whydown_core::notice::{Notice, NoticeEvent, body};
use whydown_core::observation::{Observation, State};
use whydown_server::store::{
    Arrival, Commit, DeliveryState, Due, IncidentFilter, Kept, MonitorRow, Outcome, Store,
};

use crate::support::{at, monitor, seen};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

struct Fresh {
    store: Store,
    dir: TempDir,
}

async fn fresh() -> Fresh {
    let dir = tempfile::tempdir().unwrap();
    Fresh { store: Store::open(dir.path()).await.unwrap(), dir }
}

fn arrival(monitor: &str, observation: Observation) -> Arrival {
    let (monitor, location) = (monitor.into(), "local".into());
    Arrival { monitor, location, observation: Arc::new(observation) }
}

async fn keep(store: &Store, monitor: &str, observations: impl IntoIterator<Item = Observation>) {
    let observations = observations.into_iter().map(|seen| arrival(monitor, seen)).collect();
    store.commit(&Commit { observations, ..Commit::default() }).await.unwrap();
}

/// An opened incident and its notices.
fn opened(name: &str, start: i64, channels: &[&str]) -> (Incident, Vec<Notice>) {
    let monitor = monitor(name, channels);
    let observations = vec![seen(start, Some(Failure::TcpRefused))];
    let evidence = Evidence { observations: observations.clone(), ..Evidence::default() };
    let diagnosis = Some(Box::new(diagnose(&monitor.target, &evidence)));
    let (location, quorum) = ("local".to_owned(), Quorum::default());
    let input = Input::Report { location, observations, diagnosis, quorum };
    let standing = Standing::default();
    let (_, effects) = step(&Policy::confirming(0), name, &standing, &input, at(start));
    let Some(Effect::Opened(incident)) = effects.first() else { panic!("not opened") };
    ((**incident).clone(), notices(&monitor, NoticeEvent::Opened, incident, start))
}

/// What each channel of a monitor is told of an incident.
fn notices(monitor: &Monitor, event: NoticeEvent, incident: &Incident, now: i64) -> Vec<Notice> {
    let body = body(event, incident, None, at(now));
    let notice = |channel: &String| Notice {
        key: format!("{}.{}.{channel}", incident.id, event.name()),
        channel: channel.clone(),
        body: body.clone(),
    };
    monitor.notify.iter().map(notice).collect()
}

async fn keep_incident(store: &Store, incident: &Incident, notices: Vec<Notice>) {
    let incidents = BTreeMap::from([(incident.id.clone(), incident.clone())]);
    let commit = Commit { at: incident.opened_at, incidents, notices, ..Commit::default() };
    store.commit(&commit).await.unwrap();
}

async fn times(store: &Store, monitor: &str, before: Option<i64>, limit: usize) -> Vec<i64> {
    let found = store.observations(monitor, before.map(at), limit).await.unwrap();
    found.iter().map(|found| found.observation.at.as_second() - at(0).as_second()).collect()
}

#[tokio::test]
async fn an_observation_comes_back_as_it_was() {
    let Fresh { store, dir } = fresh().await;
    let observation = seen(1, Some(Failure::TcpRefused));
    keep(&store, "shop", [observation.clone()]).await;
    store.close().await;
    let store = Store::open(dir.path()).await.unwrap();
    let found = store.observations("shop", None, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].observation, found[0].location.as_str()), (&observation, "local"));
    assert!(store.observations("blog", None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn observations_are_found_newest_first_and_page_by_page() {
    let Fresh { store, dir: _dir } = fresh().await;
    for batch in 0..20 {
        keep(&store, "shop", (0..10).map(|i| seen(batch * 10 + i, None))).await;
        keep(&store, "blog", (0..10).map(|i| seen(batch * 10 + i, None))).await;
    }
    assert_eq!(times(&store, "shop", None, 3).await, [199, 198, 197]);
    assert_eq!(times(&store, "shop", Some(197), 3).await, [196, 195, 194]);
    assert_eq!(times(&store, "shop", Some(2), 10).await, [1, 0]);
    assert_eq!(times(&store, "shop", None, 1_000).await.len(), 200);
}

#[tokio::test]
async fn a_late_batch_is_found_in_its_place() {
    let Fresh { store, dir: _dir } = fresh().await;
    keep(&store, "shop", [seen(100, None)]).await;
    keep(&store, "shop", [seen(300, None)]).await;
    keep(&store, "shop", [seen(50, None), seen(200, None)]).await;
    assert_eq!(times(&store, "shop", None, 10).await, [300, 200, 100, 50]);
    assert_eq!(times(&store, "shop", Some(200), 1).await, [100]);
}

#[tokio::test]
async fn packing_past_hours_loses_and_doubles_nothing() {
    let Fresh { store, dir: _dir } = fresh().await;
    for hour in 0..5 {
        for i in 0..100 {
            let second = hour * HOUR + i * 36;
            keep(&store, "shop", [seen(second, None)]).await;
            if i % 10 == 0 {
                keep(&store, "blog", [seen(second, Some(Failure::TcpTimedOut))]).await;
            }
        }
    }
    let before = times(&store, "shop", None, 1_000).await;
    assert_eq!(before.len(), 500);
    let now = at(4 * HOUR + 600);
    let mut slices = 0;
    while store.compact_slice(now).await.unwrap() {
        slices += 1;
        assert_eq!(times(&store, "shop", None, 1_000).await, before, "between two slices");
    }
    assert!(slices > 3, "{slices} slices");
    assert_eq!(times(&store, "shop", None, 1_000).await, before);
    assert_eq!(times(&store, "shop", Some(2 * HOUR), 2).await, [2 * HOUR - 36, 2 * HOUR - 72]);
    assert_eq!(times(&store, "blog", None, 1_000).await.len(), 50);
    // The hour that is going on stays as it came.
    assert_eq!(store.newest(1_000).await.unwrap()["shop"].len(), 100);
}

#[tokio::test]
async fn a_late_observation_joins_the_block_of_its_hour() {
    let Fresh { store, dir: _dir } = fresh().await;
    keep(&store, "shop", [seen(10, None), seen(30, None)]).await;
    store.compact_slice(at(2 * HOUR)).await.unwrap();
    keep(&store, "shop", [seen(20, None)]).await;
    store.compact_slice(at(2 * HOUR)).await.unwrap();
    assert!(store.newest(10).await.unwrap().is_empty());
    assert_eq!(times(&store, "shop", None, 10).await, [30, 20, 10]);
}

#[tokio::test]
async fn ninety_days_are_counted_by_day_with_today_as_the_last() {
    let Fresh { store, dir: _dir } = fresh().await;
    for day in 0..90 {
        let failure = (day == 40).then_some(Failure::TcpRefused);
        keep(&store, "shop", (0..4).map(|i| seen(day * DAY + i * 6 * HOUR, failure))).await;
    }
    let now = at(89 * DAY + 20 * HOUR);
    let from = at(-DAY + 20 * HOUR);
    let bars = store.history("shop", from, now, 90).await.unwrap();
    assert_eq!(bars.len(), 90);
    assert_eq!(bars[0].start, at(0));
    assert_eq!(bars[89].start, at(89 * DAY));
    for (day, bar) in bars.iter().enumerate() {
        let (up, down) = if day == 40 { (0, 4) } else { (4, 0) };
        assert_eq!((bar.up, bar.down, bar.degraded, bar.inconclusive), (up, down, 0, 0), "{day}");
        assert_eq!(bar.mean_ms, (up > 0).then_some(20.0));
    }
}

#[tokio::test]
async fn the_last_day_is_known_in_finer_parts() {
    let Fresh { store, dir: _dir } = fresh().await;
    keep(&store, "shop", (0..288).map(|i| seen(i * 300, None))).await;
    let bars = store.history("shop", at(0), at(DAY), 96).await.unwrap();
    assert_eq!(bars.iter().map(|bar| bar.up).collect::<Vec<_>>(), vec![3; 96]);
    let bars = store.history("shop", at(0), at(DAY), 24).await.unwrap();
    assert_eq!(bars.iter().map(|bar| bar.up).collect::<Vec<_>>(), vec![12; 24]);
}

#[tokio::test]
async fn many_histories_come_with_one_query_in_the_order_asked_for() {
    let Fresh { store, dir: _dir } = fresh().await;
    for i in 0..50 {
        keep(&store, &format!("m{i}"), (0..=i).map(|k| seen(k, None))).await;
    }
    let names = ["m3", "nobody", "m49", "m0"];
    let all = store.histories(&names, at(0), at(DAY), 1).await.unwrap();
    let counts: Vec<u64> = all.iter().map(|bars| bars.iter().map(|bar| bar.up).sum()).collect();
    assert_eq!(counts, [4, 0, 50, 1]);
}

#[tokio::test]
async fn incidents_are_filtered_and_paged() {
    let Fresh { store, dir: _dir } = fresh().await;
    for i in 0..10 {
        let name = if i % 2 == 0 { "shop" } else { "blog" };
        let (mut incident, _) = opened(name, i * 100, &[]);
        if i < 8 {
            incident.resolved_at = Some(at(i * 100 + 50));
        }
        keep_incident(&store, &incident, Vec::new()).await;
    }
    let starts = async |filter: IncidentFilter, before: Option<i64>, limit: usize| {
        let found = store.incidents(&filter, before.map(at), limit).await.unwrap();
        let start = |incident: &Incident| incident.started_at.as_second() - at(0).as_second();
        found.iter().map(start).collect::<Vec<_>>()
    };
    let all = IncidentFilter::default();
    assert_eq!(starts(all.clone(), None, 3).await, [900, 800, 700]);
    assert_eq!(starts(all, Some(700), 2).await, [600, 500]);
    let open = IncidentFilter { open_only: true, monitor: None };
    assert_eq!(starts(open, None, 10).await, [900, 800]);
    let shop = IncidentFilter { open_only: true, monitor: Some("shop".to_owned()) };
    assert_eq!(starts(shop, None, 10).await, [800]);
    let nobody = IncidentFilter { open_only: false, monitor: Some("x".to_owned()) };
    assert!(starts(nobody, None, 10).await.is_empty());
}

#[tokio::test]
async fn an_incident_comes_back_as_it_was_last() {
    let Fresh { store, dir: _dir } = fresh().await;
    let (mut incident, _) = opened("shop", 5, &[]);
    keep_incident(&store, &incident, Vec::new()).await;
    incident.flapping = true;
    keep_incident(&store, &incident, Vec::new()).await;
    assert_eq!(store.incident(&incident.id).await.unwrap(), Some(incident));
    assert_eq!(store.incident("none").await.unwrap(), None);
}

#[tokio::test]
async fn a_notice_written_twice_is_there_once() {
    let Fresh { store, dir: _dir } = fresh().await;
    let (incident, notices) = opened("shop", 5, &["ops"]);
    for _ in 0..2 {
        keep_incident(&store, &incident, notices.clone()).await;
    }
    let told = store.notices_of(&incident.id).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].key.as_str(), told[0].state), (&*notices[0].key, DeliveryState::Waiting));
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing() {
    let Fresh { store, dir: _dir } = fresh().await;
    let (incident, notices) = opened("shop", 5, &["ops"]);
    // The other writer holds the lock for longer than a statement waits.
    let mut commit = Commit { at: at(5), notices, ..Commit::default() };
    commit.incidents.insert(incident.id.clone(), incident.clone());
    commit.observations.push(arrival("shop", seen(5, None)));
    store.close().await;
    store.commit(&commit).await.expect_err("the store is closed");
}

#[tokio::test]
async fn only_the_oldest_waiting_notice_of_an_incident_and_channel_can_be_claimed() {
    let Fresh { store, dir: _dir } = fresh().await;
    let (incident, mut told) = opened("shop", 5, &["mail", "ops"]);
    let mut update = told[1].clone();
    update.key.push_str("-update");
    told.push(update);
    keep_incident(&store, &incident, told.clone()).await;
    let lease = Duration::from_secs(60);
    let claim = async |channel: &str, second: i64| {
        let claimed = store.claim(channel, 5, at(second), lease).await.unwrap();
        claimed.into_iter().map(|claimed| (claimed.seq, claimed.notice.key)).collect::<Vec<_>>()
    };
    let first = claim("ops", 10).await;
    assert_eq!(first, [(2, told[1].key.clone())]);
    assert!(claim("ops", 11).await.is_empty(), "leased");
    assert_eq!(claim("mail", 11).await.len(), 1, "another channel goes its own way");
    assert_eq!(claim("ops", 71).await, first, "the lease has ended");
    store.settle(&[(2, Outcome::Delivered)], &[], at(72)).await.unwrap();
    assert_eq!(claim("ops", 72).await[0].1, told[2].key);
}

#[tokio::test]
async fn a_notice_given_up_makes_way_for_the_next() {
    let Fresh { store, dir: _dir } = fresh().await;
    let (incident, mut told) = opened("shop", 5, &["ops"]);
    let mut update = told[0].clone();
    update.key.push_str("-update");
    told.push(update);
    keep_incident(&store, &incident, told).await;
    let lease = Duration::from_secs(60);
    let claimed = store.claim("ops", 5, at(10), lease).await.unwrap();
    let retry = Outcome::Retry { due: at(20), error: "no".to_owned() };
    store.settle(&[(claimed[0].seq, retry)], &[], at(11)).await.unwrap();
    let due = store.due(at(15)).await.unwrap();
    // The update is ready, but behind its elder.
    assert_eq!(due, [Due { channel: "ops".to_owned(), ready: true, next: Some(at(20)) }]);
    assert!(store.claim("ops", 5, at(19), lease).await.unwrap().is_empty(), "not yet due");
    assert_eq!(store.claim("ops", 5, at(20), lease).await.unwrap()[0].attempts, 1);
    let dead = Outcome::Dead { error: "gone for good".to_owned() };
    store.settle(&[(claimed[0].seq, dead)], &[], at(21)).await.unwrap();
    assert_eq!(store.claim("ops", 5, at(21), lease).await.unwrap().len(), 1);
    let told = store.notices_of(&incident.id).await.unwrap();
    assert_eq!(told[0].state, DeliveryState::Dead);
    assert_eq!(told[0].last_error.as_deref(), Some("gone for good"));
    assert_eq!(store.outbox_counts().await.unwrap(), (1, 1));
}

#[tokio::test]
async fn leases_of_a_dead_server_end_at_the_next_start() {
    let Fresh { store, dir: _dir } = fresh().await;
    let (incident, told) = opened("shop", 5, &["ops"]);
    keep_incident(&store, &incident, told).await;
    let lease = Duration::from_secs(60);
    assert_eq!(store.claim("ops", 5, at(10), lease).await.unwrap().len(), 1);
    store.release_leases().await.unwrap();
    assert_eq!(store.claim("ops", 5, at(10), lease).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_too_old_goes_slice_by_slice_and_the_rest_stays() {
    let Fresh { store, dir: _dir } = fresh().await;
    for day in 0..20 {
        keep(&store, "shop", (0..100).map(|i| seen(day * DAY + i * 800, None))).await;
        let (mut incident, told) = opened("shop", day * DAY, &["ops"]);
        incident.resolved_at = Some(at(day * DAY + 60));
        keep_incident(&store, &incident, told).await;
    }
    let lease = Duration::from_secs(60);
    let claimed = store.claim("ops", 100, at(20 * DAY), lease).await.unwrap();
    for (day, claimed) in claimed.iter().enumerate() {
        let done = at(i64::try_from(day).unwrap() * DAY + 70);
        store.settle(&[(claimed.seq, Outcome::Delivered)], &[], done).await.unwrap();
    }
    let now = at(20 * DAY);
    while store.compact_slice(now).await.unwrap() {}
    let keep =
        Kept { observations: Duration::from_hours(24 * 5), history: Duration::from_hours(24 * 10) };
    while store.prune_slice(&keep, now).await.unwrap() {}
    let oldest = store.oldest_observation().await.unwrap().unwrap();
    assert!(oldest >= at(15 * DAY - 2 * HOUR) && oldest <= at(15 * DAY), "{oldest}");
    assert_eq!(times(&store, "shop", None, 1).await, [19 * DAY + 99 * 800]);
    let bars = store.history("shop", at(0), now, 20).await.unwrap();
    let days: Vec<bool> = bars.iter().map(|bar| bar.up > 0).collect();
    assert_eq!(days, [vec![false; 10], vec![true; 10]].concat());
    let left = store.incidents(&IncidentFilter::default(), None, 100).await.unwrap();
    assert_eq!(left.len(), 10);
    for incident in left {
        assert_eq!(store.notices_of(&incident.id).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_open_incident_and_an_undelivered_notice_are_never_too_old() {
    let Fresh { store, dir: _dir } = fresh().await;
    let (incident, told) = opened("shop", 5, &["ops"]);
    keep_incident(&store, &incident, told).await;
    let keep = Kept { observations: Duration::from_secs(1), history: Duration::from_secs(1) };
    while store.prune_slice(&keep, at(100 * DAY)).await.unwrap() {}
    assert!(store.incident(&incident.id).await.unwrap().is_some());
    assert_eq!(store.notices_of(&incident.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_renamed_monitor_keeps_its_history() {
    let Fresh { store, dir: _dir } = fresh().await;
    keep(&store, "shop", [seen(1, None)]).await;
    let (incident, _) = opened("shop", 5, &[]);
    keep_incident(&store, &incident, Vec::new()).await;
    keep(&store, "old store", [seen(2, None)]).await;
    let definition = serde_json::json!({});
    let row = MonitorRow { name: "old store".to_owned(), definition };
    store.define_monitor("shop", &row, at(10)).await.unwrap();
    assert_eq!(times(&store, "old store", None, 10).await, [1]);
    assert!(times(&store, "shop", None, 10).await.is_empty());
    assert_eq!(store.incident(&incident.id).await.unwrap().unwrap().monitor, "old store");
}

#[tokio::test]
async fn standings_survive_a_restart() {
    let Fresh { store, dir } = fresh().await;
    let standing = Standing { state: Some(State::Up), since: Some(at(3)), ..Standing::default() };
    let standings = BTreeMap::from([("shop".to_owned(), standing.clone())]);
    store.commit(&Commit { standings, ..Commit::default() }).await.unwrap();
    store.close().await;
    let store = Store::open(dir.path()).await.unwrap();
    assert_eq!(store.standings().await.unwrap()["shop"], standing);
}

#[tokio::test]
async fn a_batch_is_one_row_and_an_observation_a_few_bytes() {
    let Fresh { store, dir } = fresh().await;
    let file = dir.path().join("whydown.db");
    store.close().await;
    let empty = std::fs::metadata(&file).unwrap().len();
    let store = Store::open(dir.path()).await.unwrap();
    let commit = |second: i64| Commit {
        observations: (0..500)
            .map(|i| arrival(&format!("monitor {i}"), seen(second * 30 + i % 30, None)))
            .collect(),
        ..Commit::default()
    };
    for second in 0..20 {
        store.commit(&commit(second)).await.unwrap();
    }
    assert_eq!(store.newest(100).await.unwrap().len(), 500);
    store.close().await;
    let bytes = std::fs::metadata(&file).unwrap().len() - empty;
    assert!(bytes < 10_000 * 40, "{bytes} bytes for 10,000 observations and their counts");
}

#[tokio::test]
async fn times_before_the_epoch_and_far_ahead_do_no_harm() {
    let Fresh { store, dir: _dir } = fresh().await;
    let mut early = seen(0, None);
    early.at = Timestamp::from_second(-1_000_000_000).unwrap();
    let mut late = seen(0, None);
    late.at = Timestamp::from_second(100_000_000_000).unwrap();
    keep(&store, "shop", [early, late, seen(0, None)]).await;
    assert_eq!(store.observations("shop", None, 10).await.unwrap().len(), 3);
    while store.compact_slice(at(DAY)).await.unwrap() {}
    assert_eq!(store.observations("shop", None, 10).await.unwrap().len(), 3);
}
