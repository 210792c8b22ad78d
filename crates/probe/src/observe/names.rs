//! `dns://` targets: is a name resolved, does it have records of a type, or (for an address) does
//! this name server answer at all?

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};
use jiff::Timestamp;
use whydown_core::failure::Failure;
use whydown_core::observation::{Lookup, Observation, State};
use whydown_core::target::Host;

use super::{Check, blank, not_allowed};
use crate::dns::{Ask, Question, ask, lookup, lookup_records, record_texts};
use crate::expect::{Judged, unmet};

/// Makes the check.
pub(super) async fn observe(check: &Check<'_>) -> Observation {
    let target = &check.monitor.target;
    if !check.settings.allow.covers_questions(&target.host) {
        return not_allowed();
    }
    let kind = target.path.parse::<RecordType>().ok();
    let mut found = match (&target.host, kind) {
        (Host::Ip(ip), _) => server(check, *ip, kind).await,
        (Host::Name(name), Some(kind)) => lookup_records(name, kind, check.deadline).await,
        (Host::Name(name), None) => lookup(name, check.deadline).await,
    };
    let failure = match found.failure {
        Some(failure) => Some(failure),
        None => judge(check, &mut found),
    };
    let state = match failure {
        None => State::Up,
        Some(failure) if failure.is_own_fault() => State::Inconclusive,
        Some(_) => State::Down,
    };
    Observation { state, failure, lookup: Some(found), ..blank() }
}

/// Asks a name server for the root's servers (or the wanted type): any answer is one.
async fn server(check: &Check<'_>, ip: IpAddr, kind: Option<RecordType>) -> Lookup {
    let question = Question { name: Name::root(), kind: kind.unwrap_or(RecordType::NS) };
    let remote = SocketAddr::new(ip, check.monitor.target.port);
    let how = Ask { recursive: true, unchecked: false, deadline: check.deadline };
    let answer = ask(remote, &question, how).await;
    let records = answer.message.as_ref().map(|message| record_texts(message, question.kind));
    Lookup {
        name: ".".to_owned(),
        elapsed: answer.elapsed,
        resolver: Some(remote),
        rcode: answer.rcode,
        records: records.unwrap_or_default(),
        // A refusal to recurse is the answer of a healthy authoritative server.
        failure: answer.failure.filter(|_| answer.rcode.is_none()),
        ..Lookup::default()
    }
}

/// The texts of an expectation are looked for in the addresses and records.
fn judge(check: &Check<'_>, found: &mut Lookup) -> Option<Failure> {
    let mut lines: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
    lines.extend(found.records.iter().cloned());
    let text = lines.join("\n");
    let answer =
        Judged { text: Some(text.as_bytes()), elapsed: check.begin.elapsed(), ..Judged::default() };
    unmet(&check.monitor.expect, &answer, Timestamp::now()).map(|(failure, _)| failure)
}
