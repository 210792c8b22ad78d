//! Where a reverse proxy passes requests to.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// One server block, front end or site of a reverse proxy, with what stands behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// `nginx`, `apache`, `haproxy` or `caddy`.
    pub proxy: String,
    /// The port it listens on.
    pub port: u16,
    /// The names it serves; empty: every name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The path prefix that is passed on; empty: everything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Where to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Upstream>,
    /// Where it is written: `/etc/nginx/sites-enabled/shop:12`.
    pub source: String,
}

/// A server behind a reverse proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// As written: `127.0.0.1:8080`, `unix:/run/app.sock`, `app.internal:80`.
    pub address: String,
    /// Tried from the machine itself, just now.
    #[serde(default)]
    pub tried: bool,
    /// Why that failed; `None` when it was answered, or not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the system said: `Connection refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who listens there, when it is this machine: `gunicorn (pid 812)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}
