//! The JSON Schema of `whydown.yaml`, for editors. These types say what may be written and are
//! used for nothing else; a test compares their keys with those that the reader knows.
#![expect(dead_code, reason = "only their schema is used")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::channel::{Field, ITEMS_MAX, KINDS, Kind, Mark, Shape};

/// The configuration of whydown.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct File {
    /// Address and port of pages and API. Default: 127.0.0.1:8088.
    listen: Option<String>,
    /// The data directory, from the directory of start. Default: whydown-data.
    data: Option<String>,
    /// The address under which people reach the pages; stands in notices.
    base_url: Option<String>,
    /// How long things are kept.
    retention: Option<Retention>,
    /// Is there a probe in the server itself, location local? Default: true.
    local_probe: Option<bool>,
    /// What is watched.
    monitors: Option<Vec<Monitor>>,
    /// Who can be told.
    channels: Option<Vec<Channel>>,
    /// May channels start programs on this machine? Default: false.
    allow_commands: Option<bool>,
    /// Who is told of what, and in which steps. Every one that matches applies.
    policies: Option<Vec<Policy>>,
    /// People and their channels, for policies and rotations.
    people: Option<Vec<Person>>,
    /// Who is on call when.
    on_call: Option<Vec<OnCall>>,
    /// When nobody is told; checks go on.
    maintenance: Option<Vec<Maintenance>>,
    /// When several messages over one channel become one.
    grouping: Option<Grouping>,
    /// Who hears that a location has no probe.
    no_data: Option<Absences>,
    /// Channels that hear when another one can't be reached.
    undelivered: Option<TextOrList>,
    /// Tells an outside service that this server lives.
    heartbeat: Option<Heartbeat>,
}

/// Who hears that a location has no probe, and that it has one again.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Absences {
    /// So long after it fell silent, 15s to 7d. Default: 2m.
    after: Option<Span>,
    /// Channels.
    notify: TextOrList,
}

/// A dead man's switch: posted only while engine, store and probe do their work.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Heartbeat {
    /// http:// or https://; the outside service gives it out.
    url: String,
    /// 10s to 24h. Default: 1m.
    every: Option<Span>,
}

/// Who is told of what, and in which steps.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Policy {
    /// Unique.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// What it applies to; everything that is given must hold. Default: every incident.
    r#match: Option<Match>,
    /// Channels to tell at once: the short form of one step.
    notify: Option<TextOrList>,
    /// People to tell at once, over all their channels.
    people: Option<TextOrList>,
    /// Rotations whose person is told at once.
    on_call: Option<TextOrList>,
    /// Who is told when, unless somebody has taken the incident.
    steps: Option<Vec<Step>>,
    /// The last step again, until somebody takes it.
    repeat: Option<Repeat>,
    /// Collected and told in one message instead of at once.
    digest: Option<Digest>,
    /// Is the end told too? Default: true.
    recovery: Option<bool>,
}

/// Which incidents a policy applies to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Match {
    /// Names of monitors; * stands for any text, ? for one character.
    monitors: Option<TextOrList>,
    /// One of these tags.
    tags: Option<TextOrList>,
    /// info, warning, critical or a list.
    severity: Option<TextOrList>,
    /// down, degraded or both.
    state: Option<TextOrList>,
    /// For whom it fails: global, regional, network, local, family, address, flapping.
    scope: Option<TextOrList>,
    /// Days on which the hours begin: mon, mon-fri, [sat, sun]. Default: daily.
    days: Option<TextOrList>,
    /// 09:00-17:00, or 22:00-06:00 past midnight. What goes on is told when they begin.
    hours: Option<String>,
    /// The zone of days and hours. Default: UTC.
    time_zone: Option<String>,
}

/// Somebody is told so long after an incident was opened.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Step {
    /// So long after, at most 7d. Default: 0s.
    after: Option<Span>,
    /// Channels.
    notify: Option<TextOrList>,
    /// People, over all their channels.
    people: Option<TextOrList>,
    /// Whoever is on call then.
    on_call: Option<TextOrList>,
}

/// The last step again.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Repeat {
    /// 1m to 7d.
    every: Span,
    /// So often at most. Default: 10.
    #[schemars(range(min = 1, max = 100))]
    times: Option<u8>,
}

/// When what was collected is told.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Digest {
    /// hour or day.
    every: String,
    /// The time of day. Default: 08:00.
    at: Option<String>,
    /// Its zone. Default: UTC.
    time_zone: Option<String>,
}

/// Somebody who can be told.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Person {
    /// Unique.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// Their channels.
    notify: TextOrList,
}

