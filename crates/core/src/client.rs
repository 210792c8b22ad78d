//! How each client words a failure: browsers, curl, nc and the runtimes of common languages.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::observation::Attempt;
use crate::target::Target;

/// How well-known clients show one failure. `None`: the client shows no error (it waits, or
/// shows the page), or does not speak the target's protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenAs {
    /// Chrome and Edge: the code under the page, `ERR_…`.
    pub chrome: Option<String>,
    /// Firefox.
    pub firefox: Option<FirefoxError>,
    /// Safari: the sentence on the page.
    pub safari: Option<String>,
    /// curl.
    pub curl: Option<CurlError>,
    /// GNU Wget.
    pub wget: Option<String>,
    /// netcat (OpenBSD).
    pub nc: Option<String>,
    /// Node.js: the error's `code`.
    pub node: Option<String>,
    /// Python: the exception.
    pub python: Option<String>,
    /// Go: the error's text.
    pub go: Option<String>,
    /// Java: the exception.
    pub java: Option<String>,
}

/// What Firefox shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirefoxError {
    /// The `e=` of `about:neterror`, or the NSS / mozilla::pkix code.
    pub id: String,
    /// The page's heading.
    pub message: String,
}

/// What curl prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurlError {
    /// Exit code.
    pub exit: u8,
    /// The message after `curl: (N) `.
    pub message: String,
}

/// How clients word `failure` of `target`; the attempt's errno, ICMP error, TLS alert and HTTP
/// status choose between variants.
#[must_use]
pub fn seen_as(failure: Failure, target: &Target, attempt: Option<&Attempt>) -> SeenAs {
    let _ = (failure, target, attempt);
    SeenAs::default()
}
