//! The way from client to application: which stage failed, and what is known of the others.

use std::time::Duration;

use crate::cause::Cause as C;
use crate::diagnosis::{PathStage, StageState};
use crate::failure::{Failure, Stage};
use crate::observation::{LookupSource, State};
use crate::target::Scheme;

use super::case::Case;

/// Where on the path a cause acts.
pub(super) fn stage(cause: C, failure: Failure) -> Stage {
    match cause {
        C::PathRejects | C::PathNoRoute | C::PathDrops => Stage::Network,
        C::PathMtu | C::PathLargeHello => Stage::Network,
        C::FirewallRejects | C::FirewallDrops | C::HostDown => Stage::Server,
        C::ServiceNotListening
        | C::ServiceLoopbackOnly
        | C::ServiceOneFamilyOnly
        | C::ServiceWrongPort
        | C::ServiceCrashLoop
        | C::ServiceStoppedAfterDeploy => Stage::Server,
        C::ServiceOverloaded | C::BalancerSomeBackends if failure.stage() <= Stage::Server => {
            Stage::Server
        }
        C::UpstreamDead if failure.stage() < Stage::Server => Stage::Server,
        C::DnsNameMissing | C::DnsZoneBroken | C::DnsStale | C::DnsResolverDown => Stage::Dns,
        C::ClientProxy => Stage::Proxy,
        C::ClientFirewall
        | C::ClientRoute
        | C::ClientVpn
        | C::ClientHostsFile
        | C::ClientOffline
        | C::ClientUnsafePort
        | C::ClientClock
        | C::ClientExhausted => Stage::Client,
        _ => failure.stage(),
    }
}

pub(super) fn draw(case: &Case<'_>, state: State, failing: Option<Stage>) -> Vec<PathStage> {
    let mark = if state == State::Degraded { StageState::Degraded } else { StageState::Failing };
    Stage::ALL
        .into_iter()
        .map(|stage| {
            let stage_state = match failing {
                _ if is_absent(case, stage) && failing != Some(stage) => StageState::Absent,
                Some(failing) if stage == failing => mark,
                Some(failing) if stage > failing && state == State::Degraded => StageState::Unknown,
                Some(failing) if stage > failing => StageState::NotReached,
                Some(_) => passed(case, stage),
                None if case.observation.is_none() => StageState::Unknown,
                None => StageState::Ok,
            };
            PathStage { stage, state: stage_state, elapsed: elapsed(case, stage) }
        })
        .collect()
}

/// A stage before the failing one: fine if something proves it.
fn passed(case: &Case<'_>, stage: Stage) -> StageState {
    let silent =
        case.failed_with(&[Failure::TcpTimedOut, Failure::UdpNoReply, Failure::IcmpNoReply]);
    if stage == Stage::Network && silent && case.host_answers() != Some(true) {
        return StageState::Unknown;
    }
    StageState::Ok
}

fn is_absent(case: &Case<'_>, stage: Stage) -> bool {
    match stage {
        Stage::Client => false,
        Stage::Dns => match case.observation.and_then(|o| o.lookup.as_ref()) {
            Some(lookup) => lookup.source == LookupSource::Builtin,
            None => {
                case.target.host.ip().is_some()
                    || case.observation.is_some_and(|o| o.proxy.is_some())
            }
        },
        Stage::Proxy => case.observation.is_none_or(|o| o.proxy.is_none()),
        Stage::Network | Stage::Server => case.target.scheme == Scheme::Dns,
        Stage::App => {
            matches!(case.target.scheme, Scheme::Tcp | Scheme::Tls | Scheme::Dns | Scheme::Icmp)
        }
    }
}

fn elapsed(case: &Case<'_>, stage: Stage) -> Option<Duration> {
    let observation = case.observation?;
    let attempt = case.attempt;
    match stage {
        Stage::Dns => observation.lookup.as_ref().map(|lookup| lookup.elapsed),
        Stage::Network => attempt.and_then(|a| a.timing.connect),
        Stage::Proxy => attempt.and_then(|a| a.timing.tunnel),
        Stage::Server => attempt.and_then(|a| a.timing.tls),
        Stage::App => attempt.and_then(|a| a.timing.first_byte),
        Stage::Client => None,
    }
}
