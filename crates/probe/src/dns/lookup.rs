//! The whole procedure: hosts file, `localhost`, search domains, servers in turn, A and AAAA side
//! by side. Follows resolv.conf(5) and the C library's `res_nquery`, except that one family's
//! silence does not hold up the other's addresses for long.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;
use whydown_core::failure::Failure;
use whydown_core::observation::{Lookup, LookupSource};
use whydown_host::resolver::{self, Resolvers};

use super::exchange::{Answer, Ask, Question, ask};
use super::records::{Addresses, addresses_in, record_texts};

/// How long the second family may keep a first one's addresses waiting.
const GRACE: Duration = Duration::from_secs(1);
/// Least patience with one server.
const TRY_MIN: Duration = Duration::from_millis(200);

/// Resolves a name to the addresses that a client on this machine would use.
pub async fn lookup(name: &str, deadline: Instant) -> Lookup {
    let begin = Instant::now();
    let mut found = find(name, deadline).await;
    found.name = name.to_owned();
    found.elapsed = begin.elapsed();
    found
}

async fn find(name: &str, deadline: Instant) -> Lookup {
    if let Some(entry) = resolver::hosts(name) {
        let source = LookupSource::HostsFile;
        return Lookup { addresses: entry.addresses, source, ..Lookup::default() };
    }
    if let Some(addresses) = localhost(name) {
        return Lookup { addresses, source: LookupSource::Builtin, ..Lookup::default() };
    }
    let resolvers = resolver::resolvers();
    let mut first: Option<Lookup> = None;
    for (candidate, is_itself) in candidates(name, &resolvers) {
        let kinds = [RecordType::A, RecordType::AAAA];
        let found = ask_in_turn(&candidate, &kinds, &resolvers, deadline).await;
        match found.failure {
            None => return found,
            Some(Failure::DnsNotFound | Failure::DnsNoAddress | Failure::DnsServerFailure) => {}
            Some(_) => return found,
        }
        // What is said of the name itself is the answer; the search domains were a guess.
        if is_itself || first.is_none() {
            first = Some(found);
        }
    }
    let unnamed = Lookup { failure: Some(Failure::DnsNotFound), ..Lookup::default() };
    first.unwrap_or(unnamed)
}

/// The records of one type, for `dns://` targets.
pub async fn lookup_records(name: &str, kind: RecordType, deadline: Instant) -> Lookup {
    let begin = Instant::now();
    let resolvers = resolver::resolvers();
    let mut found = match absolute(name) {
        Some(full) => ask_in_turn(&full, &[kind], &resolvers, deadline).await,
        None => Lookup { failure: Some(Failure::DnsNotFound), ..Lookup::default() },
    };
    found.name = name.to_owned();
    found.elapsed = begin.elapsed();
    found
}

