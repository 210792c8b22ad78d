//! The firewall evaluator against the kernel: what it says of a SYN, and what becomes of one.

use std::net::{IpAddr, SocketAddr};

use whydown_host::firewall::{Decision, Firewall, Syn, Verdict};
use whydown_lab::{Host, Output};

mod agreement;
mod generate;
mod named;
mod network;

/// Loads rules into a namespace, in place of those that it has.
fn load_nft(host: &Host, rules: &str) -> Result<(), String> {
    feed(host, "nft", &["-f", "-"], &format!("flush ruleset\n{rules}"))
}

fn feed(host: &Host, program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
    let mut command = host.command(program);
    command.args(arguments);
    let output = Output::of(command, Some(input.to_owned()), std::time::Duration::from_secs(20));
    if output.code == Some(0) { Ok(()) } else { Err(format!("{input}\n{}", output.stderr)) }
}

fn ask(host: &Host, from: &str, to: &str, interface: &str) -> Verdict {
    let to: SocketAddr = to.parse().unwrap();
    let from: IpAddr = from.parse().unwrap();
    let syn = Syn { in_interface: Some(interface.to_owned()), ..Syn::new(Some(from), to) };
    host.enter(Firewall::read).verdict(&syn)
}

fn is_decided(verdict: &Verdict) -> bool {
    verdict.decision != Decision::Undecided
}
