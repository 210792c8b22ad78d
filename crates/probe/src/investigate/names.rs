//! What each name server says about the target's name: every configured resolver, the zone's own
//! servers, and public resolvers when the settings list some.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::Instant;
use whydown_core::evidence::{NameServerAnswer, NameServerRole};
use whydown_core::failure::Failure;
use whydown_core::observation::Observation;
use whydown_host::resolver;

use super::{Look, is_dns};
use crate::dns::{Answer, Ask, Question, addresses_in, ask};
use crate::observe::{Check, attempts};

/// Patience with one server.
const PATIENCE: Duration = Duration::from_millis(900);
/// Name servers of the zone asked.
const AUTHORITATIVE_MAX: usize = 4;
/// Labels cut off a name in search of its zone.
const LABELS_MAX: usize = 8;
const DNS_PORT: u16 = 53;

/// Asks them all.
pub(super) async fn compare(
    look: &Look<'_>,
    observations: &[Observation],
) -> Vec<NameServerAnswer> {
    let Some(name) = look.monitor.target.host.name() else { return Vec::new() };
    let unresolved = observations.iter().any(|o| o.failure.is_some_and(is_dns));
    let looked_up = observations.iter().any(|o| o.lookup.is_some());
    let Ok(mut name) = Name::from_ascii(name) else { return Vec::new() };
    name.set_fqdn(true);
    if !unresolved && !looked_up {
        return Vec::new();
    }
    let resolvers = resolver::resolvers();
    let public: Vec<SocketAddr> =
        look.settings.public_resolvers.iter().map(|ip| SocketAddr::new(*ip, DNS_PORT)).collect();
    let everybody = |servers: Vec<SocketAddr>, role| {
        join_all(
            servers.into_iter().map(|server| one(look, server, role, &name)).collect::<Vec<_>>(),
        )
    };
    let own = async {
        let servers = authoritative(look, &resolvers.servers, &name).await;
        everybody(servers, NameServerRole::Authoritative).await
    };
    let (configured, own, public) = tokio::join!(
        everybody(resolvers.servers.clone(), NameServerRole::Configured),
        own,
        everybody(public, NameServerRole::Public),
    );
    let own = proven(look, observations, own).await;
    configured.into_iter().chain(own).chain(public).collect()
}

/// Where the zone gives other addresses than those that fail: does the target work there? Not
/// tried where no neighbour may be touched.
async fn proven(
    look: &Look<'_>,
    observations: &[Observation],
    mut answers: Vec<NameServerAnswer>,
) -> Vec<NameServerAnswer> {
    let tried = |ip: &IpAddr| observations.iter().flat_map(|o| &o.attempts).any(|a| a.ip == *ip);
    let other = answers.iter_mut().find(|answer| !answer.addresses.is_empty());
    let Some(answer) = other.filter(|answer| !answer.addresses.iter().any(tried)) else {
        return answers;
    };
    let mut monitor = look.monitor.clone();
    monitor.timeout = look.left().min(PATIENCE);
    if !look.settings.neighbour_ports.is_empty() && !monitor.timeout.is_zero() {
        let check = Check::new(&monitor, look.check);
        let seen = attempts(&check, &answer.addresses[..1]).await;
        answer.works = seen.first().map(|attempt| attempt.failure.is_none());
    }
    answers
}

/// Asks one server for both kinds of addresses; after SERVFAIL once more without validation.
async fn one(
    look: &Look<'_>,
    server: SocketAddr,
    role: NameServerRole,
    name: &Name,
) -> NameServerAnswer {
    let begin = Instant::now();
    let how = Ask {
        recursive: role != NameServerRole::Authoritative,
        unchecked: false,
        deadline: look.within(PATIENCE),
    };
    let (v4, v6) = both(server, name, how).await;
    let mut found = NameServerAnswer {
        server,
        role,
        addresses: addresses(&v4, &v6, name),
        failure: None,
        rcode: v4.rcode.or(v6.rcode),
        only_unvalidated: false,
        works: None,
        elapsed: begin.elapsed(),
    };
    if found.addresses.is_empty() {
        found.failure = v4.failure.or(v6.failure).or(Some(Failure::DnsNoAddress));
    }
    if found.failure == Some(Failure::DnsServerFailure) && how.recursive {
        let how = Ask { unchecked: true, deadline: look.within(PATIENCE), ..how };
        let (v4, v6) = both(server, name, how).await;
        found.only_unvalidated = !addresses(&v4, &v6, name).is_empty();
    }
    found
}

async fn both(server: SocketAddr, name: &Name, how: Ask) -> (Answer, Answer) {
    let question = |kind| Question { name: name.clone(), kind };
    let (v4, v6) = (question(RecordType::A), question(RecordType::AAAA));
    tokio::join!(ask(server, &v4, how), ask(server, &v6, how))
}

fn addresses(v4: &Answer, v6: &Answer, name: &Name) -> Vec<IpAddr> {
    let messages = [v4, v6].into_iter().filter_map(|answer| answer.message.as_ref());
    messages.flat_map(|message| addresses_in(message, name).addresses).collect()
}

/// The addresses of the zone's own servers, found by cutting labels off the name until somebody
/// names a server.
async fn authoritative(look: &Look<'_>, resolvers: &[SocketAddr], name: &Name) -> Vec<SocketAddr> {
    for resolver in resolvers {
        let mut zone = name.clone();
        for _ in 0..LABELS_MAX {
            if zone.is_root() {
                break;
            }
            let how = Ask { recursive: true, unchecked: true, deadline: look.within(PATIENCE) };
            let question = Question { name: zone.clone(), kind: RecordType::NS };
            let answer = ask(*resolver, &question, how).await;
            if answer.rcode.is_none() {
                // A resolver that does not answer will not answer the next question either.
                break;
            }
            let servers = servers_of(&answer);
            if !servers.is_empty() {
                return addresses_of(*resolver, &servers, how).await;
            }
            zone = zone.base_name();
        }
    }
    Vec::new()
}

fn servers_of(answer: &Answer) -> Vec<Name> {
    let Some(message) = &answer.message else { return Vec::new() };
    let records = message.answers.iter().filter_map(|record| match &record.data {
        RData::NS(server) => Some(server.0.clone()),
        _ => None,
    });
    records.take(AUTHORITATIVE_MAX).collect()
}

async fn addresses_of(resolver: SocketAddr, servers: &[Name], how: Ask) -> Vec<SocketAddr> {
    let lookups = servers.iter().map(|server| async move {
        let (v4, v6) = both(resolver, server, how).await;
        addresses(&v4, &v6, server).into_iter().next()
    });
    let found = join_all(lookups).await.into_iter().flatten();
    found.map(|ip| SocketAddr::new(ip, DNS_PORT)).collect()
}