/// `localhost` and names below it are this machine (RFC 6761 §6.3).
#[must_use]
pub fn localhost(name: &str) -> Option<Vec<IpAddr>> {
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_local.then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The names to try in order, and which of them is the name itself (resolv.conf(5), `ndots`).
fn candidates(name: &str, resolvers: &Resolvers) -> Vec<(Name, bool)> {
    let dots = name.bytes().filter(|b| *b == b'.').count();
    let itself = absolute(name).map(|name| (name, true));
    let below = resolvers.search.iter();
    let mut names: Vec<(Name, bool)> = below
        .filter_map(|domain| absolute(&format!("{name}.{domain}")))
        .map(|name| (name, false))
        .collect();
    let itself_first = u32::try_from(dots).unwrap_or(u32::MAX) >= resolvers.ndots;
    names.splice(if itself_first { 0..0 } else { names.len()..names.len() }, itself);
    names
}

/// What the servers said so far, from the least to the most telling.
#[derive(Default)]
struct Heard {
    unreachable: Option<Lookup>,
    silent: Option<Lookup>,
    answered: Option<Lookup>,
}

impl Heard {
    fn note(&mut self, lookup: Lookup) {
        match lookup.failure {
            Some(Failure::DnsTimedOut) => self.silent = Some(lookup),
            Some(Failure::DnsUnreachable | Failure::SelfResources) => {
                self.unreachable = Some(lookup);
            }
            _ => self.answered = Some(lookup),
        }
    }

    fn verdict(self) -> Lookup {
        let none = Lookup { failure: Some(Failure::DnsUnreachable), ..Lookup::default() };
        self.answered.or(self.silent).or(self.unreachable).unwrap_or(none)
    }
}

/// Asks the configured servers one after another until one knows.
async fn ask_in_turn(
    name: &Name,
    kinds: &[RecordType],
    resolvers: &Resolvers,
    deadline: Instant,
) -> Lookup {
    let mut heard = Heard::default();
    let rounds = resolvers.attempts;
    let mut left = rounds * u32::try_from(resolvers.servers.len()).unwrap_or(1);
    for _ in 0..rounds {
        for server in &resolvers.servers {
            let now = Instant::now();
            if now >= deadline {
                return heard.verdict();
            }
            let fair = deadline.duration_since(now) / left.max(1);
            left = left.saturating_sub(1);
            let patience = resolvers.timeout.min(fair).max(TRY_MIN);
            let until = deadline.min(now + patience);
            let lookup = ask_server(*server, name, kinds, until).await;
            match lookup.failure {
                None | Some(Failure::DnsNotFound | Failure::DnsNoAddress) => return lookup,
                Some(_) => heard.note(lookup),
            }
        }
    }
    heard.verdict()
}

/// Asks one server for all record types at once.
async fn ask_server(
    server: SocketAddr,
    name: &Name,
    kinds: &[RecordType],
    deadline: Instant,
) -> Lookup {
    let how = Ask { recursive: true, unchecked: false, deadline };
    let question = |kind| Question { name: name.clone(), kind };
    match kinds {
        [only] => {
            let answer = ask(server, &question(*only), how).await;
            records_lookup(server, name, *only, &answer)
        }
        _ => {
            let v4 = question(RecordType::A);
            let v6 = question(RecordType::AAAA);
            let (v4, v6) = both(name, ask(server, &v4, how), ask(server, &v6, how), deadline).await;
            combine(server, name, v4.as_ref(), v6.as_ref())
        }
    }
}

/// Waits for both answers; once one has addresses, for the other only [`GRACE`] longer.
async fn both(
    name: &Name,
    v4: impl Future<Output = Answer>,
    v6: impl Future<Output = Answer>,
    deadline: Instant,
) -> (Option<Answer>, Option<Answer>) {
    tokio::pin!(v4, v6);
    let (mut first, mut second) = (None, None);
    let mut until = deadline;
    while first.is_none() || second.is_none() {
        let arrived = tokio::select! {
            answer = &mut v4, if first.is_none() => first.insert(answer),
            answer = &mut v6, if second.is_none() => second.insert(answer),
            () = tokio::time::sleep_until(until), if until < deadline => break,
        };
        let message = arrived.message.as_ref();
        if message.is_some_and(|message| !addresses_in(message, name).addresses.is_empty()) {
            until = until.min(Instant::now() + GRACE);
        }
    }
    (first, second)
}

fn combine(server: SocketAddr, name: &Name, v4: Option<&Answer>, v6: Option<&Answer>) -> Lookup {
    let mut lookup = Lookup { resolver: Some(server), ..Lookup::default() };
    let answers = [v4, v6].into_iter().flatten();
    for answer in answers.clone() {
        let Some(message) = &answer.message else { continue };
        let Addresses { addresses, cname, ttl_s } = addresses_in(message, name);
        lookup.addresses.extend(addresses);
        if lookup.cname.is_empty() {
            lookup.cname = cname;
        }
        lookup.ttl_s = match (lookup.ttl_s, ttl_s) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        lookup.rcode = lookup.rcode.or(answer.rcode);
    }
    if !lookup.addresses.is_empty() {
        lookup.rcode = Some(0);
        return lookup;
    }
    let failures = || answers.clone().filter_map(|answer| answer.failure);
    let not_found = failures().find(|failure| *failure == Failure::DnsNotFound);
    let said = answers.clone().find(|answer| answer.failure.is_some() && answer.rcode.is_some());
    lookup.failure = not_found
        .or_else(|| said.and_then(|answer| answer.failure))
        .or_else(|| failures().next())
        .or(Some(Failure::DnsNoAddress));
    let decisive = answers.clone().find(|answer| answer.failure == lookup.failure);
    lookup.rcode = decisive.map_or(lookup.rcode, |answer| answer.rcode);
    lookup
}

fn records_lookup(server: SocketAddr, name: &Name, kind: RecordType, answer: &Answer) -> Lookup {
    let mut lookup = Lookup {
        resolver: Some(server),
        rcode: answer.rcode,
        failure: answer.failure,
        ..Lookup::default()
    };
    let Some(message) = &answer.message else { return lookup };
    let Addresses { addresses, cname, ttl_s } = addresses_in(message, name);
    lookup.records = record_texts(message, kind);
    lookup.addresses = addresses;
    lookup.cname = cname;
    lookup.ttl_s = ttl_s.or_else(|| message.answers.iter().map(|record| record.ttl).min());
    if lookup.failure.is_none() && lookup.records.is_empty() {
        lookup.failure = Some(Failure::DnsNoAddress);
    }
    lookup
}
