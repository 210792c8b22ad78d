//! What sixteen probes with many monitors cost the server: processor, memory, and how far it is
//! behind. Two of the probes are real and check a real server. The other fourteen are as real up to
//! their checks, which nobody makes (see `script`): on one machine they would cost more than the
//! server, which is what is measured here.
//!
//! The whole of it, with a release build:
//! `WHYDOWN_LOAD_MONITORS=10000 WHYDOWN_LOAD_INTERVAL=30 WHYDOWN_LOAD_SECONDS=60`.

mod script;

mod timing {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use jiff::Timestamp;
    use serde_json::Value;
    use whydown_lab::{Lab, Nginx, Side, try_until, until};

    use super::script::{Script, Scripted};
    use crate::cost::{memory, ticks};
    use crate::outage::{arrival, millis_between, now, time};
    use crate::places::Probe;
    use crate::places::world::{SIXTEEN, World, number};

    /// Places with a probe that makes its checks.
    const REAL: usize = 2;
    /// Ports that the monitors share, so that no probe runs out of its own.
    const PORTS: u64 = 10;
    /// The first of them.
    const PORT: u64 = 9_000;
    /// Monitors looked at.
    const SAMPLE: usize = 160;
    /// How far behind the newest news of a place may be: a round, and a busy machine.
    const LAG_MAX: Duration = Duration::from_secs(5);
    const PATIENCE: Duration = Duration::from_secs(100);

    /// How much of it.
    struct Size {
        monitors: u64,
        interval: Duration,
        length: Duration,
    }

    impl Size {
        fn read() -> Self {
            let read = |name: &str, usual: u64| {
                let text = std::env::var(format!("WHYDOWN_LOAD_{name}")).ok();
                text.and_then(|text| text.parse().ok()).unwrap_or(usual)
            };
            let seconds = |name, usual| Duration::from_secs(read(name, usual));
            let monitors = read("MONITORS", 160);
            Self { monitors, interval: seconds("INTERVAL", 5), length: seconds("SECONDS", 3) }
        }

        fn config(&self) -> String {
            let line = |i: u64| {
                let (port, every) = (PORT + i % PORTS, self.interval.as_secs());
                format!(
                    "  - {{ name: m{i}, target: \"http://10.99.2.10:{port}/\", interval: {every}s, \
                     notify: [ops] }}\n"
                )
            };
            (0..self.monitors).map(line).collect()
        }
    }

    /// A server with sixteen places, of which the first two are real.
    struct Load {
        size: Size,
        world: World,
        script: Arc<Script>,
        _scripted: Scripted,
        _nginx: Nginx,
    }

    impl Load {
        /// The whole, and how long its parts took.
        fn start(size: Size) -> (Self, String) {
            let lab = Lab::builder().small().build();
            let listens: String = (0..PORTS).map(|i| format!("listen {};", PORT + i)).collect();
            let page = format!("server {{ {listens} location / {{ return 200 fine; }} }}");
            let nginx = Nginx::start(&lab.server(), &page);
            let many = lab.add_host("many", Side::Client, number(SIXTEEN.len()));
            let scripted = Scripted::on(&many);
            // Something breaks five times in an interval, and stays so until all have seen it.
            let pace = (size.interval / 5, size.interval * 3 / 2);
            let (works, refuses) = ("http://10.99.2.10:9000/", "http://10.99.2.10:8999/");
            let script = Script::new((scripted.runtime(), works, refuses), size.monitors, pace);
            let begin = Instant::now();
            let (mut world, tokens) = World::invite(lab, &SIXTEEN, &size.config());
            let script = Arc::new(script);
            let invited = begin.elapsed();
            let begin = Instant::now();
            for (place, token) in tokens.into_iter().enumerate() {
                if place < REAL {
                    let host = world.lab.add_host(SIXTEEN[place].0, Side::Client, number(place));
                    let probe = Probe::with_token(&world.server, &host, token, Vec::new());
                    world.probes.push(probe);
                } else {
                    let server = world.server.link_url();
                    scripted.start(&many, (&server, &token), &script, place);
                }
            }
            let load = Self { size, world, script, _scripted: scripted, _nginx: nginx };
            load.wait_assigned();
            let assigned = begin.elapsed();
            until(PATIENCE, "a first word on all from everywhere", || load.is_fine().then_some(()));
            let said = format!(
                "{} monitors: the server and {} locations are there after {invited:.1?}, all \
                 probes know their monitors {assigned:.1?} later, and there is a first word on all \
                 from everywhere {:.1?} after that",
                load.size.monitors,
                SIXTEEN.len(),
                begin.elapsed().saturating_sub(assigned)
            );
            (load, said)
        }

