//! Channels: from what a person wrote to a [`Channel`] that can be delivered to.

use lettre::message::Mailbox;

use super::monitors::name;
use super::node::{Node, Value};
use super::read::{Fields, Problems, refuse, text};
use crate::channel::{Address, Channel, ChannelKind, Email, Smtp, Webhook};
use crate::secret::Secret;

/// The kinds, as keys.
const KINDS: [&str; 2] = ["webhook", "email"];
/// Recipients of one mail.
const RECIPIENTS_MAX: usize = 100;

/// Reads one channel.
pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Channel> {
    let mut fields = Fields::open(node, path, problems)?;
    let before = problems.0.len();
    let name = name(&mut fields, "ops", problems);
    let webhook = fields.get("webhook");
    let email = fields.get("email");
    let kind = match (webhook, email) {
        (Some(node), None) => webhook_kind(node, &fields.at("webhook"), problems),
        (None, Some(node)) => email_kind(node, &fields.at("email"), problems),
        (Some(_), Some(node)) => {
            problems.add(&fields.at("email"), node.place, "a channel is of one kind only");
            problems.hint("make a second channel");
            None
        }
        (None, None) => {
            let message = format!("the channel has no kind; known are {}", KINDS.join(", "));
            problems.add(fields.path(), node.place, message);
            problems.hint("write for example webhook: { url: \"https://hooks.example.com/x\" }");
            None
        }
    };
    fields.close(&[], problems);
    let channel = Channel { name: name?, kind: kind? };
    (problems.0.len() == before).then_some(channel)
}

fn webhook_kind(node: &Node, path: &str, problems: &mut Problems) -> Option<ChannelKind> {
    let mut fields = Fields::open(node, path, problems)?;
    let url = fields.need("url", "\"https://hooks.example.com/x\"", problems);
    let url = url.and_then(|node| address(node, &fields.at("url"), problems));
    let secret = secret(&mut fields, "secret", problems);
    if let (Some(secret), Some(node)) = (&secret, fields.get("secret"))
        && !usable_key(secret)
    {
        let message = "what follows whsec_ is not base64";
        refuse(&fields.at("secret"), node, message, problems);
        problems.hint("copy the whole key, or use any text that does not begin with whsec_");
    }
    fields.close(&[], problems);
    Some(ChannelKind::Webhook(Webhook { url: url?, secret }))
}

/// An `http` or `https` address. Messages don't repeat it: it often holds a token.
fn address(node: &Node, path: &str, problems: &mut Problems) -> Option<Address> {
    let written = text(node, path, problems)?;
    let wrong = match url::Url::parse(&written) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("{}:// is not http:// or https://", url.scheme())
        }
        Ok(url) if url.port() == Some(0) => "port 0 cannot be connected to".to_owned(),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "an address with user name or password is not supported".to_owned()
        }
        Ok(url) => return Some(Address::new(url)),
        Err(error) => format!("this is not a web address: {error}"),
    };
    refuse(path, node, wrong, problems);
    None
}

fn secret(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<Secret> {
    let node = fields.get(key)?;
    match &node.value {
        Value::Text(text) | Value::Expanded { text, .. } if !text.is_empty() => {
            Some(Secret::new(text.clone()))
        }
        Value::Text(_) | Value::Expanded { .. } => {
            problems.add(&fields.at(key), node.place, "the secret is empty");
            None
        }
        _ => {
            problems.add(&fields.at(key), node.place, "the secret is not a text");
            problems.hint("put it into quotes");
            None
        }
    }
}

fn usable_key(secret: &Secret) -> bool {
    use base64::Engine;
    let base64 = secret.reveal().strip_prefix("whsec_");
    base64.is_none_or(|text| base64::prelude::BASE64_STANDARD.decode(text).is_ok())
}

fn email_kind(node: &Node, path: &str, problems: &mut Problems) -> Option<ChannelKind> {
    let mut fields = Fields::open(node, path, problems)?;
    let smtp = fields.need("smtp", "\"smtp://mail.example.com:587\"", problems);
    let smtp = smtp.and_then(|node| server(node, &fields.at("smtp"), problems));
    let from = fields.need("from", "whydown@example.com", problems);
    let from = from.and_then(|node| mailbox(node, &fields.at("from"), problems));
    let to = recipients(&mut fields, problems);
    let username = fields.text("username", problems);
    let password = secret(&mut fields, "password", problems);
    if username.is_some() != password.is_some() {
        let message = "username and password belong together: one is missing";
        problems.add(fields.path(), node.place, message);
    }
    let require_tls = fields.bool("require_tls", problems).unwrap_or(username.is_some());
    fields.close(&[], problems);
    Some(ChannelKind::Email(Email {
        smtp: smtp?,
        from: from?,
        to: to?,
        username,
        password,
        require_tls,
    }))
}

fn server(node: &Node, path: &str, problems: &mut Problems) -> Option<Smtp> {
    let written = text(node, path, problems)?;
    match parse_server(&written) {
        Ok(smtp) => Some(smtp),
        Err(wrong) => {
            refuse(path, node, wrong, problems);
            problems.hint(
                "write smtp://mail.example.com:587 (STARTTLS when offered) or \
                 smtps://mail.example.com:465 (TLS from the start); the account goes into \
                 username and password",
            );
            None
        }
    }
}

fn parse_server(text: &str) -> Result<Smtp, String> {
    let url = url::Url::parse(text).map_err(|error| format!("this is not an address: {error}"))?;
    let implicit_tls = match url.scheme() {
        "smtp" => false,
        "smtps" => true,
        other => return Err(format!("{other}:// is not smtp:// or smtps://")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a user name or password".to_owned());
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err("the address has a path".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("the address has no host")?;
    let port = url.port().unwrap_or(if implicit_tls { 465 } else { 587 });
    if port == 0 {
        return Err("port 0 cannot be connected to".to_owned());
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok(Smtp { implicit_tls, host, port })
}

fn mailbox(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    let written = text(node, path, problems)?;
    if written.parse::<Mailbox>().is_ok() {
        return Some(written);
    }
    let message = format!("{} is not a mail address", node.shown());
    refuse(path, node, message, problems);
    problems.hint("write ops@example.com or \"Ops <ops@example.com>\"");
    None
}

fn recipients(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let node = fields.need("to", "[ops@example.com]", problems)?;
    let path = fields.at("to");
    let nodes = match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    if nodes.is_empty() || nodes.len() > RECIPIENTS_MAX {
        let message = format!("{} recipients; 1 to {RECIPIENTS_MAX} are possible", nodes.len());
        problems.add(&path, node.place, message);
        return None;
    }
    let mut boxes = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        boxes.extend(mailbox(node, &format!("{path}[{i}]"), problems));
    }
    (boxes.len() == nodes.len()).then_some(boxes)
}
