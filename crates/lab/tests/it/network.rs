//! The network itself: reachability, delay, hop counts, namespaces that go away.

use std::time::{Duration, Instant};
use whydown_lab::Lab;

#[test]
fn a_ping_through_the_whole_network_takes_the_cables_delay_twice() {
    let start = Instant::now();
    let lab = Lab::new();
    eprintln!("built in {:?}", start.elapsed());
    let start = Instant::now();
    for target in ["10.99.2.10", "fd99:2::10", "10.99.2.53"] {
        let out = lab.client().exec("ping", &["-c5", "-i0.05", "-W1", target]);
        eprintln!("{out}");
    }
    eprintln!("ping in {:?}", start.elapsed());
    let start = Instant::now();
    drop(lab);
    eprintln!("dropped in {:?}", start.elapsed());
    let _ = Duration::ZERO;
}