/// Who is on call when: people who take turns, or shifts.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OnCall {
    /// Unique; steps name it.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The zone of all its times. Default: UTC.
    time_zone: Option<String>,
    /// Those who take turns, in this order.
    people: Option<TextOrList>,
    /// How long a turn lasts by the clock on the wall, 1h to 366d. Default: 7d.
    every: Option<Span>,
    /// When the first person's first turn began, such as 2026-01-05 09:00.
    since: Option<String>,
    /// Instead of turns: each at their hours. Of several the first counts.
    shifts: Option<Vec<Shift>>,
    /// Who stands in for whoever it would be.
    overrides: Option<Vec<Override>>,
}

/// Somebody's hours.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Shift {
    /// Who.
    person: String,
    /// Days on which the hours begin. Default: daily.
    days: Option<TextOrList>,
    /// 08:00-20:00, or 20:00-08:00 past midnight. Default: the whole day.
    hours: Option<String>,
}

/// Somebody stands in.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Override {
    /// Who.
    person: String,
    /// From then: 2026-12-24 18:00.
    from: String,
    /// Until then.
    to: String,
}

/// When nobody is told of some monitors.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Maintenance {
    /// Unique.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// Names of monitors; * stands for any text. Default: all.
    monitors: Option<TextOrList>,
    /// One of these tags.
    tags: Option<TextOrList>,
    /// The zone of all its times. Default: UTC.
    time_zone: Option<String>,
    /// Once, from then: 2026-12-24 18:00.
    from: Option<String>,
    /// Until then.
    to: Option<String>,
    /// Again and again, on days of the week. Default: daily.
    days: Option<TextOrList>,
    /// Or on days of the month: 1 to 31, last, "first sun", "last fri".
    month_days: Option<TextOrList>,
    /// The time at which it opens: "02:00".
    at: Option<String>,
    /// For how long, 1m to 31d.
    r#for: Option<Span>,
}

/// When several messages over one channel become one.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Grouping {
    /// Default: true.
    enabled: Option<bool>,
    /// So many incidents within the window are told one by one. Default: 3.
    #[schemars(range(min = 0, max = 1000))]
    after: Option<u16>,
    /// Default: 10s.
    window: Option<Span>,
}

/// How long things are kept.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Retention {
    /// Single observations. Default: 30d.
    observations: Option<Span>,
    /// Hourly and daily counts, ended incidents, done notices. Default: 400d.
    history: Option<Span>,
}

/// A number with a unit: 500ms, 30s, 5m, 24h, 7d; sums such as 1m30s.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Span(#[schemars(regex(pattern = r"^(\d+(ms|s|m|min|h|d) ?)+$"))] String);

/// What is watched, and how.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Monitor {
    /// Unique; also its id in the API.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// https://host/path, tcp://host:port, tls://, udp://, dns://, icmp://, ssh://, smtp://, …
    target: String,
    /// Time between two checks, 1s to 24h. Default: 30s.
    interval: Option<Span>,
    /// Deadline of one check, at most 2m. Default: 10s.
    timeout: Option<Span>,
    /// Extra attempts from the same place before a failure counts. Default: 2.
    #[schemars(range(min = 0, max = 10))]
    confirm: Option<u8>,
    /// How to ask (HTTP).
    request: Option<Request>,
    /// What the answer must be like.
    expect: Option<Expect>,
    /// From where it is checked: fra1, "region:eu", "network:AS 64500", "label:edge". Default: from
    /// every location.
    locations: Option<TextOrList>,
    /// How many locations have to see a failure before somebody is told: majority, any, all, a
    /// number, or "30%". Default: majority (of those that can speak).
    alert_when: Option<TextOrNumber>,
    /// The channels to tell at once. Default: all of this file, or none when there are policies.
    notify: Option<TextOrList>,
    /// Words by which policies and maintenance windows find it.
    tags: Option<TextOrList>,
    /// How bad it is when it fails: info, warning or critical. Default: critical.
    severity: Option<String>,
    /// Monitors without which it can't work: while one of them is down, only that one is told.
    depends_on: Option<TextOrList>,
    /// Not checked for now. Default: false.
    paused: Option<bool>,
}

/// How an HTTP target is asked.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Request {
    /// Default: GET.
    method: Option<String>,
    /// Sent besides Host, User-Agent and Accept.
    headers: Option<BTreeMap<String, TextOrNumber>>,
    /// Sent as the request's body.
    body: Option<String>,
    /// Redirects followed; 0 takes a redirect as the answer. Default: 10.
    #[schemars(range(min = 0, max = 50))]
    redirects: Option<u8>,
    /// Bytes of body read at most. Default: 1048576.
    #[schemars(range(min = 1, max = 67_108_864))]
    body_max_bytes: Option<u64>,
}

