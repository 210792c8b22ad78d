//! A mail per notice over SMTP; all mails of one incident and channel form one thread
//! (RFC 5322 §3.6.4).

use std::time::Duration;

use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use rustls::pki_types::CertificateDer;
use whydown_core::notice::Notice;

use super::{DeliveryError, quote};
use crate::channel::Email;

/// Longest subject, in characters: more is cut off by readers anyway.
const SUBJECT_MAX: usize = 200;

/// Sends a notice.
pub(super) async fn deliver(
    email: &Email,
    notice: &Notice,
    timeout: Duration,
    authorities: &[CertificateDer<'static>],
) -> Result<(), DeliveryError> {
    let message = message(email, notice)?;
    let transport = transport(email, timeout, authorities)?;
    match transport.send(message).await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(email, &error)),
    }
}

fn transport(
    email: &Email,
    timeout: Duration,
    authorities: &[CertificateDer<'static>],
) -> Result<AsyncSmtpTransport<Tokio1Executor>, DeliveryError> {
    let smtp = &email.smtp;
    let unusable = |error| DeliveryError::lasting(format!("TLS for {smtp}: {error}"));
    let mut parameters = TlsParameters::builder(smtp.host.clone());
    for authority in authorities {
        let authority = Certificate::from_der(authority.to_vec()).map_err(unusable)?;
        parameters = parameters.add_root_certificate(authority);
    }
    let parameters = parameters.build().map_err(unusable)?;
    let tls = match (smtp.implicit_tls, email.require_tls) {
        (true, _) => Tls::Wrapper(parameters),
        (false, true) => Tls::Required(parameters),
        (false, false) => Tls::Opportunistic(parameters),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(timeout));
    if let (Some(username), Some(password)) = (&email.username, &email.password) {
        let credentials = Credentials::new(username.clone(), password.reveal().to_owned());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

fn message(email: &Email, notice: &Notice) -> Result<Message, DeliveryError> {
    let mailbox = |text: &str| {
        let parsed: Result<Mailbox, _> = text.parse();
        parsed.map_err(|error| DeliveryError::lasting(format!("{text:?} is no mailbox: {error}")))
    };
    let from = mailbox(&email.from)?;
    let domain = from.email.domain().to_owned();
    let id = message_id(&notice.key, &domain);
    let first_key = format!("{}.1.{}", notice.body.incident.id, notice.channel);
    let first = message_id(&first_key, &domain);
    let subject: String = notice.body.subject().chars().take(SUBJECT_MAX).collect();
    let mut builder = Message::builder().from(from).subject(subject).message_id(Some(id.clone()));
    for recipient in &email.to {
        builder = builder.to(mailbox(recipient)?);
    }
    if first != id {
        builder = builder.in_reply_to(first.clone()).references(first);
    }
    builder
        .header(lettre::message::header::ContentType::TEXT_PLAIN)
        .body(notice.body.text())
        .map_err(|error| DeliveryError::lasting(format!("the mail cannot be made: {error}")))
}

/// `<key@domain>`, where everything that RFC 5322 §3.2.3 doesn't allow is spelled in hex.
fn message_id(key: &str, domain: &str) -> String {
    let mut id = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            id.push(char::from(byte));
        } else if byte == b'.' && !id.ends_with('.') && !id.is_empty() {
            id.push('.');
        } else {
            id.push_str(&format!("_{byte:02x}"));
        }
    }
    format!("<{id}@{domain}>")
}

/// 5xx answers are final, everything else may pass (RFC 5321 §4.2.1).
fn explain(email: &Email, error: &lettre::transport::smtp::Error) -> DeliveryError {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    let message = format!("{}: {}", email.smtp, quote(&words));
    if error.is_permanent() {
        DeliveryError::lasting(message)
    } else {
        DeliveryError::passing(message)
    }
}
