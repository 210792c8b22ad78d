//! The runner: schedule, repeats, changes, bounded reports.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::observation::State;
use whydown_core::schedule::phase;
use whydown_core::wire::{Assignment, Report};
use whydown_lab::{Answer, Behaviour, Host, Peer};
use whydown_probe::runner::{self, Command, Settings, Wires};

use crate::looking::{monitor, on};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    assign: watch::Sender<Arc<Vec<Assignment>>>,
    commands: mpsc::Sender<Command>,
    reports: mpsc::Receiver<Report>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn assigned(monitors: Vec<Monitor>) -> Arc<Vec<Assignment>> {
    let alone = |monitor: Monitor| {
        let phase = phase(&monitor.name, monitor.interval);
        Assignment { monitor: Arc::new(monitor), phase }
    };
    Arc::new(monitors.into_iter().map(alone).collect())
}

fn start(monitors: Vec<Monitor>, settings: Settings, room: usize) -> Running {
    let (assign, assignments) = watch::channel(assigned(monitors));
    let (commands, received) = mpsc::channel(8);
    let (sender, reports) = mpsc::channel(room);
    let (stop, stopped) = watch::channel(false);
    let wires = Wires { assignments, commands: received, reports: sender, early: None };
    let run = runner::run("here".to_owned(), settings, wires, stopped);
    Running { assign, commands, reports, stop, task: tokio::spawn(run) }
}

impl Running {
    async fn next(&mut self) -> Report {
        timeout(PATIENCE, self.reports.recv()).await.expect("no report").expect("runner ended")
    }

    async fn end(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.task).await.expect("the runner does not stop").unwrap();
    }
}

fn named(name: &str, target: &str, interval: Duration) -> Monitor {
    Monitor { name: name.to_owned(), interval, ..monitor(target) }
}

#[test]
fn a_fine_check_is_one_report_and_the_beat_goes_on() {
    let machine = Host::machine();
    let peer = Peer::start(&machine, 0, Behaviour::Http(Answer::new(200)));
    let target = format!("http://127.0.0.1:{}/", peer.port());
    on(&machine, async {
        let interval = Duration::from_millis(300);
        let mut running = start(vec![named("a", &target, interval)], Settings::default(), 8);
        let mut starts = Vec::new();
        for _ in 0..4 {
            let report = running.next().await;
            assert_eq!((report.monitor.as_str(), report.location.as_str()), ("a", "here"));
            let [seen] = &report.evidence.observations[..] else { panic!("{report:#?}") };
            assert_eq!(seen.state, State::Up);
            starts.push(seen.at.as_millisecond());
        }
        let beats: Vec<i64> = starts[1..].iter().map(|at| at.div_euclid(300)).collect();
        assert!(beats.windows(2).all(|pair| pair[1] > pair[0]), "{starts:?}");
        running.end().await;
    });
}

#[test]
fn a_failing_check_is_repeated_at_once_and_reported_once_with_all_it_saw() {
    let machine = Host::machine();
    let target = format!("tcp://127.0.0.1:{}", machine.free_port());
    on(&machine, async {
        let minute = Duration::from_mins(1);
        let begin = Instant::now();
        let mut running = start(vec![named("a", &target, minute)], Settings::default(), 8);
        let report = running.next().await;
        assert!(begin.elapsed() < Duration::from_secs(10));
        let seen = &report.evidence.observations;
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|o| o.failure == Some(Failure::TcpRefused)), "{seen:#?}");
        let after = seen[2].at.duration_since(seen[0].at).as_millis();
        assert!(after >= 800, "the repeats are spread, not fired at once: {after} ms");

        // Known to be failing: the next check needs no repeats.
        running.commands.send(Command::CheckNow { monitor: "a".to_owned() }).await.unwrap();
        assert_eq!(running.next().await.evidence.observations.len(), 1);
        running.end().await;
    });
}

#[test]
fn a_changed_monitor_is_checked_at_once_and_a_removed_one_no_more() {
    let machine = Host::machine();
    let peer = Peer::start(&machine, 0, Behaviour::Http(Answer::new(200)));
    let good = format!("http://127.0.0.1:{}/", peer.port());
    let bad = format!("http://127.0.0.1:{}/", machine.free_port());
    on(&machine, async {
        let hour = Duration::from_hours(1);
        let mut running = start(vec![named("a", &good, hour)], Settings::default(), 8);
        assert_eq!(running.next().await.evidence.observations[0].state, State::Up);
        running.assign.send_replace(assigned(vec![named("a", &bad, hour)]));
        assert_eq!(running.next().await.evidence.observations[0].state, State::Down);
        running.assign.send_replace(assigned(vec![named("b", &good, hour)]));
        assert_eq!(running.next().await.monitor, "b");
        running.commands.send(Command::CheckNow { monitor: "a".to_owned() }).await.unwrap();
        running.commands.send(Command::CheckNow { monitor: "b".to_owned() }).await.unwrap();
        assert_eq!(running.next().await.monitor, "b", "a is gone");
        running.end().await;
    });
}

#[test]
fn a_slow_check_delays_no_other_and_a_full_channel_stops_none() {
    let machine = Host::machine();
    let silent = Peer::start(&machine, 0, Behaviour::NeverAnswer);
    let quick = Peer::start(&machine, 0, Behaviour::Http(Answer::new(200)));
    let slow = format!("http://127.0.0.1:{}/", silent.port());
    let fast = format!("http://127.0.0.1:{}/", quick.port());
    on(&machine, async {
        let interval = Duration::from_millis(100);
        let monitors = vec![named("slow", &slow, interval), named("fast", &fast, interval)];
        let mut running = start(monitors, Settings::default(), 1);
        // Nobody takes reports, and checks go on all the same.
        let deadline = Instant::now() + PATIENCE;
        while quick.accepted() < 8 {
            assert!(Instant::now() < deadline, "checks stopped after {}", quick.accepted());
            tokio::task::yield_now().await;
        }
        for _ in 0..6 {
            assert_eq!(running.next().await.monitor, "fast");
        }
        running.end().await;
    });
}

#[test]
fn no_more_checks_run_at_the_same_time_than_allowed() {
    let machine = Host::machine();
    let answer = Answer::new(200).delay(Duration::from_millis(400));
    let slow = Peer::start(&machine, 0, Behaviour::Http(answer));
    let target = format!("http://127.0.0.1:{}/", slow.port());
    on(&machine, async {
        let hour = Duration::from_hours(1);
        let monitors = (0..10).map(|i| named(&format!("m{i}"), &target, hour)).collect();
        let settings = Settings { concurrency: 3, ..Settings::default() };
        let mut running = start(monitors, settings, 16);
        for reported in 1..=10 {
            running.next().await;
            assert!(slow.accepted() <= reported + 2 * 3, "{} at once", slow.accepted());
        }
        running.end().await;
    });
}
