//! Real servers from Debian's packages, each with a configuration of its own, ready when started.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::fail::OrFail as _;
use crate::host::Host;
use crate::process::{Process, Signal, is_listening};

mod dnsmasq;
mod exim;
mod haproxy;
mod knot;
mod nginx;
mod postgres;
mod redis;
mod sshd;
mod unbound;

pub use dnsmasq::Dnsmasq;
pub use exim::{Doorman, Exim, Smtp};
pub use haproxy::Haproxy;
pub use knot::{Knot, Zone};
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use redis::Redis;
pub use sshd::Sshd;
pub use unbound::Unbound;

/// What has to be true before a server is ready.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    /// Something listens on a TCP port of the host.
    Port(u16),
    /// A file exists and isn't empty.
    File(PathBuf),
    /// It has said each of these since it was started.
    Said(Vec<String>),
}

/// A server that can be stopped and started again. It ends when this is dropped.
#[derive(Debug)]
pub struct Service {
    host: Host,
    directory: PathBuf,
    program: String,
    args: Vec<String>,
    ready: Ready,
    stop_signal: Signal,
    process: Mutex<Option<Process>>,
}

impl Service {
    /// Starts a program and waits until it is ready.
    #[track_caller]
    pub(crate) fn launch(
        host: &Host,
        directory: &Path,
        program: &str,
        args: &[&str],
        ready: Ready,
    ) -> Self {
        Self::launch_with(host, directory, (program, args), ready, Signal::SIGTERM)
    }

    /// The same for programs that want another signal to end.
    #[track_caller]
    pub(crate) fn launch_with(
        host: &Host,
        directory: &Path,
        (program, args): (&str, &[&str]),
        ready: Ready,
        stop_signal: Signal,
    ) -> Self {
        let service = Self {
            host: host.clone(),
            directory: directory.into(),
            program: program.into(),
            args: args.iter().map(ToString::to_string).collect(),
            ready,
            stop_signal,
            process: Mutex::default(),
        };
        service.start_again();
        service
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The host it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Starts it again after [`Service::stop`] or [`Service::kill`], and waits until it is ready.
    #[track_caller]
    pub fn start_again(&self) {
        if let Ready::File(path) = &self.ready {
            // Left by a killed predecessor, it would say "ready" too early.
            let _ = fs::remove_file(path);
        }
        let said_before = self.output().len();
        let mut command = self.host.command(&self.program);
        command.args(&self.args).current_dir(&self.directory);
        let mut process = Process::start(command, &self.directory.join("output.log"));
        let what = format!("{} to be ready ({:?})", self.program, self.ready);
        process.wait_until(&what, |process| {
            let ready = match &self.ready {
                Ready::Port(port) => is_listening(process.pid(), *port),
                Ready::File(path) => fs::metadata(path).is_ok_and(|file| file.len() > 0),
                Ready::Said(texts) => {
                    let output = process.output();
                    let new = output.get(said_before..).unwrap_or_default();
                    texts.iter().all(|text| new.contains(text))
                }
            };
            ready.then_some(())
        });
        *self.process() = Some(process);
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().or_fail("a lab thread panicked")
    }

    /// Ends it as an administrator would (mostly by `SIGTERM`), and waits for the end.
    pub fn stop(&self) {
        if let Some(mut process) = self.process().take() {
            process.stop_by(self.stop_signal);
        }
    }

    /// Ends it at once (`SIGKILL`).
    pub fn kill(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill();
        }
    }

    /// Sends it (and its children) a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let process = self.process();
        process.as_ref().or_fail("the server is not running").signal(signal);
    }

    /// Its process id.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process().as_ref().or_fail("the server is not running").pid()
    }

    /// What it has written to standard output and error, in all its lives.
    pub fn output(&self) -> String {
        self.file("output.log")
    }

    /// A file of its directory as text; empty when it isn't there yet.
    pub fn file(&self, name: &str) -> String {
        let bytes = fs::read(self.directory.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
