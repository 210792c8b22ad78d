//! How each client words a failure: browsers, curl, nc and the runtimes of common languages.
//!
//! One file per family of clients, each a table from a failure to the client's words. What was
//! measured and what is only documented stands at the head of each file. Knows no cause.

mod case;
mod chrome;
mod compiled;
mod curl;
mod firefox;
mod node;
mod ports;
mod python;
mod safari;
mod services;
mod systems;
mod tools;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::observation::Attempt;
use crate::target::Target;

pub use ports::unsafe_port;

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
    /// OpenSSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
    /// psql and other users of libpq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psql: Option<String>,
    /// mysql and mariadb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mysql: Option<String>,
    /// redis-cli.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_cli: Option<String>,
    /// telnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telnet: Option<String>,
    /// ncat (Nmap).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ncat: Option<String>,
    /// .NET on Windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dotnet: Option<String>,
    /// PHP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub php: Option<String>,
    /// Windows' system error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<String>,
    /// macOS' system error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macos: Option<String>,
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
    /// Exit code; 0 where curl sees no error and prints the page.
    pub exit: u8,
    /// The message after `curl: (N) `.
    pub message: String,
}

impl SeenAs {
    /// Less the clients that go on to the next address of a name when they cannot connect to one.
    /// Java's sockets take the first one and no other.
    #[must_use]
    pub fn of_one_address_only(self) -> Self {
        let Self { java, windows, macos, .. } = self;
        Self { java, windows, macos, ..Self::default() }
    }

    /// Less those that knock only, behind a redirect: the door that they know is open.
    #[must_use]
    pub fn of_followers_only(self) -> Self {
        Self {
            nc: None,
            ncat: None,
            telnet: None,
            ssh: None,
            psql: None,
            mysql: None,
            redis_cli: None,
            ..self
        }
    }

    /// Where no interface is up, Chrome says so whatever it was that failed.
    #[must_use]
    pub fn without_a_network(mut self) -> Self {
        if let Some(said) = &mut self.chrome {
            chrome::OFFLINE.clone_into(said);
        }
        self
    }

    /// Less the clients whose TLS begins with a small ClientHello: they offer no post-quantum key
    /// (OpenSSL before 3.5, GnuTLS, Java, Schannel).
    #[must_use]
    pub fn of_large_hellos_only(self) -> Self {
        let Self { chrome, firefox, safari, go, .. } = self;
        Self { chrome, firefox, safari, go, ..Self::default() }
    }
}

/// What browsers and `fetch` say of a web target that works, on a port that they refuse to open;
/// `None` of every other target.
#[must_use]
pub fn blocked(target: &Target) -> Option<SeenAs> {
    if !target.scheme.is_http() || !unsafe_port(target.port) {
        return None;
    }
    // Whatever fails: they don't look.
    let SeenAs { chrome, firefox, safari, node, .. } = seen_as(Failure::TcpRefused, target, None);
    Some(SeenAs { chrome, firefox, safari, node, ..SeenAs::default() })
}

/// How clients word `failure` of `target`; the attempt's errno, step, TLS alert and HTTP
/// answer choose between variants.
#[must_use]
pub fn seen_as(failure: Failure, target: &Target, attempt: Option<&Attempt>) -> SeenAs {
    seen_through(failure, target, attempt, None)
}

/// The same through a forward proxy, `host:port`.
#[must_use]
pub fn seen_through(
    failure: Failure,
    target: &Target,
    attempt: Option<&Attempt>,
    proxy: Option<&str>,
) -> SeenAs {
    let case = case::Case { failure, target, attempt, proxy };
    SeenAs {
        chrome: chrome::seen(&case),
        firefox: firefox::seen(&case),
        safari: safari::seen(&case),
        curl: curl::seen(&case),
        wget: tools::wget(&case),
        nc: tools::nc(&case),
        node: node::seen(&case),
        python: python::seen(&case),
        go: compiled::go(&case),
        java: compiled::java(&case),
        ssh: services::ssh(&case),
        psql: services::psql(&case),
        mysql: services::mysql(&case),
        redis_cli: services::redis(&case),
        telnet: tools::telnet(&case),
        ncat: tools::ncat(&case),
        dotnet: compiled::dotnet(&case),
        php: compiled::php(&case),
        windows: systems::windows(&case),
        macos: systems::macos(&case),
    }
}
