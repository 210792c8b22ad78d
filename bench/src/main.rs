//! What does it cost to know why? A check with all its evidence against the raw loop that makes the
//! same connection and keeps nothing: side by side in the same process, round by round, over
//! loopback.
//!
//! `cargo run --release -p whydown-bench`

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_probe::observe::{Settings, observe_with};

/// Rounds of each pair; what is printed is their median.
const ROUNDS: usize = 9;
/// Checks in a round.
const CHECKS: usize = 3_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";

#[tokio::main]
async fn main() -> io::Result<()> {
    let closed = closed_port().await?;
    let web = web().await?;
    let mut out = io::stdout();
    writeln!(out, "{CHECKS} checks over loopback, median of {ROUNDS} rounds, time of one:")?;
    writeln!(out, "{:<28}{:>12}{:>12}{:>9}", "", "whydown", "raw", "ratio")?;
    for at_once in [1, 64] {
        let monitor = monitor(&format!("tcp://{closed}"));
        let ours = || refused_with_evidence(&monitor);
        report(&mut out, "refused", at_once, ours, || refused(closed)).await?;
    }
    for at_once in [1, 64] {
        let monitor = monitor(&format!("http://{web}/"));
        let ours = || page_with_evidence(&monitor);
        report(&mut out, "a page over HTTP/1.1", at_once, ours, || page(web)).await?;
    }
    Ok(())
}

fn monitor(target: &str) -> Setting {
    let target = target.parse().expect("an address is a target");
    Setting { monitor: Monitor::new("bench", target), check: Settings::default() }
}

/// A monitor, and how it is checked.
struct Setting {
    monitor: Monitor,
    check: Settings,
}

async fn refused_with_evidence(setting: &Setting) {
    let seen = observe_with(&setting.monitor, &setting.check).await;
    assert_eq!(seen.failure, Some(Failure::TcpRefused), "{seen:?}");
}

#[expect(clippy::disallowed_methods, reason = "the raw loop keeps no evidence")]
async fn refused(to: SocketAddr) {
    let error = TcpStream::connect(to).await.expect_err("nothing listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

async fn page_with_evidence(setting: &Setting) {
    let seen = observe_with(&setting.monitor, &setting.check).await;
    assert_eq!(seen.failure, None, "{seen:?}");
}

#[expect(clippy::disallowed_methods, reason = "the raw loop keeps no evidence")]
async fn page(from: SocketAddr) {
    let mut stream = TcpStream::connect(from).await.expect("the server listens");
    stream.write_all(QUESTION).await.expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the server answers");
    assert_eq!(answer, ANSWER);
}

/// A port of loopback that nothing listens on.
async fn closed_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()
}

/// A server that gives everybody the same page.
async fn web() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut question = [0; 1_024];
                let _ = stream.read(&mut question).await;
                let _ = stream.write_all(ANSWER).await;
            });
        }
    });
    Ok(address)
}

/// Runs both round by round, so that whatever else the machine does meets both.
async fn report<A: Future<Output = ()>, B: Future<Output = ()>>(
    out: &mut impl io::Write,
    what: &str,
    at_once: usize,
    ours: impl Fn() -> A,
    raw: impl Fn() -> B,
) -> io::Result<()> {
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (a, b) = (round(at_once, &ours).await, round(at_once, &raw).await);
        with.push(a);
        without.push(b);
        ratios.push(a.as_secs_f64() / b.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let (with, without) = (median(with), median(without));
    let what = format!("{what}, {at_once} at once");
    let us = |one: Duration| format!("{:.1} µs", one.as_secs_f64() * 1e6);
    writeln!(out, "{what:<28}{:>12}{:>12}{:>9.2}", us(with), us(without), ratios[ROUNDS / 2])
}

/// The time of one check.
async fn round<F: Future<Output = ()>>(at_once: usize, check: impl Fn() -> F) -> Duration {
    let begin = Instant::now();
    iter(0..CHECKS).map(|_| check()).buffer_unordered(at_once).for_each(|()| async {}).await;
    begin.elapsed() / u32::try_from(CHECKS).unwrap_or(u32::MAX)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
