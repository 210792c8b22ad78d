//! A channel: a named way to reach somebody. What is sent over it, and how, is
//! [`notify`](crate::notify)'s business.

mod setting;
mod terms;
mod value;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::config::{Fields, Node, Problems, Value};
use crate::notify::Means;
pub use crate::notify::{
    Alertmanager, Command, Discord, Email, Gotify, Matrix, Mattermost, Ntfy, Opsgenie, PagerDuty,
    Pushover, SlackBot, SlackHook, SmsGateway, Teams, Telegram, TwilioCall, TwilioSms,
    VoiceGateway, VonageCall, VonageSms, Webhook,
};
pub use setting::{Field, ITEMS_MAX, Number, Shape, TEXT_MAX_BYTES};
pub(crate) use setting::{Setting, Settings, choice, joined, settings};
pub use terms::{FALLBACK_AFTER_DEFAULT, NoRate, Rate, Terms};
pub use value::{Address, Escape, Mailbox, Phone, SecretMap, Smtp, Template};

/// A named way to reach somebody. As JSON it shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Unique; monitors name it under `notify`.
    pub name: String,
    /// Which kind, with its settings.
    pub kind: ChannelKind,
    /// How fast, and what else when it can't be reached.
    pub terms: Terms,
}

/// How the kinds that share a word are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The word is this kind's alone, or what is left.
    None,
    /// By this value of `provider`.
    Provider(&'static str),
    /// By having this key.
    Has(&'static str),
}

/// A kind of channel, for configuration, pages, schema and manual.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The key in configuration and API.
    pub word: &'static str,
    /// What tells it apart from others with the same key.
    pub mark: Mark,
    /// Unique: in the pages' addresses.
    pub slug: &'static str,
    /// For people.
    pub title: &'static str,
    /// What it is; lines as written.
    pub about: &'static [&'static str],
    /// Its settings.
    pub fields: &'static [Field],
    read: fn(&mut Fields<'_>, &mut Problems) -> Option<ChannelKind>,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.slug)
    }
}

impl Kind {
    /// What it is, on one line.
    #[must_use]
    pub fn about(&self) -> String {
        joined(self.about)
    }

    /// Is a mapping of settings meant for this kind?
    fn claims(&self, node: &Node) -> bool {
        let Value::Map(entries) = &node.value else { return self.mark == Mark::None };
        let value = |key: &str| entries.iter().find(|(found, _)| found.text == key);
        match self.mark {
            Mark::None => true,
            Mark::Has(key) => value(key).is_some(),
            Mark::Provider(word) => {
                value("provider").is_some_and(|(_, node)| node.json().as_str() == Some(word))
            }
        }
    }

    /// Reads its settings out of a mapping.
    pub(crate) fn read(
        &self,
        node: &Node,
        path: &str,
        problems: &mut Problems,
    ) -> Option<ChannelKind> {
        let mut fields = Fields::open(node, path, problems)?;
        if matches!(self.mark, Mark::Provider(_)) {
            fields.get("provider");
        }
        let before = problems.count();
        let kind = (self.read)(&mut fields, problems);
        fields.close(&[], problems);
        let kind = kind?;
        if problems.count() == before
            && let Err((key, wrong, hint)) = kind.check()
        {
            let at = if key.is_empty() { path.to_owned() } else { format!("{path}.{key}") };
            let place = crate::config::place_of(node, key);
            problems.add(&at, place, wrong);
            problems.hint(hint);
        }
        Some(kind)
    }
}

/// The kind that a mapping under a word is meant for.
///
/// # Errors
/// The providers that there are.
pub(crate) fn kind_of(word: &str, node: &Node) -> Result<&'static Kind, Vec<&'static str>> {
    let mut alike = KINDS.iter().filter(|kind| kind.word == word);
    alike.clone().find(|kind| kind.claims(node)).ok_or_else(|| {
        let provider = |kind: &Kind| match kind.mark {
            Mark::Provider(word) => Some(word),
            Mark::None | Mark::Has(_) => None,
        };
        alike.by_ref().filter_map(provider).collect()
    })
}

macro_rules! kinds {
    ($($variant:ident $word:literal $slug:literal $title:literal $mark:expr;)*) => {
        /// Every kind of channel.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ChannelKind {
            $(
                #[doc = $title]
                $variant($variant),
            )*
        }

        /// Every kind of channel, in the order of the pages and the manual.
        pub const KINDS: &[Kind] = &[$(Kind {
            word: $word,
            mark: $mark,
            slug: $slug,
            title: $title,
            about: <$variant as Settings>::ABOUT,
            fields: <$variant as Settings>::FIELDS,
            read: |fields, problems| {
                <$variant as Settings>::read(fields, problems).map(ChannelKind::$variant)
            },
        }),*];

        impl ChannelKind {
            /// Which of [`KINDS`].
            #[must_use]
            pub fn kind(&self) -> &'static Kind {
                let slug = match self { $(Self::$variant(_) => $slug,)* };
                let found = KINDS.iter().find(|kind| kind.slug == slug);
                found.unwrap_or_else(|| unreachable!("one macro makes both"))
            }

            fn stored(&self) -> Map<String, Json> {
                match self { $(Self::$variant(settings) => settings.stored(),)* }
            }

            fn shown(&self) -> Map<String, Json> {
                match self { $(Self::$variant(settings) => settings.shown(),)* }
            }

            /// Every secret in it.
            pub(crate) fn hidden(&self) -> Vec<String> {
                match self { $(Self::$variant(settings) => settings.hidden(),)* }
            }

            fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
                match self { $(Self::$variant(settings) => settings.check(),)* }
            }

            /// The server that it speaks to, for messages.
            pub(crate) fn at(&self) -> String {
                match self { $(Self::$variant(settings) => settings.at(),)* }
            }

            /// Who is reached, for people.
            #[must_use]
            pub fn reaches(&self) -> String {
                match self { $(Self::$variant(settings) => settings.reaches(),)* }
            }
        }
    };
}

