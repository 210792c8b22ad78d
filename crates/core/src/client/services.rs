//! Clients of one service: ssh, psql, mysql, redis-cli. OpenSSH 9.2, psql 15 and redis-cli 7.0
//! measured; mysql from its sources.

use super::case::Case;
use crate::failure::Failure as F;
use crate::target::Scheme;

/// OpenSSH.
pub(super) fn ssh(case: &Case<'_>) -> Option<String> {
    if !speaks(case, Scheme::Ssh, 22) {
        return None;
    }
    let (host, port) = (case.host(), case.port());
    if let Some(why) = case.gai_strerror() {
        return Some(format!("ssh: Could not resolve hostname {host}: {why}"));
    }
    Some(match case.failure {
        F::TcpReset => "kex_exchange_identification: read: Connection reset by peer".to_owned(),
        F::HttpEmptyReply => {
            "kex_exchange_identification: Connection closed by remote host".to_owned()
        }
        F::BannerUnexpected => format!("Connection closed by {} port {port}", case.ip()),
        _ => format!("ssh: connect to host {host} port {port}: {}", connect(case)?),
    })
}

/// psql, and everything else that uses libpq.
pub(super) fn psql(case: &Case<'_>) -> Option<String> {
    if !speaks(case, Scheme::Postgres, 5432) {
        return None;
    }
    let (host, port) = (case.host(), case.port());
    if let Some(why) = case.gai_strerror() {
        return Some(format!("could not translate host name \"{host}\" to address: {why}"));
    }
    let why = match case.failure {
        F::TcpReset | F::HttpEmptyReply => "server closed the connection unexpectedly".to_owned(),
        F::BannerUnexpected => {
            let first = case.attempt.and_then(|attempt| attempt.banner.as_ref());
            let first = first.and_then(|banner| banner.chars().next()).unwrap_or('S');
            format!("received invalid response to SSL negotiation: {first}")
        }
        _ => connect(case)?.to_owned(),
    };
    let address = match case.target.host.ip() {
        Some(_) => String::new(),
        None => case.attempt.map_or_else(String::new, |attempt| format!(" ({})", attempt.ip)),
    };
    Some(format!("connection to server at \"{host}\"{address}, port {port} failed: {why}"))
}

/// mysql and mariadb.
pub(super) fn mysql(case: &Case<'_>) -> Option<String> {
    if !speaks(case, Scheme::Mysql, 3306) {
        return None;
    }
    let (host, port) = (case.host(), case.port());
    let gai = match case.failure {
        F::DnsNotFound => Some(-2),
        F::DnsNoAddress => Some(-5),
        _ => case.gai_strerror().map(|_| -3),
    };
    if let Some(number) = gai {
        return Some(format!("ERROR 2005 (HY000): Unknown MySQL server host '{host}' ({number})"));
    }
    let lost = "ERROR 2013 (HY000): Lost connection to MySQL server at \
                'reading initial communication packet', system error:";
    Some(match case.failure {
        F::TcpReset => format!("{lost} 104"),
        F::HttpEmptyReply | F::BannerUnexpected => format!("{lost} 0"),
        _ => {
            connect(case)?;
            let number = case.errno()?;
            format!(
                "ERROR 2003 (HY000): Can't connect to MySQL server on '{host}:{port}' ({number})"
            )
        }
    })
}

/// redis-cli.
pub(super) fn redis(case: &Case<'_>) -> Option<String> {
    if !speaks(case, Scheme::Redis, 6379) {
        return None;
    }
    let (host, port) = (case.host(), case.port());
    let why = match case.failure {
        F::TcpReset => return Some("Error: Connection reset by peer".to_owned()),
        F::HttpEmptyReply => return Some("Error: Server closed the connection".to_owned()),
        F::BannerUnexpected => {
            return Some("Error: Protocol error, got \"S\" as reply type byte".to_owned());
        }
        _ => case.gai_strerror().or_else(|| connect(case))?,
    };
    Some(format!("Could not connect to Redis at {host}:{port}: {why}"))
}

fn speaks(case: &Case<'_>, scheme: Scheme, port: u16) -> bool {
    let target = case.target;
    if case.failure.stage() == crate::failure::Stage::Proxy {
        return false;
    }
    target.scheme == scheme || (target.scheme == Scheme::Tcp && target.port == port)
}

/// The C library's words when connecting failed.
fn connect(case: &Case<'_>) -> Option<&'static str> {
    let tls_or_http = matches!(case.failure, F::TlsReset | F::HttpReset | F::SelfResources);
    case.strerror().filter(|_| !tls_or_http)
}
