//! docs/errors.md, made from the knowledge in this crate.

use std::fmt::Write as _;

use crate::advice::{self, example, machine};
use crate::cause::Side;
use crate::client::{SeenAs, seen_as};
use crate::failure::Failure;
use crate::target::Scheme;

use super::tables;

const HEAD: &str = "\
# Errors: what the client saw

Every client words the same event differently, and some use one wording for very different events.
This guide goes from the event to the words: what each client shows, what the server or the network
did, how long it takes, what is easily taken for it, who can end it, and what to run. The other
way, from any error text to its meaning, goes `whydown explain`:

```sh
whydown explain 'curl: (7) Failed to connect to example.com port 443'
some-command 2>&1 | whydown explain
```

## Four words that are often mixed up

| word | what happened | how fast | who said it | usually |
|---|---|---|---|---|
| [refused](#tcp.refused) | a plain no to the connection attempt | one round trip | the machine, \
or a firewall in its name | nothing listens on the port |
| [timed out](#tcp.timed_out) | nothing came back at all | seconds to minutes | nobody | a \
firewall drops, or the machine is gone |
| [reset](#tcp.reset) | an open connection was cut | at once or in the middle | a program, \
balancer or filter | the service broke while answering |
| [unreachable](#tcp.host_unreachable) | someone on the way reported \"not from here\" | one \
    round trip or 3 s | a router or firewall | a rejecting firewall, or the machine is off |

- Refused and timed out are opposites: refused proves that the way works.
- \"The port is open\" proves little: the kernel accepts connections even for a program that hangs.
- \"No route to host\" is mostly not about routing, but a firewall's rejection.
- Over IPv6 the same rejection is called \"Permission denied\".
- A browser may speak of port 443 although `http://` was typed: it tries `https://` first.
- With a proxy configured, many clients blame the site for the proxy's fault.

`-` in a table means: no error is shown (the page appears, or the client waits), or the client does
not speak that protocol. What curl, Chromium, Firefox, nc, Node, Python, wget, Java, ssh, psql and
redis-cli show was measured; the rest comes from their sources and manuals.

*This file is generated; edit the tables in `crates/core/src/` (`advice`, `client`, `explain`) and
run `UPDATE_DOCS=1 cargo nextest run --workspace docs_`.*

## All failures

";

/// The guide to every failure.
#[must_use]
pub fn errors_markdown() -> String {
    let mut out = String::from(HEAD);
    for failure in Failure::ALL {
        let (code, title) = (failure.code(), advice::title(*failure));
        let _ = writeln!(out, "- [{title}](#{code}) (`{code}`)");
    }
    for failure in Failure::ALL {
        section(&mut out, *failure);
    }
    out
}

fn section(out: &mut String, failure: Failure) {
    let (code, title) = (failure.code(), advice::title(failure));
    let stage = failure.stage();
    let _ = write!(out, "\n<a id=\"{code}\"></a>\n\n## {title}\n\n`{code}` · stage: {stage}\n");
    let _ = write!(out, "\n{}\n", advice::explanation(failure));
    if advice::timing(failure) != "-" {
        let _ = write!(out, "\n**How fast.** {}\n", advice::timing(failure));
    }
    clients(out, failure);
    look_alikes(out, failure);
    who(out, failure);
    run(out, failure);
    texts(out, failure);
}

fn clients(out: &mut String, failure: Failure) {
    let rows: Vec<(&str, String)> = rows(failure);
    if rows.iter().all(|(_, text)| text == "-") {
        return;
    }
    let _ = write!(out, "\n| client | shows |\n|---|---|\n");
    for (client, text) in rows {
        let _ = writeln!(out, "| {client} | {text} |");
    }
}

/// The target for which a failure is shown.
fn scheme(failure: Failure) -> Scheme {
    match failure {
        Failure::UdpRefused | Failure::UdpNoReply => Scheme::Udp,
        Failure::IcmpNoReply => Scheme::Icmp,
        Failure::BannerUnexpected => Scheme::Ssh,
        Failure::HttpSpokenToTls => Scheme::Http,
        _ => Scheme::Https,
    }
}

fn rows(failure: Failure) -> Vec<(&'static str, String)> {
    let scheme = scheme(failure);
    let seen = seen_as(failure, &example(scheme), None);
    let firefox = seen.firefox.as_ref().map(|page| format!("{} ({})", page.message, page.id));
    let curl = seen.curl.as_ref().map(|said| match said.exit {
        0 => said.message.clone(),
        exit => format!("curl: ({exit}) {}", said.message.replace(" after 0 ms", " after N ms")),
    });
    let own = |scheme: Scheme, pick: fn(SeenAs) -> Option<String>| {
        pick(seen_as(failure, &example(scheme), None))
    };
    let mut rows = vec![
        ("Chrome, Edge", seen.chrome),
        ("Firefox", firefox),
        ("Safari", seen.safari),
        ("curl", curl),
        ("wget", seen.wget),
        ("nc (OpenBSD)", seen.nc),
        ("Node", seen.node),
        ("Python", seen.python),
        ("Go", seen.go),
        ("Java", seen.java),
    ];
    let further = [
        ("ssh", own(Scheme::Ssh, |seen| seen.ssh)),
        ("psql", own(Scheme::Postgres, |seen| seen.psql)),
        ("mysql", own(Scheme::Mysql, |seen| seen.mysql)),
        ("redis-cli", own(Scheme::Redis, |seen| seen.redis_cli)),
        ("telnet", seen.telnet),
        ("ncat", seen.ncat),
        (".NET", seen.dotnet),
        ("PHP", seen.php),
        ("Windows", seen.windows),
        ("macOS", seen.macos),
    ];
    rows.extend(further.into_iter().filter(|(_, text)| text.is_some()));
    rows.into_iter()
        .map(|(client, text)| (client, text.map_or_else(|| "-".to_owned(), |text| code(&text))))
        .collect()
}

/// A code span that a table can hold.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn look_alikes(out: &mut String, failure: Failure) {
    let others = advice::look_alikes(failure);
    if others.is_empty() {
        return;
    }
    let _ = write!(out, "\n**Not to be confused with**\n\n");
    for other in others {
        let (title, code) = (advice::title(other.failure), other.failure.code());
        let _ = writeln!(out, "- [{title}](#{code}): {}", other.difference);
    }
}

fn who(out: &mut String, failure: Failure) {
    let causes = advice::usual_causes(failure);
    if causes.is_empty() {
        return;
    }
    let _ = write!(out, "\n**Usual causes, and who can end them**\n\n");
    for cause in causes {
        let side = match cause.side() {
            Side::Owner => "the owner",
            Side::Visitor => "the visitor",
            Side::Network => "the network",
            Side::Unknown => "undecided",
        };
        let (title, code) = (advice::cause_title(*cause), cause.code());
        let _ = writeln!(out, "- [{title}](causes.md#{code}) ({side})");
    }
}

/// The first command of each of the likeliest causes.
fn run(out: &mut String, failure: Failure) {
    let target = example(scheme(failure));
    let mut seen: Vec<String> = Vec::new();
    for cause in advice::usual_causes(failure).iter().take(3) {
        let steps = advice::confirm(*cause, &target);
        for step in steps.iter().filter(|step| step.command.is_some()).take(2) {
            let command = step.command.clone().unwrap_or_default();
            let line = format!("- {}: {} `{command}`", machine(step), step.text);
            if !seen.iter().any(|other| other.ends_with(&format!("`{command}`"))) {
                seen.push(line);
            }
        }
    }
    if !seen.is_empty() {
        let _ = write!(out, "\n**What to run first**\n\n{}\n", seen.join("\n"));
    }
}

/// Every text that `explain` takes for this failure.
fn texts(out: &mut String, failure: Failure) {
    let mut texts: Vec<String> = tables()
        .filter(|pattern| pattern.failure == Some(failure))
        .map(|pattern| match pattern.with {
            "" => format!("`{}`", pattern.text),
            with => format!("`{}` with `{with}`", pattern.text),
        })
        .collect();
    texts.sort();
    texts.dedup();
    if !texts.is_empty() {
        let _ = write!(
            out,
            "\n<details><summary>Texts that mean this</summary>\n\n{}\n",
            texts.join(" · ")
        );
        let _ = write!(out, "\n</details>\n");
    }
}
