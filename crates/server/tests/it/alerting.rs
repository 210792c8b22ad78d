//! Who is told what and when, in simulated time: scenes in `tests/alerting/*.toml`. Each has a
//! configuration file as people write it and a script of what happens; every message must stand
//! in the script, at its second.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use whydown_core::alerting::calendar::{Zone, time};
use whydown_core::alerting::dependency::Dependencies;
use whydown_core::alerting::rules::{Select, Silence};
use whydown_core::alerting::{Alerting, View};
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::evidence::Evidence;
use whydown_core::failure::Failure;
use whydown_core::incident::{Input, Policy, Quorum, Standing, step};
use whydown_core::monitor::Monitor;
use whydown_core::notice::Notice;
use whydown_core::observation::{Attempt, Observation};
use whydown_core::scope::ScopeKind;
use whydown_server::config::{self, Config};

/// Scenes that there are at least.
const CASES_MIN: usize = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenes {
    /// `whydown.yaml`, shared by all cases of the file.
    config: String,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The zone in which the script's times are meant.
    #[serde(default)]
    zone: Option<String>,
    /// The day on which the script begins.
    day: String,
    script: String,
}

/// The pure parts as the engine wires them, with time as a number.
struct Stage {
    config: Config,
    zone: Zone,
    day: jiff::civil::Date,
    now: Timestamp,
    standings: HashMap<String, Standing>,
    silences: Vec<Silence>,
    dependencies: Dependencies,
    alerting: Alerting,
    said: String,
    /// The server does not run.
    off: bool,
    /// Locations that were removed.
    removed: BTreeSet<String>,
}

