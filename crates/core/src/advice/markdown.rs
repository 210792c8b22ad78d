//! docs/causes.md, made from the tables beside this file.

use std::fmt::Write as _;

use crate::advice;
use crate::cause::{Cause, Side};
use crate::diagnosis::Instruction;
use crate::failure::Failure;
use crate::target::{Host, PortSource, Scheme, Target};

const HEAD: &str = "\
# Causes: why something does not answer

A *failure* is what a client sees: refused, timed out, reset. A *cause* is why. The same failure
has many causes, and who can end it differs: **the owner** of the server, **the visitor** who
cannot reach it, or whoever runs **the network** between them. This guide says for each cause what
is going on, how it is told from its look-alikes, how to make sure, and how to end it. What clients
print is in [errors.md](errors.md).

The commands use `example.com` and port 443. `whydown diagnose TARGET` and
`whydown explain TEXT` print them with your own host and port, and only those that fit the
service. Words in capitals (`APPLICATION`, `INTERFACE`, `DOMAIN`) are for you to fill in.

*This file is generated; edit the tables in `crates/core/src/advice/` and run
`UPDATE_DOCS=1 cargo nextest run --workspace docs_`.*
";

/// The target that the guides speak of.
pub(crate) fn example(scheme: Scheme) -> Target {
    let port = scheme.default_port().unwrap_or(if scheme == Scheme::Icmp { 0 } else { 443 });
    let path = if scheme.is_http() { "/".to_owned() } else { String::new() };
    let host = Host::Name("example.com".to_owned());
    Target { scheme, host, port, port_source: PortSource::Given, path }
}

/// The guide to every cause.
#[must_use]
pub fn causes_markdown() -> String {
    let mut out = String::from(HEAD);
    contents(&mut out);
    for cause in Cause::ALL {
        section(&mut out, *cause);
    }
    out
}

fn contents(out: &mut String) {
    let sides = [
        (Side::Owner, "The owner of the server can end"),
        (Side::Network, "Whoever runs the network can end"),
        (Side::Visitor, "The visitor can end"),
        (Side::Unknown, "Undecided"),
    ];
    for (side, heading) in sides {
        let _ = write!(out, "\n**{heading}**\n\n");
        for cause in Cause::ALL.iter().filter(|cause| cause.side() == side) {
            let (code, title) = (cause.code(), advice::cause_title(*cause));
            let _ = writeln!(out, "- [{title}](#{code}) (`{code}`)");
        }
    }
}

fn section(out: &mut String, cause: Cause) {
    let (code, title) = (cause.code(), advice::cause_title(cause));
    let _ = write!(out, "\n<a id=\"{code}\"></a>\n\n## {title}\n\n`{code}`");
    let _ = writeln!(out, " · {}", who(cause));
    let _ = write!(out, "\n{}\n", advice::cause_explanation(cause));
    let _ = write!(out, "\n**How it is told apart.** {}\n", advice::told_apart(cause));
    let seen: Vec<String> = Failure::ALL
        .iter()
        .filter(|failure| advice::usual_causes(**failure).contains(&cause))
        .map(|failure| format!("[{}](errors.md#{})", advice::title(*failure), failure.code()))
        .collect();
    if !seen.is_empty() {
        let _ = write!(out, "\n**Seen as** {}.\n", seen.join(", "));
    }
    let target = example(Scheme::Https);
    steps(out, "Make sure", &advice::confirm(cause, &target));
    steps(out, "End it", &advice::fix(cause, &target));
}

fn who(cause: Cause) -> &'static str {
    match cause.side() {
        Side::Owner => "the owner can end it",
        Side::Visitor => "the visitor can end it",
        Side::Network => "whoever runs the network can end it",
        Side::Unknown => "nobody knows yet",
    }
}

fn steps(out: &mut String, heading: &str, steps: &[Instruction]) {
    if steps.is_empty() {
        return;
    }
    let _ = write!(out, "\n### {heading}\n");
    for (number, step) in steps.iter().enumerate() {
        let _ = write!(out, "\n{}. {}: {}\n", number + 1, machine(step), step.text);
        if let Some(command) = &step.command {
            let language = if step.os == "windows" { "powershell" } else { "sh" };
            let _ = write!(out, "\n   ```{language}\n   {command}\n   ```\n");
        }
    }
}

/// Whose machine, in words.
pub(crate) fn machine(step: &Instruction) -> String {
    let place = match step.on.as_str() {
        "server" => "on the server",
        "router" => "on the router, firewall or in the console",
        "dns" => "at the DNS provider",
        "browser" => "in the browser",
        _ => "on your machine",
    };
    let os = match step.os.as_str() {
        "linux" => " (Linux)",
        "windows" => " (Windows, PowerShell)",
        "macos" => " (macOS)",
        _ => "",
    };
    format!("*{place}{os}*")
}
