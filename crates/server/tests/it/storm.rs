//! Thousands of monitors fail at once: how many messages, and how soon the first.

/// Alone on the machine, as it measures.
mod timing {
    use std::time::{Duration, Instant};

    use whydown_core::alerting::rules::Grouping;
    use whydown_core::monitor::Monitor;
    use whydown_lab::{Host, Receiver};

    use crate::support::{config, fine, monitor, refused, scratch, start, webhook};

    /// Monitors when nothing is said; WHYDOWN_STORM_MONITORS=5000 is the whole of it.
    const MONITORS: usize = 1_000;
    /// Unoptimised, thousands of reports take their time, and the last of them wait for the gap
    /// between two messages.
    const DEADLINE: Duration = Duration::from_secs(180);
    /// To the first message over each channel, unoptimised and on a busy machine too.
    const FIRST_MAX: Duration = Duration::from_secs(5);
    const CHANNELS: [&str; 3] = ["mail", "chat", "pager"];
    /// Messages over one channel, of the beginning and of the end.
    const MESSAGES_MAX: usize = 12;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_storm_of_monitors_is_a_few_messages_and_the_first_comes_at_once() {
        let setting = std::env::var("WHYDOWN_STORM_MONITORS").ok();
        let count: usize = setting.and_then(|text| text.parse().ok()).unwrap_or(MONITORS);
        let dir = scratch();
        let receivers: Vec<Receiver> =
            CHANNELS.iter().map(|_| Receiver::start(&Host::machine(), 0)).collect();
        let channels: Vec<_> = CHANNELS
            .iter()
            .zip(&receivers)
            .map(|(name, receiver)| webhook(name, &receiver.url("/")))
            .collect();
        let monitors: Vec<Monitor> =
            (0..count).map(|i| monitor(&format!("shop {i}"), &CHANNELS)).collect();
        let mut file = config(dir.path(), &monitors, &channels);
        file.rules.grouping = Some(Grouping::default());
        let running = start(file).await;
        let begun = Instant::now();
        for monitor in &monitors {
            running.report(refused(&monitor.name, 0)).await;
        }
        running.settled().await;
        println!("{count} monitors failed within {:?}", begun.elapsed());
        let spoken = |receiver: &Receiver| -> usize {
            let bodies =
                receiver.requests().iter().map(whydown_lab::Request::json).collect::<Vec<_>>();
            let single = bodies.iter().filter(|body| body["group"].is_null()).count();
            let grouped = bodies.iter().filter_map(|body| body["group"]["count"].as_u64()).max();
            single + usize::try_from(grouped.unwrap_or_default()).unwrap()
        };
        for (name, receiver) in CHANNELS.iter().zip(&receivers) {
            tokio::task::block_in_place(|| {
                whydown_lab::until(DEADLINE, "every monitor to be spoken of", || {
                    (spoken(receiver) == count).then_some(())
                });
            });
            let all = receiver.requests();
            let first = all[0].at - begun;
            println!("{name}: the first after {first:?}, {} messages in all", all.len());
            assert!(first < FIRST_MAX, "{name}: {first:?}");
            assert!(all.len() <= MESSAGES_MAX, "{name}: {} messages", all.len());
            let last = all.last().unwrap().json();
            println!("  {}", last["group"]["title"].as_str().unwrap());
        }
        let before: Vec<usize> =
            receivers.iter().map(|receiver| receiver.requests().len()).collect();
        for monitor in &monitors {
            running.report(fine(&monitor.name, 60)).await;
        }
        running.settled().await;
        for ((name, receiver), before) in CHANNELS.iter().zip(&receivers).zip(before) {
            let over = |request: &whydown_lab::Request| {
                let body = request.json();
                body["event"] == "incident.resolved" && body["group"].is_object()
            };
            let end = tokio::task::block_in_place(|| {
                whydown_lab::until(DEADLINE, "the end", || {
                    let all = receiver.requests();
                    all.iter().any(over).then_some(all)
                })
            });
            println!("{name}: {} messages for the way back", end.len() - before);
            assert!(end.len() - before <= MESSAGES_MAX, "{name}");
        }
        running.stop().await;
    }
}
