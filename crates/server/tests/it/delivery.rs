//! Thousands of notices over five channels of which three are sick, with a server that is killed
//! again and again: each arrives, hardly any twice, and the healthy channels don't notice.

/// Alone on the machine, as it measures.
mod timing {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStdin, Command, Stdio};
    use std::sync::mpsc::{Receiver as Answers, channel};
    use std::time::{Duration, Instant};

    use jiff::Timestamp;
    use whydown_core::failure::Failure;
    use whydown_core::observation::{Attempt, Observation, State};
    use whydown_core::wire::Report;
    use whydown_lab::{Host, Receiver, Reply, Request};
    use whydown_server::outbox::PER_CHANNEL;

    use crate::support::{report, scratch};

    /// Notices and kills when nothing is said: some seconds. WHYDOWN_SOAK_NOTICES=10000
    /// WHYDOWN_SOAK_KILLS=20 WHYDOWN_SOAK_SECONDS=60 is the whole of it, and
    /// WHYDOWN_FED_SERVER=target/release/examples/fed_server the server as users have it.
    const DEFAULTS: [u64; 3] = [1_500, 4, 9];
    const CHANNELS: [&str; 5] = ["well 1", "well 2", "errors", "hangs", "drops"];
    const WELL: usize = 2;
    /// From so many notices on shares and percentiles mean something.
    const WHOLE: u64 = 10_000;
    /// Of so many notices at most one may arrive twice.
    const REPEATED_ONE_IN: u64 = 1_000;
    /// What the sick may add to the slowest of a hundred. Waiting for one that hangs would add
    /// the two seconds of its attempt; in a short run one hiccup of the machine is that slowest.
    const RAISED_MAX_MS: [i64; 2] = [250, 1_200];

    /// A kill repeats at most what was under way: in a short run that is no small share.
    fn repeated_max(notices: u64, kills: u64) -> u64 {
        match notices >= WHOLE {
            true => notices / REPEATED_ONE_IN,
            false => kills * (PER_CHANNEL * CHANNELS.len()) as u64,
        }
    }

    fn setting(name: &str, default: u64) -> u64 {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// xorshift64: enough to spread moments, and a seed names a run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    fn fed_server() -> PathBuf {
        std::env::var_os("WHYDOWN_FED_SERVER").map_or_else(
            || {
                let here = std::env::current_exe().unwrap();
                here.parent().unwrap().with_file_name("examples").join("fed_server")
            },
            PathBuf::from,
        )
    }

    /// The server as a process, and what it has not yet said to be stored.
    struct Server {
        file: PathBuf,
        child: Child,
        input: ChildStdin,
        answers: Answers<String>,
        unanswered: BTreeMap<u64, String>,
    }

    impl Server {
        fn start(file: &Path) -> Self {
            let program = fed_server();
            let mut child = Command::new(&program)
                .arg(file)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
            let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let (sender, answers) = channel();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
            let ready = answers.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!(ready, "ready");
            Self { file: file.to_owned(), child, input, answers, unanswered: BTreeMap::new() }
        }

        fn hand_in(&mut self, number: u64, report: &Report) {
            let line = format!("{number}\t{}\n", serde_json::to_string(report).unwrap());
            self.input.write_all(line.as_bytes()).unwrap();
            self.unanswered.insert(number, line);
            self.hear();
        }

        fn hear(&mut self) {
            while let Ok(answer) = self.answers.try_recv() {
                self.unanswered.remove(&answer.parse().unwrap());
            }
        }

        /// SIGKILL, a new start on the same data, and what was not stored once more.
        fn kill(&mut self) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            let mut unanswered = std::mem::take(&mut self.unanswered);
            while let Ok(answer) = self.answers.recv_timeout(Duration::from_secs(1)) {
                unanswered.remove(&answer.parse().unwrap());
            }
            *self = Self::start(&self.file);
            for line in unanswered.values() {
                self.input.write_all(line.as_bytes()).unwrap();
            }
            self.unanswered = unanswered;
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// A check and two repeats, all refused, now.
    fn refused(monitor: &str) -> Report {
        let now = Timestamp::now();
        let one = |i: i64| {
            let mut attempt = Attempt::new("192.0.2.1".parse().unwrap(), 443, Duration::ZERO);
            attempt.failure = Some(Failure::TcpRefused);
            Observation {
                at: now - jiff::SignedDuration::from_millis(30 - 10 * i),
                elapsed: Duration::from_millis(1),
                state: State::Down,
                failure: Some(Failure::TcpRefused),
                lookup: None,
                proxy: None,
                attempts: vec![attempt],
            }
        };
        report(monitor, (0..3).map(one).collect())
    }

    fn accepted(request: &Request) -> bool {
        matches!(&request.reply, Reply::Answer(answer) if *answer == whydown_lab::Answer::new(200))
    }

    fn key(request: &Request) -> String {
        request.headers.get("webhook-id").unwrap().to_owned()
    }

    /// From the decision to the arrival, in milliseconds, the slowest of a hundred.
    fn p99(requests: &[Request]) -> i64 {
        let late = |request: &Request| {
            let opened: Timestamp =
                request.json()["incident"]["opened_at"].as_str().unwrap().parse().unwrap();
            let arrived = Timestamp::try_from(request.time).unwrap();
            i64::try_from(arrived.duration_since(opened).as_millis()).unwrap()
        };
        let mut all: Vec<i64> = requests.iter().map(late).collect();
        all.sort_unstable();
        all[(all.len() * 99 / 100).min(all.len() - 1)]
    }

    fn configuration(dir: &Path, receivers: &[Receiver], monitors: u64) -> PathBuf {
        let data = dir.join("data");
        let mut text =
            format!("data: {}\ngrouping: {{ enabled: false }}\nchannels:\n", data.display());
        for (name, receiver) in CHANNELS.iter().zip(receivers) {
            text +=
                &format!("  - {{ name: {name}, webhook: {{ url: \"{}\" }} }}\n", receiver.url("/"));
        }
        text += "monitors:\n";
        for i in 0..monitors {
            text += &format!("  - {{ name: m{i}, target: \"tcp://192.0.2.1:443\" }}\n");
        }
        let file = dir.join("whydown.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Hands in outages, evenly spread, and kills in between at the moments given.
    fn outages(server: &mut Server, which: std::ops::Range<u64>, gap: Duration, kills: &[u64]) {
        let begun = Instant::now();
        for (i, number) in which.enumerate() {
            let due = begun + gap * u32::try_from(i).unwrap();
            // Nothing is waited for: the pace itself is the point.
            let _: Option<()> =
                whydown_lab::try_until(due.saturating_duration_since(Instant::now()), || None);
            if kills.contains(&number) {
                server.kill();
            }
            server.hand_in(number, &refused(&format!("m{number}")));
        }
    }

    #[test]
    fn killed_servers_and_sick_channels_lose_nothing_and_repeat_hardly_anything() {
        let notices = setting("WHYDOWN_SOAK_NOTICES", DEFAULTS[0]);
        let kills = setting("WHYDOWN_SOAK_KILLS", DEFAULTS[1]);
        let seconds = setting("WHYDOWN_SOAK_SECONDS", DEFAULTS[2]);
        let seed = setting("WHYDOWN_SEED", 0x5eed);
        println!("seed {seed} (WHYDOWN_SEED={seed} repeats it)");
        let mut chance = Chance(seed | 1);
        let count = notices / 5;
        let (healthy, sick) = (count / 5, count * 2 / 5);
        let gap = Duration::from_secs(seconds) / u32::try_from(count - healthy).unwrap();
        let dir = scratch();
        let receivers: Vec<Receiver> =
            CHANNELS.iter().map(|_| Receiver::start(&Host::machine(), 0)).collect();
        let mut server = Server::start(&configuration(dir.path(), &receivers, count));

        outages(&mut server, 0..healthy, gap, &[]);
        let expected = usize::try_from(healthy).unwrap();
        let before: Vec<Vec<Request>> = receivers
            .iter()
            .map(|receiver| receiver.wait_for(expected, Duration::from_secs(30)))
            .collect();

        let [_, _, errors, hangs, drops] = &receivers[..] else { panic!("five") };
        errors.set_reply(Reply::status(500));
        hangs.set_reply(Reply::Hang);
        let at_random = |_| if chance.below(2) == 0 { Reply::Reset } else { Reply::status(200) };
        drops.set_replies((0..97).map(at_random).collect());
        outages(&mut server, healthy..healthy + sick, gap, &[]);
        let expected = usize::try_from(healthy + sick).unwrap();
        let beside: Vec<Vec<Request>> = receivers[..WELL]
            .iter()
            .map(|receiver| receiver.wait_for(expected, Duration::from_secs(30)))
            .collect();

        let rest = count - healthy - sick;
        let slice = (rest / kills.max(1)).max(1);
        let moments: Vec<u64> =
            (0..kills).map(|i| healthy + sick + i * slice + chance.below(slice)).collect();
        outages(&mut server, healthy + sick..count, gap, &moments);
        receivers.iter().for_each(|receiver| receiver.set_reply(Reply::status(200)));

        let mut repeated = 0;
        for (name, receiver) in CHANNELS.iter().zip(&receivers) {
            let what = format!("all notices at {name}");
            let taken = whydown_lab::until(Duration::from_secs(120), what, || {
                let mut taken: BTreeMap<String, u64> = BTreeMap::new();
                for request in receiver.requests().iter().filter(|request| accepted(request)) {
                    *taken.entry(key(request)).or_default() += 1;
                }
                (taken.len() >= usize::try_from(count).unwrap()).then_some(taken)
            });
            assert_eq!(taken.len(), usize::try_from(count).unwrap(), "{name}: one key each");
            let twice = taken.values().map(|times| times - 1).sum::<u64>();
            let tried = receiver.requests().len();
            println!("{name}: {count} notices, {tried} attempts, {twice} taken twice");
            repeated += twice;
        }
        let share = repeated as f64 / notices as f64;
        println!(
            "{notices} notices, {kills} kills: {repeated} repeated under the same key ({:.3} %)",
            share * 100.0
        );
        for (i, name) in CHANNELS[..WELL].iter().enumerate() {
            let alone = p99(&before[i]);
            let with = p99(&beside[i][before[i].len()..]);
            println!("{name}: p99 {alone} ms while all are well, {with} ms beside the sick");
            let raised = RAISED_MAX_MS[usize::from(notices < WHOLE)];
            assert!(with <= alone * 3 + raised, "{name}: {alone} ms became {with} ms");
        }
        assert!(repeated <= repeated_max(notices, kills), "{repeated} repeated");
    }
}
