//! Exim as an SMTP server that delivers everything it accepts into one maildir.

use std::fmt::Write as _;
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use nix::unistd::{User, chown};

use super::{Ready, Service};
use crate::ca::Identity;
use crate::fail::{OrFail as _, fail, need_program, need_root};
use crate::host::Host;
use crate::mail::Mail;
use crate::until;

/// The user that Debian's Exim was built for.
const EXIM_USER: &str = "Debian-exim";

/// How an [`Exim`] wants to be spoken to. The default is plain, without a password.
#[derive(Clone, Debug, Default)]
pub struct Smtp {
    tls: Tls,
    login: Option<(String, String)>,
}

#[derive(Clone, Debug, Default)]
enum Tls {
    #[default]
    None,
    Upgrade(Identity),
    Implicit(Identity),
}

impl Smtp {
    /// Offers STARTTLS; with a password, insists on it.
    #[must_use]
    pub fn starttls(mut self, identity: &Identity) -> Self {
        self.tls = Tls::Upgrade(identity.clone());
        self
    }

    /// Speaks TLS from the first byte.
    #[must_use]
    pub fn implicit_tls(mut self, identity: &Identity) -> Self {
        self.tls = Tls::Implicit(identity.clone());
        self
    }

    /// Takes mail only after AUTH PLAIN or LOGIN.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"@._-".contains(&b));
        if !plain(user) || !plain(password) {
            fail("Exim's user and password are letters, digits and @._- here");
        }
        self.login = Some((user.into(), password.into()));
        self
    }
}

/// What an [`Exim`] says to recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doorman {
    /// 250.
    Accepts,
    /// 451: try again later.
    Greylists,
    /// 550: never.
    Rejects,
}

/// A running Exim; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Exim {
    service: Service,
    port: u16,
}

impl Deref for Exim {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Exim {
    /// Starts Exim on a host, on all its addresses; port 0 for a free one.
    #[track_caller]
    pub fn start(host: &Host, port: u16, smtp: &Smtp) -> Self {
        // It changes to its own user, also outside a namespace.
        need_root();
        need_program("exim4");
        let port = if port == 0 { host.free_port() } else { port };
        let directory = host.directory("exim");
        let user = User::from_name(EXIM_USER).ok().flatten();
        let user = user.or_fail("no user Debian-exim; fix: apt-get install exim4-daemon-light");
        for name in ["spool", "log", "mail"] {
            let path = directory.join(name);
            fs::create_dir(&path).or_fail("cannot make a directory");
            chown(&path, Some(user.uid), Some(user.gid)).or_fail("cannot give Exim a directory");
        }
        let conf = directory.join("exim.conf");
        fs::write(&conf, configuration(&directory, port, smtp)).or_fail("cannot write a file");
        let conf = conf.display().to_string();
        let args = ["-bdf", "-C", &conf];
        let service = Service::launch(host, &directory, "exim4", &args, Ready::Port(port));
        Self { service, port }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what it says to recipients from now on.
    pub fn set_doorman(&self, doorman: Doorman) {
        let flags = [("greylist", Doorman::Greylists), ("reject", Doorman::Rejects)];
        for (name, meaning) in flags {
            let path = self.directory().join(name);
            if doorman == meaning {
                fs::write(path, "").or_fail("cannot write a file");
            } else {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// All mail it has delivered, the oldest first.
    pub fn mail(&self) -> Vec<Mail> {
        let new = self.directory().join("mail/new");
        // The directory comes with the first message.
        let Ok(entries) = new.read_dir() else {
            return Vec::new();
        };
        let mut mail: Vec<Mail> =
            entries.flatten().map(|entry| Mail::read(&entry.path())).collect();
        mail.sort_by_key(|mail| mail.delivered);
        mail
    }

    /// Waits until there are at least `count` messages.
    #[track_caller]
    pub fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Mail> {
        until(deadline, format_args!("{count} messages"), || {
            let mail = self.mail();
            (mail.len() >= count).then_some(mail)
        })
    }

    /// What it has logged: accepted and refused messages.
    pub fn log(&self) -> String {
        self.file("log/mainlog") + &self.file("log/rejectlog")
    }
}

fn configuration(directory: &Path, port: u16, smtp: &Smtp) -> String {
    let at = directory.display();
    let mut conf = format!(
        "primary_hostname = mail.lab\nqualify_domain = lab\n\
         exim_user = {EXIM_USER}\nexim_group = {EXIM_USER}\n\
         spool_directory = {at}/spool\nlog_file_path = {at}/log/%slog\n\
         pid_file_path = {at}/exim.pid\n\
         daemon_smtp_ports = {port}\nlocal_interfaces = <; 0.0.0.0 ; ::0\n\
         host_lookup =\nrfc1413_query_timeout = 0s\nnever_users =\nkeep_environment =\n\
         allow_domain_literals\nsmtp_accept_max = 100\n\
         received_header_text = Received: by mail.lab; $tod_full\n\
         acl_smtp_mail = mail\nacl_smtp_rcpt = rcpt\n"
    );
    let tls = match &smtp.tls {
        Tls::None => "tls_advertise_hosts =\n".to_string(),
        Tls::Upgrade(identity) => format!("tls_advertise_hosts = *\n{}", certificate(identity)),
        Tls::Implicit(identity) => {
            format!("tls_on_connect_ports = {port}\n{}", certificate(identity))
        }
    };
    conf.push_str(&tls);
    let _ = write!(conf, "\nbegin acl\nmail:\n");
    if smtp.login.is_some() {
        let _ = write!(
            conf,
            "  deny !authenticated = *\n       message = 530 5.7.0 Authentication required\n"
        );
    }
    let _ = write!(
        conf,
        "  accept\nrcpt:\n  \
         defer condition = ${{if exists{{{at}/greylist}}}}\n        \
         message = 451 4.7.1 Greylisted, try again later\n  \
         deny condition = ${{if exists{{{at}/reject}}}}\n       \
         message = 550 5.7.1 Not wanted here\n  accept\n\
         begin routers\nall:\n  driver = accept\n  transport = box\n\
         begin transports\nbox:\n  driver = appendfile\n  directory = {at}/mail\n  \
         maildir_format\n  user = {EXIM_USER}\n  group = {EXIM_USER}\n  \
         envelope_to_add\n  return_path_add\n\
         begin retry\n* * F,1h,1m\n"
    );
    conf.push_str(&authenticators(smtp));
    conf
}

fn certificate(identity: &Identity) -> String {
    let (chain, key) = (identity.chain.display(), identity.key.display());
    format!("tls_certificate = {chain}\ntls_privatekey = {key}\n")
}

fn authenticators(smtp: &Smtp) -> String {
    let Some((user, password)) = &smtp.login else {
        return String::new();
    };
    let only_with_tls = if matches!(smtp.tls, Tls::Upgrade(_)) {
        "  server_advertise_condition = ${if def:tls_in_cipher}\n"
    } else {
        ""
    };
    let is = |name: &str, value: &str| format!("{{eq{{${name}}}{{{value}}}}}");
    let method = |name: &str, prompts: &str, [u, p]: [&str; 2]| {
        format!(
            "{name}:\n  driver = plaintext\n  public_name = {name}\n  \
             server_prompts = {prompts}\n  \
             server_condition = ${{if and{{{}{}}}}}\n  server_set_id = ${u}\n{only_with_tls}",
            is(u, user),
            is(p, password)
        )
    };
    let plain = method("PLAIN", ":", ["auth2", "auth3"]);
    let login = method("LOGIN", "<| Username: | Password:", ["auth1", "auth2"]);
    format!("begin authenticators\n{plain}{login}")
}
