//! The JSON Schema of `whydown.yaml`, for editors. These types say what may be written and are
//! used for nothing else; a test compares their keys with those that the reader knows.
#![expect(dead_code, reason = "only their schema is used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

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
    /// What is watched.
    monitors: Option<Vec<Monitor>>,
    /// Who can be told.
    channels: Option<Vec<Channel>>,
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
    /// The channels to tell. Default: all of this file.
    notify: Option<TextOrList>,
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
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Channel {
    /// Unique; monitors name it under notify.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// A signed HTTP POST (Standard Webhooks).
    webhook: Option<Webhook>,
    /// A mail over SMTP.
    email: Option<Email>,
}

/// A signed HTTP POST.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Webhook {
    /// http:// or https://.
    url: String,
    /// The signing key: whsec_ and base64, or any text.
    secret: Option<String>,
}

/// A mail over SMTP.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Email {
    /// smtp://host:587 (STARTTLS when offered) or smtps://host:465.
    smtp: String,
    /// The sender.
    from: String,
    /// The recipients.
    to: TextOrList,
    /// Account at the mail server.
    username: Option<String>,
    /// Its password.
    password: Option<String>,
    /// Send nothing unless the connection is encrypted. Default: true with a username.
    require_tls: Option<bool>,
}
