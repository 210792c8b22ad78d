//! The command line: every flag, its help and its examples in one place.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use whydown_core::monitor::StatusRanges;
use whydown_core::target::Target;

/// Says why something is down: what failed, where on the way, for whom, why, who has to fix it.
#[derive(Debug, Parser)]
#[command(
    name = "whydown",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  whydown example.com                      why can't I reach it?
  whydown tcp://db.example.com:5432        any port
  whydown check https://example.com --json one check for a script; exit code 0 up, 1 down
  whydown watch example.com:443            keep knocking, see the pattern
  whydown explain ERR_CONNECTION_REFUSED   what does this error mean?
  whydown serve                            the monitor, with pages on http://127.0.0.1:8088

`whydown TARGET` is short for `whydown diagnose TARGET`."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find out why a target fails: path, verdict, evidence, fixes
    Diagnose(Diagnose),
    /// Check targets once: one line each, and an exit code
    Check(Check),
    /// Keep knocking: live share of failures, episodes, pattern
    Watch(Watch),
    /// Explain an error text or code of any client
    Explain(Explain),
    /// Tell a server what this machine sees behind its doors
    Agent(Agent),
    /// Show who listens on this machine, who can reach it, and what the firewall does
    Ports(Ports),
    /// Run the monitor: checks, alerts, pages and API
    Serve(Serve),
    /// Run a probe: check from here for a server elsewhere
    Probe(Probe),
    /// Check, describe or print an example of the configuration file
    #[command(subcommand)]
    Config(Config),
    /// Administer a data directory: API tokens, locations, probes
    #[command(subcommand)]
    Admin(Admin),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  whydown completions bash > /etc/bash_completion.d/whydown")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    #[command(after_help = "Example:\n  whydown man /usr/local/share/man/man1")]
    Man {
        /// Where to; must exist.
        directory: PathBuf,
    },
}

const TARGET_HELP: &str = "What to check: example.com, https://host/path, tcp://host:port, tls://, \
udp://, dns://name, icmp://host, ssh://, smtp://, imap://, pop3://, ftp://, postgres://, \
mysql://, redis://, minecraft://";

/// Flags of `diagnose`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  whydown diagnose https://example.com/
  whydown diagnose example.com:8443 --json | jq .causes
  whydown example.com --quick              only the first verdict
  whydown example.com --deep               trace the path to the port too
  whydown diagnose example.com --from all --server https://status.example.com --token wd_…

Exit code: 0 up, 1 down or degraded, 2 wrong usage, 3 inconclusive (this machine is at fault).")]
pub(crate) struct Diagnose {
    #[arg(value_name = "TARGET", help = TARGET_HELP)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) how: How,
    /// Print the diagnosis as JSON (schema whydown.diagnosis/1)
    #[arg(long)]
    pub(crate) json: bool,
    /// Answer after the first check, without repeats and closer looks
    #[arg(long, conflicts_with = "deep")]
    pub(crate) quick: bool,
    /// Also trace the path to the port hop by hop
    #[arg(long)]
    pub(crate) deep: bool,
    /// Ask a server's locations: all, names, or region:eu and the like
    #[arg(long, value_name = "LOCATION", requires = "server", help_heading = "From other places")]
    pub(crate) from: Vec<String>,
    /// The server to ask
    #[arg(long, env = "WHYDOWN_SERVER", value_name = "URL", help_heading = "From other places")]
    pub(crate) server: Option<String>,
    /// An API token of the server, scope write
    #[arg(long, env = "WHYDOWN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(help_heading = "From other places")]
    pub(crate) token: Option<String>,
    /// The server's own certificate: what follows the dot in a probe's token
    #[arg(long, env = "WHYDOWN_PIN", value_name = "SHA256", help_heading = "From other places")]
    pub(crate) pin: Option<String>,
    /// Show every instruction, for every system
    #[arg(long)]
    pub(crate) all: bool,
}

