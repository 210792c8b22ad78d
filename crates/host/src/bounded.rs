//! Other programs, run with a limit on their time and their words.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Bytes of an answer that are read.
const OUTPUT_MAX_BYTES: u64 = 4 << 20;

/// Runs a program and returns what it printed when it ended well and in time. Its words are
/// English and its times UTC.
#[must_use]
pub fn run(program: &str, arguments: &[&str], limit: Duration) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let stdout = child.stdout.take()?;
    let (said, hear) = channel();
    // The thread ends with the pipe, which ends with the program.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(OUTPUT_MAX_BYTES).read_to_end(&mut bytes);
        // Nobody waits any more when the time is over.
        let _ = said.send(read.map(|_| bytes));
    });
    let Ok(Ok(bytes)) = hear.recv_timeout(limit) else {
        end(&mut child);
        return None;
    };
    let ended_well = child.wait().is_ok_and(|status| status.success());
    ended_well.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn end(child: &mut Child) {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_heard_and_one_that_takes_too_long_is_not() {
        let second = Duration::from_secs(10);
        assert_eq!(run("echo", &["hello"], second).as_deref(), Some("hello\n"));
        assert_eq!(run("false", &[], second), None);
        assert_eq!(run("no-such-program", &[], second), None);
        assert_eq!(run("sleep", &["60"], Duration::from_millis(50)), None);
    }
}
