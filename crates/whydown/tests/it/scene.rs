//! A real fault: a network, what is broken in it, and the verdict that is right.

use std::any::Any;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use whydown_lab::{Answer, Behaviour, Ca, DnsServer, Flavour, Lab, Peer, Rule};

use crate::clients::NODE_FORGETS;
use crate::run::{Verdict, run, whydown};
use crate::score;

mod clients;

pub(crate) use clients::{Comparison, Comparisons};

/// Patience of a check, unless a fault needs more to show itself.
const TIMEOUT: Duration = Duration::from_millis(2_500);
/// What a diagnosis may take beyond the timeout of its check: the budget of its evidence, and the
/// delays of a machine shared with other tests.
const BEYOND_TIMEOUT: Duration = Duration::from_millis(4_500);
/// How often a fault that comes and goes is looked at until it is there.
const LOOKS_MAX: usize = 12;

/// One fault.
pub(crate) struct Scenario {
    /// The table it stands in, and its name.
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    /// Breaks something.
    pub(crate) break_it: fn(&mut Scene),
    pub(crate) right: Right,
}

/// The right verdict.
#[derive(Clone, Copy)]
pub(crate) struct Right {
    pub(crate) state: &'static str,
    pub(crate) failure: &'static str,
    /// Other failures that a client may see of the same fault, as a race ends.
    pub(crate) or_failures: &'static [&'static str],
    pub(crate) cause: Guilty,
    /// The other one of two causes that a client alone cannot tell apart: both have to be listed.
    pub(crate) or: Option<Guilty>,
    /// Words of a fact that has to be among the evidence.
    fact: &'static str,
}

/// A cause, where on the path it acts, and who can end it.
#[derive(Clone, Copy)]
pub(crate) struct Guilty {
    pub(crate) stage: &'static str,
    pub(crate) code: &'static str,
    pub(crate) side: &'static str,
}

const fn right(state: &'static str, failure: &'static str, cause: [&'static str; 3]) -> Right {
    let [stage, code, side] = cause;
    let cause = Guilty { stage, code, side };
    Right { state, failure, or_failures: &[], cause, or: None, fact: "" }
}

/// The target is down: failure, stage, cause, side.
pub(crate) const fn down(failure: &'static str, cause: [&'static str; 3]) -> Right {
    right("down", failure, cause)
}

/// Some of the target is down.
pub(crate) const fn degraded(failure: &'static str, cause: [&'static str; 3]) -> Right {
    right("degraded", failure, cause)
}

/// The machine that looks is at fault: never "down".
pub(crate) const fn own(failure: &'static str, stage: &'static str, code: &'static str) -> Right {
    right("inconclusive", failure, [stage, code, "visitor"])
}

/// Nothing is wrong, or nothing that stops us.
pub(crate) const fn up() -> Right {
    right("up", "-", ["-", "-", "-"])
}

/// The target works, yet a cause for trouble is named.
pub(crate) const fn up_but(code: &'static str, side: &'static str) -> Right {
    right("up", "-", ["-", code, side])
}

impl Right {
    /// A client alone cannot tell the cause from this one.
    pub(crate) const fn or(mut self, cause: [&'static str; 3]) -> Self {
        let [stage, code, side] = cause;
        self.or = Some(Guilty { stage, code, side });
        self
    }

    /// Whoever comes in the moment of going sees one of these instead.
    pub(crate) const fn or_sees(mut self, failures: &'static [&'static str]) -> Self {
        self.or_failures = failures;
        self
    }

    /// Is it a failure that a client may see?
    pub(crate) fn has_failure(&self, failure: &str) -> bool {
        self.failure == failure || self.or_failures.contains(&failure)
    }

    /// The evidence says so, in these words.
    pub(crate) const fn knowing(mut self, fact: &'static str) -> Self {
        self.fact = fact;
        self
    }
}

/// Where a fault is staged, with everything that runs there.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) timeout: Duration,
    /// Some checks meet it and some do not: a look that met none is made again.
    pub(crate) comes_and_goes: bool,
    ca: Option<Ca>,
    variables: Vec<(&'static str, String)>,
    flags: Vec<&'static str>,
    resolvers: &'static str,
    /// Other words than those of `seen_as` that a client may say here; `None`: no error.
    either: Vec<clients::Either>,
    /// Clients that cannot be asked here, and why.
    exceptions: Vec<(&'static str, &'static str)>,
    kept: Vec<Box<dyn Any>>,
}