/// How a check is made.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Give up after this long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Do not use the proxy that http_proxy and its like name
    #[arg(long)]
    pub(crate) no_proxy: bool,
    /// Accepted HTTP status codes
    #[arg(long, value_name = "RANGES", help_heading = "Expectations")]
    pub(crate) status: Option<StatusRanges>,
    /// The answer must contain this text
    #[arg(long, value_name = "TEXT", help_heading = "Expectations")]
    pub(crate) contains: Vec<String>,
    /// The certificate must be valid for so many days more
    #[arg(long, value_name = "DAYS", help_heading = "Expectations")]
    pub(crate) certificate_days: Option<u32>,
}

/// Flags of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  whydown check https://example.com/ tcp://db.example.com:5432
  whydown check https://example.com/ --contains 'Add to basket'
  whydown check example.com --nagios

Exit code: 0 up, 1 down or degraded, 2 wrong usage, 3 inconclusive; the worst of several targets.
With --nagios: 0 OK, 1 WARNING (degraded), 2 CRITICAL (down), 3 UNKNOWN.")]
pub(crate) struct Check {
    #[arg(value_name = "TARGET", required = true, help = TARGET_HELP)]
    pub(crate) targets: Vec<Target>,
    #[command(flatten)]
    pub(crate) how: How,
    /// Print one observation a line as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print and exit as a Nagios plugin does
    #[arg(long, conflicts_with = "json")]
    pub(crate) nagios: bool,
}

/// Flags of `watch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  whydown watch example.com
  whydown watch example.com --every 200ms --for 1m
  whydown watch example.com --until up && echo back

Ctrl-C ends it with a summary. Exit code: that of the last check; with --until 0 when reached.")]
pub(crate) struct Watch {
    #[arg(value_name = "TARGET", help = TARGET_HELP)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) how: How,
    /// Time between the starts of two checks
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) every: Duration,
    /// Stop after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) limit: Option<Duration>,
    /// Stop when this state is reached
    #[arg(long, value_enum)]
    pub(crate) until: Option<Until>,
    /// Print one observation a line as JSON, and the summary last
    #[arg(long)]
    pub(crate) json: bool,
}

/// A state to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// It works.
    Up,
    /// It fails, wholly or in part.
    Down,
}

/// Flags of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  whydown explain ERR_CONNECTION_REFUSED
  whydown explain 'curl: (7) Failed to connect to db port 5432'
  journalctl -u shop -n 50 | whydown explain -
  whydown explain --list

