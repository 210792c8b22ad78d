//! What each failure means: a table, one row per failure. No conditions, no formatting.

use crate::cause::Cause as C;
use crate::failure::Failure as F;

/// What is known about one failure, whatever the target.
pub(super) struct FailureText {
    pub(super) failure: F,
    /// A heading.
    pub(super) title: &'static str,
    /// What follows the target's name in a sentence.
    pub(super) predicate: &'static str,
    /// What the server or the network did.
    pub(super) explanation: &'static str,
    /// How long it takes until a client knows.
    pub(super) timing: &'static str,
    /// What is easily taken for it, and what differs.
    pub(super) look_alikes: &'static [(F, &'static str)],
    /// The usual causes, the most frequent first.
    pub(super) causes: &'static [C],
}

const TIMED_OUT_FROM_REFUSED: (F, &str) = (
    F::TcpTimedOut,
    "a timeout is silence: no packet came back at all, and nobody knows why. A refusal is an \
        answer.",
);
const REFUSED_FROM_TIMED_OUT: (F, &str) =
    (F::TcpRefused, "a refusal comes back within one round trip: something is there and says no.");
const UNREACHABLE_FROM_REFUSED: (F, &str) = (
    F::TcpHostUnreachable,
    "\"unreachable\" is said by a router or a firewall, often in the host's name; a refusal is \
        about the port.",
);
const RESET_FROM_REFUSED: (F, &str) = (
    F::TcpReset,
    "a reset cuts a connection that was already open, so something does listen; a refusal never \
        opens one.",
);