impl Stage {
    fn new(config: &str, case: &Case) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("whydown.yaml");
        std::fs::write(&file, config).unwrap();
        let config = config::load(&file, &|_| None).unwrap_or_else(|error| panic!("{error}"));
        let monitors = config.monitors.iter();
        let dependencies = Dependencies::new(
            monitors.map(|monitor| (monitor.name.as_str(), monitor.depends_on.as_slice())),
        );
        let zone: Zone = case.zone.as_deref().unwrap_or("UTC").parse().unwrap();
        let day: jiff::civil::Date = case.day.parse().unwrap();
        Self {
            now: zone.instant(day.at(0, 0, 0, 0)),
            config,
            zone,
            day,
            standings: HashMap::new(),
            silences: Vec::new(),
            dependencies,
            alerting: Alerting::default(),
            said: String::new(),
            off: false,
            removed: BTreeSet::new(),
        }
    }

    fn round(&mut self, act: impl FnOnce(&mut Alerting, &View<'_>)) {
        let monitors = &self.config.monitors;
        let monitor = |name: &str| monitors.iter().find(|monitor| monitor.name == name);
        let removed = &self.removed;
        // As many as the name is long.
        let watched = |location: &str| (!removed.contains(location)).then_some(location.len());
        let view = View {
            rules: &self.config.rules,
            silences: &self.silences,
            dependencies: &self.dependencies,
            monitor: &monitor,
            watched: &watched,
            standings: &self.standings,
            base_url: None,
            now: self.now,
        };
        act(&mut self.alerting, &view);
    }

    /// Ends a round, writes what is remembered, and goes on with what can be read back.
    fn finish(&mut self, kept: &mut HashMap<(String, String), whydown_core::alerting::Row>) {
        let mut told = None;
        self.round(|alerting, view| {
            alerting.wake(view);
            told = Some(alerting.finish(view));
        });
        let told = told.unwrap();
        for row in told.rows {
            let key = (row.kind.clone(), row.key.clone());
            match row.body {
                Some(_) => drop(kept.insert(key, row)),
                None => drop(kept.remove(&key)),
            }
        }
        for notice in &told.notices {
            self.say(notice);
        }
    }

    fn say(&mut self, notice: &Notice) {
        let wall = self.zone.wall(self.now);
        let ahead = wall.date().duration_since(self.day).as_hours() / 24;
        let day = if ahead > 0 { format!("+{ahead} ") } else { String::new() };
        let time = wall.time().strftime("%H:%M:%S");
        let _ = writeln!(self.said, "{day}{time} > {}: {}", notice.channel, notice.body.subject());
        for note in &notice.body.notes {
            let _ = writeln!(self.said, "  {note}");
        }
    }

    /// Lets time pass, with everything that becomes due on the way.
    fn until(
        &mut self,
        at: Timestamp,
        kept: &mut HashMap<(String, String), whydown_core::alerting::Row>,
    ) {
        assert!(at >= self.now, "the script goes back in time: {at}");
        while let Some(wake) = self.alerting.next_wake().filter(|wake| *wake < at && !self.off) {
            self.now = self.now.max(wake);
            self.finish(kept);
        }
        self.now = at;
    }

    fn monitor(&self, name: &str) -> Monitor {
        let monitor = self.config.monitors.iter().find(|monitor| monitor.name == name);
        monitor.unwrap_or_else(|| panic!("no monitor {name}")).clone()
    }

    /// Down, and for others than was thought at first.
    fn misjudge(&mut self, name: &str) {
        self.check(name, Some(Failure::TcpRefused));
        let incident = self.standings[name].incident.as_ref().unwrap();
        let mut diagnosis = Box::new(Diagnosis::clone(&incident.diagnosis));
        diagnosis.scope.kind = ScopeKind::Global;
        diagnosis.scope.places.failing.push("fra1".to_owned());
        self.put_in(&self.monitor(name), &Input::Answered { diagnosis });
    }

    fn check(&mut self, name: &str, failure: Option<Failure>) {
        let monitor = self.monitor(name);
        let evidence =
            Evidence { observations: vec![self.observation(failure)], ..Evidence::default() };
        let diagnosis = Box::new(diagnose(&monitor.target, &evidence));
        let input = Input::Report {
            location: "local".to_owned(),
            observations: evidence.observations,
            diagnosis: Some(diagnosis),
            quorum: Quorum::default(),
        };
        self.put_in(&monitor, &input);
    }

    fn observation(&self, failure: Option<Failure>) -> Observation {
        let mut attempt = Attempt::new("192.0.2.1".parse().unwrap(), 443, Duration::ZERO);
        attempt.failure = failure;
        let mut attempts = vec![attempt];
        if failure == Some(Failure::TcpReset) {
            // One address of two: degraded.
            attempts.push(Attempt::new("192.0.2.2".parse().unwrap(), 443, Duration::ZERO));
        }
        let (state, failure) = Observation::judge(&attempts);
        let at = self.now;
        Observation {
            at,
            elapsed: Duration::ZERO,
            state,
            failure,
            lookup: None,
            proxy: None,
            attempts,
        }
    }

    fn put_in(&mut self, monitor: &Monitor, input: &Input) {
        let standing = self.standings.entry(monitor.name.clone()).or_default();
        let policy = Policy::confirming(monitor.confirm);
        let (next, effects) = step(&policy, &monitor.name, standing, input, self.now);
        *standing = next;
        self.round(|alerting, view| {
            effects.iter().for_each(|effect| alerting.follow(view, effect));
            alerting.seen(view, &monitor.name);
        });
    }

    fn act(&mut self, words: &str) {
        let (subject, verb) = words.rsplit_once(' ').unwrap_or((words, ""));
        let failure = match verb {
            "down" => Some(Failure::TcpRefused),
            "lost" => Some(Failure::TcpTimedOut),
            "degraded" => Some(Failure::TcpReset),
            "up" => None,
            "misjudged" => return many(subject).iter().for_each(|name| self.misjudge(name)),
            _ => return self.act_otherwise(words),
        };
        for name in many(subject) {
            self.check(&name, failure);
        }
    }

    fn act_otherwise(&mut self, words: &str) {
        let mut parts = words.splitn(2, ' ');
        let (verb, rest) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        match verb {
            "ack" => {
                for name in many(rest) {
                    let find = |monitor: &&Monitor| monitor.name == name;
                    let monitor = self.config.monitors.iter().find(find).unwrap().clone();
                    self.put_in(&monitor, &Input::Acknowledge { by: "ada".to_owned() });
                }
            }
            "silence" => {
                let (names, lasts) = rest.split_once(" for ").unwrap();
                let lasts = whydown_core::units::parse(lasts).unwrap();
                self.silences.push(Silence {
                    id: format!("s{}", self.silences.len()),
                    by: "ada".to_owned(),
                    comment: String::new(),
                    select: Select { monitors: vec![names.to_owned()], tags: Vec::new() },
                    from: self.now,
                    until: self.now.checked_add(lasts).unwrap(),
                });
                self.round(Alerting::reconsider);
            }
            "unsilence" => {
                self.silences.clear();
                self.round(Alerting::reconsider);
            }
            "remove" => {
                let at = self.config.monitors.iter().position(|m| m.name == rest).unwrap();
                let monitor = self.config.monitors.remove(at);
                self.put_in(&monitor, &Input::Retire { reason: "removed".to_owned() });
            }
            // A server notices after 15 s.
            "absent" => {
                let missed = self.now - jiff::SignedDuration::from_secs(15);
                for name in many(rest) {
                    self.round(|alerting, view| alerting.absent(view, &name, (missed, missed)));
                }
            }
            "present" | "unlocate" => {
                for name in many(rest) {
                    if verb == "unlocate" {
                        self.removed.insert(name.clone());
                    }
                    self.round(|alerting, view| alerting.present(view, &name));
                }
            }
            "stop" | "restart" | "end" => {}
            _ => panic!("{words:?} is nothing that can happen"),
        }
    }
}

