//! Rule sets by dice: of nftables and of iptables, whose conditions hit often enough to matter.

use std::fmt::Write as _;

mod iptables;
mod nft;

pub(crate) use iptables::saved;
pub(crate) use nft::ruleset;

/// A generator of numbers, the same for the same seed (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }
}

/// Who sends to whom.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) v4: bool,
    pub(crate) interface: &'static str,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) port: u16,
}

impl Attempt {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let v4 = dice.chance(55);
        let is_wan = dice.chance(70);
        let (from, to): (&[&str], &[&str]) = match (v4, is_wan) {
            (true, true) => (
                &["10.98.1.30", "192.0.2.7", "192.0.2.200"],
                &["10.98.1.10", "10.98.1.10", "10.98.1.11", "10.98.2.10"],
            ),
            (true, false) => (&["10.98.2.30"], &["10.98.2.10", "10.98.1.10"]),
            (false, true) => (
                &["fd98:1::30", "2001:db8::7", "2001:db8::200"],
                &["fd98:1::10", "fd98:1::10", "fd98:1::11", "fd98:2::10"],
            ),
            (false, false) => (&["fd98:2::30"], &["fd98:2::10", "fd98:1::10"]),
        };
        Self {
            v4,
            interface: if is_wan { "wan0" } else { "lan0" },
            from: dice.one(from).to_owned(),
            to: dice.one(to).to_owned(),
            port: dice.one(&super::network::PORTS),
        }
    }

    fn family(&self) -> &'static str {
        if self.v4 { "ip" } else { "ip6" }
    }
}

/// A port: the attempt's more often than chance would have it.
fn port(dice: &mut Dice, attempt: &Attempt) -> u16 {
    if dice.chance(45) { attempt.port } else { dice.one(&super::network::PORTS) }
}

/// A source: the attempt's own, its network, or another one.
fn source(dice: &mut Dice, attempt: &Attempt) -> String {
    let others: &[&str] = if attempt.v4 {
        &["192.0.2.0/24", "192.0.2.0/25", "10.98.0.0/16", "198.51.100.9", "10.98.1.0/24"]
    } else {
        &["2001:db8::/64", "2001:db8::/120", "fd98::/16", "2001:db8:9::1", "fd98:1::/64"]
    };
    if dice.chance(40) { attempt.from.clone() } else { dice.one(others).to_owned() }
}

fn destination(dice: &mut Dice, attempt: &Attempt) -> String {
    let others: &[&str] = if attempt.v4 {
        &["10.98.1.10", "10.98.1.11", "10.98.2.10", "10.98.1.0/24"]
    } else {
        &["fd98:1::10", "fd98:1::11", "fd98:2::10", "fd98:1::/64"]
    };
    if dice.chance(50) { attempt.to.clone() } else { dice.one(others).to_owned() }
}

/// Joins some parts with a sign between them.
fn joined(parts: &[String], sign: &str) -> String {
    let mut text = String::new();
    for (number, part) in parts.iter().enumerate() {
        let _ = write!(text, "{}{part}", if number == 0 { "" } else { sign });
    }
    text
}
