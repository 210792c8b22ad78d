//! A program of one's own, started without a shell, with the notice as JSON on its standard input.
//! Off unless the configuration file allows it. It gets no variables of the server's environment
//! besides `PATH`, and ends with everything that it started.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use super::{Delivery, DeliveryError, Means, Receipt, Wrong, quote};
use crate::channel::{Number, settings};

/// Bytes of a program's output that are read; the rest is thrown away.
const OUTPUT_MAX_BYTES: u64 = 16 << 10;
/// How long the last words of a program that has ended are waited for.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// "Temporary failure; the user is invited to retry" (sysexits.h).
const EX_TEMPFAIL: i32 = 75;

settings! {
    /// A program on this machine, started without a shell, with the notice as JSON on its
    /// standard input. It needs allow_commands: true in the configuration file.
    Command {
        /// The program by its absolute path, and its arguments.
        argv: Vec<String> = "/usr/local/bin/page-me",
        /// Seconds until it is killed. Default: 10, and no delivery takes longer.
        timeout_s: Option<Number<1, 10>> = "5",
    }
}

impl Means for Command {
    fn at(&self) -> String {
        self.argv.first().cloned().unwrap_or_default()
    }

    fn check(&self) -> Result<(), Wrong> {
        match self.argv.first() {
            Some(program) if program.starts_with('/') => Ok(()),
            program => {
                let program = program.map_or("", String::as_str);
                let message = format!("{program:?} is not an absolute path");
                Err(("argv", message, "write for example [/usr/local/bin/page-me, --now]"))
            }
        }
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        if !delivery.allow_commands {
            let message = "channels may not start programs here; write allow_commands: true into \
                           the configuration file, if that is what you want";
            return Err(DeliveryError::lasting(message));
        }
        let input = serde_json::to_vec(&delivery.notice.body)
            .map_err(|error| DeliveryError::lasting(error.to_string()))?;
        // A little sooner than everybody's limit, so that this one's words are heard.
        let most = delivery.timeout.saturating_sub(Duration::from_millis(100));
        let own = self.timeout_s.map_or(most, |Number(seconds)| Duration::from_secs(seconds));
        let limit = own.min(most);
        let program = self.at();
        let mut group = self.start(delivery)?;
        let running = talk(&mut group.child, &input);
        match tokio::time::timeout(limit, running).await {
            Ok(Ok((status, words))) => judge(&program, status, &words),
            Ok(Err(error)) => Err(DeliveryError::passing(format!("{program}: {error}"))),
            Err(_) => {
                let limit = whydown_core::units::show(limit);
                Err(DeliveryError::passing(format!("{program} was killed after {limit}")))
            }
        }
    }
}

/// A program and all that it starts; they end when this is dropped.
struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // What ended by itself is not there any more.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

impl Command {
    fn start(&self, delivery: &Delivery<'_>) -> Result<Group, DeliveryError> {
        let program = self.at();
        let mut command = tokio::process::Command::new(&program);
        command
            .args(self.argv.iter().skip(1))
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("WHYDOWN_EVENT", delivery.notice.body.event.name())
            .env("WHYDOWN_INCIDENT", &delivery.message.thread)
            .env("WHYDOWN_KEY", delivery.notice.key.replace('\0', ""))
            .env("WHYDOWN_TITLE", &delivery.message.title)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|error| {
            DeliveryError::lasting(format!("{program} cannot be started: {error}"))
        })?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Group { child, leader })
    }
}

async fn talk(
    child: &mut Child,
    input: &[u8],
) -> std::io::Result<(std::process::ExitStatus, String)> {
    let stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // Whoever does not want to read need not.
            let _ = stdin.write_all(input).await;
        }
    };
    let read = async {
        match stderr {
            Some(stderr) => read_some(stderr).await,
            None => String::new(),
        }
    };
    // Reads only until the program itself ends: what it has left behind may hold the pipe open.
    let mut read = std::pin::pin!(read);
    let mut words = None;
    let status = async { tokio::join!(write, child.wait()).1 };
    let mut status = std::pin::pin!(status);
    loop {
        tokio::select! {
            biased;
            text = &mut read, if words.is_none() => words = Some(text),
            status = &mut status => {
                let status = status?;
                let words = match words {
                    Some(words) => words,
                    None => tokio::time::timeout(LAST_WORDS, &mut read).await.unwrap_or_default(),
                };
                return Ok((status, words));
            }
        }
    }
}

async fn read_some(mut from: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    let mut some = (&mut from).take(OUTPUT_MAX_BYTES);
    // What can't be read is not worth an error of its own.
    let _ = some.read_to_end(&mut bytes).await;
    // The rest is drained, or the program would wait for ever.
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn judge(
    program: &str,
    status: std::process::ExitStatus,
    words: &str,
) -> Result<Receipt, DeliveryError> {
    if status.success() {
        return Ok(Receipt::default());
    }
    let words = quote(words);
    let words = if words.is_empty() { words } else { format!(": {words}") };
    match status.code() {
        Some(EX_TEMPFAIL) => Err(DeliveryError::passing(format!(
            "{program} asks to be tried again (exit code {EX_TEMPFAIL}){words}"
        ))),
        Some(code) => {
            Err(DeliveryError::lasting(format!("{program} ended with exit code {code}{words}")))
        }
        None => Err(DeliveryError::passing(format!("{program} was killed ({status}){words}"))),
    }
}
