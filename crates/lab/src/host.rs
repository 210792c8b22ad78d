//! One machine of the lab: a network namespace, or the machine the test runs on (loopback only).
//!
//! Runs commands, closures and servers there and changes its firewall, routes and `/etc` files.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use crate::fail::{OrFail as _, fail, need_program};
use crate::process::{Command, Output, Process};
use crate::scratch::{OWNER, Scratch};

mod routes;
mod rules;

pub use routes::Route;
pub use rules::{Hook, Reject, Rule};

/// A machine of the lab. Clones are handles to the same machine.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    /// `None`: the machine that the test runs on.
    namespace: Option<String>,
    scratch: Arc<Scratch>,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// `ip -batch` lines that give the network card its addresses and routes.
    network: Mutex<Vec<String>>,
}

impl Host {
    /// The machine that the test runs on, reached by 127.0.0.1 and ::1: no root needed, but no
    /// firewall, routes or `/etc` files either. Every call gives a machine with files of its own.
    pub fn machine() -> Self {
        let inner = Inner {
            name: "machine".into(),
            namespace: None,
            scratch: Arc::new(Scratch::new()),
            v4: Ipv4Addr::LOCALHOST,
            v6: Ipv6Addr::LOCALHOST,
            network: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A namespace that [`crate::Lab`] has made.
    pub(crate) fn in_namespace(
        name: &str,
        scratch: &Arc<Scratch>,
        v4: Ipv4Addr,
        v6: Ipv6Addr,
    ) -> Self {
        let inner = Inner {
            name: name.into(),
            namespace: Some(format!("{}-{name}", scratch.stem())),
            scratch: Arc::clone(scratch),
            v4,
            v6,
            network: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Its short name in the lab: `c`, `r1`, `s`…
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its main IPv4 address (a router's: the one that it signs ICMP errors to the client with).
    pub fn v4(&self) -> Ipv4Addr {
        self.inner.v4
    }

    /// Its main IPv6 address.
    pub fn v6(&self) -> Ipv6Addr {
        self.inner.v6
    }

    /// Both addresses with a port, IPv4 first: for tests that must hold for both families.
    pub fn both(&self, port: u16) -> [SocketAddr; 2] {
        [self.inner.v4.into(), self.inner.v6.into()].map(|ip: IpAddr| SocketAddr::new(ip, port))
    }

    /// The namespace's name for `ip netns`, `None` for the machine itself.
    pub fn namespace(&self) -> Option<&str> {
        self.inner.namespace.as_deref()
    }

    /// A new directory for this host's files, removed with the lab.
    pub fn directory(&self, name: &str) -> PathBuf {
        self.inner.scratch.subdirectory(name)
    }

    /// A path that nobody else was given, in the lab's directory.
    pub(crate) fn unused_path(&self, name: &str) -> PathBuf {
        self.inner.scratch.unused(name)
    }

    /// A command that will run on this host, with its `/etc` files and working loopback.
    pub fn command(&self, program: &str) -> Command {
        let path = need_program(program);
        let mut command = match self.namespace() {
            None => Command::new(path),
            Some(namespace) => {
                let mut command = Command::new(need_program("ip"));
                command.args(["netns", "exec", namespace]).arg(path);
                command
            }
        };
        command.env(OWNER, self.inner.scratch.stem());
        command
    }

    /// Runs a command to its end; ends the test when it takes longer than a minute.
    pub fn exec(&self, program: &str, args: &[&str]) -> Output {
        let output = self.exec_for(std::time::Duration::from_secs(60), program, args);
        if output.stopped {
            fail(format_args!("`{program}` on {} did not end within 60 s", self.name()));
        }
        output
    }

    /// Runs a command for at most `limit`, then kills it and says so in [`Output::stopped`]: for
    /// clients that wait for ever.
    pub fn exec_for(&self, limit: std::time::Duration, program: &str, args: &[&str]) -> Output {
        let mut command = self.command(program);
        command.args(args);
        Output::of(command, None, limit)
    }

    /// Starts a command that lives until the [`Process`] is dropped.
    pub fn spawn(&self, program: &str, args: &[&str]) -> Process {
        let mut command = self.command(program);
        command.args(args);
        self.spawn_command(command)
    }

    /// Like [`Host::spawn`], for a command that was made by [`Host::command`].
    pub fn spawn_command(&self, command: Command) -> Process {
        Process::start(command, &self.unused_path("output"))
    }

    /// Runs `work` on a thread that was moved into this host and returns its result. Sockets made
    /// there stay on this host wherever they are used, threads started there are on it too, and
    /// `/etc/resolv.conf` and its like are this host's. (`/proc/net` is not: it belongs to the main
    /// thread; read `/proc/thread-self/net`.)
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let entered = move || {
            self.move_thread_here();
            work()
        };
        match thread::scope(|scope| scope.spawn(entered).join()) {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Moves the calling thread, for good, into this host.
    pub(crate) fn move_thread_here(&self) {
        let Some(namespace) = self.namespace() else {
            return;
        };
        let handle = fs::File::open(Path::new("/run/netns").join(namespace))
            .or_fail(format_args!("the namespace of {} is gone", self.name()));
        setns(handle, CloneFlags::CLONE_NEWNET)
            .or_fail(format_args!("cannot enter the namespace of {}", self.name()));
        self.bind_etc_files();
    }

    /// Puts this host's files over those in `/etc`, in a mount namespace of this thread alone.
    fn bind_etc_files(&self) {
        let Some(directory) = self.etc_directory().filter(|directory| directory.is_dir()) else {
            return;
        };
        unshare(CloneFlags::CLONE_NEWNS).or_fail("cannot make a mount namespace");
        let none: Option<&str> = None;
        let private = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(none, "/", none, private, none).or_fail("cannot separate the mounts");
        for entry in directory.read_dir().or_fail("cannot list /etc/netns").flatten() {
            let target = Path::new("/etc").join(entry.file_name());
            mount(Some(&entry.path()), &target, none, MsFlags::MS_BIND, none)
                .or_fail(format_args!("cannot put this host's {} in place", target.display()));
        }
    }

    /// `/etc/netns/<namespace>`, which `ip netns exec` binds over `/etc`.
    pub(crate) fn etc_directory(&self) -> Option<PathBuf> {
        self.namespace().map(|namespace| Path::new("/etc/netns").join(namespace))
    }

    /// Sets this host's `/etc/resolv.conf`; the default names the lab's resolver.
    pub fn resolv_conf(&self, text: &str) {
        self.etc_file("resolv.conf", text);
    }

    /// Sets this host's `/etc/hosts`; the default knows `localhost` only.
    pub fn hosts(&self, text: &str) {
        self.etc_file("hosts", text);
    }

    /// Sets this host's `/etc/nsswitch.conf`; the default is `hosts: files dns`.
    pub fn nsswitch_conf(&self, text: &str) {
        self.etc_file("nsswitch.conf", text);
    }

    /// Sets a file of this host's `/etc`; its first part has to be there on the machine, too.
    pub(crate) fn etc_file(&self, name: &str, text: &str) {
        let Some(directory) = self.etc_directory() else {
            fail(format_args!("the machine's own /etc/{name} is not the lab's to change"));
        };
        let path = directory.join(name);
        let parent = path.parent().unwrap_or(&directory);
        fs::create_dir_all(parent).or_fail("cannot make the host's /etc/netns directory");
        // Written in place: commands that are running have this very file bound over theirs.
        fs::write(&path, text).or_fail(format_args!("cannot write {name}"));
    }

    /// Writes kernel settings, e.g. `("net.ipv4.ip_forward", "1")`. Those that this kernel doesn't
    /// have in a namespace (older ones keep some for the whole machine) are left out.
    pub fn sysctl(&self, settings: &[(&str, &str)]) {
        self.must_be_separate("kernel settings");
        self.enter(|| {
            for (name, value) in settings {
                let path = Path::new("/proc/sys").join(name.replace('.', "/"));
                if path.exists() {
                    fs::write(&path, value).or_fail(format_args!("cannot set {name} = {value}"));
                }
            }
        });
    }

    /// Applies nftables commands or a ruleset as `nft -f` takes them.
    pub fn nft(&self, ruleset: &str) {
        self.must_be_separate("firewall");
        self.feed("nft", &["-f", "-"], ruleset);
    }

    /// Runs a program with text on its standard input; ends the test when the program fails.
    pub(crate) fn feed(&self, program: &str, args: &[&str], input: &str) {
        let mut command = self.command(program);
        command.args(args);
        let limit = std::time::Duration::from_secs(20);
        let output = Output::of(command, Some(input.into()), limit);
        if output.code != Some(0) {
            let why = output.stderr.trim();
            fail(format_args!("`{program}` on {} failed: {why}\ninput was:\n{input}", self.name()));
        }
    }

    /// Runs one `ip` command here, e.g. `host.ip("route del default")`.
    pub fn ip(&self, command: &str) {
        self.must_be_separate("network");
        self.ip_batch(command);
    }

    /// Runs `ip -batch` in this namespace (without the cost of `ip netns exec`).
    pub(crate) fn ip_batch(&self, lines: &str) {
        let namespace = self.namespace().or_fail("the machine's own network is not the lab's");
        crate::lab::ip_batch(&["-n", namespace], lines);
    }

    /// Remembers and applies the lines that give the network card its addresses and routes.
    pub(crate) fn set_network(&self, lines: Vec<String>) {
        self.ip_batch(&lines.join("\n"));
        *self.inner.network.lock().or_fail("a lab thread panicked") = lines;
    }

    /// Takes the network card down: to its neighbours the host is switched off.
    pub fn link_down(&self) {
        self.ip("link set eth0 down");
    }

    /// Brings the network card back, with its addresses and routes (which the kernel forgot).
    pub fn link_up(&self) {
        self.ip("link set eth0 up");
        let lines = self.inner.network.lock().or_fail("a lab thread panicked");
        let again = |line: &String| line.replace(" add ", " replace ");
        let lines: Vec<String> =
            lines.iter().filter(|line| !line.starts_with("link ")).map(again).collect();
        self.ip_batch(&lines.join("\n"));
    }

    /// Gives the network card one more address.
    pub fn add_address(&self, address: IpAddr) {
        self.ip(&format!("addr add {} dev eth0{}", with_prefix(address), nodad(address)));
    }

    /// Takes an address away from the network card.
    pub fn remove_address(&self, address: IpAddr) {
        self.ip(&format!("addr del {} dev eth0", with_prefix(address)));
    }

    /// A port that nothing uses, below the range that the kernel hands out by itself, so that no
    /// outgoing connection can take it before the caller does.
    pub fn free_port(&self) -> u16 {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Neighbouring pids start far apart: parallel test processes don't meet.
        let start = std::process::id().wrapping_mul(137) % 12_000;
        for _ in 0..12_000 {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let Ok(port) = u16::try_from(20_000 + (start + step) % 12_000) else {
                continue;
            };
            let free = |address: IpAddr| TcpListener::bind((address, port)).is_ok();
            let both = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
            if self.enter(|| both.into_iter().all(free)) {
                return port;
            }
        }
        fail("no free port between 20000 and 32000")
    }

    fn must_be_separate(&self, what: &str) {
        if self.namespace().is_none() {
            fail(format_args!("the machine's own {what} is not the lab's to change"));
        }
    }
}

/// The address as `ip addr` wants it, with the prefix length that all networks of the lab have.
fn with_prefix(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 24 } else { 64 })
}

/// Without duplicate address detection an IPv6 address works at once.
fn nodad(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "" } else { " nodad" }
}