        /// Waits until every probe was told of all monitors.
        fn wait_assigned(&self) {
            until(PATIENCE, "all probes to be linked", || {
                let all = self.world.server.try_get("/locations")?;
                let knows = |place: &Value| {
                    let probe = &place["probes"][0];
                    probe["live"] == true && probe["monitors"] == self.size.monitors
                };
                all["locations"].as_array()?.iter().all(knows).then_some(())
            });
        }

        fn sample(&self) -> Vec<Value> {
            let page = self.world.server.get(&format!("/monitors?limit={SAMPLE}"));
            page["monitors"].as_array().unwrap().clone()
        }

        /// Is the sample up everywhere, and has every check been reported once?
        fn is_fine(&self) -> bool {
            let scripted = u64::try_from(SIXTEEN.len() - REAL).unwrap() * self.size.monitors;
            let seen = |monitor: &Value| {
                let places = monitor["places"].as_object().map(serde_json::Map::len);
                monitor["state"] == "up" && places == Some(SIXTEEN.len())
            };
            self.script.reports() >= scripted && self.sample().iter().all(seen)
        }

        /// How old the newest news of every place are, and the oldest word of all, in a sample.
        fn lags(&self) -> (Vec<Duration>, Duration) {
            let (sample, asked) = (self.sample(), now());
            let age =
                |at: Timestamp| Duration::try_from(asked.duration_since(at)).unwrap_or_default();
            let of = |place: &str| -> Vec<Duration> {
                sample.iter().map(|monitor| age(time(&monitor["places"][place]["at"]))).collect()
            };
            let all: Vec<Vec<Duration>> = SIXTEEN.iter().map(|place| of(place.0)).collect();
            let mut newest: Vec<Duration> =
                all.iter().map(|ages| *ages.iter().min().unwrap()).collect();
            newest.sort();
            (newest, all.into_iter().flatten().max().unwrap())
        }

        /// From the first failing check to the message, of every outage that was told.
        fn told_after(&self) -> Vec<i64> {
            let requests = self.world.receiver.requests();
            let delay = |request: &whydown_lab::Request| {
                let body = request.json();
                let first = self.script.first_failure(body["monitor"]["name"].as_str()?)?;
                (body["event"] == "incident.opened")
                    .then(|| millis_between(first, arrival(request)))
            };
            let mut delays: Vec<i64> = requests.iter().filter_map(delay).collect();
            delays.sort_unstable();
            delays
        }
    }

    #[test]
    fn what_sixteen_probes_with_many_monitors_cost_the_server() {
        let (load, said) = Load::start(Size::read());
        println!("{said}");
        // A new monitor is checked at once, and then not for half an interval at least.
        let _: Option<()> = try_until(load.size.interval / 2, || None);
        load.script.begin();
        let pid = load.world.server.pid();
        let (before, reports, begin) = (ticks(pid), load.script.reports(), Instant::now());
        let _: Option<()> = try_until(load.size.length, || None);
        let took = begin.elapsed().as_secs_f64();
        let share = Duration::from_millis(10 * (ticks(pid) - before)).as_secs_f64() / took;
        let rate = (load.script.reports() - reports) as f64 / took;
        let (newest, oldest) = load.lags();
        until(PATIENCE, "an outage to be told", || (!load.told_after().is_empty()).then_some(()));
        let told = load.told_after();
        println!(
            "{} monitors at {} s from {} places, {rate:.0} checks a second besides those of {REAL} \
             real probes, {took:.0} s: {:.1} % of a core, {} MiB resident; newest news of a place \
             p50 {} ms, most {} ms old, oldest word of all {:.1} s; {} outages told p50 {} ms, \
             most {} ms after the first failing check",
            load.size.monitors,
            load.size.interval.as_secs(),
            SIXTEEN.len(),
            100.0 * share,
            memory(pid).0 / 1_024,
            newest[newest.len() / 2].as_millis(),
            newest[newest.len() - 1].as_millis(),
            oldest.as_secs_f64(),
            told.len(),
            told[told.len() / 2],
            told[told.len() - 1],
        );
        assert!(share < 1.0, "{share} of a core");
        // A moment is enough in which it is so: the machine may have been busy.
        let gap = load.size.interval / u32::try_from(SAMPLE).unwrap();
        until(PATIENCE, "news that are young", || {
            load.lags().0.iter().all(|lag| *lag < LAG_MAX + gap).then_some(())
        });
    }
}
