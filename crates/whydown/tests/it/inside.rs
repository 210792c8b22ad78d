//! What goes wrong behind a port, with real services under a real systemd: the cause that
//! `whydown ports PORT` names, and the facts that it found for it.
#![expect(clippy::print_stdout, reason = "the table is what is wanted")]

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Lab, Process, Systemd, until};

use crate::run::program;

mod filter;
mod process;
mod proxy;
mod service;
mod unit;

/// A service is up, or has failed, well within this.
const WAIT: Duration = Duration::from_secs(60);

/// One thing that goes wrong.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// The port that is asked about.
    pub(crate) port: u16,
    /// The first cause; "-" when nothing is wrong with the port.
    pub(crate) cause: &'static str,
    /// What the facts must say.
    pub(crate) facts: &'static [&'static str],
    pub(crate) break_it: fn(&Inside),
}

/// A machine with systemd, and what a fault has put on it.
pub(crate) struct Inside {
    pub(crate) systemd: Systemd,
    lab: Lab,
    units: RefCell<Vec<String>>,
    mounts: RefCell<Vec<String>>,
    processes: RefCell<Vec<Process>>,
}

impl Inside {
    fn new() -> Self {
        let lab = Lab::builder().small().build();
        let systemd = Systemd::boot(&lab.server(), &[Path::new(&program())]);
        systemd.write(systemd.directory().join("app.py"), include_str!("inside/app.py"));
        Self {
            systemd,
            lab,
            units: RefCell::default(),
            mounts: RefCell::default(),
            processes: RefCell::default(),
        }
    }

    /// A path in the directory that services have their files in.
    pub(crate) fn at(&self, name: &str) -> String {
        self.systemd.directory().join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        self.systemd.write(self.systemd.directory().join(name), text);
    }

    /// Installs a service; `DIR` stands for the directory with its files.
    pub(crate) fn install(&self, unit: &str, service: &str) {
        let text = format!("[Service]\n{service}\n[Install]\nWantedBy=multi-user.target\n");
        self.systemd.install(unit, &text.replace("DIR", &self.at("")).replace("//", "/"));
        self.units.borrow_mut().push(unit.to_owned());
    }

    /// Starts it, whatever comes of it.
    pub(crate) fn start(&self, unit: &str) {
        self.systemd.exec("systemctl", &["start", unit]);
    }

    /// A unit whose program is our own: `app("app.service", "serve 0.0.0.0 8000", "")`.
    pub(crate) fn app(&self, unit: &str, arguments: &str, more: &str) {
        self.install(unit, &format!("ExecStart=/usr/bin/python3 DIR/app.py {arguments}\n{more}"));
        self.start(unit);
    }

    pub(crate) fn wait_listening(&self, port: u16) {
        let filter = format!("sport = :{port}");
        until(WAIT, format!("somebody to listen on {port}"), || {
            let listeners = self.systemd.exec("ss", &["-Hltn", &filter]).success();
            (!listeners.is_empty()).then_some(())
        });
    }

    /// A stopped process shows as such only once it would have run again.
    pub(crate) fn stop_process(&self, unit: &str) {
        self.systemd.systemctl(&["kill", "--signal=STOP", unit]);
        let pid = self.systemd.property(unit, "MainPID");
        until(WAIT, format!("{unit} to be stopped"), || {
            let state = self.systemd.exec("ps", &["-o", "stat=", "-p", &pid]).stdout;
            state.starts_with('T').then_some(())
        });
    }

    pub(crate) fn wait_failed(&self, unit: &str) {
        self.systemd.wait_for(unit, "ActiveState", "failed");
    }

    /// A file system of its own that is full after a mebibyte.
    pub(crate) fn small_disk(&self, name: &str) {
        let path = self.at(name);
        self.systemd.exec("mkdir", &["-p", &path]).success();
        let arguments = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", &path];
        self.systemd.exec("mount", &arguments).success();
        self.mounts.borrow_mut().push(path);
    }

    /// Rules of nftables.
    pub(crate) fn nft(&self, rules: &str) {
        self.lab.server().nft(rules);
    }

    /// A program that runs beside systemd until the next fault.
    pub(crate) fn beside(&self, program: &str, arguments: &[&str]) {
        let mut command = self.systemd.command(program);
        command.args(arguments);
        let process = self.systemd.host().spawn_command(command);
        self.processes.borrow_mut().push(process);
    }

    /// `whydown ports PORT --json`, inside.
    fn story(&self, port: u16) -> Value {
        let program = self.at("whydown");
        let output = self.systemd.exec(&program, &["ports", &port.to_string(), "--json"]);
        serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("no story: {output}"))
    }

    fn mend(&self) {
        self.processes.borrow_mut().clear();
        let units: Vec<String> = self.units.borrow_mut().drain(..).collect();
        let mounts: Vec<String> = self.mounts.borrow_mut().drain(..).collect();
        let (units, mounts) = (units.join(" "), mounts.join(" "));
        let script = format!(
            "systemctl kill --signal=CONT {units}; systemctl stop {units}\n\
             for unit in {units}; do rm -f /run/systemd/system*/$unit; done\n\
             systemctl reset-failed {units}; systemctl daemon-reload\n\
             for mount in {mounts}; do umount $mount; done\n"
        );
        self.systemd.exec("sh", &["-c", &script]);
        self.nft("flush ruleset\n");
    }
}

/// Tries a table of faults, one after the other, and tells of all that are not named right.
fn all_are_named(faults: &[Fault]) {
    let inside = Inside::new();
    let mut wrong = Vec::new();
    for fault in faults {
        (fault.break_it)(&inside);
        let story = inside.story(fault.port);
        let diagnosis = &story["diagnosis"];
        let cause = diagnosis["causes"][0]["code"].as_str().unwrap_or("-");
        let cause = if diagnosis["state"] == "up" { "-" } else { cause };
        let facts = diagnosis["evidence"].as_array().into_iter().flatten();
        let facts: Vec<&str> = facts.filter_map(|fact| fact["fact"].as_str()).collect();
        let says = |text: &&&str| !facts.iter().any(|fact| fact.contains(**text));
        let missing: Vec<_> = fault.facts.iter().filter(says).collect();
        let confidence = diagnosis["causes"][0]["confidence"].as_f64().unwrap_or(1.0);
        println!("{:<58} {cause:<29} {:>3.0} %", fault.name, 100.0 * confidence);
        if cause != fault.cause || !missing.is_empty() {
            let Fault { name, cause: right, .. } = fault;
            let units = &story["inside"]["units"];
            wrong.push(format!(
                "{name}: {cause}, right: {right}; not told: {missing:?}\n{facts:#?}\n{units:#}"
            ));
        }
        inside.mend();
    }
    println!("inside: {} of {} causes named right", faults.len() - wrong.len(), faults.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
