//! Firewalls, machines and the network between: how to make sure, and what to do.

use super::fill::{Step, When};
use super::owner::{LISTENERS, TRY_LINUX, TRY_MACOS, TRY_WINDOWS};
use crate::cause::Cause as C;

const RULESET: Step = Step::server(
    "Look for a rule that names the port, or a policy of drop or reject.",
    "sudo nft list ruleset | less",
);
const RULES_IPTABLES: Step = Step::server(
    "The same on older systems; the counter in front of a rule grows with every hit.",
    "sudo iptables -nvL; sudo ip6tables -nvL",
);
const UFW_STATUS: Step = Step::server("Ubuntu's ufw:", "sudo ufw status verbose");
const FIREWALLD_STATUS: Step =
    Step::server("firewalld (RHEL, Fedora):", "sudo firewall-cmd --list-all-zones");
const CAPTURE: Step = Step::server(
    "Do the packets arrive at all, and is there an answer? Knock from outside while this runs.",
    "sudo tcpdump -ni any 'port {port} or icmp or icmp6'",
);
const ALLOW: &[Step] = &[
    Step::server("ufw:", "sudo ufw allow {port}/{proto}"),
    Step::server(
        "firewalld:",
        "sudo firewall-cmd --permanent --add-port={port}/{proto} && sudo firewall-cmd --reload",
    ),
    Step::server(
        "nftables (table and chain as in your ruleset; add the rule to /etc/nftables.conf to keep \
            it):",
        "sudo nft insert rule inet filter input {proto} dport {port} accept",
    ),
    Step::server(
        "iptables (keep it with netfilter-persistent save; ip6tables likewise):",
        "sudo iptables -I INPUT -p {proto} --dport {port} -j ACCEPT",
    ),
    Step::any(
        "router",
        "Cloud: allow inbound {proto} {port} from 0.0.0.0/0 and ::/0. AWS: security group and \
            network ACL. Google Cloud: VPC firewall rule. Azure: network security group. Hetzner: \
            Cloud Firewall, or the Robot firewall (which also needs a rule for returning packets).",
        "",
    ),
    Step::server(
        "Docker publishes ports in its own chain: restrictions belong into DOCKER-USER, ufw does \
            not see them.",
        "sudo iptables -nvL DOCKER-USER",
    ),
    Step::any(
        "router",
        "Server at home or in an office: forward port {port} on the router to the server.",
        "",
    ),
];
const TRACE_LINUX: Step = Step::linux(
    "client",
    "Which hop is the last to answer? (the same port, so that filters treat it alike)",
    "sudo traceroute -T -p {port} {host}",
)
.when(When::Tcp);
const TRACE_MACOS: Step =
    Step::macos("Which hop is the last to answer?", "sudo traceroute -P tcp -p {port} {host}")
        .when(When::Tcp);
const TRACE_WINDOWS: Step = Step::windows(
    "Which hop is the last to answer?",
    "Test-NetConnection -ComputerName {host} -TraceRoute",
);
const TRACE_PING: Step = Step::linux("client", "Where do losses begin?", "mtr -rwc 20 {host}");
const OTHER_NETWORK: Step = Step::any(
    "client",
    "Try from another network, for example a phone's mobile data. If that works, it is this \
        network.",
    "",
);
const PING_LINUX: Step =
    Step::linux("client", "Does the machine answer at all?", "ping -c 3 {host}");
const PING_WINDOWS: Step =
    Step::windows("Does the machine answer at all?", "Test-Connection {host} -Count 3");
const PING_MACOS: Step = Step::macos("Does the machine answer at all?", "ping -c 3 {host}");

/// Confirm and fix steps; empty for causes that live elsewhere.
pub(super) const fn steps(cause: C) -> (&'static [Step], &'static [Step]) {
    match cause {
        C::FirewallRejects => (FIREWALL_REJECTS, ALLOW),
        C::FirewallDrops => (FIREWALL_DROPS, ALLOW),
        C::HostDown => HOST_DOWN,
        C::PathRejects => PATH_REJECTS,
        C::PathNoRoute => PATH_NO_ROUTE,
        C::PathDrops => PATH_DROPS,
        C::PathMtu => PATH_MTU,
        C::PathLargeHello => PATH_LARGE_HELLO,
        C::Unknown => UNKNOWN,
        _ => (&[], &[]),
    }
}

type Pair = (&'static [Step], &'static [Step]);

const FIREWALL_REJECTS: &[Step] =
    &[RULESET, UFW_STATUS, FIREWALLD_STATUS, RULES_IPTABLES, LISTENERS, CAPTURE, OTHER_NETWORK];

const FIREWALL_DROPS: &[Step] = &[
    CAPTURE,
    RULESET,
    UFW_STATUS,
    FIREWALLD_STATUS,
    RULES_IPTABLES,
    TRY_LINUX,
    TRY_MACOS,
    TRY_WINDOWS,
];

const HOST_DOWN: Pair = (
    &[
        Step::any(
            "router",
            "Look at the machine's state in the provider's console or at its lights.",
            "",
        ),
        PING_LINUX,
        PING_MACOS,
        PING_WINDOWS,
        Step::any(
            "router",
            "From a machine in the same network: `ip neigh` shows FAILED or INCOMPLETE for an \
                address nobody holds.",
            "",
        ),
    ],
    &[
        Step::any(
            "router",
            "Start or reset the machine in the provider's console; read its serial console if it \
                does not come up.",
            "",
        ),
        Step::server(
            "On the console: is the network up, with the right address and gateway?",
            "ip -br addr; ip route; ip -6 route",
        ),
        Step::server("Why did it go down?", "journalctl -b -1 -n 50 --no-pager; last -x | head"),
        Step::server(
            "Bring the network up again (use the one that is installed).",
            "sudo netplan apply || sudo systemctl restart systemd-networkd || sudo systemctl \
                restart NetworkManager",
        ),
        Step::any("dns", "Replaced the machine? Then DNS still gives out the old address.", ""),
    ],
);