Exit code: 0 recognised, 1 not recognised.")]
pub(crate) struct Explain {
    /// The error text, as pasted; `-` reads it from standard input
    #[arg(value_name = "TEXT", required_unless_present = "list", num_args = 1..)]
    pub(crate) text: Vec<String>,
    /// List every failure and cause
    #[arg(long, conflicts_with = "text")]
    pub(crate) list: bool,
    /// Show every instruction, for every system
    #[arg(long)]
    pub(crate) all: bool,
    /// Print as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `agent`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  whydown agent --server https://status.example.com:8088 --token wdt_… --data /var/lib/whydown-agent
  whydown agent --unit > /etc/systemd/system/whydown-agent.service
  whydown agent --show 443                 everything that it would tell of a port

`whydown admin agent add` on the server prints the token. It is used once; later starts need only the
data directory. The agent dials out, nothing listens, and it changes nothing.")]
pub(crate) struct Agent {
    /// The server's address; http:// only where nobody else listens on the way
    #[arg(long, env = "WHYDOWN_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The one-time token
    #[arg(long, env = "WHYDOWN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Secret>,
    /// Data directory, made if missing: the agent's key
    #[arg(long, env = "WHYDOWN_DATA", value_name = "DIR", default_value = "whydown-agent")]
    pub(crate) data: PathBuf,
    /// Speak of these ports only, whatever the server asks for
    #[arg(long, value_name = "PORT,…", value_delimiter = ',', value_parser = port())]
    pub(crate) ports: Vec<u16>,
    /// Print what the agent would tell of a port, and end
    #[arg(long, value_name = "PORT", value_parser = port(), conflicts_with = "unit")]
    pub(crate) show: Option<u16>,
    /// Print a hardened systemd unit, and end
    #[arg(long)]
    pub(crate) unit: bool,
}

/// A text that is not shown.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// What to do with watched hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminAgent {
    /// Define a watched host, and print the one-time token for its agent
    Add {
        #[command(flatten)]
        data: Data,
        /// The host's name, as incidents show it
        #[arg(long)]
        name: String,
        /// The ports that its agent may speak of; all when none are given
        #[arg(long, value_name = "PORT,…", value_delimiter = ',', value_parser = port())]
        ports: Vec<u16>,
        /// An address at which visitors reach the host although none of its interfaces has it
        #[arg(long = "address", value_name = "IP")]
        addresses: Vec<std::net::IpAddr>,
    },
    /// List watched hosts
    List {
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a host with its agent's key
    Remove {
        #[command(flatten)]
        data: Data,
        /// The host's name
        name: String,
    },
}

/// Flags of `ports`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo whydown ports                       who listens here, for whom
  sudo whydown ports 8080                  why can't others reach my port 8080?
  whydown ports --json | jq '.[] | select(.reachable == \"everyone\")'

An ordinary user sees every port, but not whose program holds those of other users.
Exit code: 0 done, 1 nothing listens on PORT.")]
pub(crate) struct Ports {
    /// Tell the whole story of one port
    #[arg(value_parser = port())]
    pub(crate) port: Option<u16>,
    /// Also look into other network namespaces, such as those of containers
    #[arg(long)]
    pub(crate) all: bool,
    /// Print the listeners as a JSON array; with a port an object: listeners, diagnosis, inside
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  whydown serve
  whydown serve --config /etc/whydown/whydown.yaml --data /var/lib/whydown
  whydown serve --listen 0.0.0.0:8088      behind a reverse proxy that speaks TLS

Without a configuration it starts on 127.0.0.1:8088 and prints a one-time set-up link.")]
pub(crate) struct Serve {
    /// Configuration file; changes are taken over while running
    #[arg(long, env = "WHYDOWN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data directory, made if missing
    #[arg(long, env = "WHYDOWN_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address and port for pages and API
    #[arg(long, env = "WHYDOWN_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

/// Flags of `probe`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  whydown probe --server https://status.example.com:8088 --token wdt_… --data /var/lib/whydown-probe
  whydown probe --server https://status.example.com:8088 --data /var/lib/whydown-probe
  whydown probe … --allow 192.0.2.0/24 --allow shop.example.com

`whydown admin location add` on the server prints the token. It is used once; later starts need only
the data directory. The probe dials out, nothing listens; https_proxy is honoured.")]
pub(crate) struct Probe {
    /// The server's address; http:// only where nobody else listens on the way
    #[arg(long, env = "WHYDOWN_SERVER", value_name = "URL")]
    pub(crate) server: String,
    /// The one-time token
    #[arg(long, env = "WHYDOWN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<whydown_probe::link::Token>,
    /// Data directory, made if missing: the probe's key, and reports that wait for the server
    #[arg(long, env = "WHYDOWN_DATA", value_name = "DIR", default_value = "whydown-probe")]
    pub(crate) data: PathBuf,
    /// Check only these: addresses, blocks such as 192.0.2.0/24, or host names
    #[arg(long, value_name = "CIDR|HOST")]
    pub(crate) allow: Vec<whydown_probe::observe::Destination>,
    /// What waiting reports may take on disk, in MiB
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = mebibytes())]
    pub(crate) spool_mib: u64,
    /// Checks under way at the same time at most
    #[arg(long, value_name = "N", default_value = "2000")]
    pub(crate) concurrency: std::num::NonZeroU16,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check a configuration file: every mistake with its line and what would be valid
    Check {
        /// The file
        #[arg(value_name = "FILE", default_value = "whydown.yaml")]
        file: PathBuf,
    },
    /// Print the JSON Schema, for completion in editors
    Schema,
    /// Print a documented example
    Example,
}

/// What to administer.
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// API tokens
    #[command(subcommand)]
    Token(Token),
    /// Locations to check from
    #[command(subcommand)]
    Location(Location),
    /// Watched hosts, and their agents
    #[command(subcommand)]
    Agent(AdminAgent),
    /// Probes that have enrolled
    #[command(subcommand)]
    Probe(AdminProbe),
}

