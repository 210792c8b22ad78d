//! A server whose reports come from standard input, for the test that kills it: one line each, a
//! number, a tab and the report as JSON. The number is printed when all of it is stored.
//!
//! `fed_server CONFIG`

#![expect(clippy::print_stdout, reason = "it answers")]

use std::path::Path;
use std::time::Duration;

use whydown_server::config;
use whydown_server::outbox::Schedule;
use whydown_server::serve::{Probing, Running, Surroundings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("fed_server CONFIG")?;
    let config = config::load(Path::new(&file), &|name| std::env::var(name).ok())?;
    let around = Surroundings {
        probing: Probing::Off,
        // A minute of trouble is to pass in seconds.
        schedule: Schedule {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(2),
            ..Schedule::default()
        },
        attempt_timeout: Duration::from_secs(2),
        ..Surroundings::default()
    };
    let running = Running::start_in(config, around).await?;
    println!("ready");
    let (sender, mut lines) = tokio::sync::mpsc::channel(1_024);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let (number, report) = line.split_once('\t').ok_or("no tab")?;
        running.report(serde_json::from_str(report)?).await;
        running.settled().await;
        println!("{number}");
    }
    running.stop().await;
    Ok(())
}