const PATH_REJECTS: Pair = (
    &[OTHER_NETWORK, TRACE_LINUX, TRACE_MACOS, TRACE_WINDOWS],
    &[
        Step::any(
            "router",
            "Office, school, hotel: ask for {proto} {port} to {host} to be allowed outbound.",
            "",
        ),
        Step::any(
            "router",
            "Home: look for parental controls or a security function in the router.",
            "",
        ),
        Step::any("client", "Use another network or a VPN that you may use.", ""),
        Step::any(
            "router",
            "Owner: does a firewall or DDoS filter of your provider stand in front? Ask it with \
                the time and the visitor's address.",
            "",
        ),
    ],
);

const PATH_NO_ROUTE: Pair = (
    &[TRACE_PING, TRACE_LINUX, TRACE_MACOS, TRACE_WINDOWS, OTHER_NETWORK],
    &[
        Step::any(
            "router",
            "Tell the operator of the router that answers: it has no route to {host}.",
            "",
        ),
        Step::any(
            "router",
            "Owner: is your prefix announced? Look your address up in a looking glass such as \
                https://stat.ripe.net.",
            "",
        ),
        Step::linux("router", "Own router: which route does it take?", "ip route get {host}"),
        Step::any("client", "IPv6 only? As a stopgap use IPv4.", ""),
    ],
);

const PATH_DROPS: Pair = (
    &[OTHER_NETWORK, TRACE_LINUX, TRACE_MACOS, TRACE_WINDOWS, TRACE_PING, CAPTURE],
    &[
        Step::any(
            "router",
            "Send the trace to your provider: it shows the last hop that answers.",
            "",
        ),
        Step::any(
            "router",
            "Own router or firewall: does it allow {proto} {port} outbound, and the answers back \
                in?",
            "",
        ),
        Step::server(
            "Owner: is the visitor's address banned?",
            "sudo fail2ban-client banned; sudo nft list ruleset | grep -i -A 3 set",
        ),
        Step::server(
            "Owner: has the server a way back to the visitor?",
            "ip route get VISITOR_ADDRESS",
        ),
        Step::any("client", "Use another network meanwhile.", ""),
    ],
);

const PATH_LARGE_HELLO: Pair = (
    &[
        Step::linux(
            "client",
            "A small greeting, as of older clients: is it answered?",
            "curl -sS -o /dev/null -w '%{http_code}\\n' --curves X25519 https://{host}:{port}/",
        ),
        Step::any(
            "client",
            "Chrome: switch `chrome://flags/#enable-tls13-kyber` off, or Firefox's \
                `security.tls.enable_kyber` in `about:config`: does the page open then?",
            "",
        ),
    ],
    &[
        Step::any(
            "router",
            "Update the firewall, inspection device or balancer: its maker has a fix for \
                ClientHello messages in several packets (tldr.fail lists products).",
            "",
        ),
        Step::any("router", "Until then: except the host from inspection of TLS or SNI.", ""),
        Step::any(
            "client",
            "As a stopgap in a managed network: the Chrome policy \
                PostQuantumKeyAgreementEnabled, set to false.",
            "",
        ),
    ],
);

const PATH_MTU: Pair = (
    &[
        Step::linux(
            "client",
            "The largest packet that passes: lower 1472 until an answer comes (plus 28 is the \
                path MTU).",
            "ping -M do -s 1472 -c 3 {host}",
        ),
        Step::macos(
            "The largest packet that passes: lower 1472 until an answer comes.",
            "ping -D -s 1472 -c 3 {host}",
        ),
        Step::windows(
            "The largest packet that passes: lower 1472 until an answer comes.",
            "ping.exe -f -l 1472 {host}",
        ),
        Step::linux("client", "Where does the path become narrow?", "tracepath -n {host}"),
    ],
    &[
        Step::linux(
            "router",
            "On the tunnel or router: fit the segment size to the path.",
            "sudo nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu",
        ),
        Step::linux(
            "router",
            "The same with iptables:",
            "sudo iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS \
                --clamp-mss-to-pmtu",
        ),
        Step::any(
            "router",
            "Let ICMP \"fragmentation needed\" (type 3 code 4) and ICMPv6 \"packet too big\" \
                (type 2) pass every firewall.",
            "",
        ),
        Step::server(
            "On the server, as a stopgap: let the kernel find the size by itself.",
            "sudo sysctl -w net.ipv4.tcp_mtu_probing=1",
        ),
        Step::linux(
            "client",
            "On the visitor's machine, as a stopgap (put the interface in; WireGuard: MTU = 1380).",
            "sudo ip link set dev INTERFACE mtu 1400",
        ),
    ],
);

const UNKNOWN: Pair = (
    &[
        Step::any("client", "Check from a second place.", "whydown diagnose {authority} --deep"),
        OTHER_NETWORK,
        TRY_LINUX,
        TRY_MACOS,
        TRY_WINDOWS,
        LISTENERS,
    ],
    &[Step::any(
        "server",
        "Install the host agent on the server: it sees what no one outside can see.",
        "",
    )],
);
