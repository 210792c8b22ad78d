//! The outbox: order, repetition, giving up, and that a sick channel harms nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use whydown_lab::{Host, Receiver, Reply};
use whydown_server::channel::Channel;
use whydown_server::config;
use whydown_server::outbox::Schedule;
use whydown_server::serve::{Running, Surroundings};
use whydown_server::store::{DeliveryState, IncidentFilter};

use crate::support::{
    HandClock, PATIENCE, around, at, config, eventually, fine, monitor, quick, refused, scratch,
    start, webhook,
};

fn receiver() -> Receiver {
    Receiver::start(&Host::machine(), 0)
}

async fn incident_id(running: &Running) -> String {
    let store = running.app().store();
    let all = store.incidents(&IncidentFilter::default(), None, 10).await.unwrap();
    all[0].id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_over_before_it_could_be_told_is_one_message() {
    let dir = scratch();
    let receiver = receiver();
    receiver.set_reply(Reply::Close);
    let channels = [webhook("ops", &receiver.url("/"))];
    let running = start(config(dir.path(), &[monitor("shop", &["ops"])], &channels)).await;
    running.report(refused("shop", 0)).await;
    running.settled().await;
    receiver.wait_for(1, PATIENCE);
    running.report(fine("shop", 60)).await;
    running.settled().await;
    let id = incident_id(&running).await;
    eventually("the fold", async || {
        let told = running.app().store().notices_of(&id).await.unwrap();
        (told[0].state == DeliveryState::Folded).then_some(())
    })
    .await;
    receiver.set_reply(Reply::status(200));
    eventually("the delivery", async || {
        let told = running.app().store().notices_of(&id).await.unwrap();
        (told[1].state == DeliveryState::Delivered).then_some(())
    })
    .await;
    let last = receiver.requests().pop().unwrap().json();
    assert_eq!(last["event"], "incident.resolved");
    let note = last["notes"][0].as_str().unwrap();
    assert_eq!(note, "The message that it had begun could not be delivered before.");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opened_comes_before_resolved_also_when_the_first_takes_long() {
    let dir = scratch();
    let receiver = receiver();
    let slowly = whydown_lab::Answer::new(200).delay(Duration::from_millis(300));
    receiver.set_reply(Reply::Answer(slowly));
    let channels = [webhook("ops", &receiver.url("/"))];
    let running = start(config(dir.path(), &[monitor("shop", &["ops"])], &channels)).await;
    running.report(refused("shop", 0)).await;
    running.settled().await;
    receiver.wait_for(1, PATIENCE);
    running.report(fine("shop", 60)).await;
    running.settled().await;
    let all = receiver.wait_for(2, PATIENCE);
    let events: Vec<_> = all.iter().map(|request| request.json()["event"].clone()).collect();
    assert_eq!(events, ["incident.opened", "incident.resolved"]);
    assert!(all[1].at - all[0].at >= Duration::from_millis(300), "one after the other");
    running.stop().await;
}

/// A channel with more than its address.
fn channel(name: &str, url: &str, terms: &serde_json::Value) -> Channel {
    let mut value = serde_json::json!({ "name": name, "webhook": { "url": url } });
    value.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    config::channel(&value).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_fails_has_its_message_sent_over_its_fallback_once_and_goes_on_trying() {
    let dir = scratch();
    let (ill, well) = (receiver(), receiver());
    ill.set_reply(Reply::status(500));
    let terms = serde_json::json!({ "fallback": "well", "fallback_after": 2 });
    let channels = [channel("ill", &ill.url("/"), &terms), webhook("well", &well.url("/"))];
    let running = start(config(dir.path(), &[monitor("shop", &["ill"])], &channels)).await;
    running.report(refused("shop", 0)).await;
    let told = well.wait_for(1, PATIENCE).remove(0).json();
    assert_eq!((&told["event"], &told["instead_of"]), (&"incident.opened".into(), &"ill".into()));
    let note = told["notes"][0].as_str().unwrap();
    assert!(note.starts_with("Sent here as ill could not be reached:"), "{note}");
    let failed = ill.wait_for(5, PATIENCE);
    ill.set_reply(Reply::status(200));
    let id = incident_id(&running).await;
    eventually("both deliveries", async || {
        let told = running.app().store().notices_of(&id).await.unwrap();
        told.iter().all(|told| told.state == DeliveryState::Delivered).then_some(())
    })
    .await;
    assert_eq!(well.requests().len(), 1, "after {} failures", failed.len());
    let key = |request: &whydown_lab::Request| request.headers.get("webhook-id").map(str::to_owned);
    assert_ne!(key(&well.requests()[0]), key(&failed[0]), "two channels, two keys");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_told_over_another_channel_once_an_hour_and_can_be_tried_again() {
    let dir = scratch();
    let (ill, well) = (receiver(), receiver());
    ill.set_reply(Reply::status(500));
    let channels = [webhook("ill", &ill.url("/")), webhook("well", &well.url("/"))];
    let monitors = [monitor("shop", &["ill"]), monitor("blog", &["ill"])];
    let mut file = config(dir.path(), &monitors, &channels);
    file.undelivered = vec!["ill".to_owned(), "well".to_owned()];
    let schedule = Schedule { attempts_max: 2, ..quick() };
    let running = Running::start_in(file, Surroundings { schedule, ..around() }).await.unwrap();
    running.report(refused("shop", 0)).await;
    running.report(refused("blog", 0)).await;
    let store = running.app().store();
    eventually("both to be given up", async || {
        (store.outbox_counts().await.unwrap() == (0, 2)).then_some(())
    })
    .await;
    let told = well.wait_for(1, PATIENCE).remove(0).json();
    assert_eq!(told["event"], "undelivered");
    assert_eq!(told["monitor"]["name"], "channel ill");
    assert_eq!(well.requests().len(), 1, "once for both");
    let dead = store.undelivered(None, 10).await.unwrap();
    assert_eq!(dead.len(), 2);
    assert!(dead[0].last_error.contains("500"), "{}", dead[0].last_error);
    let traffic = eventually("the word about it", async || {
        let traffic = store.traffic(at(-3_600)).await.unwrap();
        traffic["well"].delivered_at.is_some().then_some(traffic)
    })
    .await;
    assert_eq!((traffic["ill"].given_up, traffic["ill"].delivered_at), (2, None));
    ill.set_reply(Reply::status(200));
    running.app().retry(&dead[0].key).await.unwrap();
    eventually("the second life", async || {
        (store.outbox_counts().await.unwrap() == (0, 1)).then_some(())
    })
    .await;
    let gone = running.app().retry(&dead[0].key).await.unwrap_err();
    assert!(gone.to_string().contains("does not exist"), "{gone}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_used_no_faster_than_its_rate_and_rests_when_it_asks_for_it() {
    const OUTAGES: usize = 6;
    let dir = scratch();
    let (paced, asking) = (receiver(), receiver());
    let busy = whydown_lab::Answer::new(429).header("Retry-After", "1");
    asking.set_reply(Reply::Answer(busy));
    let terms = serde_json::json!({ "rate": "3/1s" });
    let channels = [channel("paced", &paced.url("/"), &terms), webhook("asking", &asking.url("/"))];
    let monitors: Vec<_> =
        (0..OUTAGES).map(|i| monitor(&format!("shop {i}"), &["paced", "asking"])).collect();
    let running = start(config(dir.path(), &monitors, &channels)).await;
    for monitor in &monitors {
        running.report(refused(&monitor.name, 0)).await;
    }
    let all = paced.wait_for(OUTAGES, PATIENCE);
    for (third, sixth) in all.iter().zip(&all[3..]) {
        let apart = sixth.at - third.at;
        assert!(apart > Duration::from_millis(900), "four within {apart:?}");
    }
    // At most as many as were under way when the first answer came.
    assert!(asking.requests().len() <= 4, "{} at one that is busy", asking.requests().len());
    asking.set_reply(Reply::status(200));
    eventually("an empty outbox", async || {
        (running.app().store().outbox_counts().await.unwrap() == (0, 0)).then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_beats_while_everything_works_and_is_silent_when_no_probe_reports() {
    let dir = scratch();
    let outside = receiver();
    let hand = HandClock::new();
    let mut file = config(dir.path(), &[monitor("shop", &[])], &[]);
    let url = whydown_server::channel::Address::new(outside.url("/beat").parse().unwrap());
    file.heartbeat = Some(config::Heartbeat { url, every: Duration::from_millis(50) });
    let surroundings = Surroundings { clock: hand.clock(), ..around() };
    let running = Running::start_in(file, surroundings).await.unwrap();
    outside.wait_for(3, PATIENCE);
    // An hour without a report.
    hand.set(3_600);
    let so_far = eventually("silence", async || {
        let before = outside.requests().len();
        tokio::time::sleep(Duration::from_millis(300)).await;
        (outside.requests().len() == before).then_some(before)
    })
    .await;
    running.report(fine("shop", 3_600)).await;
    outside.wait_for(so_far + 2, PATIENCE);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_during_a_delivery_repeats_it_at_once_with_the_same_key() {
    let dir = scratch();
    let receiver = receiver();
    receiver.set_reply(Reply::Hang);
    let channels = [webhook("ops", &receiver.url("/"))];
    let file = || config(dir.path(), &[monitor("shop", &["ops"])], &channels);
    let running = start(file()).await;
    running.report(refused("shop", 0)).await;
    receiver.wait_for(1, PATIENCE);
    drop(running);
    receiver.set_reply(Reply::status(200));
    let begun = Instant::now();
    let running = start(file()).await;
    let seen = receiver.wait_for(2, PATIENCE);
    // The lease of the dead server would have lasted a minute.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(seen[0].headers.get("webhook-id"), seen[1].headers.get("webhook-id"));
    running.stop().await;
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_a_delivery_under_way_and_writes_it_down() {
    let dir = scratch();
    let receiver = receiver();
    let slowly = whydown_lab::Answer::new(200).delay(Duration::from_millis(500));
    receiver.set_reply(Reply::Answer(slowly));
    let channels = [webhook("ops", &receiver.url("/"))];
    let file = || config(dir.path(), &[monitor("shop", &["ops"])], &channels);
    let running = start(file()).await;
    running.report(refused("shop", 0)).await;
    receiver.wait_for(1, PATIENCE);
    running.stop().await;
    let running = start(file()).await;
    let id = incident_id(&running).await;
    let told = running.app().store().notices_of(&id).await.unwrap();
    assert_eq!(told[0].state, DeliveryState::Delivered);
    running.stop().await;
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_receiver_turns_down_is_tried_a_few_times_and_then_given_up_visibly() {
    let dir = scratch();
    let receiver = receiver();
    receiver.set_reply(Reply::status(410));
    let channels = [webhook("ops", &receiver.url("/"))];
    let hand = HandClock::new();
    let around = Surroundings { clock: hand.clock(), ..around() };
    let file = config(dir.path(), &[monitor("shop", &["ops"])], &channels);
    let running = Running::start_in(file, around).await.unwrap();
    running.report(refused("shop", 0)).await;
    running.settled().await;
    let id = incident_id(&running).await;
    for attempt in 1..=5 {
        receiver.wait_for(attempt, PATIENCE);
        let told = eventually("the attempt to be written down", async || {
            let told = running.app().store().notices_of(&id).await.unwrap().remove(0);
            (usize::try_from(told.attempts).unwrap() == attempt).then_some(told)
        })
        .await;
        assert_eq!(told.state == DeliveryState::Dead, attempt == 5, "{told:?}");
        assert!(told.last_error.unwrap().contains("410 Gone"));
        hand.set(i64::try_from(attempt).unwrap() * 3_600);
        // Whatever wakes the outbox shows it the new time.
        wake(&running).await;
    }
    running.stop().await;
}

/// A new notice wakes the outbox: another monitor fails and its channel is nobody.
async fn wake(running: &Running) {
    let mut config = running.app().config().as_ref().clone();
    let name = format!("waker {}", config.monitors.len());
    config.monitors.push(monitor(&name, &["nobody"]));
    running.reload(config).await;
    running.settled().await;
    running.report(refused(&name, 0)).await;
    running.settled().await;
}

/// Alone on the machine, as it measures.
mod timing {
    use super::*;

    /// A healthy channel's slowest notice while another channel is sick.
    async fn slowest_beside(sick: Option<Reply>) -> Duration {
        const OUTAGES: usize = 30;
        let dir = scratch();
        let (well, ill) = (receiver(), receiver());
        if let Some(reply) = &sick {
            ill.set_reply(reply.clone());
        }
        let channels = [webhook("ill", &ill.url("/")), webhook("well", &well.url("/"))];
        let monitors: Vec<_> =
            (0..OUTAGES).map(|i| monitor(&format!("shop {i}"), &["ill", "well"])).collect();
        let running = start(config(dir.path(), &monitors, &channels)).await;
        let mut begun = BTreeMap::new();
        for monitor in &monitors {
            begun.insert(monitor.name.clone(), Instant::now());
            running.report(refused(&monitor.name, 0)).await;
        }
        let arrived = tokio::task::block_in_place(|| well.wait_for(OUTAGES, PATIENCE));
        assert_eq!(arrived.len(), OUTAGES, "each arrives once");
        // Checks go on all the while.
        let asked = Instant::now();
        running.report(fine("shop 0", 60)).await;
        running.settled().await;
        assert!(asked.elapsed() < Duration::from_secs(2), "a report took {:?}", asked.elapsed());
        let late = |request: &whydown_lab::Request| {
            let name = request.json()["monitor"]["name"].as_str().unwrap().to_owned();
            request.at - begun[&name]
        };
        let slowest = arrived.iter().map(late).max().unwrap();
        drop(running);
        slowest
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sick_channel_delays_no_other_channel_and_no_check() {
        let healthy = slowest_beside(None).await;
        for reply in [Reply::Hang, Reply::status(500), Reply::Reset] {
            let slowest = slowest_beside(Some(reply.clone())).await;
            println!("slowest of 30: {healthy:?} alone, {slowest:?} beside {reply:?}");
            // One attempt of the sick channel lasts 2 s: waiting for it would show.
            assert!(slowest < Duration::from_millis(1_500), "{slowest:?} beside {reply:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_delivered_once_each_and_in_a_few_transactions() {
    const OUTAGES: usize = 500;
    let dir = scratch();
    let receiver = receiver();
    let channels = [webhook("ops", &receiver.url("/"))];
    let monitors: Vec<_> = (0..OUTAGES).map(|i| monitor(&format!("shop {i}"), &["ops"])).collect();
    let running = start(config(dir.path(), &monitors, &channels)).await;
    for monitor in &monitors {
        running.report(refused(&monitor.name, 0)).await;
    }
    tokio::task::block_in_place(|| receiver.wait_for(OUTAGES, PATIENCE));
    let store = running.app().store();
    eventually("an empty outbox", async || {
        (store.outbox_counts().await.unwrap() == (0, 0)).then_some(())
    })
    .await;
    assert_eq!(receiver.requests().len(), OUTAGES);
    running.stop().await;
}

#[test]
fn waits_double_up_to_a_limit_spread_by_jitter_and_end_after_a_day() {
    let failed = |retry: bool, after: Option<u64>| whydown_server::notify::DeliveryError {
        retry,
        after: after.map(Duration::from_secs),
        message: "no".to_owned(),
    };
    let schedule =
        |jitter: f64| Schedule { jitter: Arc::new(move || jitter), ..Schedule::default() };
    let age = Duration::from_secs(5);
    let wait = |attempts: u32| schedule(0.5).next(attempts, age, &failed(true, None));
    let seconds: Vec<u64> = (0..12).map(|i| wait(i).unwrap().as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    let spread = |jitter: f64| schedule(jitter).next(3, age, &failed(true, None)).unwrap();
    assert_eq!((spread(0.0), spread(1.0)), (Duration::from_secs(4), Duration::from_secs(12)));
    assert_eq!(wait(10_000), None);
    let day = Duration::from_hours(24);
    assert_eq!(schedule(0.5).next(0, day, &failed(true, None)), None);
    // What the receiver asks for counts when it is longer, up to an hour.
    let asked = |after: u64| schedule(0.5).next(0, age, &failed(true, Some(after))).unwrap();
    assert_eq!(
        (asked(0).as_secs(), asked(90).as_secs(), asked(9_999_999).as_secs()),
        (1, 90, 3_600)
    );
    let refused: Vec<u64> =
        (0..4).map(|i| quick().next(i, age, &failed(false, None)).unwrap().as_secs()).collect();
    assert_eq!(refused, [30, 300, 900, 2_400]);
    assert_eq!(quick().next(4, age, &failed(false, None)), None);
}
