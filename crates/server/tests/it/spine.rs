//! The whole path with the embedded probe: a service stops, somebody hears of it; it comes back,
//! somebody hears of that.

use std::time::{Duration, Instant};

use whydown_core::monitor::Monitor;
use whydown_lab::{Answer, Behaviour, Host, Peer, Receiver, until};
use whydown_server::serve::{Probing, Running, Surroundings};

use crate::support::{PATIENCE, around, config, scratch, webhook};

fn event(request: &whydown_lab::Request) -> String {
    request.json()["event"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_closes_and_opens_again_is_told_once_each_way() {
    let dir = scratch();
    let host = Host::machine();
    let receiver = Receiver::start(&host, 0);
    let port = host.free_port();
    let hello = || Behaviour::Http(Answer::new(200).body("hello"));
    let shop = Peer::start(&host, port, hello());
    let target = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let mut monitor = Monitor::new("shop", target);
    monitor.interval = Duration::from_secs(1);
    monitor.notify = vec!["ops".to_owned()];
    let file = config(dir.path(), &[monitor], &[webhook("ops", &receiver.url("/"))]);
    let around = Surroundings { probing: Probing::Embedded, ..around() };
    let running = Running::start_in(file, around).await.unwrap();
    let app = running.app();
    tokio::task::block_in_place(|| {
        until(PATIENCE, "the first check", || app.status("shop").unwrap().last);
    });
    drop(shop);
    let closed = Instant::now();
    let told = tokio::task::block_in_place(|| receiver.wait_for(1, PATIENCE)).remove(0);
    println!("told {:?} after the port closed", told.at - closed);
    assert_eq!(event(&told), "incident.opened");
    let body = told.json();
    assert_eq!(body["diagnosis"]["failure"], "tcp.refused");
    assert_eq!(body["diagnosis"]["causes"][0]["side"], "owner");
    assert!(!body["diagnosis"]["causes"][0]["fix"].as_array().unwrap().is_empty());
    let shop = Peer::start(&host, port, hello());
    let opened = Instant::now();
    let told = tokio::task::block_in_place(|| receiver.wait_for(2, PATIENCE)).remove(1);
    println!("told {:?} after the port opened again", told.at - opened);
    assert_eq!(event(&told), "incident.resolved");
    assert!(told.json()["incident"]["duration_ms"].as_f64().unwrap() > 0.0);
    running.stop().await;
    assert_eq!(receiver.requests().len(), 2);
    drop(shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_can_be_diagnosed_and_a_monitor_checked_out_of_turn() {
    let dir = scratch();
    let host = Host::machine();
    let port = host.free_port();
    let target = format!("tcp://127.0.0.1:{port}").parse().unwrap();
    let mut monitor = Monitor::new("slow", target);
    monitor.interval = Duration::from_hours(24);
    let file = config(dir.path(), std::slice::from_ref(&monitor), &[]);
    let around = Surroundings { probing: Probing::Embedded, ..around() };
    let running = Running::start_in(file, around).await.unwrap();
    let app = running.app();
    let diagnosis = app.diagnose(&monitor.target).await;
    assert_eq!(diagnosis.failure.unwrap().code(), "tcp.refused");
    app.check_now("slow").await.unwrap();
    tokio::task::block_in_place(|| {
        until(PATIENCE, "the check", || app.status("slow").unwrap().last);
    });
    let unknown = app.check_now("nobody").await.unwrap_err().to_string();
    assert_eq!(unknown, "monitor \"nobody\" does not exist");
    running.stop().await;
}
