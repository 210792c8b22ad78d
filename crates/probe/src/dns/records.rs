//! Reading answers: which addresses belong to a name, along which aliases, and records as text.

use std::net::IpAddr;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, RecordType};

/// Aliases followed in one answer.
const ALIASES_MAX: usize = 16;
/// Records of one answer looked at.
const RECORDS_MAX: usize = 200;
/// Characters of a record's text kept.
const TEXT_MAX_CHARS: usize = 300;

/// The addresses of a name in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// In the order of the answer, without repetition.
    pub addresses: Vec<IpAddr>,
    /// Aliases followed.
    pub cname: Vec<String>,
    /// Smallest time to live on the way, in seconds.
    pub ttl_s: Option<u32>,
}

/// Follows the aliases from `name` through an answer and collects the addresses at their end.
/// Records of other names are not believed.
#[must_use]
pub fn addresses_in(message: &Message, name: &Name) -> Addresses {
    let mut found = Addresses::default();
    let mut current = name.clone();
    let records = || message.answers.iter().take(RECORDS_MAX);
    while found.cname.len() < ALIASES_MAX {
        let alias = records().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == current => Some((target.0.clone(), record.ttl)),
            _ => None,
        });
        let Some((target, ttl)) = alias else { break };
        found.ttl_s = Some(found.ttl_s.map_or(ttl, |smallest| smallest.min(ttl)));
        found.cname.push(plain(&target));
        current = target;
    }
    for record in records().filter(|record| record.name == current) {
        let ip = match &record.data {
            RData::A(ip) => IpAddr::V4(ip.0),
            RData::AAAA(ip) => IpAddr::V6(ip.0),
            _ => continue,
        };
        found.ttl_s = Some(found.ttl_s.map_or(record.ttl, |smallest| smallest.min(record.ttl)));
        if !found.addresses.contains(&ip) {
            found.addresses.push(ip);
        }
    }
    found
}

/// The data of all records of one type, as text.
#[must_use]
pub fn record_texts(message: &Message, kind: RecordType) -> Vec<String> {
    let records = message.answers.iter().take(RECORDS_MAX);
    records
        .filter(|record| record.record_type() == kind)
        .map(|record| crate::redact::printable(&record.data.to_string(), TEXT_MAX_CHARS))
        .collect()
}

/// A name without the trailing dot, in printable characters.
#[must_use]
pub(crate) fn plain(name: &Name) -> String {
    let text = name.to_ascii();
    text.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(&text).to_owned()
}
