//! TLS: what the presented certificate and the handshake themselves say.

use crate::cause::Cause as C;
use crate::failure::{Failure as F, Stage};
use crate::observation::{Certificate, TlsFacts};

use super::case::Case;
use super::{Finding, Rule};

pub(super) const RULES: &[Rule] =
    &[certificate, other_defects, alert, certificate_requested, own_clock, issued_nearby];

/// A clock that is off by more than this breaks certificates.
const CLOCK_WRONG_MIN_S: i64 = 3_600;

fn facts<'a>(case: &Case<'a>) -> Option<&'a TlsFacts> {
    case.attempt?.tls.as_ref()
}

/// The decisive defect, in the certificate's own words.
fn certificate(case: &Case<'_>) -> Option<Finding> {
    let leaf = facts(case)?.chain.first()?;
    let fact = match case.failure? {
        F::TlsExpired => expired(&facts(case)?.chain)?,
        F::TlsNotYetValid => format!("the certificate begins on {}", day(leaf.not_before)),
        F::TlsSelfSigned => format!("the certificate is signed by its own key ({})", leaf.subject),
        F::TlsUnknownIssuer => format!("the certificate's issuer is not trusted: {}", issuer(case)),
        F::TlsIncompleteChain => format!(
            "the server sends {} certificate(s); the one that signed the last is missing: {}",
            facts(case)?.chain.len(),
            issuer(case)
        ),
        F::TlsWrongName => format!("the certificate is for {}", names(leaf)),
        F::AssertionCertificateDays => format!("the certificate ends on {}", day(leaf.not_after)),
        _ => return None,
    };
    Some(Finding {
        stage: Stage::Server,
        fact,
        source: "certificate chain as presented",
        ratios: &[(C::TlsCertificate, 1.5)],
    })
}

/// The one that ended first; it need not be the server's own.
fn expired(chain: &[Certificate]) -> Option<String> {
    let (number, ended) = chain.iter().enumerate().min_by_key(|(_, one)| one.not_after)?;
    let day = day(ended.not_after);
    Some(match number {
        0 => format!("the certificate ended on {day}"),
        _ => format!("the issuer's certificate ({}) ended on {day}", ended.subject),
    })
}

fn issuer(case: &Case<'_>) -> String {
    let last = facts(case).and_then(|tls| tls.chain.last());
    last.map_or_else(String::new, |certificate| certificate.issuer.clone())
}

fn names(leaf: &Certificate) -> String {
    const SHOWN_MAX: usize = 4;
    let shown = leaf.names.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    match leaf.names.len() {
        0 => format!("no name at all ({})", leaf.subject),
        count if count > SHOWN_MAX => format!("{shown} and {} more names", count - SHOWN_MAX),
        _ => shown,
    }
}

fn day(at: jiff::Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// Defects behind the first one: fixing only that would not help.
fn other_defects(case: &Case<'_>) -> Option<Finding> {
    let others: Vec<&str> = facts(case)?
        .defects
        .iter()
        .filter(|d| Some(**d) != case.failure)
        .map(|d| d.code())
        .collect();
    if others.is_empty() || case.failure.is_none() {
        return None;
    }
    Some(Finding {
        stage: Stage::Server,
        fact: format!("the certificate has more defects: {}", others.join(", ")),
        source: "certificate chain as presented",
        ratios: &[],
    })
}

/// The alert that ended the handshake, RFC 8446 §6.
fn alert(case: &Case<'_>) -> Option<Finding> {
    let alert = facts(case)?.alert?;
    let name = match alert {
        40 => "handshake_failure",
        42 => "bad_certificate",
        46 => "certificate_unknown",
        48 => "unknown_ca",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "an alert",
    };
    Some(Finding {
        stage: Stage::Server,
        fact: format!("the server ended the handshake with alert {alert} ({name})"),
        source: "TLS alert, RFC 8446 §6",
        ratios: if alert == 80 { &[(C::UpstreamDead, 2.0)] } else { &[] },
    })
}

fn certificate_requested(case: &Case<'_>) -> Option<Finding> {
    let tls = facts(case)?;
    if !tls.client_certificate_requested || case.failure.is_none() {
        return None;
    }
    Some(Finding {
        stage: Stage::Server,
        fact: "the server asks for a client certificate".to_owned(),
        source: "CertificateRequest, RFC 8446 §4.3.2",
        ratios: &[(C::TlsClientCertificate, 4.0)],
    })
}

/// A certificate that is too old or too young only by our own wrong clock.
fn own_clock(case: &Case<'_>) -> Option<Finding> {
    let ahead = case.evidence.environment.clock_ahead_s?;
    if !case.failed_with(&[F::TlsExpired, F::TlsNotYetValid]) || ahead.abs() < CLOCK_WRONG_MIN_S {
        return None;
    }
    let direction = if ahead > 0 { "ahead" } else { "behind" };
    Some(Finding {
        stage: Stage::Client,
        fact: format!("this machine's clock is {} s {direction}", ahead.abs()),
        source: "Date headers of other servers",
        ratios: &[(C::ClientClock, 2_000.0)],
    })
}

/// An untrusted certificate made by a proxy or an antivirus nearby names its maker.
fn issued_nearby(case: &Case<'_>) -> Option<Finding> {
    const INSPECTORS: [&str; 12] = [
        "Fortinet",
        "FortiGate",
        "Zscaler",
        "Blue Coat",
        "Palo Alto",
        "Sophos",
        "Kaspersky",
        "Avast",
        "ESET",
        "Bitdefender",
        "Netskope",
        "mitmproxy",
    ];
    if !case.failed_with(&[F::TlsUnknownIssuer, F::TlsSelfSigned, F::TlsIncompleteChain]) {
        return None;
    }
    let issuer = issuer(case);
    let maker = INSPECTORS.iter().find(|maker| issuer.contains(**maker))?;
    Some(Finding {
        stage: Stage::Network,
        fact: format!(
            "the certificate was made by {maker}: something between opens the encryption"
        ),
        source: "certificate chain as presented",
        ratios: &[(C::PathRejects, 120.0), (C::TlsCertificate, 0.3)],
    })
}