/// What to do with locations.
#[derive(Debug, Subcommand)]
pub(crate) enum Location {
    /// Define a location and print a one-time token for a probe there, alone and only this once
    #[command(after_help = "\
Example:
  TOKEN=$(whydown admin location add --data DIR --name fra1 --region eu --network 'AS 64500')
  whydown probe --server https://status.example.com:8088 --token $TOKEN --data DIR   (over there)

Again with the same name: a token for one more probe; they share the location's monitors.")]
    Add {
        #[command(flatten)]
        data: Data,
        /// Unique; monitors choose it by this name
        #[arg(long)]
        name: String,
        /// Region, such as eu
        #[arg(long)]
        region: Option<String>,
        /// Network, such as "AS 64500" or an office
        #[arg(long)]
        network: Option<String>,
        /// Any other word to choose it by
        #[arg(long = "label", value_name = "LABEL")]
        labels: Vec<String>,
        /// Degrees north and east, such as 50.1,8.7
        #[arg(long, value_name = "LAT,LON", value_parser = coordinates, allow_hyphen_values = true)]
        coordinates: Option<(f64, f64)>,
    },
    /// List locations with their probes
    List {
        #[command(flatten)]
        data: Data,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a location; its probes are not let in any more
    Remove {
        #[command(flatten)]
        data: Data,
        /// The location's name
        #[arg(long)]
        name: String,
    },
}

/// What to do with probes.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminProbe {
    /// List probes: location, version, last heard of
    List {
        #[command(flatten)]
        data: Data,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a probe's key at once
    Revoke {
        #[command(flatten)]
        data: Data,
        /// The probe's id, as `list` shows it
        #[arg(long)]
        id: String,
    },
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it, alone and only this once
    #[command(after_help = "\
Example:
  TOKEN=$(whydown admin token create --name ci --scope read)
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8088/api/v1/monitors")]
    Create {
        #[command(flatten)]
        data: Data,
        /// What the token is for; unique
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value = "read")]
        scope: Scope,
    },
    /// List tokens: name, scope, last use
    List {
        #[command(flatten)]
        data: Data,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token at once
    Revoke {
        #[command(flatten)]
        data: Data,
        /// The token's name
        #[arg(long)]
        name: String,
    },
}

/// Which data directory.
#[derive(Debug, Args)]
pub(crate) struct Data {
    /// The server's data directory
    #[arg(long = "data", env = "WHYDOWN_DATA", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// Read monitors, incidents and observations.
    Read,
    /// Also change monitors and acknowledge incidents.
    Write,
    /// Also channels.
    Admin,
}

fn duration(text: &str) -> Result<Duration, String> {
    let value = whydown_core::units::parse(text).map_err(|error| error.to_string())?;
    if value.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(value) }
}

fn mebibytes() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=1_048_576)
}

fn coordinates(text: &str) -> Result<(f64, f64), String> {
    let bad = || format!("{text:?} is not degrees north and east; write for example 50.1,8.7");
    let (north, east) = text.split_once(',').ok_or_else(bad)?;
    let degrees = |text: &str| text.trim().parse::<f64>().map_err(|_| bad());
    Ok((degrees(north)?, degrees(east)?))
}

/// Puts `diagnose` before the first word when that is no command: `whydown example.com`.
pub(crate) fn with_default_command(
    mut arguments: Vec<std::ffi::OsString>,
) -> Vec<std::ffi::OsString> {
    use clap::CommandFactory as _;
    let first =
        arguments.iter().skip(1).position(|argument| !argument.to_string_lossy().starts_with('-'));
    let Some(first) = first.map(|position| position + 1) else { return arguments };
    let word = arguments[first].to_string_lossy().into_owned();
    let known = Cli::command().get_subcommands().any(|command| command.get_name() == word);
    if !known && word != "help" {
        arguments.insert(1, "diagnose".into());
    }
    arguments
}

/// Any port but 0.
fn port() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..)
}
