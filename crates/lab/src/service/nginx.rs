//! nginx, with any `server` and `upstream` blocks.

use std::fs;
use std::ops::Deref;

use super::{Ready, Service};
use crate::fail::OrFail as _;
use crate::host::Host;
use crate::process::Signal;

/// A running nginx; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Nginx(Service);

impl Deref for Nginx {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl Nginx {
    /// Starts nginx on a host with the given content of its `http` block, e.g.
    /// `server { listen 80; listen [::]:80; return 200 "hello"; }`.
    #[track_caller]
    pub fn start(host: &Host, http: &str) -> Self {
        let directory = host.directory("nginx");
        let path = directory.display().to_string();
        fs::write(directory.join("nginx.conf"), conf(&path, http)).or_fail("cannot write a file");
        let args = ["-p", &path, "-c", "nginx.conf", "-e", "error.log"];
        // Written when the sockets are bound (ngx_init_cycle comes before ngx_create_pidfile).
        let ready = Ready::File(directory.join("nginx.pid"));
        Self(Service::launch(host, &directory, "nginx", &args, ready))
    }

    /// Takes a new configuration while running (`SIGHUP`); returns when it was taken or refused,
    /// which [`Nginx::error_log`] tells.
    pub fn reload(&self, http: &str) {
        let path = self.directory().display().to_string();
        fs::write(self.directory().join("nginx.conf"), conf(&path, http))
            .or_fail("cannot write a file");
        let before = self.error_log().len();
        self.signal_leader(Signal::SIGHUP);
        let what = "nginx to take its new configuration";
        crate::until(std::time::Duration::from_secs(10), what, || {
            let log = self.error_log();
            let news = log.get(before..).unwrap_or_default();
            (news.contains("start worker process") || news.contains("[emerg]")).then_some(())
        });
    }

    fn signal_leader(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).or_fail("a process id beyond i32");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal)
            .or_fail("cannot signal nginx");
    }

    /// What it has complained about.
    pub fn error_log(&self) -> String {
        self.file("error.log")
    }

    /// One line per request.
    pub fn access_log(&self) -> String {
        self.file("access.log")
    }

    pub(crate) fn into_service(self) -> Service {
        self.0
    }
}

/// Everything in its own directory; the log level shows the configuration being taken.
fn conf(directory: &str, http: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {directory}/{kind};\n"))
        .collect();
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid nginx.pid;\n\
         error_log error.log notice;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n{temporary}    access_log access.log;\n{http}\n}}\n"
    )
}
