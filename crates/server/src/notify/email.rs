//! A mail per notice over SMTP, as text and HTML; all mails of one incident and channel form one
//! thread (RFC 5322 §3.6.4).

use std::fmt::Write as _;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox as MailMailbox, Message as Mail, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use whydown_core::notice::message::{Message, Step};

use super::markup::html;
use super::{Delivery, DeliveryError, Means, Receipt, Wrong, quote};
use crate::channel::{Mailbox, Smtp, settings};
use crate::secret::Secret;

/// Longest subject, in characters: more is cut off by readers anyway.
const SUBJECT_MAX: usize = 200;

settings! {
    /// A mail over your own mail server, as text and HTML; all mails of an incident form one
    /// thread.
    Email {
        /// smtp://host:587 (STARTTLS when offered) or smtps://host:465 (TLS from the start).
        smtp: Smtp = "smtp://mail.example.com:587",
        /// The sender.
        from: Mailbox = "whydown@example.com",
        /// The recipients.
        to: Vec<Mailbox> = "ops@example.com",
        /// Account at the mail server.
        username: Option<String> = "whydown",
        /// Its password.
        password: Option<Secret> = "${MAIL_PASSWORD}",
        /// Send nothing unless the connection is encrypted. Default: true with a username.
        require_tls: Option<bool> = "true",
    }
}

impl Email {
    /// Is nothing sent over a connection that isn't encrypted?
    #[must_use]
    pub fn requires_tls(&self) -> bool {
        self.require_tls.unwrap_or(self.username.is_some())
    }
}

impl Means for Email {
    fn at(&self) -> String {
        self.smtp.to_string()
    }

    fn reaches(&self) -> String {
        let to: Vec<&str> = self.to.iter().map(Mailbox::reveal).collect();
        format!("{} over {}", to.join(", "), self.smtp)
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.username.is_some() == self.password.is_some() {
            return Ok(());
        }
        let message = "username and password belong together: one is missing";
        Err(("", message.to_owned(), "leave both out for a server without accounts"))
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let mail = mail(self, delivery)?;
        let transport = transport(self, delivery)?;
        match transport.send(mail).await {
            Ok(_) => Ok(Receipt::default()),
            Err(error) => Err(explain(self, &error)),
        }
    }
}

fn transport(
    email: &Email,
    delivery: &Delivery<'_>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, DeliveryError> {
    let smtp = &email.smtp;
    let unusable = |error| DeliveryError::lasting(format!("TLS for {smtp}: {error}"));
    let mut parameters = TlsParameters::builder(smtp.host.clone());
    for authority in delivery.authorities {
        let authority = Certificate::from_der(authority.to_vec()).map_err(unusable)?;
        parameters = parameters.add_root_certificate(authority);
    }
    let parameters = parameters.build().map_err(unusable)?;
    let tls = match (smtp.implicit_tls, email.requires_tls()) {
        (true, _) => Tls::Wrapper(parameters),
        (false, true) => Tls::Required(parameters),
        (false, false) => Tls::Opportunistic(parameters),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(delivery.timeout));
    if let (Some(username), Some(password)) = (&email.username, &email.password) {
        let credentials = Credentials::new(username.clone(), password.reveal().to_owned());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

/// Nobody's holiday note shall answer (RFC 3834 §5).
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn mail(email: &Email, delivery: &Delivery<'_>) -> Result<Mail, DeliveryError> {
    let notice = delivery.notice;
    let mailbox = |text: &Mailbox| {
        let parsed: Result<MailMailbox, _> = text.reveal().parse();
        parsed.map_err(|error| DeliveryError::lasting(format!("{text} is no mailbox: {error}")))
    };
    let from = mailbox(&email.from)?;
    let domain = from.email.domain().to_owned();
    let id = message_id(&notice.key, &domain);
    let first_key = format!("{}.1.{}", notice.body.incident.id, notice.channel);
    let first = message_id(&first_key, &domain);
    let subject: String = delivery.message.title.chars().take(SUBJECT_MAX).collect();
    let mut builder = Mail::builder().from(from).subject(subject).message_id(Some(id.clone()));
    for recipient in &email.to {
        builder = builder.to(mailbox(recipient)?);
    }
    if first != id {
        builder = builder.in_reply_to(first.clone()).references(first);
    }
    let acknowledge = delivery.acknowledge_page();
    let mut text = notice.body.text();
    if let Some(page) = &acknowledge {
        let _ = write!(text, "\nAcknowledge: {page}\n");
    }
    let part = |kind, body: String| SinglePart::builder().header(kind).body(body);
    let html = page(&delivery.message, acknowledge.as_deref());
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, text))
        .singlepart(part(ContentType::TEXT_HTML, html));
    builder
        .header(AutoSubmitted)
        .multipart(parts)
        .map_err(|error| DeliveryError::lasting(format!("the mail cannot be made: {error}")))
}