kinds! {
    Email "email" "email" "Email" Mark::None;
    TwilioSms "sms" "sms-twilio" "SMS by Twilio" Mark::Provider("twilio");
    VonageSms "sms" "sms-vonage" "SMS by Vonage" Mark::Provider("vonage");
    SmsGateway "sms" "sms-gateway" "SMS by a gateway of your own" Mark::Provider("gateway");
    TwilioCall "voice" "voice-twilio" "Voice call by Twilio" Mark::Provider("twilio");
    VonageCall "voice" "voice-vonage" "Voice call by Vonage" Mark::Provider("vonage");
    VoiceGateway "voice" "voice-gateway" "Voice call by a gateway of your own"
        Mark::Provider("gateway");
    SlackBot "slack" "slack-bot" "Slack bot" Mark::Has("token");
    SlackHook "slack" "slack" "Slack incoming webhook" Mark::None;
    Discord "discord" "discord" "Discord" Mark::None;
    Telegram "telegram" "telegram" "Telegram" Mark::None;
    Teams "teams" "teams" "Microsoft Teams" Mark::None;
    Matrix "matrix" "matrix" "Matrix" Mark::None;
    Mattermost "mattermost" "mattermost" "Mattermost" Mark::None;
    Ntfy "ntfy" "ntfy" "ntfy" Mark::None;
    Gotify "gotify" "gotify" "Gotify" Mark::None;
    Pushover "pushover" "pushover" "Pushover" Mark::None;
    PagerDuty "pagerduty" "pagerduty" "PagerDuty" Mark::None;
    Opsgenie "opsgenie" "opsgenie" "Opsgenie" Mark::None;
    Alertmanager "alertmanager" "alertmanager" "Prometheus Alertmanager" Mark::None;
    Webhook "webhook" "webhook" "Webhook" Mark::None;
    Command "command" "command" "Command" Mark::None;
}

/// Does any kind keep a secret under this key?
pub(crate) fn is_secret_key(key: &str) -> bool {
    let secret = |field: &Field| {
        let shape = matches!(field.shape, Shape::Secret | Shape::LongSecret | Shape::Address);
        // Where a provider is reached is no secret.
        field.key == key && shape && !matches!(key, "api_base" | "server" | "homeserver")
    };
    KINDS.iter().any(|kind| kind.fields.iter().any(secret))
}

impl ChannelKind {
    /// The word used as the key in configuration and API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().word
    }
}

impl Channel {
    /// As JSON with its secrets, in the form that [`config::channel`](crate::config::channel)
    /// reads: for the store, never for a message.
    pub(crate) fn to_stored(&self) -> Json {
        self.as_json(self.kind.stored())
    }

    /// As JSON without secrets.
    #[must_use]
    pub fn to_shown(&self) -> Json {
        self.as_json(self.kind.shown())
    }

    fn as_json(&self, mut settings: Map<String, Json>) -> Json {
        let kind = self.kind.kind();
        if let Mark::Provider(provider) = kind.mark {
            settings.insert("provider".to_owned(), provider.into());
        }
        let mut map = Map::new();
        map.insert("name".to_owned(), self.name.as_str().into());
        map.insert(kind.word.to_owned(), Json::Object(settings));
        self.terms.write(&mut map);
        Json::Object(map)
    }

    /// Puts back what [`to_shown`](Self::to_shown) has masked, where `edited` still holds it.
    pub(crate) fn unmask(&self, edited: &mut Json) {
        let (shown, stored) = (self.to_shown(), self.to_stored());
        put_back(edited, &shown, &stored);
    }
}

fn put_back(edited: &mut Json, shown: &Json, stored: &Json) {
    match (edited, shown, stored) {
        (Json::Object(edited), Json::Object(shown), Json::Object(stored)) => {
            for (key, value) in edited {
                if let (Some(shown), Some(stored)) = (shown.get(key), stored.get(key)) {
                    put_back(value, shown, stored);
                }
            }
        }
        (edited, shown, stored) => {
            if edited == shown {
                edited.clone_from(stored);
            }
        }
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_shown().serialize(serializer)
    }
}
