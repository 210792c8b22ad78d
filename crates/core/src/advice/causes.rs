//! What each cause means: a table, one row per [`Cause`](crate::cause::Cause). What to do about
//! it is in `owner.rs`, `backend.rs`, `ground.rs`, `names.rs` and `visitor.rs`.

use crate::cause::Cause as C;

/// What is known about one cause, whatever the target.
#[derive(Clone, Copy)]
pub(super) struct CauseText {
    pub(super) cause: C,
    /// A heading.
    pub(super) title: &'static str,
    /// A clause that ends a sentence after a colon.
    pub(super) clause: &'static str,
    /// Who has to do what, as a sentence.
    pub(super) act: &'static str,
    /// The same when evidence puts the cause on the visitor's side; empty: as `act`.
    pub(super) act_visitor: &'static str,
    /// What is going on there.
    pub(super) explanation: &'static str,
    /// How it is told from its look-alikes.
    pub(super) told_apart: &'static str,
}

const fn text(
    cause: C,
    title: &'static str,
    clause: &'static str,
    act: &'static str,
    explanation: &'static str,
    told_apart: &'static str,
) -> CauseText {
    CauseText { cause, title, clause, act, act_visitor: "", explanation, told_apart }
}

const fn or_visitor(text: CauseText, act_visitor: &'static str) -> CauseText {
    CauseText { act_visitor, ..text }
}

