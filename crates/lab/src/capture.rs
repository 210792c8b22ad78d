//! Packets as tcpdump sees them on a host: the witness that nothing was made up.

use std::time::Duration;

use crate::host::Host;
use crate::process::Process;
use crate::until;

/// A running tcpdump; it ends when this is dropped.
#[derive(Debug)]
pub struct Capture {
    process: Process,
}

impl Capture {
    /// Starts capturing on a host's `eth0` what matches a pcap filter, e.g. `tcp port 80` or
    /// `icmp or icmp6`. When this returns it captures.
    #[track_caller]
    pub fn start(host: &Host, filter: &str) -> Self {
        let args = ["-nvvl", "--immediate-mode", "-i", "eth0", filter];
        let mut process = host.spawn("tcpdump", &args);
        process.wait_output("listening on");
        Self { process }
    }

    /// What it has seen so far, a packet a line, with TTL, TOS and options.
    pub fn packets(&self) -> Vec<String> {
        let mut packets: Vec<String> = Vec::new();
        for line in self.process.output().lines() {
            match packets.last_mut() {
                // tcpdump breaks a packet into lines and indents all but the first.
                Some(packet) if line.starts_with([' ', '\t']) => {
                    packet.push(' ');
                    packet.push_str(line.trim());
                }
                _ if line.contains(" IP") => packets.push(line.into()),
                _ => {}
            }
        }
        packets
    }

    /// Waits until it has seen at least `count` packets, and returns all.
    #[track_caller]
    pub fn wait_for(&self, count: usize, deadline: Duration) -> Vec<String> {
        until(deadline, format_args!("{count} packets in tcpdump"), || {
            let packets = self.packets();
            (packets.len() >= count).then_some(packets)
        })
    }
}