/// What an answer must be like. Everything that is given must hold.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Expect {
    /// 200, "200-399", "200-299, 401" or a list. Default: 200-399.
    status: Option<Status>,
    /// Texts that must be present in the body or banner.
    contains: Option<TextOrList>,
    /// Texts that must be absent.
    not_contains: Option<TextOrList>,
    /// A regular expression that must match the body or banner.
    matches: Option<String>,
    /// JSONPath (RFC 9535) to the value that must be found there.
    json: Option<BTreeMap<String, serde_json::Value>>,
    /// Header name to text that its value must contain.
    headers: Option<BTreeMap<String, TextOrNumber>>,
    /// The whole check must not take longer.
    latency: Option<Span>,
    /// The certificate must be valid for at least so many days more.
    #[schemars(range(min = 0, max = 3650))]
    certificate_days: Option<u32>,
}

/// Status codes.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Status {
    /// One code.
    Code(#[schemars(range(min = 100, max = 599))] u16),
    /// Codes and ranges.
    Ranges(String),
    /// Several.
    List(Vec<TextOrNumber>),
}

/// A text; a number is taken as written.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum TextOrNumber {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// One text or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum TextOrList {
    /// One.
    One(TextOrNumber),
    /// Several.
    List(Vec<TextOrNumber>),
}

/// A named way to reach somebody: its name and one kind.
struct Channel;

impl JsonSchema for Channel {
    fn schema_name() -> Cow<'static, str> {
        "Channel".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = json!({
            "type": "string",
            "minLength": 1,
            "maxLength": 100,
            "description": "Unique; monitors name it under notify.",
        });
        let mut properties = Map::from_iter([("name".to_owned(), name)]);
        for word in super::channels::words() {
            properties.insert(word.to_owned(), settings(word));
        }
        let terms = json!({
            "rate": {
                "type": "string",
                "description": "At most so many messages within a span: 30/1m.",
            },
            "fallback": {
                "type": "string",
                "description": "The channel that is used when this one can't be reached.",
            },
            "fallback_after": {
                "type": "integer", "minimum": 1, "maximum": 100,
                "description": "After so many failed attempts, or when it is given up. Default: 3.",
            },
        });
        properties
            .extend(terms.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        let schema = json!({
            "type": "object",
            "description": "A named way to reach somebody: its name and one kind.",
            "properties": properties,
            "required": ["name"],
            "additionalProperties": false,
        });
        // An object literal is a schema.
        schema.try_into().unwrap_or_default()
    }
}

/// What may be written under a kind's word; several kinds may share one.
fn settings(word: &str) -> Value {
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.word == word).collect();
    let mut properties = Map::new();
    let providers: Vec<&str> = kinds.iter().filter_map(|kind| provider(kind)).collect();
    if !providers.is_empty() {
        let about = "Who sends it.";
        properties.insert(
            "provider".to_owned(),
            json!({ "type": "string", "enum": providers, "description": about }),
        );
    }
    for field in kinds.iter().flat_map(|kind| kind.fields) {
        properties.entry(field.key).or_insert_with(|| property(field));
    }
    let everywhere = |key: &String| {
        let required =
            |kind: &&Kind| kind.fields.iter().any(|field| field.key == key && field.required);
        kinds.iter().all(required) || (key == "provider" && !providers.is_empty())
    };
    let required: Vec<&String> = properties.keys().filter(|key| everywhere(key)).collect();
    let about: Vec<String> = kinds.iter().map(|kind| kind.about()).collect();
    json!({
        "type": "object",
        "description": about.join(" Or: "),
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn provider(kind: &Kind) -> Option<&'static str> {
    match kind.mark {
        Mark::Provider(word) => Some(word),
        Mark::None | Mark::Has(_) => None,
    }
}

fn property(field: &Field) -> Value {
    let text = json!({ "type": "string" });
    let mut property = match field.shape {
        Shape::Text | Shape::Secret | Shape::Long | Shape::LongSecret | Shape::Address => {
            // A number is taken as written.
            json!({ "anyOf": [text, { "type": "integer" }] })
        }
        Shape::Number(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::List => {
            json!({ "anyOf": [text, { "type": "array", "items": text, "maxItems": ITEMS_MAX }] })
        }
        Shape::Map => json!({ "type": "object", "additionalProperties": text }),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
    };
    property["description"] = field.about().into();
    property
}