/// In the order of `Cause::ALL`.
pub(super) const TEXTS: &[CauseText] = &[
    text(
        C::ServiceNotListening,
        "Nothing listens on the port",
        "nothing listens on the port",
        "{owner} has to start the service.",
        "The machine is up and reachable, but no program waits for connections on this port. The \
            service was stopped, crashed, was never started after a reboot, or is set to another \
            port.",
        "The refusal comes from the machine itself (same distance as its other answers), and \
            other ports of the same address answer. On the server, `ss` shows no listener. A \
            firewall that rejects with a TCP reset looks the same from outside.",
    ),
    text(
        C::ServiceLoopbackOnly,
        "The service listens on this machine only",
        "the service listens on the loopback address only",
        "{owner} has to let the service listen on the public address.",
        "The service runs, but is bound to 127.0.0.1 or ::1, so only programs on the same machine \
            can reach it. Many databases and development servers come that way, on purpose.",
        "From outside it looks exactly like nothing listening. On the server, `ss` shows the port \
            on 127.0.0.1 or [::1], and a request from the server to itself works.",
    ),
    text(
        C::ServiceOneFamilyOnly,
        "The service listens on one IP family only",
        "the service listens on IPv4 only, or on IPv6 only",
        "{owner} has to make the service listen on both families, or remove the DNS record of the \
            other.",
        "DNS publishes addresses of both families, but the service listens on one of them. \
            Visitors whose system prefers the other one see refusals or delays.",
        "The addresses of one family answer and those of the other refuse.",
    ),
    or_visitor(
        text(
            C::ServiceWrongPort,
            "The service is on another port",
            "the service answers on another port",
            "{owner} has to move the service to this port, or publish the right one.",
            "The machine answers the same protocol on a neighbouring usual port (80, 443, 8080, \
                8443, …): the address was mistyped, or the service was configured with another \
                port.",
            "This port refuses while the same service answers on another.",
        ),
        "Use the port on which the service answers.",
    ),
    text(
        C::ServiceCrashLoop,
        "The service keeps crashing",
        "the service starts and dies again and again",
        "{owner} has to read the service's log and fix why it exits.",
        "The supervisor (systemd, Docker, Kubernetes) restarts the service, it works for a moment \
            or not at all, and exits again.",
        "Refused and accepted connections alternate, often with a regular period. On the server \
            the restart counter grows.",
    ),
    text(
        C::ServiceStoppedAfterDeploy,
        "The service failed right after a change",
        "the service failed right after it was started or reloaded",
        "{owner} has to undo or correct the last change and start the service again.",
        "The unit failed within minutes of a start or reload. The last log lines usually say why: \
            a configuration error, an address already in use, a missing file or certificate.",
        "Only the inside knows: the unit is `failed`, shortly after a start.",
    ),
    text(
        C::ServiceHung,
        "The service accepts but does not answer",
        "the service accepts connections and never answers",
        "{owner} has to restart the service and find out what it waits for.",
        "The kernel opens connections on the program's behalf, but the program does not read or \
            answer: a deadlock, a stopped process, exhausted workers, a dependency that never \
            answers.",
        "TCP opens at once and then there is silence, on every address. `nc -z` and port scanners \
            call it open. On the server the accept queue (Recv-Q of the listener) is filled or \
            connections pile up.",
    ),
    text(
        C::ServiceOverloaded,
        "The service cannot keep up",
        "the service is overloaded",
        "{owner} has to give the service more capacity or less load.",
        "More connections or requests arrive than are handled. The accept queue overflows and the \
            kernel drops new connection attempts without a word, or answers take ever longer.",
        "Connections open only after repeated attempts (1, 2, 4 s), or some fail and some work. \
            On the server ListenOverflows grows.",
    ),
    text(
        C::ServiceClosesConnections,
        "The service closes connections",
        "the service closes connections instead of answering",
        "{owner} has to look into the service's log at the time of the check.",
        "The program accepts the connection and ends it before or while answering: it crashes on \
            the request, limits clients by address, expects another protocol (TLS, PROXY \
            protocol), or its workers die.",
        "The connection opens and is then closed or reset, coming from the host itself.",
    ),
    or_visitor(
        text(
            C::ServiceWrongProtocol,
            "The port speaks another protocol",
            "the port speaks another protocol than was asked",
            "{owner} has to switch on the expected protocol, or publish the right address.",
            "Plain HTTP was sent to a TLS port, TLS to a plain port, or the port belongs to \
                another service altogether (an SSH or mail banner).",
            "Something answers, but in another language: its first bytes show which.",
        ),
        "Use the right scheme and port, for example https:// instead of http://.",
    ),
    text(
        C::FirewallRejects,
        "A firewall on the server's side says no",
        "a firewall in front of the service rejects the connection",
        "{owner} has to allow the port in the firewall.",
        "A packet filter on the server or right before it answers connection attempts with a \
            rejection (ICMP \"prohibited\", \"port unreachable\", or a TCP reset).",
        "An ICMP error from the server's own address is always a filter. A TCP reset from a \
            filter differs from a closed port only in details (type of service is not copied); \
            certain is the rule's counter on the server.",
    ),
    text(
        C::FirewallDrops,
        "A firewall on the server's side drops packets",
        "a firewall in front of the service drops the packets",
        "{owner} has to allow the port in the firewall or security group.",
        "A packet filter or a cloud security group discards connection attempts to this port \
            without an answer. That is the default of most cloud providers.",
        "This port is silent while other ports of the same address answer, or the host answers \
            otherwise (ping, UDP).",
    ),
    text(
        C::HostDown,
        "The machine is off",
        "the machine is off or not connected",
        "{owner} has to switch the machine on or repair its network.",
        "No machine answers at this address: it is switched off, crashed, still booting, or its \
            network is unplugged or misconfigured.",
        "The last router reports \"host unreachable\" after about 3 s, or nothing on any port, \
            nor ping, answers while the network before it does.",
    ),
    text(
        C::PathRejects,
        "A device on the way says no",
        "a device on the way rejects the connection",
        "The network's operator has to allow the connection, or use another network.",
        "A router, firewall or filter between visitor and server answers instead of the server: a \
            company or school firewall, a provider's or country's filter, or the server's \
            provider.",
        "The answer comes from a shorter distance than the server's other answers (time to live, \
            hop), or names a router as its sender. From other networks it works.",
    ),
    text(
        C::PathNoRoute,
        "A router knows no way",
        "a router on the way knows no route to it",
        "The network's operator has to repair the route.",
        "A router on the way has no route to the destination, or packets run in a circle until \
            their time to live ends: a provider's outage, a withdrawn prefix, a wrong static \
            route.",
        "An ICMP \"network unreachable\", \"host unreachable\" or \"time exceeded\" from a router \
            that is not the last one.",
    ),
    text(
        C::PathDrops,
        "A device on the way swallows the packets",
        "the packets are lost on the way from here",
        "The network's operator has to find where the packets are lost.",
        "Packets from here vanish somewhere on the way, while the service works for others: a \
            filter, a broken link, a missing way back.",
        "Silence from here, answers from other places. A trace shows the last hop that answers, \
            for this port and for a working one.",
    ),
    text(
        C::PathMtu,
        "Large packets are lost",
        "large packets are lost on the way (path MTU)",
        "The operator of the tunnel or firewall has to let ICMP \"too big\" pass or lower the \
            segment size.",
        "A link on the way (tunnel, VPN, PPPoE) takes only smaller packets, and the ICMP message \
            that says so is filtered. Small exchanges work, large ones hang.",
        "The TCP handshake is fine and large answers stall; the same request with a small segment \
            size is answered.",
    ),
    text(
        C::PathLargeHello,
        "Large TLS greetings are lost",
        "a device on the way cannot cope with a large TLS greeting",
        "The operator of the firewall or balancer has to update it.",
        "Browsers begin encrypted connections with a key for post-quantum cryptography, so that \
            their first message (ClientHello) no longer fits into one packet. Firewalls, \
            inspection devices and balancers that expect all of it in one packet drop it or reset \
            the connection. Older clients, whose greeting is small, get through.",
        "The usual handshake is reset or not answered; the same one without the post-quantum key \
            is answered at once.",
    ),
    text(
        C::UpstreamDead,
        "The backend behind the proxy is dead",
        "the backend behind the reverse proxy does not work",
        "{owner} has to start or repair the backend behind the reverse proxy.",
        "A reverse proxy or load balancer answers, but the application behind it refuses, hangs \
            or is gone: 502 (refused or broken answer), 503 (no backend in service), 504 (no \
            answer in time).",
        "The answer is the proxy's own error page with status 502, 503 or 504; or, with a TCP \
            balancer, the connection is accepted and closed (HAProxy: after 3 s).",
    ),
    text(
        C::BalancerSomeBackends,
        "Some backends fail",
        "some of its addresses or backends fail while others work",
        "{owner} has to repair or remove the failing backend.",
        "Several machines serve the name, and some of them fail. A visitor meets a good or a bad \
            one by chance.",
        "Some addresses, or a share of the attempts to one address, fail and the rest work.",
    ),
    text(
        C::DnsNameMissing,
        "The DNS record is missing",
        "the name or its address record is missing in DNS",
        "{owner} has to create the DNS record, or the name is mistyped.",
        "The domain's own name servers say that the name, or its address record, does not exist: \
            mistyped, never created, deleted, or the domain has expired.",
        "The authoritative servers and public resolvers agree: NXDOMAIN, or no A and AAAA record.",
    ),
    text(
        C::DnsZoneBroken,
        "The domain's name servers are broken",
        "the domain's own name servers fail",
        "{owner} has to repair the domain's name servers, delegation or DNSSEC.",
        "The name servers that the registry lists for the domain do not answer, do not know the \
            domain (lame delegation), or their DNSSEC signatures do not verify.",
        "Every resolver reports SERVFAIL. When the answer comes with checking disabled (`dig \
            +cd`), DNSSEC is the fault.",
    ),
    or_visitor(
        text(
            C::DnsStale,
            "An old or wrong address is served",
            "DNS still gives out an old or wrong address",
            "{owner} has to correct the record and wait until the old one's time to live has \
                passed.",
            "The address that DNS returns is not where the service is now: a record was changed \
                recently and is still cached, some name servers have an old zone, or a resolver \
                lies.",
            "The authoritative servers, the own resolver and public resolvers give different \
                addresses.",
        ),
        "Clear the DNS cache, or wait until the old record's time to live has passed.",
    ),
    text(
        C::DnsResolverDown,
        "The resolver in use does not work",
        "the DNS resolver that this machine uses does not work",
        "You, or whoever runs your network, have to repair or change the resolver.",
        "The resolver configured on this machine is unreachable, silent, refuses or fails, while \
            others resolve the name. The target itself may be perfectly fine.",
        "A public resolver answers the same question; the configured one fails for every name.",
    ),
    text(
        C::TlsCertificate,
        "The certificate is wrong",
        "the server's certificate is not acceptable",
        "{owner} has to renew or correct the certificate.",
        "The certificate has expired, is for another name, is not signed by an authority that \
            clients trust, or the chain is incomplete.",
        "The presented chain itself shows it. If every visitor sees it, it is the server's; if \
            only one network does, look for an inspecting proxy or a wrong clock.",
    ),
    text(
        C::TlsConfiguration,
        "The server's TLS settings do not fit",
        "the server's TLS settings do not fit current clients",
        "{owner} has to correct the TLS settings.",
        "The server offers only outdated protocol versions or ciphers, knows no site of that \
            name, or fails internally during the handshake.",
        "The server answers the handshake with an alert (40, 70, 80, 112), for every client alike.",
    ),
    text(
        C::TlsClientCertificate,
        "A client certificate is needed",
        "the server only admits clients with a certificate of their own",
        "Present a client certificate that the server's owner has issued.",
        "The server asks every client for a certificate. That is a setting, not a fault; the \
            visitor has to install the right one.",
        "The server sends a certificate request, and an alert 116, 42 or 40 when none comes.",
    ),
    text(
        C::ClientFirewall,
        "Your own firewall blocks it",
        "this machine's own firewall blocks the connection",
        "Allow the connection in this machine's firewall or security software.",
        "A packet filter, security software or sandbox on the visitor's own machine forbids or \
            drops the connection. The target was never asked.",
        "EPERM or EACCES at once, an ICMP error from the own address, or own packets that never \
            leave (no packet on the wire while TCPRetransFail grows).",
    ),
    text(
        C::ClientRoute,
        "Your own routing table says no",
        "this machine has no route to it",
        "Correct this machine's routing table or network settings.",
        "The visitor's own machine has no route to the target, or one that says no (unreachable, \
            prohibit, blackhole, throw). Often IPv6 is half configured, or a VPN left a route \
            behind.",
        "The error comes at once (under a millisecond) and no packet is sent.",
    ),
    text(
        C::ClientProxy,
        "Your proxy setting, or that proxy",
        "the proxy that this machine is told to use does not work",
        "Correct the proxy setting, or ask whoever runs the proxy.",
        "The visitor's machine sends everything through a forward proxy, and that proxy is wrong, \
            gone, wants a password or does not allow the target. The target itself may be fine.",
        "Without the proxy (`curl --noproxy '*'`) it works, or fails differently.",
    ),
    text(
        C::ClientVpn,
        "Your VPN",
        "this machine's VPN leads the connection astray",
        "Disconnect the VPN to compare, then correct its routes or DNS.",
        "A VPN or tunnel takes over the default route or the resolver, and the target is not \
            reachable that way; or a VPN that is needed is not connected.",
        "The route to the target goes through a tunnel interface; without the VPN it works (or \
            only with it).",
    ),
    text(
        C::ClientHostsFile,
        "Your hosts file",
        "a line in this machine's hosts file gives the name another address",
        "Remove the line from this machine's hosts file.",
        "A line in the visitor's hosts file overrides DNS for this name: left over from a test, a \
            migration or an ad blocker.",
        "The hosts file names the host, and DNS gives another address.",
    ),
    text(
        C::ClientOffline,
        "This machine is offline",
        "this machine has no working network",
        "Repair this machine's network connection.",
        "Nothing at all can be reached from here: no interface is up, no gateway, or the provider \
            is down. It says nothing about the target.",
        "Well-known other hosts, the resolver and the gateway fail too.",
    ),
    text(
        C::ClientUnsafePort,
        "Browsers block this port",
        "browsers refuse to use port {port}",
        "Use another port for the web: no visitor's browser opens this one.",
        "Browsers never open a web connection to ports that belong to other protocols (the \"bad \
            ports\" of the Fetch standard), to keep web pages from attacking mail or other \
            servers. No packet is sent. curl and other programs do connect.",
        "ERR_UNSAFE_PORT or \"This address is restricted\", at once, only in browsers.",
    ),
    text(
        C::ClientClock,
        "The clock is wrong",
        "this machine's clock is wrong",
        "Set this machine's clock.",
        "Certificates have a first and a last day. With a clock that is far off, every \
            certificate seems expired or not valid yet.",
        "Many unrelated sites show the same error; the clock differs from the Date header of any \
            server.",
    ),
    text(
        C::ClientExhausted,
        "This machine has run out of ports, descriptors, memory or time",
        "this machine has no free ports, descriptors, memory or processor time left",
        "Find out what this machine has run out of, and free it.",
        "Every outgoing connection needs a local port and a descriptor. A machine that opens many \
            short connections to one address can use up all of them (about 28,000 ports by \
            default). And whoever checks needs time to run: a machine that swaps, is busy with \
            other things or was suspended misses answers that were there in time.",
        "EADDRNOTAVAIL or EMFILE at once, no packet sent; many sockets in TIME-WAIT. Or the time \
            of a check was over while its own process did not run.",
    ),
    text(
        C::AppError,
        "The application fails",
        "the application itself reports an error",
        "{owner} has to look into the application's log.",
        "Network, server and web server work; the application behind them fails or answers \
            something else than expected: an exception, a missing database, a full disk, a bad \
            release.",
        "The status (500 and others) or the content comes from the application, through a working \
            connection.",
    ),
    text(
        C::Unknown,
        "Not decided",
        "the evidence does not decide why",
        "A look from another place, or from inside the server, would decide.",
        "The facts at hand fit several causes equally well. That is said rather than guessed.",
        "More evidence decides: a second location, the host agent on the server, `--deep`.",
    ),
];