/// `m{1..5}` stands for five names.
fn many(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let (range, after) = rest.split_once('}').unwrap();
    let (from, to) = range.split_once("..").unwrap();
    let range = from.parse::<u32>().unwrap()..=to.parse::<u32>().unwrap();
    range.map(|i| format!("{before}{i}{after}")).collect()
}

/// `+1 09:00:00 web down` → when, and what.
fn when(stage: &Stage, line: &str) -> (Timestamp, String) {
    let (ahead, line) = match line.strip_prefix('+') {
        Some(rest) => rest.split_once(' ').unwrap(),
        None => ("0", line),
    };
    let (clock, words) = line.split_once(' ').unwrap_or((line, "end"));
    let (minutes, seconds) = clock.rsplit_once(':').unwrap();
    let time = time(minutes).unwrap_or_else(|| panic!("{line:?} begins with no time"));
    let date = stage.day + jiff::Span::new().days(ahead.parse::<i64>().unwrap());
    // `=` marks the second coming of a time that the zone repeats.
    let (seconds, again) = match seconds.strip_suffix('=') {
        Some(seconds) => (seconds, 3_600),
        None => (seconds, 0),
    };
    let offset = seconds.parse::<i64>().unwrap() + again;
    let at = stage.zone.instant(date.to_datetime(time));
    (at + jiff::SignedDuration::from_secs(offset), words.to_owned())
}

/// The script as it would have to be written: what happens, and between it all that is told.
fn play(config: &str, case: &Case) -> String {
    let mut stage = Stage::new(config, case);
    let mut kept = HashMap::new();
    let told = |line: &&str| !line.trim().is_empty() && !line.starts_with("  ");
    for line in case.script.lines().filter(told).filter(|line| !line.contains(" > ")) {
        let (at, words) = when(&stage, line);
        stage.until(at, &mut kept);
        let _ = writeln!(stage.said, "{line}");
        stage.off = words == "stop";
        if words == "restart" {
            // What was remembered must be enough to go on from.
            stage.alerting = Alerting::load(kept.values().cloned()).unwrap();
            stage.round(Alerting::reconsider);
        } else {
            stage.act(&words);
        }
        if !stage.off {
            stage.finish(&mut kept);
        }
    }
    stage.said
}

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alerting");
    let mut files: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// `# many m{1..9} https://h1.example.com/{}` in a configuration stands for nine monitors.
fn expanded(config: &str) -> String {
    let mut text = String::new();
    for line in config.lines() {
        let Some(many_of) = line.trim().strip_prefix("# many ") else {
            let _ = writeln!(text, "{line}");
            continue;
        };
        let (names, target) = many_of.split_once(' ').unwrap();
        for (i, name) in many(names).iter().enumerate() {
            let target = target.replace("{}", &i.to_string());
            let _ = writeln!(text, "  - {{ name: {name}, confirm: 0, target: \"{target}\" }}");
        }
    }
    text
}

#[test]
fn every_scene_is_told_as_its_script_says() {
    let update = std::env::var_os("WHYDOWN_UPDATE_FIXTURES").is_some();
    let (mut count, mut wrong) = (0, String::new());
    let mut names = BTreeSet::new();
    for file in files() {
        let mut text = std::fs::read_to_string(&file).unwrap();
        let scenes: Scenes = toml::from_str(&text).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        let config = expanded(&scenes.config);
        for case in &scenes.case {
            count += 1;
            assert!(names.insert(case.name.clone()), "two cases are called {:?}", case.name);
            let seen = play(&config, case);
            if seen == case.script {
                println!("{}: {}", file.file_stem().unwrap().display(), case.name);
                continue;
            }
            // Scripts may be alike; names are not.
            let here = text.find(&format!("{:?}", case.name)).unwrap();
            text = format!("{}{}", &text[..here], text[here..].replacen(&case.script, &seen, 1));
            let (name, script) = (&case.name, &case.script);
            let _ = write!(wrong, "\n{file:?}: {name}\n--- script\n{script}--- seen\n{seen}");
        }
        if update {
            std::fs::write(&file, text).unwrap();
        }
    }
    println!("{count} cases in simulated time");
    assert!(
        wrong.is_empty(),
        "WHYDOWN_UPDATE_FIXTURES=1 writes what is told now; look at the difference\n{wrong}"
    );
    assert!(count >= CASES_MIN, "only {count} cases");
}
