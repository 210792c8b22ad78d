//! Channels: from what a person wrote to a [`Channel`] that can be delivered to. What each kind
//! needs stands with the kind, in [`notify`](crate::notify).

use super::Problem;
use super::monitors::name;
use super::node::Node;
use super::read::{Fields, Problems, parsed};
use crate::channel::{Channel, ChannelKind, FALLBACK_AFTER_DEFAULT, KINDS, Terms, kind_of};

/// Reads one channel.
pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Channel> {
    let mut fields = Fields::open(node, path, problems)?;
    let before = problems.0.len();
    let name = name(&mut fields, "ops", problems);
    let mut kind: Option<ChannelKind> = None;
    let mut seen = false;
    for word in words() {
        let Some(node) = fields.get(word) else { continue };
        let at = fields.at(word);
        if seen {
            problems.add(&at, node.place, "a channel is of one kind only");
            problems.hint("make a second channel");
            continue;
        }
        seen = true;
        kind = read_kind(word, node, &at, problems);
    }
    if !seen {
        let known: Vec<&str> = words().collect();
        let message = format!("the channel has no kind; known are {}", known.join(", "));
        problems.add(fields.path(), node.place, message);
        problems.hint("write for example webhook: { url: \"https://hooks.example.com/x\" }");
    }
    let terms = terms(&mut fields, problems);
    fields.close(&[], problems);
    let channel = Channel { name: name?, kind: kind?, terms };
    (problems.0.len() == before).then_some(channel)
}

/// What every kind of channel can have.
fn terms(fields: &mut Fields<'_>, problems: &mut Problems) -> Terms {
    let path = fields.at("rate");
    let rate = fields.get("rate").and_then(|node| parsed(node, &path, problems));
    let fallback = fields.text("fallback", problems);
    let after = fields.number("fallback_after", (1, 100), problems);
    let fallback_after = after.and_then(|after| u32::try_from(after).ok());
    Terms { rate, fallback, fallback_after: fallback_after.unwrap_or(FALLBACK_AFTER_DEFAULT) }
}

/// Checks that a fallback exists and is another channel; `None`: it does.
pub(super) fn no_fallback(name: &str, fallback: &str, channels: &[&str]) -> Option<Problem> {
    let problem = |message: String, hint: Option<String>| {
        Some(Problem { key: "fallback".to_owned(), message, hint, place: None })
    };
    if name == fallback {
        return problem("a channel can't take its own place".to_owned(), None);
    }
    if channels.contains(&fallback) {
        return None;
    }
    let message = format!("there is no channel {fallback:?}");
    problem(message, Some(super::monitors::no_such(fallback, "channel", channels)))
}

/// The keys of all kinds, each once.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    let first = |i: usize| {
        let word = KINDS.get(i).map(|kind| kind.word);
        KINDS.iter().take(i).all(|kind| Some(kind.word) != word)
    };
    KINDS.iter().enumerate().filter(move |(i, _)| first(*i)).map(|(_, kind)| kind.word)
}

fn read_kind(word: &str, node: &Node, path: &str, problems: &mut Problems) -> Option<ChannelKind> {
    match kind_of(word, node) {
        Ok(kind) => kind.read(node, path, problems),
        Err(providers) => {
            let known = providers.join(", ");
            problems.add(path, node.place, format!("provider must be one of {known}"));
            problems.hint("write for example provider: twilio");
            None
        }
    }
}