/// DNS and TCP.
pub(super) const LOWER: &[FailureText] = &[
    FailureText {
        failure: F::DnsNotFound,
        title: "The name does not exist",
        predicate: "has a name that does not exist in DNS",
        explanation: "A name server with authority said NXDOMAIN: there is no such name. The \
            server behind the name was never asked.",
        timing: "At once: one question to the resolver.",
        look_alikes: &[
            (F::DnsNoAddress, "there the name exists, only the address record is missing."),
            (F::DnsServerFailure, "there the resolver could not find out; here it is certain."),
            (
                F::DnsTimedOut,
                "there nobody answered. Browsers and curl show the same text for all three; \
                    getaddrinfo's number differs (-2 against -3), and so does the time.",
            ),
        ],
        causes: &[C::DnsNameMissing, C::DnsStale, C::ClientVpn],
    },
    FailureText {
        failure: F::DnsNoAddress,
        title: "The name has no address",
        predicate: "has a name without an address",
        explanation: "The name exists in DNS, but it has neither an A nor an AAAA record \
            (NODATA). It may only hold mail or text records.",
        timing: "At once: one question to the resolver.",
        look_alikes: &[
            (F::DnsNotFound, "there the name itself does not exist."),
            (
                F::TcpNetworkUnreachable,
                "an IPv6-only name on an IPv4-only machine has an address, but no way to it.",
            ),
        ],
        causes: &[C::DnsNameMissing, C::DnsStale],
    },
    FailureText {
        failure: F::DnsServerFailure,
        title: "The resolver could not resolve the name",
        predicate: "cannot be resolved: the resolver reports SERVFAIL",
        explanation: "The resolver answered SERVFAIL: it tried and failed. Usually the domain's \
            own name servers do not answer, contradict each other, or their DNSSEC signatures are \
            invalid.",
        timing: "A few milliseconds to some seconds, as long as the resolver itself waits for the \
            domain's servers.",
        look_alikes: &[
            (F::DnsNotFound, "NXDOMAIN is a definite no; SERVFAIL means \"I do not know\"."),
            (
                F::DnsRefused,
                "REFUSED: the resolver does not want to answer this client or this name.",
            ),
            (F::DnsTimedOut, "silence: the resolver itself was not reached."),
        ],
        causes: &[C::DnsZoneBroken, C::DnsResolverDown],
    },
    FailureText {
        failure: F::DnsRefused,
        title: "The resolver refuses to answer",
        predicate: "cannot be resolved: the name server refuses to answer",
        explanation: "The name server answered with the code REFUSED: by its rules it does not \
            serve this client or this name. It is up and reachable.",
        timing: "One round trip to the resolver.",
        look_alikes: &[
            (
                F::TcpRefused,
                "a refused connection is about the service's port; here only the DNS answer says \
                    no.",
            ),
            (F::DnsServerFailure, "SERVFAIL: it tried and failed."),
        ],
        causes: &[C::DnsResolverDown, C::DnsZoneBroken],
    },
    FailureText {
        failure: F::DnsTimedOut,
        title: "No resolver answered",
        predicate: "cannot be resolved: no resolver answers",
        explanation: "The question was sent to every configured resolver and nothing came back. \
            The target itself was never contacted.",
        timing: "10 s with glibc's defaults (two tries of 5 s per server); Chromium 13 s, Firefox \
            21 s.",
        look_alikes: &[
            (F::TcpTimedOut, "there the name was resolved and the server is silent."),
            (
                F::DnsUnreachable,
                "there an error came back at once or after a few seconds: no resolver configured, \
                    closed, or no way to it.",
            ),
        ],
        causes: &[C::DnsResolverDown, C::ClientOffline, C::ClientVpn, C::ClientFirewall],
    },
    FailureText {
        failure: F::DnsUnreachable,
        title: "The resolver cannot be reached",
        predicate: "cannot be resolved: the configured resolver cannot be reached",
        explanation: "There is no resolver configured, its port is closed, its machine is down, \
            or there is no route to it. The target itself was never contacted.",
        timing: "At once, or 3 to 6 s when the resolver's machine is down.",
        look_alikes: &[
            (F::DnsTimedOut, "there the questions vanish in silence."),
            (
                F::TcpNetworkUnreachable,
                "there it is the target that cannot be reached, after a successful lookup.",
            ),
        ],
        causes: &[C::DnsResolverDown, C::ClientOffline, C::ClientVpn],
    },
    FailureText {
        failure: F::TcpRefused,
        title: "Connection refused",
        predicate: "refuses connections",
        explanation: "The machine, or a firewall in its name, answered the connection attempt \
            with a plain no: a TCP reset, or an ICMP \"port unreachable\". Most often nothing \
            listens on that port. The way there works.",
        timing: "One round trip (milliseconds). Slower than 1 s points at a rate-limited ICMP \
            rejection.",
        look_alikes: &[
            TIMED_OUT_FROM_REFUSED,
            UNREACHABLE_FROM_REFUSED,
            RESET_FROM_REFUSED,
            (
                F::ProxyRefused,
                "with a proxy configured the refusal may be the proxy's: curl and Python then \
                    show the same error with the proxy's address.",
            ),
        ],
        causes: &[
            C::ServiceNotListening,
            C::FirewallRejects,
            C::ServiceLoopbackOnly,
            C::ServiceStoppedAfterDeploy,
            C::ServiceCrashLoop,
            C::ServiceWrongPort,
            C::ServiceOneFamilyOnly,
            C::PathRejects,
            C::BalancerSomeBackends,
            C::DnsStale,
        ],
    },
    FailureText {
        failure: F::TcpTimedOut,
        title: "Connection timed out",
        predicate: "does not answer",
        explanation: "Connection attempts were sent again and again, and nothing came back: no \
            yes, no no. Something drops the packets or the answers, or the machine is gone \
            without anyone saying so.",
        timing: "As long as the client is patient: 134 s on current Linux (older kernels 127 s), \
            about 21 s on Windows, 75 s on macOS, 90 s in Firefox, 10 s in Node's fetch.",
        look_alikes: &[
            REFUSED_FROM_TIMED_OUT,
            (
                F::TcpHostUnreachable,
                "there a router reported the missing machine, usually after 3 s; here nobody said \
                    anything.",
            ),
            (F::HttpTimedOut, "there the connection was opened and the application is silent."),
            (
                F::TlsTimedOut,
                "there the connection was opened and the TLS handshake hangs. curl uses exit 28 \
                    for all of them.",
            ),
        ],
        causes: &[
            C::FirewallDrops,
            C::HostDown,
            C::PathDrops,
            C::ServiceOverloaded,
            C::ClientFirewall,
            C::ClientVpn,
            C::DnsStale,
            C::ClientOffline,
        ],
    },
    FailureText {
        failure: F::TcpReset,
        title: "Connection reset",
        predicate: "accepts connections and cuts them at once",
        explanation: "The connection was opened and then cut off with a TCP reset. Something \
            listens, but the program, a firewall or a balancer threw the connection away.",
        timing: "Right after connecting, or with the first byte sent.",
        look_alikes: &[
            (F::TcpRefused, "a refused connection never opens; a reset one was open."),
            (
                F::HttpEmptyReply,
                "a polite close (FIN) instead of a reset: often the same fault, decided by who is \
                    faster.",
            ),
            (F::TcpTimedOut, "silence instead of a cut."),
        ],
        causes: &[
            C::ServiceClosesConnections,
            C::FirewallRejects,
            C::UpstreamDead,
            C::ServiceOverloaded,
            C::ServiceWrongProtocol,
            C::PathRejects,
        ],
    },
    FailureText {
        failure: F::TcpHostUnreachable,
        title: "No route to host",
        predicate: "cannot be reached: \"no route to host\"",
        explanation: "Someone on the way answered \"host unreachable\". It is rarely about \
            routing: most often a firewall rejects with \"administratively prohibited\", or the \
            last router finds no machine at that address.",
        timing: "One round trip when a rule says so; about 3 s when a router (or this machine) \
            looked for the host in vain.",
        look_alikes: &[
            (
                F::TcpNetworkUnreachable,
                "there not even the network is known; often it is the own machine that has no \
                    route.",
            ),
            (
                F::TcpRefused,
                "a refusal is about one port; unreachable is about the machine, or a firewall in \
                    front of it.",
            ),
            (F::TcpTimedOut, "silence: nobody reported anything."),
            (
                F::TcpNotPermitted,
                "the same firewall rule over IPv6 is shown as \"Permission denied\".",
            ),
        ],
        causes: &[
            C::FirewallRejects,
            C::HostDown,
            C::PathRejects,
            C::PathNoRoute,
            C::ClientRoute,
            C::DnsStale,
        ],
    },
    FailureText {
        failure: F::TcpNetworkUnreachable,
        title: "Network is unreachable",
        predicate: "cannot be reached: \"network is unreachable\"",
        explanation: "There is no way to that network. Usually this machine itself has no route \
            (no default route, no IPv6); sometimes a router on the way has none.",
        timing: "At once when this machine has no route; one round trip when a router says so.",
        look_alikes: &[
            (
                F::TcpHostUnreachable,
                "there the network was reached, but not the machine. Chrome shows \
                    ERR_ADDRESS_UNREACHABLE for both.",
            ),
            (F::SelfOffline, "there nothing at all can be reached."),
        ],
        causes: &[C::ClientRoute, C::ClientOffline, C::PathNoRoute, C::ClientVpn],
    },
    FailureText {
        failure: F::TcpNotPermitted,
        title: "Permission denied while connecting",
        predicate: "cannot be reached: the connection is not permitted",
        explanation: "The connection attempt was forbidden: by a rule, a \"prohibit\" route or a \
            sandbox on this machine, or, over IPv6, by a firewall on the way that answered \
            \"administratively prohibited\". It has nothing to do with file permissions or \
            passwords.",
        timing: "At once when this machine forbids it; one round trip when a firewall on the way \
            does.",
        look_alikes: &[
            (
                F::TcpHostUnreachable,
                "the same firewall answer over IPv4 is shown as \"No route to host\".",
            ),
            (
                F::TcpTimedOut,
                "an own rule that drops TCP packets shows as a timeout, not as \"not permitted\".",
            ),
        ],
        causes: &[C::ClientFirewall, C::FirewallRejects, C::PathRejects, C::ClientRoute],
    },
    FailureText {
        failure: F::TcpProtocolUnreachable,
        title: "Protocol not available",
        predicate: "answers that it does not speak TCP",
        explanation: "An ICMP \"protocol unreachable\" came back: the machine, or far more likely \
            a firewall that was told to reject this way, claims not to speak TCP at all.",
        timing: "One round trip.",
        look_alikes: &[
            (
                F::TcpRefused,
                "an ordinary closed port; a firewall rejecting with another ICMP code.",
            ),
            (F::TcpHostUnreachable, "another ICMP code of the same kind of rule."),
        ],
        causes: &[C::FirewallRejects, C::PathRejects],
    },
    FailureText {
        failure: F::TcpNoLocalAddress,
        title: "No local port or address left",
        predicate: "was not contacted: this machine has no free local port or address",
        explanation: "This machine could not give the connection a local address and port: all \
            ephemeral ports are in use, or the address to send from is not its own. Nothing was \
            sent.",
        timing: "At once, no packet is sent.",
        look_alikes: &[
            (F::TcpRefused, "there the other side said no; here this machine did not even ask."),
            (F::SelfResources, "there file descriptors or memory ran out, not ports."),
        ],
        causes: &[C::ClientExhausted, C::ClientRoute],
    },
    FailureText {
        failure: F::UdpRefused,
        title: "The UDP port is closed",
        predicate: "has a closed UDP port",
        explanation: "A datagram was answered with ICMP \"port unreachable\": no program has that \
            UDP port open, or a firewall rejects it.",
        timing: "One round trip, but the error is only seen with the next call on the socket.",
        look_alikes: &[(
            F::UdpNoReply,
            "silence may be normal for UDP: many services do not answer what they do not \
                understand.",
        )],
        causes: &[C::ServiceNotListening, C::FirewallRejects, C::ServiceLoopbackOnly],
    },
    FailureText {
        failure: F::UdpNoReply,
        title: "No answer to the datagram",
        predicate: "does not answer the datagram",
        explanation: "A datagram was sent and nothing came back. A firewall may drop it, the \
            service may be gone, or it may simply not answer this question.",
        timing: "As long as the check waits.",
        look_alikes: &[(F::UdpRefused, "there the machine said that the port is closed.")],
        causes: &[C::FirewallDrops, C::ServiceHung, C::HostDown, C::PathDrops],
    },
    FailureText {
        failure: F::IcmpNoReply,
        title: "No answer to ping",
        predicate: "does not answer to ping",
        explanation: "No echo reply came back. Many networks drop ping on purpose, so this alone \
            does not prove that the machine is down.",
        timing: "As long as the check waits.",
        look_alikes: &[
            (
                F::TcpTimedOut,
                "a silent TCP port on a machine that answers to ping: then a firewall drops it.",
            ),
            (F::TcpHostUnreachable, "there a router said that the machine is not there."),
        ],
        causes: &[C::FirewallDrops, C::HostDown, C::PathDrops],
    },
];
