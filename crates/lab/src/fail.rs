//! How the lab stops: one panic with a clear message.
//!
//! A lab that cannot be built proves nothing about the product, so nothing here is recoverable and
//! no function of this crate returns a `Result` for its own trouble. Tests never skip in silence.

use std::env;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Ends the test with a message that says what the lab could not do.
#[track_caller]
pub(crate) fn fail(what: impl Display) -> ! {
    panic!("whydown-lab: {what}")
}

/// Turns an error that the lab cannot live with into [`fail`].
pub(crate) trait OrFail<T> {
    /// The value, or the end of the test with `what` and the error.
    fn or_fail(self, what: impl Display) -> T;
}

impl<T, E: Display> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self, what: impl Display) -> T {
        match self {
            Ok(value) => value,
            Err(error) => fail(format_args!("{what}: {error}")),
        }
    }
}

impl<T> OrFail<T> for Option<T> {
    #[track_caller]
    fn or_fail(self, what: impl Display) -> T {
        match self {
            Some(value) => value,
            None => fail(what),
        }
    }
}

/// Debian's packages that the lab takes its programs from, by program.
const PACKAGES: [(&str, &str); 40] = [
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("nft", "nftables"),
    ("iptables-restore", "iptables"),
    ("ip6tables-restore", "iptables"),
    ("ipset", "ipset"),
    ("nginx", "nginx-light"),
    ("haproxy", "haproxy"),
    ("exim4", "exim4-daemon-light"),
    ("dnsmasq", "dnsmasq-base"),
    ("unbound", "unbound"),
    ("knotd", "knot"),
    ("kdig", "knot-dnsutils"),
    ("chromium", "chromium"),
    ("faketime", "faketime"),
    ("chromedriver", "chromium-driver"),
    ("firefox-esr", "firefox-esr"),
    ("tcpdump", "tcpdump"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("redis-server", "redis-server"),
    ("postgres", "postgresql"),
    ("initdb", "postgresql"),
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
    ("psql", "postgresql-client"),
    ("setpriv", "util-linux"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("/lib/systemd/systemd", "systemd"),
    ("ping", "iputils-ping"),
    ("nc", "netcat-openbsd"),
    ("nstat", "iproute2"),
    ("redis-cli", "redis-server"),
    ("ssh", "openssh-client"),
    ("node", "nodejs"),
    ("script", "bsdutils"),
    ("apache2", "apache2-bin"),
    ("caddy", "caddy"),
    ("/usr/bin/python3", "python3"),
];

/// Where a program lies; ends the test with the `apt-get install` line when it is missing.
#[track_caller]
pub(crate) fn need_program(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps daemons in sbin, which an ordinary PATH lacks, PostgreSQL's elsewhere.
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = env::split_paths(&path)
        .chain(more)
        .chain(postgres_directories())
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| {
        let package = PACKAGES.iter().find(|(name, _)| *name == program).map_or(program, |p| p.1);
        fail(format_args!("the command `{program}` is missing; fix: apt-get install {package}"))
    })
}

/// `/usr/lib/postgresql/NN/bin`, the newest first.
fn postgres_directories() -> Vec<PathBuf> {
    let Ok(entries) = Path::new("/usr/lib/postgresql").read_dir() else {
        return Vec::new();
    };
    let mut versions: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    versions.sort();
    versions.into_iter().rev().map(|version| version.join("bin")).collect()
}

/// Ends the test unless it runs as root, which namespaces and nftables need.
#[track_caller]
pub(crate) fn need_root() {
    if !nix::unistd::geteuid().is_root() {
        fail("network namespaces need root; fix: run as root, e.g. `sudo -E cargo nextest run`");
    }
}
