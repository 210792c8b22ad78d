//! What an agent can tell as an ordinary user, under its unit's rights, and as root: the table of
//! docs/agent.md.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use whydown_lab::{Command, Host, Lab, Nginx};

use crate::run::{program, run};

const BEGIN: &str = "<!-- made by a test: begin -->\n";
const END: &str = "<!-- made by a test: end -->\n";

/// One line of the table: what, and how it shows.
type Line = (&'static str, fn(&Value, &Own) -> bool);

/// What tells the nginx asked for from others, of this test and of those that run beside it: they
/// share one table of processes.
struct Own {
    directory: String,
    worker: u32,
}

const LINES: [Line; 12] = [
    ("who listens: address, port, who can reach it", |v, _| {
        v["view"]["listeners"][0]["port"] == 80
    }),
    ("the user that a socket belongs to", |v, _| v["view"]["listeners"][0]["user"] == "root"),
    ("how full the accept queue is", |v, _| v["view"]["listeners"][0]["queue"]["limit"].is_u64()),
    ("the program and pid behind a socket", |v, _| {
        v["view"]["listeners"][0]["owners"][0]["process"] == "nginx"
    }),
    ("a process that is stopped, or out of descriptors", |v, own| {
        any(v, "/view/units", |unit| any(unit, "/processes", |one| one["pid"] == own.worker))
    }),
    ("what the packet filter does, by which rule", |v, _| {
        v["view"]["firewall"][0]["verdict"] == "reject"
    }),
    ("upstreams of a reverse proxy, each tried", |v, own| {
        own.passage(v, |passage| passage["upstreams"][0]["tried"] == true)
    }),
    ("what a private configuration file says", |v, own| own.passage(v, |_| true)),
    ("the service's own log file", |v, own| {
        let start = format!("start worker process {}", own.worker);
        any(v, "/view/units", |unit| unit["log"].to_string().contains(&start))
    }),
    ("whom the kernel killed for want of memory", |v, _| {
        !v["view"]["missing_rights"].to_string().contains("want of memory")
    }),
    ("full disks, memory, the machine's start", |v, _| {
        v["view"]["machine"]["booted_at"].is_string()
    }),
    ("the end of a listener within milliseconds, not a second", |v, _| v["hears_sockets"] == true),
];

impl Own {
    /// Is there something of its own configuration, and such?
    fn passage(&self, value: &Value, such: impl Fn(&Value) -> bool) -> bool {
        let is_own = |source: &str| source.starts_with(&self.directory);
        any(value, "/view/passages", |one| one["source"].as_str().is_some_and(is_own) && such(one))
    }
}

fn any(value: &Value, list: &str, such: impl Fn(&Value) -> bool) -> bool {
    value.pointer(list).and_then(Value::as_array).into_iter().flatten().any(such)
}

#[test]
fn docs_agent_md_says_what_an_agent_can_tell_with_which_rights() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    let _other = Nginx::start(&host, "server { listen 8080; }");
    let nginx = Nginx::start(
        &host,
        "server { listen 80; location / { proxy_pass http://127.0.0.1:9001; } }",
    );
    host.nft(
        "add table inet f; add chain inet f in { type filter hook input priority 0; }\n\
              add rule inet f in tcp dport 80 reject with tcp reset",
    );
    // Only root may read what the lab's nginx is told.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(nginx.directory(), private).unwrap();
    // A stopped worker is a process in a state that says something.
    let worker = whydown_host::process::all().into_iter().find(|pid| {
        whydown_host::process::state(*pid).is_some_and(|(_, parent)| parent == nginx.pid())
    });
    let own = Own { directory: nginx.directory().display().to_string(), worker: worker.unwrap() };
    let worker = nix::unistd::Pid::from_raw(i32::try_from(own.worker).unwrap());
    nix::sys::signal::kill(worker, nix::sys::signal::Signal::SIGSTOP).unwrap();

    let capabilities = capabilities(&host);
    let seen = [
        show(ordinary(&host, &[])),
        show(ordinary(&host, &capabilities)),
        show(host.command(&program())),
    ];
    let mut table = String::from("| | an ordinary user | its unit | root |\n|---|:-:|:-:|:-:|\n");
    for (what, shows) in LINES {
        let marks = seen.each_ref().map(|seen| if shows(seen, &own) { "yes" } else { "–" });
        let _ = writeln!(table, "| {what} | {} |", marks.join(" | "));
    }
    compare(&table);
    assert!(LINES.iter().all(|(_, shows)| shows(&seen[2], &own)), "root sees all: {:#}", seen[2]);
}

/// The capabilities that the printed unit asks for.
fn capabilities(host: &Host) -> Vec<String> {
    let mut command = host.command(&program());
    command.args(["agent", "--unit"]);
    let unit = run(command, &[]).success();
    let line = unit.lines().find_map(|line| line.strip_prefix("AmbientCapabilities=")).unwrap();
    line.split(' ').map(|name| name.trim_start_matches("CAP_").to_lowercase()).collect()
}

fn ordinary(host: &Host, capabilities: &[String]) -> Command {
    let mut command = host.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    if !capabilities.is_empty() {
        let list: Vec<String> = capabilities.iter().map(|name| format!("+{name}")).collect();
        let list = list.join(",");
        command.args([format!("--inh-caps={list}"), format!("--ambient-caps={list}")]);
    }
    command.arg(program());
    command
}

fn show(command: Command) -> Value {
    let text = run(command, &["agent", "--show", "80"]).success();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/agent.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("docs/agent.md has a place for the table");
    let (_, after) = rest.split_once(END).expect("the place ends");
    let made = format!("{before}{BEGIN}\n{table}\n{END}{after}");
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == made,
        "docs/agent.md is out of date; regenerate it with UPDATE_DOCS=1 cargo nextest run \
         --workspace docs_; the table is now:\n{table}"
    );
}
