//! OpenSSH's server, which nobody can log in to: for its banner and its silence.

use std::fs;
use std::ops::Deref;

use super::{Ready, Service};
use crate::fail::OrFail as _;
use crate::host::Host;

/// A running sshd; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Sshd(Service);

impl Deref for Sshd {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl Sshd {
    /// Starts sshd on a host, on all its addresses.
    #[track_caller]
    pub fn start(host: &Host, port: u16) -> Self {
        Self::start_with(host, port, "")
    }

    /// The same with more lines of configuration, e.g. `MaxStartups 1`.
    #[track_caller]
    pub fn start_with(host: &Host, port: u16, more: &str) -> Self {
        let directory = host.directory("sshd");
        let key = directory.join("key").display().to_string();
        host.exec("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]).success();
        // Compiled into Debian's sshd, made by its systemd unit; empty, so it may stay.
        fs::create_dir_all("/run/sshd").or_fail("cannot make /run/sshd");
        let conf = format!(
            "Port {port}\nAddressFamily any\nHostKey {key}\nPidFile none\nUsePAM no\n\
             PasswordAuthentication no\nPubkeyAuthentication no\nKbdInteractiveAuthentication no\n\
             {more}\n"
        );
        let path = directory.join("sshd_config");
        fs::write(&path, conf).or_fail("cannot write a file");
        let path = path.display().to_string();
        let args = ["-D", "-e", "-f", &path];
        Self(Service::launch(host, &directory, "sshd", &args, Ready::Port(port)))
    }
}