impl Scene {
    fn new() -> Self {
        Self {
            lab: Lab::new(),
            timeout: TIMEOUT,
            comes_and_goes: false,
            ca: None,
            variables: Vec::new(),
            flags: Vec::new(),
            resolvers: "",
            either: Vec::new(),
            exceptions: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Keeps something running until the verdict is there.
    pub(crate) fn keep(&mut self, running: impl Any) {
        self.kept.push(Box::new(running));
    }

    /// A peer on the server.
    pub(crate) fn serve(&mut self, port: u16, behaviour: Behaviour) {
        let peer = Peer::start(&self.lab.server(), port, behaviour);
        self.keep(peer);
    }

    /// A web server on port 80.
    pub(crate) fn web(&mut self) {
        self.serve(80, page());
    }

    /// Something that works besides: the host is there.
    pub(crate) fn ssh(&mut self) {
        self.serve(22, Behaviour::Banner(b"SSH-2.0-lab\r\n".to_vec()));
    }

    /// A working web server on port 80 and SSH on 22.
    pub(crate) fn shop(&mut self) {
        self.web();
        self.ssh();
    }

    /// A rule of the server's firewall.
    pub(crate) fn server_rule(&mut self, rule: Rule) {
        self.shop();
        self.lab.server().rule(rule);
    }

    /// A working shop behind a router with a rule.
    pub(crate) fn router_rule(&mut self, router: &str, rule: Rule) {
        self.shop();
        self.lab.host(router).rule(rule);
    }

    /// A working shop, and a rule of the client's own firewall.
    pub(crate) fn own_rule(&mut self, rule: Rule) {
        self.shop();
        self.lab.client().rule(rule);
    }

    /// `shop.test` has these addresses by the hosts file.
    pub(crate) fn shop_is_at(&mut self, addresses: &[&str]) {
        let lines: String = addresses.iter().map(|ip| format!("{ip} shop.test\n")).collect();
        self.lab.client().hosts(&format!("127.0.0.1 localhost\n{lines}"));
    }

    /// The resolvers in use, by lines of resolv.conf(5), which are given little time.
    pub(crate) fn resolvers(&mut self, lines: &'static str) {
        self.resolvers = lines;
        self.lab.client().resolv_conf(&format!("{lines}options timeout:1 attempts:1\n"));
    }

    /// A resolver that says what it is told to.
    pub(crate) fn resolver(&mut self) -> DnsServer {
        self.resolvers("nameserver 10.99.2.53\n");
        DnsServer::start(&self.lab.resolver(), 53)
    }

    /// An environment variable of the command.
    pub(crate) fn variable(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    /// A flag of the command.
    pub(crate) fn flag(&mut self, flag: &'static str) {
        self.flags.push(flag);
    }

    /// A client may say this here instead of what `seen_as` says, as a race ends; which one it is
    /// stands where this is called.
    pub(crate) fn either(&mut self, client: &'static str, words: Option<&str>) {
        self.either.push((client, words.map(ToOwned::to_owned)));
    }

    /// A service that closes while a request is on its way: what it has not read makes a RST of
    /// its FIN, and who reads late sees that one.
    pub(crate) fn ends_either_way(&mut self) {
        for (client, by_fin, by_rst) in [
            ("chrome", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"),
            ("curl", "52 Empty reply from server", "56 Recv failure: Connection reset by peer"),
            ("node", "UND_ERR_SOCKET", "ECONNRESET"),
            ("python", "http.client.RemoteDisconnected", "ConnectionResetError"),
        ] {
            self.either(client, Some(by_fin));
            self.either(client, Some(by_rst));
        }
        self.either("node", Some(NODE_FORGETS));
    }

    /// A service that resets what it has accepted: the RST can come before a busy client has
    /// looked at its new connection, and is then a failure to connect.
    pub(crate) fn ends_at_once(&mut self, host: &str) {
        let nc = format!("nc: connect to {host} port 80 (tcp) failed: Connection reset by peer");
        self.either("nc", Some(&nc));
        self.either("curl", Some(&cannot_connect(host)));
        self.either("chrome", Some("ERR_SOCKET_NOT_CONNECTED"));
    }

    /// Nothing listens on port 80 for a moment.
    pub(crate) fn refuses_at_times(&mut self, host: &str) {
        let words = ["ERR_CONNECTION_REFUSED", "ECONNREFUSED", "ConnectionRefusedError"];
        self.cannot_connect(host, words, "Connection refused");
    }

    /// Some seconds after its cable was cut this machine gives up on the gateway: who comes then
    /// is told so by the kernel, who came before waits.
    pub(crate) fn gives_up_on_the_gateway(&mut self, host: &str) {
        let python = "OSError: [Errno 113] No route to host";
        let words = ["ERR_ADDRESS_UNREACHABLE", "EHOSTUNREACH", python];
        self.cannot_connect(host, words, "No route to host");
    }

    /// What all clients may say of a connection to port 80 that fails at once: the words of
    /// Chromium, Node and Python, and the system's.
    fn cannot_connect(&mut self, host: &str, [chrome, node, python]: [&str; 3], strerror: &str) {
        let curl = cannot_connect(host);
        let nc = format!("nc: connect to {host} port 80 (tcp) failed: {strerror}");
        for (client, words) in [
            ("chrome", chrome),
            ("firefox", "connectionFailure: Unable to connect"),
            ("curl", &curl),
            ("nc", &nc),
            ("node", node),
            ("python", python),
        ] {
            self.either(client, Some(words));
        }
    }

    /// A client cannot be asked here.
    pub(crate) fn not_asked(&mut self, client: &'static str, reason: &'static str) {
        self.exceptions.push((client, reason));
    }

    fn ca(&mut self) -> &Ca {
        self.ca.get_or_insert_with(Ca::new)
    }

    /// `https://shop.test/` on the server, for a client that trusts the lab's authority.
    pub(crate) fn tls(&mut self, flavour: Flavour, behaviour: Behaviour) {
        let identity = self.ca().identity(flavour, &["shop.test"]);
        let peer = Peer::start_tls(&self.lab.server(), 443, behaviour, &identity);
        self.keep(peer);
        self.trusting();
    }

    /// The same without TLS on the server's side.
    pub(crate) fn no_tls(&mut self, behaviour: Behaviour) {
        self.serve(443, behaviour);
        self.trusting();
    }

    fn trusting(&mut self) {
        let bundle: PathBuf = self.ca().bundle();
        self.variable("SSL_CERT_FILE", &bundle.display().to_string());
        self.shop_is_at(&["10.99.2.10"]);
    }

    /// Runs the command, and has it end in time and without a panic.
    fn look(&self, target: &str) -> Verdict {
        let mut command = whydown(&self.lab.client());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let timeout = format!("{}ms", self.timeout.as_millis());
        let mut arguments = vec!["diagnose", target, "--json", "--timeout", &timeout];
        arguments.extend(&self.flags);
        let begin = Instant::now();
        let output = run(command, &arguments);
        let elapsed = begin.elapsed();
        assert!(elapsed <= self.timeout + BEYOND_TIMEOUT, "it took {elapsed:?}: {output}");
        assert!(!output.stderr.contains("panicked"), "{output}");
        Verdict::of(output)
    }
}

/// What curl says of port 80.
fn cannot_connect(host: &str) -> String {
    format!("7 Failed to connect to {host} port 80 after N ms: Couldn't connect to server")
}

/// A page that works.
pub(crate) fn page() -> Behaviour {
    Behaviour::Http(Answer::new(200).body("hello"))
}

/// Stages the fault, asks for the verdict, writes down how right it is.
pub(crate) fn judge(scenario: &Scenario) {
    let mut scene = Scene::new();
    (scenario.break_it)(&mut scene);
    let mut verdict = scene.look(scenario.target);
    for _ in 1..LOOKS_MAX {
        if !scene.comes_and_goes || verdict.json["state"] != "up" {
            break;
        }
        verdict = scene.look(scenario.target);
    }
    let clients = clients::ask(&scene, scenario, &verdict);
    let mark = score::Mark::of(scenario, &verdict, clients);
    score::write(&mark);
    assert!(mark.all_right(), "{mark}\n{}", verdict.story());
    assert!(verdict.knows(scenario.right.fact), "{}\n{}", scenario.right.fact, verdict.story());
    let differences = mark.differences();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// A table of faults: every entry is a test.
macro_rules! faults {
    ($($name:ident: $target:literal, $break_it:expr, $right:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let name = concat!(module_path!(), "::", stringify!($name));
                crate::scene::judge(&crate::scene::Scenario {
                    name,
                    target: $target,
                    break_it: $break_it,
                    right: $right,
                });
            }
        )*

        /// How many there are.
        pub(crate) const COUNT: usize = [$(stringify!($name)),*].len();
    };
}
pub(crate) use faults;
