//! Commands that run to their end ([`Output`]) or until they are dropped ([`Process`]).

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
pub use std::process::Command;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub use nix::sys::signal::Signal;
use nix::sys::signal::killpg;
use nix::unistd::Pid;

use crate::fail::{OrFail as _, fail};
use crate::until::{try_until, until};

/// How long a process may take to obey `SIGTERM` before it gets `SIGKILL`.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a process may take to get ready; a boot takes about a second on an idle machine.
const READY_MAX: Duration = Duration::from_secs(60);

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code, `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the lab killed it because its time was up.
    pub stopped: bool,
    /// Standard output, with replacement characters where it isn't UTF-8.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?} after {:?}", self.code, self.elapsed)?;
        write!(f, "\nstdout: {}\nstderr: {}", self.stdout.trim_end(), self.stderr.trim_end())
    }
}

impl Output {
    /// Runs a command in a process group of its own, which is killed when `limit` has passed.
    pub fn of(mut command: Command, input: Option<String>, limit: Duration) -> Self {
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let start = Instant::now();
        let mut child = command.spawn().or_fail(format_args!("cannot run {command:?}"));
        let group = pid_of(&child);
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // A program that ends without reading its input says so by its exit code.
            thread::spawn(move || stdin.write_all(text.as_bytes()));
        }
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send((child.wait_with_output(), start.elapsed())));
        let (result, stopped) = match ended.recv_timeout(limit) {
            Ok(result) => (result, false),
            Err(_) => {
                let _ = killpg(group, Signal::SIGKILL);
                (ended.recv().or_fail("a lab thread panicked"), true)
            }
        };
        let (output, elapsed) = result;
        let output = output.or_fail(format_args!("cannot read the output of {command:?}"));
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stopped,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            elapsed,
        }
    }

    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub fn success(self) -> String {
        if self.code != Some(0) {
            fail(format_args!("a command failed: {self}"));
        }
        self.stdout
    }
}

/// A running command in a process group of its own; dropping it kills the whole group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
    output: PathBuf,
}

impl Process {
    /// Starts a command whose standard output and error go to the file `output`, which is extended.
    pub fn start(mut command: Command, output: &Path) -> Self {
        let what = format!("{command:?}");
        let file = File::options().create(true).append(true).open(output);
        let file = file.or_fail(format_args!("cannot write {}", output.display()));
        let again = file.try_clone().or_fail("cannot duplicate a file descriptor");
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .or_fail(format_args!("cannot run {what}"));
        Self { child, what, output: output.into() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far to standard output and error.
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a signal to the process and its children.
    pub fn signal(&self, signal: Signal) {
        killpg(pid_of(&self.child), signal)
            .or_fail(format_args!("cannot send {signal} to {}", self.what));
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().or_fail("cannot wait for a process")
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.what);
        until(deadline, what, || self.ended())
    }

    /// Asks it to end (`SIGTERM`), insists (`SIGKILL`) after five seconds.
    pub fn stop(&mut self) {
        self.stop_by(Signal::SIGTERM);
    }

    /// The same with another signal than `SIGTERM`.
    pub fn stop_by(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let group = pid_of(&self.child);
        // A stopped process would not see the signal before it continues.
        let _ = killpg(group, signal);
        let _ = killpg(group, Signal::SIGCONT);
        if try_until(PATIENCE, || self.ended()).is_none() {
            self.kill();
        }
    }

    /// Ends it and its children at once.
    pub fn kill(&mut self) {
        let _ = killpg(pid_of(&self.child), Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Waits until it, or another process on the same host, listens on a TCP port.
    #[track_caller]
    pub fn wait_listening(&mut self, port: u16) {
        let what = format!("{} to listen on port {port}", self.what);
        self.wait_until(&what, |process| is_listening(process.pid(), port).then_some(()));
    }

    /// Waits until its output contains a text.
    #[track_caller]
    pub fn wait_output(&mut self, text: &str) {
        let what = format!("{} to say {text:?}", self.what);
        self.wait_until(&what, |process| process.output().contains(text).then_some(()));
    }

    /// Polls until `look` is content; ends the test with the output when the process ends before.
    #[track_caller]
    pub(crate) fn wait_until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let mut end = None;
        let seen = try_until(READY_MAX, || {
            let seen = look(self);
            if seen.is_none() {
                end = self.ended();
            }
            seen.map(Some).or_else(|| end.map(|_| None))
        });
        match (seen.flatten(), end) {
            (Some(value), _) => value,
            (None, Some(end)) => fail(format_args!("waiting for {what}: {end}\n{}", self.output())),
            (None, None) => fail(format_args!("waited in vain for {what}\n{}", self.output())),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also when the leader has ended: its children may live on in the group, whose number can't
        // be used again as long as the leader has not been waited for.
        self.kill();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().or_fail("a process id beyond i32"))
}

/// Whether something listens on a TCP port in the network namespace of a process.
///
/// Read from `/proc` (proc_pid_net(5)) because connecting would be seen by the server.
pub(crate) fn is_listening(pid: u32, port: u16) -> bool {
    let listens = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        let [_, local, _, "0A"] = fields[..] else {
            return false;
        };
        let local = local.rsplit_once(':').map(|(_, port)| u16::from_str_radix(port, 16));
        local == Some(Ok(port))
    };
    ["tcp", "tcp6"].iter().any(|table| {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        text.lines().any(listens)
    })
}
