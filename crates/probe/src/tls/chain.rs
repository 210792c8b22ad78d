//! Our own reading of a presented chain: every defect, the one that browsers show first in
//! front. (webpki stops at the first defect it meets, and calls a self-signed certificate
//! `CaUsedAsEndEntity`.)

use jiff::Timestamp;
use rustls::CertificateError;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use whydown_core::failure::Failure;
use whydown_core::observation::Certificate;
use x509_parser::der_parser::asn1_rs::oid;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::recorder::CHAIN_MAX;
use super::trust::{Trust, provider};
use crate::redact::printable;

/// Names of one certificate kept.
const NAMES_MAX: usize = 100;
/// Characters of a subject, issuer or name kept.
const TEXT_MAX_CHARS: usize = 256;

/// What a chain is like.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Readable form, leaf first.
    pub(super) chain: Vec<Certificate>,
    /// Every defect, the decisive one first.
    pub(super) defects: Vec<Failure>,
    /// The decisive defect in words.
    pub(super) detail: Option<String>,
}

/// Judges a presented chain for a host name at a point in time.
///
/// The order of defects is that of Chrome (`MapCertStatusToNetError`) and Firefox: authority,
/// then name, then dates.
pub(super) fn judge(
    presented: &[CertificateDer<'static>],
    host: &ServerName<'_>,
    trust: &Trust,
    now: Timestamp,
) -> Judged {
    let parsed: Vec<X509Certificate<'_>> = presented
        .iter()
        .take(CHAIN_MAX)
        .map_while(|der| X509Certificate::from_der(der).ok().map(|(_, cert)| cert))
        .collect();
    let Some(leaf) = parsed.first() else {
        let detail = Some("the server presented no readable certificate".to_owned());
        return Judged { defects: vec![Failure::TlsUnknownIssuer], detail, ..Judged::default() };
    };
    let mut found: Vec<(Failure, String)> = Vec::new();
    found.extend(authority_defect(presented, &parsed, trust, now));
    found.extend(name_defect(&presented[0], leaf, host));
    found.extend(date_defect(&parsed, now));
    Judged {
        chain: parsed.iter().map(readable).collect(),
        detail: found.first().map(|(_, detail)| detail.clone()),
        defects: found.into_iter().map(|(failure, _)| failure).collect(),
    }
}

/// Is there a path to a trusted authority? Dates are left out: the question is asked for a
/// moment at which the leaf is valid.
fn authority_defect(
    presented: &[CertificateDer<'static>],
    parsed: &[X509Certificate<'_>],
    trust: &Trust,
    now: Timestamp,
) -> Option<(Failure, String)> {
    let leaf = &parsed[0];
    let validity = leaf.validity();
    let first = validity.not_before.timestamp();
    let last = validity.not_after.timestamp().max(first);
    let moment = u64::try_from(now.as_second().clamp(first, last)).unwrap_or(0);
    let moment = UnixTime::since_unix_epoch(std::time::Duration::from_secs(moment));
    let error = match chain_error(presented, trust, moment) {
        None => return None,
        // Whatever is wrong with the dates of the others is said by `date_defect`.
        Some(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => return None,
        Some(error) => error,
    };
    if is_anchor(leaf, trust) {
        return None;
    }
    if is_self_signed(leaf) {
        let detail = format!("signed by its own key: {}", text(&leaf.subject().to_string()));
        return Some((Failure::TlsSelfSigned, detail));
    }
    let top = top_of_path(parsed);
    let issuer = text(&top.issuer().to_string());
    if !is_self_signed(top) && has_intermediate_above(top) && !is_anchor_name(top, trust) {
        let detail = format!("the certificate of its issuer is not sent: {issuer}");
        return Some((Failure::TlsIncompleteChain, detail));
    }
    let detail = match error {
        CertificateError::UnknownIssuer => format!("issued by an unknown authority: {issuer}"),
        other => format!("issued by {issuer}: {other}"),
    };
    Some((Failure::TlsUnknownIssuer, detail))
}

fn chain_error(
    presented: &[CertificateDer<'static>],
    trust: &Trust,
    moment: UnixTime,
) -> Option<CertificateError> {
    let algorithms = provider().signature_verification_algorithms.all;
    let result = ParsedCertificate::try_from(&presented[0]).and_then(|leaf| {
        let intermediates = &presented[1..];
        verify_server_cert_signed_by_trust_anchor(
            &leaf,
            trust.roots(),
            intermediates,
            moment,
            algorithms,
        )
    });
    match result {
        Ok(()) => None,
        Err(rustls::Error::InvalidCertificate(error)) => Some(error),
        Err(_) => Some(CertificateError::BadEncoding),
    }
}

/// A trusted certificate presented as the server's own.
fn is_anchor(leaf: &X509Certificate<'_>, trust: &Trust) -> bool {
    let subject = body_of(leaf.subject().as_raw());
    let key = body_of(leaf.public_key().raw);
    let mut roots = trust.roots().roots.iter();
    roots.any(|root| &*root.subject == subject && &*root.subject_public_key_info == key)
}

/// Is its issuer's name that of a trusted authority (so that nothing is missing)?
fn is_anchor_name(cert: &X509Certificate<'_>, trust: &Trust) -> bool {
    let issuer = body_of(cert.issuer().as_raw());
    trust.roots().roots.iter().any(|root| &*root.subject == issuer)
}

/// The content of a DER SEQUENCE: trust anchors hold names and keys without the outer header.
fn body_of(der: &[u8]) -> &[u8] {
    let header = match der.get(1) {
        Some(short) if *short < 0x80 => 2,
        Some(long) => 2 + usize::from(*long & 0x7f),
        None => 0,
    };
    der.get(header..).unwrap_or_default()
}

/// The last certificate of the path that can be built from what was presented.
fn top_of_path<'a, 'b>(parsed: &'a [X509Certificate<'b>]) -> &'a X509Certificate<'b> {
    let mut top = &parsed[0];
    for _ in 0..parsed.len() {
        if is_self_signed(top) {
            break;
        }
        let issuer = parsed.iter().find(|candidate| {
            candidate.subject().as_raw() == top.issuer().as_raw() && is_signed_by(top, candidate)
        });
        match issuer {
            Some(issuer) => top = issuer,
            None => break,
        }
    }
    top
}

fn is_self_signed(cert: &X509Certificate<'_>) -> bool {
    cert.subject().as_raw() == cert.issuer().as_raw() && is_signed_by(cert, cert)
}

fn is_signed_by(cert: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let key = &issuer.public_key().subject_public_key.data;
    let message = cert.tbs_certificate.as_ref();
    let signature = &cert.signature_value.data;
    let mut algorithms = provider().signature_verification_algorithms.all.iter();
    algorithms.any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
}

/// Is there an intermediate between this certificate and a root? It is, when the certificate says
/// where its issuer's can be fetched (RFC 5280 §4.2.2.1: public authorities always do, private
/// ones rarely), or when the issuer's name says so.
fn has_intermediate_above(cert: &X509Certificate<'_>) -> bool {
    let ca_issuers = oid!(1.3.6.1.5.5.7.48.2);
    let issuer = cert.issuer().to_string().to_ascii_lowercase();
    if issuer.contains("intermediate") || issuer.contains("issuing") {
        return true;
    }
    cert.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().any(|description| description.access_method == ca_issuers)
        }
        _ => false,
    })
}

fn name_defect(
    der: &CertificateDer<'_>,
    leaf: &X509Certificate<'_>,
    host: &ServerName<'_>,
) -> Option<(Failure, String)> {
    let matches = ParsedCertificate::try_from(der)
        .and_then(|parsed| verify_server_name(&parsed, host))
        .is_ok();
    if matches {
        return None;
    }
    /// Names listed in words; the rest is in the facts.
    const LISTED_MAX: usize = 5;
    let names = names_of(leaf);
    let listed = names.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let detail = match names.is_empty() {
        true => "valid for no name at all (no subjectAltName)".to_owned(),
        false => format!("valid for {listed}, not for {}", host.to_str()),
    };
    Some((Failure::TlsWrongName, detail))
}

/// Dates of the leaf, then of the certificates above it. A presented certificate that is not
/// part of the path does no harm.
fn date_defect(parsed: &[X509Certificate<'_>], now: Timestamp) -> Option<(Failure, String)> {
    let mut path = vec![&parsed[0]];
    while path.len() < parsed.len() {
        let top = path[path.len() - 1];
        let issuer = parsed.iter().skip(1).find(|candidate| {
            candidate.subject().as_raw() == top.issuer().as_raw()
                && !path
                    .iter()
                    .any(|known| known.subject().as_raw() == candidate.subject().as_raw())
        });
        match issuer {
            // A root that is sent along is not judged by its dates: the trusted copy counts.
            Some(issuer) if issuer.subject().as_raw() != issuer.issuer().as_raw() => {
                path.push(issuer);
            }
            _ => break,
        }
    }
    for cert in path {
        let whose = match std::ptr::eq(cert, &raw const parsed[0]) {
            true => "the certificate".to_owned(),
            false => format!("the intermediate {}", text(&cert.subject().to_string())),
        };
        let (first, last) = validity(cert);
        if now > last {
            return Some((Failure::TlsExpired, format!("{whose} expired {last}")));
        }
        if now < first {
            return Some((Failure::TlsNotYetValid, format!("{whose} is valid from {first}")));
        }
    }
    None
}

fn validity(cert: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = cert.validity();
    let at = |second: i64, otherwise| Timestamp::from_second(second).unwrap_or(otherwise);
    let first = at(validity.not_before.timestamp(), Timestamp::MIN);
    (first, at(validity.not_after.timestamp(), Timestamp::MAX))
}

fn readable(cert: &X509Certificate<'_>) -> Certificate {
    let (not_before, not_after) = validity(cert);
    let registry = oid_registry();
    let algorithm = cert.signature_algorithm.oid();
    Certificate {
        subject: text(&cert.subject().to_string()),
        issuer: text(&cert.issuer().to_string()),
        names: names_of(cert),
        not_before,
        not_after,
        self_signed: is_self_signed(cert),
        key: key_of(cert),
        signature: oid2sn(algorithm, registry)
            .map_or_else(|_| algorithm.to_id_string(), str::to_owned),
    }
}

fn key_of(cert: &X509Certificate<'_>) -> String {
    match cert.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        Ok(PublicKey::DSA(_)) => "DSA".to_owned(),
        _ => {
            let oid = &cert.public_key().algorithm.algorithm;
            oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned)
        }
    }
}

fn names_of(cert: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(text(name)),
        GeneralName::IPAddress(bytes) => ip_of(bytes),
        _ => None,
    });
    names.take(NAMES_MAX).collect()
}

fn ip_of(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| std::net::Ipv4Addr::from(b).to_string());
    let v6 = <[u8; 16]>::try_from(bytes).map(|b| std::net::Ipv6Addr::from(b).to_string());
    v4.or(v6).ok()
}

fn text(raw: &str) -> String {
    printable(raw, TEXT_MAX_CHARS)
}
