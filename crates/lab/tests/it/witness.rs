//! Independent witnesses of what a server does.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use whydown_lab::{Host, Output};

/// curl's run on a URL, at most `-m 3` seconds unless the options say otherwise.
pub(crate) fn curl(host: &Host, args: &[&str]) -> Output {
    let common = ["-sS", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", ""];
    let all: Vec<&str> = common.iter().chain(args).copied().collect();
    host.exec("curl", &all)
}

/// curl's exit code and the HTTP status that it saw (`000` for none).
pub(crate) fn verdict(host: &Host, args: &[&str]) -> (i32, String) {
    let output = curl(host, args);
    (output.code.expect("curl was killed"), output.stdout)
}

/// The errno of a blocking connect from a host, 0 when it succeeds; `ETIMEDOUT` when there is no
/// answer to the first SYN.
pub(crate) fn connect_errno(host: &Host, to: SocketAddr) -> i32 {
    errno_within(host, to, Duration::from_millis(900))
}

/// Whether nothing at all comes back from there.
pub(crate) fn is_silent(host: &Host, to: SocketAddr) -> bool {
    errno_within(host, to, Duration::from_millis(300)) == libc::ETIMEDOUT
}

fn errno_within(host: &Host, to: SocketAddr, limit: Duration) -> i32 {
    let tried = host.enter(|| TcpStream::connect_timeout(&to, limit));
    match tried {
        Ok(_) => 0,
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => libc::ETIMEDOUT,
        Err(error) => error.raw_os_error().expect("an error of the system"),
    }
}

/// A URL of a socket address.
pub(crate) fn url(scheme: &str, to: SocketAddr) -> String {
    format!("{scheme}://{to}/")
}
