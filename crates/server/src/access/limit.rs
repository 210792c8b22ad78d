//! How often somebody may try to sign in: token buckets by address and by account, in bounded
//! memory. Pure: `now` is an argument.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

/// Failed tries that one address has at once.
const ADDRESS_BURST: f64 = 10.0;
/// Failed tries that one account has at once, from all addresses together.
const ACCOUNT_BURST: f64 = 30.0;
/// A try comes back after so long.
const REFILL: Duration = Duration::from_secs(30);
/// Addresses, and accounts, remembered; 32 bytes each.
const BUCKETS_MAX: usize = 10_000;

/// Buckets dropped at a time when all are in use.
const ROOM_MADE: usize = BUCKETS_MAX / 10;

/// Who has tried how often.
#[derive(Debug, Default)]
pub struct Limiter {
    keys: RandomState,
    addresses: Buckets,
    accounts: Buckets,
}

/// Too many tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts to sign in; try again in {} s", .0.as_secs())]
pub struct TooMany(pub Duration);

impl Limiter {
    /// Takes one try. Give it back with [`Limiter::give_back`] when it was right.
    ///
    /// # Errors
    /// [`TooMany`] with how long to wait.
    pub fn take(&mut self, ip: IpAddr, account: &str, now: Timestamp) -> Result<(), TooMany> {
        let (address, account) = self.both(ip, account);
        let by_address = self.addresses.wait(address, ADDRESS_BURST, now);
        let by_account = self.accounts.wait(account, ACCOUNT_BURST, now);
        if let Some(wait) = by_address.max(by_account) {
            return Err(TooMany(wait));
        }
        self.addresses.change(address, ADDRESS_BURST, -1.0, now);
        self.accounts.change(account, ACCOUNT_BURST, -1.0, now);
        Ok(())
    }

    /// Gives a try back.
    pub fn give_back(&mut self, ip: IpAddr, account: &str, now: Timestamp) {
        let (address, account) = self.both(ip, account);
        self.addresses.change(address, ADDRESS_BURST, 1.0, now);
        self.accounts.change(account, ACCOUNT_BURST, 1.0, now);
    }

    fn both(&self, ip: IpAddr, account: &str) -> (u64, u64) {
        // One customer has a whole IPv6 /64 (RFC 6177).
        let network = match ip.to_canonical() {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6) & !u128::from(u64::MAX),
        };
        (self.keys.hash_one(network), self.keys.hash_one(account))
    }
}

#[derive(Debug, Default)]
struct Buckets(HashMap<u64, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tries: f64,
    at: Timestamp,
}

impl Bucket {
    fn at(self, now: Timestamp, burst: f64) -> f64 {
        let passed = Duration::try_from(now.duration_since(self.at)).unwrap_or_default();
        (self.tries + passed.as_secs_f64() / REFILL.as_secs_f64()).min(burst)
    }
}

impl Buckets {
    fn wait(&self, key: u64, burst: f64, now: Timestamp) -> Option<Duration> {
        let tries = self.0.get(&key)?.at(now, burst);
        (tries < 1.0).then(|| REFILL.mul_f64(1.0 - tries).max(Duration::from_secs(1)))
    }

    fn change(&mut self, key: u64, burst: f64, by: f64, now: Timestamp) {
        if self.0.len() >= BUCKETS_MAX && !self.0.contains_key(&key) {
            self.make_room(burst, now);
        }
        let bucket = self.0.entry(key).or_insert(Bucket { tries: burst, at: now });
        bucket.tries = (bucket.at(now, burst) + by).clamp(0.0, burst);
        bucket.at = now;
    }

    /// Drops the buckets that are full again, or else the fullest: a flood of new keys must not
    /// wash away the one that is under attack.
    fn make_room(&mut self, burst: f64, now: Timestamp) {
        self.0.retain(|_, bucket| bucket.at(now, burst) < burst);
        if self.0.len() < BUCKETS_MAX {
            return;
        }
        let mut by_tries: Vec<(f64, u64)> =
            self.0.iter().map(|(key, bucket)| (bucket.at(now, burst), *key)).collect();
        by_tries.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
        for (_, key) in by_tries.iter().take(ROOM_MADE) {
            self.0.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn ip(last: u32) -> IpAddr {
        IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + last))
    }

    #[test]
    fn an_address_is_stopped_after_its_burst_and_comes_back() {
        let mut limiter = Limiter::default();
        for i in 0..10 {
            limiter.take(ip(1), &format!("user{i}"), at(0)).unwrap();
        }
        let TooMany(wait) = limiter.take(ip(1), "ada", at(0)).unwrap_err();
        assert_eq!(wait, REFILL);
        assert!(limiter.take(ip(2), "ada", at(0)).is_ok());
        assert!(limiter.take(ip(1), "ada", at(30)).is_ok());
        assert!(limiter.take(ip(1), "ada", at(30)).is_err());
    }

    #[test]
    fn an_account_is_protected_from_many_addresses() {
        let mut limiter = Limiter::default();
        let stopped = (0..100).filter(|i| limiter.take(ip(*i), "ada", at(0)).is_err()).count();
        assert_eq!(stopped, 70);
        assert!(limiter.take(ip(200), "grace", at(0)).is_ok());
    }

    #[test]
    fn right_tries_cost_nothing() {
        let mut limiter = Limiter::default();
        for _ in 0..100 {
            limiter.take(ip(1), "ada", at(0)).unwrap();
            limiter.give_back(ip(1), "ada", at(0));
        }
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_a_bucket() {
        let mut limiter = Limiter::default();
        let address = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, last]);
        let stopped = (0..20)
            .filter(|i| limiter.take(address(*i), &format!("user{i}"), at(0)).is_err())
            .count();
        assert_eq!(stopped, 10);
    }

    #[test]
    fn a_flood_neither_grows_the_memory_nor_frees_the_attacked_account() {
        let mut limiter = Limiter::default();
        for i in 0..30 {
            limiter.take(ip(i), "ada", at(0)).unwrap();
        }
        for i in 0..12_000_u32 {
            let _ = limiter.take(ip(1_000 + i), &format!("noise{i}"), at(0));
        }
        assert!(limiter.accounts.0.len() <= BUCKETS_MAX);
        assert!(limiter.addresses.0.len() <= BUCKETS_MAX);
        assert!(limiter.take(ip(99_999), "ada", at(0)).is_err());
    }
}
