//! PostgreSQL with an empty cluster of its own.

use std::fs;
use std::ops::Deref;

use nix::unistd::{User, chown};

use super::{Ready, Service};
use crate::fail::{OrFail as _, need_program, need_root};
use crate::host::Host;
use crate::process::Signal;

/// PostgreSQL refuses to run as root.
const AS_POSTGRES: [&str; 5] =
    ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--inh-caps=-all", "--"];

/// A running PostgreSQL; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    port: u16,
}

impl Deref for Postgres {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Postgres {
    /// Starts PostgreSQL on a host, on all its addresses, trusting everyone; port 0 for a free one.
    /// It forgets everything in a crash of the machine (`fsync` is off), but not in one of its own.
    #[track_caller]
    pub fn start(host: &Host, port: u16) -> Self {
        need_root();
        let port = if port == 0 { host.free_port() } else { port };
        let (initdb, postgres) = (need_program("initdb"), need_program("postgres"));
        let directory = host.directory("postgres");
        let user = User::from_name("postgres").ok().flatten();
        let user = user.or_fail("no user postgres; fix: apt-get install postgresql");
        chown(&directory, Some(user.uid), Some(user.gid)).or_fail("cannot give it a directory");
        let data = directory.join("data").display().to_string();
        let (initdb, postgres) = (initdb.display().to_string(), postgres.display().to_string());
        let options = ["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];
        let locale = ["--no-locale", "--no-instructions"];
        let args = [&AS_POSTGRES[..], &[&initdb], &options, &locale].concat();
        host.exec("setpriv", &args).success();
        let everyone =
            "local all all trust\nhost all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n";
        fs::write(directory.join("data/pg_hba.conf"), everyone).or_fail("cannot write a file");
        let (number, at) = (port.to_string(), directory.display().to_string());
        let mut args = [&AS_POSTGRES[..], &[&postgres], &["-D", &data, "-p", &number]].concat();
        args.extend(["-k", &at, "-c", "listen_addresses=*", "-c", "fsync=off"]);
        args.extend(["-c", "dynamic_shared_memory_type=mmap", "-c", "max_connections=200"]);
        // SIGTERM would wait for its clients to leave.
        let service = Service::launch_with(
            host,
            &directory,
            ("setpriv", &args),
            Ready::Port(port),
            Signal::SIGINT,
        );
        Self { service, port }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection URL of a database, by its host's IPv4 address.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}:{}/{database}", self.service.host().v4(), self.port)
    }

    /// Makes an empty database and returns its URL.
    #[track_caller]
    pub fn create_database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.url(name)
    }

    /// Runs a statement with psql and returns its rows, one a line, columns separated by `|`.
    #[track_caller]
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let url = self.url(database);
        self.service.host().exec("psql", &["-XAtq", "-c", statement, &url]).success()
    }
}

impl Drop for Postgres {
    /// Killed, it would leave its shared memory behind.
    fn drop(&mut self) {
        self.service.stop();
    }
}