/// HTML as mail readers take it: tables, and styles only in attributes.
fn page(message: &Message, acknowledge: Option<&str>) -> String {
    let colour = message.severity.hex();
    let mut rows = String::new();
    for (label, value) in &message.facts {
        let _ = write!(
            rows,
            "<tr><td style=\"padding:3px 16px 3px 0;color:#667085;white-space:nowrap;\
             vertical-align:top\">{}</td><td style=\"padding:3px 0\">{}</td></tr>",
            html(label),
            html(value)
        );
    }
    let mut body = format!(
        "<p style=\"margin:0 0 6px;font-size:18px;font-weight:600\">{}</p>\
         <p style=\"margin:0 0 16px\">{}</p>",
        html(&message.title),
        html(&message.headline)
    );
    for line in message.lines() {
        let _ = write!(body, "<p style=\"margin:0 0 4px\">{}</p>", html(&line));
    }
    if !rows.is_empty() {
        let _ = write!(body, "<table cellspacing=\"0\" style=\"font-size:14px\">{rows}</table>");
    }
    let button = |href: &str, words: &str, back: &str| {
        format!(
            "<a href=\"{}\" style=\"display:inline-block;margin:16px 10px 0 0;padding:9px 16px;\
             border-radius:6px;background:{back};color:#ffffff;text-decoration:none\">{words}</a>",
            html(href)
        )
    };
    if let Some(link) = &message.link {
        body.push_str(&button(link, "Open the incident", "#344054"));
    }
    if let Some(page) = acknowledge {
        body.push_str(&button(page, "Acknowledge", &colour));
    }
    steps(&mut body, "To make sure", &message.confirm);
    steps(&mut body, "To fix it", &message.fix);
    if !message.evidence.is_empty() {
        body.push_str(&heading("Evidence"));
        let items: String =
            message.evidence.iter().map(|fact| format!("<li>{}</li>", html(fact))).collect();
        let _ =
            write!(body, "<ul style=\"margin:0;padding-left:20px;font-size:14px\">{items}</ul>");
    }
    format!(
        "<!doctype html><html><head><meta charset=\"utf-8\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title></head>\
         <body style=\"margin:0;padding:16px;font-family:system-ui,-apple-system,'Segoe UI',\
         sans-serif;font-size:15px;line-height:1.5\">\
         <div style=\"max-width:640px;border-left:4px solid {colour};padding:4px 0 4px 18px\">\
         {body}</div></body></html>\n",
        html(&message.title)
    )
}

fn heading(words: &str) -> String {
    format!("<p style=\"margin:22px 0 4px;font-weight:600\">{words}</p>")
}

fn steps(body: &mut String, title: &str, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    body.push_str(&heading(title));
    body.push_str("<ol style=\"margin:0;padding-left:20px;font-size:14px\">");
    for step in steps {
        let _ = write!(body, "<li>{}", html(&step.text));
        if let Some(command) = &step.command {
            let _ = write!(
                body,
                "<br><code style=\"display:inline-block;margin:3px 0 6px;padding:4px 8px;\
                 border-radius:4px;background:#f2f4f7;color:#101828\">{}</code>",
                html(command)
            );
        }
        body.push_str("</li>");
    }
    body.push_str("</ol>");
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
    let advice = advice(error);
    let message = format!("{}: {}{advice}", email.smtp, quote(&words));
    if error.is_permanent() {
        DeliveryError::lasting(message)
    } else {
        DeliveryError::passing(message)
    }
}

/// What to do about the codes that people meet (RFC 4954 §6, RFC 5321 §4.2.3).
fn advice(error: &lettre::transport::smtp::Error) -> &'static str {
    let code = error.status().map(u16::from);
    match code {
        Some(535) => "; check username and password",
        Some(530) => "; the server wants an account: set username and password",
        Some(538) => "; the server wants TLS before the password: use smtps://",
        Some(550 | 551 | 553) => "; check the recipient, and whether the server takes mail for it",
        Some(450 | 451) => "; probably greylisting, it is tried again",
        _ => "",
    }
}
