//! What sixteen probes with many monitors cost the server: processor, memory, and how far it is
//! behind.

mod timing {
    use std::time::{Duration, Instant};

    use whydown_lab::{Lab, Nginx, try_until, until};

    use crate::cost::{memory, ticks};
    use crate::outage::{now, time};
    use crate::places::sixteen::{PLACES, world};

    /// Ports that the monitors share, so that no probe runs out of its own.
    const PORTS: u16 = 10;
    /// The first of them.
    const PORT: u16 = 9_000;
    /// Monitors looked at.
    const SAMPLE: usize = 160;
    /// How far behind the newest news of a place may be: a round, and a busy machine.
    const LAG_MAX: Duration = Duration::from_secs(5);

    fn read(name: &str, usual: u64) -> u64 {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    #[test]
    fn what_sixteen_probes_with_many_monitors_cost_the_server() {
        let monitors = read("WHYDOWN_LOAD_MONITORS", 160);
        let interval = Duration::from_secs(read("WHYDOWN_LOAD_INTERVAL", 10));
        let length = Duration::from_secs(read("WHYDOWN_LOAD_SECONDS", 10));
        let lab = Lab::builder().small().build();
        let listens: String = (0..PORTS).map(|i| format!("listen {};", PORT + i)).collect();
        let _nginx = Nginx::start(
            &lab.server(),
            &format!("server {{ {listens} location / {{ return 200 fine; }} }}"),
        );
        let config: String = (0..monitors)
            .map(|i| {
                let port = u64::from(PORT) + i % u64::from(PORTS);
                let target = format!("tcp://10.99.2.10:{port}");
                let every = interval.as_secs();
                format!("  - {{ name: m{i}, target: \"{target}\", interval: {every}s }}\n")
            })
            .collect();
        let world = world(lab, &config);
        let sample = || world.server.get(&format!("/monitors?limit={SAMPLE}"));
        until(Duration::from_secs(110), "a first word on all from everywhere", || {
            let all = sample();
            let seen = |monitor: &serde_json::Value| {
                let places = monitor["places"].as_object().map(serde_json::Map::len);
                monitor["state"] == "up" && places == Some(PLACES.len())
            };
            all["monitors"].as_array()?.iter().all(seen).then_some(())
        });
        // A new monitor is checked at once, and then not for half an interval at least.
        let _: Option<()> = try_until(interval / 2, || None);
        let pid = world.server.pid();
        let before = ticks(pid);
        let begin = Instant::now();
        let _: Option<()> = try_until(length, || None);
        let took = begin.elapsed();
        let used = Duration::from_millis(10 * (ticks(pid) - before));
        let share = used.as_secs_f64() / took.as_secs_f64();
        let asked = now();
        let seen = sample();
        let newest = |place: &str| {
            let all = seen["monitors"].as_array().unwrap().iter();
            let at = all.map(|monitor| time(&monitor["places"][place]["at"])).max().unwrap();
            Duration::try_from(asked.duration_since(at)).unwrap_or_default()
        };
        let mut lags: Vec<Duration> = PLACES.iter().map(|place| newest(place.0)).collect();
        lags.sort();
        let (middle, most) = (lags[lags.len() / 2], lags[lags.len() - 1]);
        println!(
            "{monitors} monitors at {} s from {} places, {:.0} s: {:.1} % of a core, {} MiB \
             resident; newest news of a place p50 {} ms, most {} ms old",
            interval.as_secs(),
            PLACES.len(),
            took.as_secs_f64(),
            100.0 * share,
            memory(pid).0 / 1_024,
            middle.as_millis(),
            most.as_millis(),
        );
        // With fewer monitors than in the sample, news are as rare as their checks.
        let gap = interval / u32::try_from(SAMPLE).unwrap();
        assert!(share < 1.0 && most < LAG_MAX + gap, "{share} of a core, {lags:?}");
    }
}
