//! The visitor's own machine: how to make sure, and what to do, on Windows, macOS and Linux.

use super::fill::{Step, When};
use crate::cause::Cause as C;

const RULES_LINUX: Step = Step::linux(
    "client",
    "Rules for outgoing packets; look at chains with `hook output`.",
    "sudo nft list ruleset; sudo iptables -nvL OUTPUT; sudo ip6tables -nvL OUTPUT",
);
const RULES_WINDOWS: Step = Step::windows(
    "Rules that block outgoing connections.",
    "Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True | Format-Table \
        DisplayName, Profile",
);
const RULES_MACOS: Step =
    Step::macos("Rules of the packet filter.", "sudo pfctl -s info | head -n 1; sudo pfctl -sr");
const ROUTE_LINUX: Step = Step::linux(
    "client",
    "Which way would a packet take? (an address; names are looked up first)",
    "ip route get \"$(getent ahosts {host} | awk '{print $1; exit}')\"",
);
const ROUTES_LINUX: Step = Step::linux(
    "client",
    "All routes that say no, and the default routes.",
    "ip route; ip -6 route",
);
const ROUTE_MACOS: Step = Step::macos("Which way would a packet take?", "route -n get {host}");
const ROUTE_WINDOWS: Step = Step::windows(
    "Which way would a packet take?",
    "Test-NetConnection -ComputerName {host} -DiagnoseRouting",
);

/// Confirm and fix steps; empty for causes that live elsewhere.
pub(super) const fn steps(cause: C) -> (&'static [Step], &'static [Step]) {
    match cause {
        C::ClientFirewall => FIREWALL,
        C::ClientRoute => ROUTE,
        C::ClientProxy => PROXY,
        C::ClientVpn => VPN,
        C::ClientHostsFile => HOSTS_FILE,
        C::ClientOffline => OFFLINE,
        C::ClientUnsafePort => UNSAFE_PORT,
        C::ClientClock => CLOCK,
        C::ClientExhausted => EXHAUSTED,
        _ => (&[], &[]),
    }
}

type Pair = (&'static [Step], &'static [Step]);

const FIREWALL: Pair = (
    &[
        RULES_LINUX,
        RULES_WINDOWS,
        RULES_MACOS,
        Step::any(
            "client",
            "Try from another machine in the same network. If that works, it is this machine.",
            "",
        ),
        Step::linux(
            "client",
            "Does this counter grow with every attempt? Then own rules drop the packets.",
            "nstat -az TcpExtTCPRetransFail",
        ),
    ],
    &[
        Step::linux("client", "ufw:", "sudo ufw allow out {port}/{proto}"),
        Step::linux(
            "client",
            "nftables: find the rule's handle in the output chain, then delete it (table and \
                chain as in your ruleset).",
            "sudo nft -a list ruleset | grep -n -B 5 -A 5 'hook output'",
        ),
        Step::linux(
            "client",
            "iptables:",
            "sudo iptables -I OUTPUT -p {proto} --dport {port} -j ACCEPT",
        ),
        Step::windows(
            "Allow the port (as administrator), and look for the rule that blocks it: blocking \
                wins.",
            "New-NetFirewallRule -DisplayName 'Allow port {port} out' -Direction Outbound \
                -Protocol {proto} -RemotePort {port} -Action Allow",
        ),
        Step::macos(
            "Allow local network access for the program under Privacy & Security; look for \
                third-party filters.",
            "systemextensionsctl list",
        ),
        Step::any(
            "client",
            "Antivirus, Little Snitch, LuLu and company agents have rules of their own: look \
                there.",
            "",
        ),
    ],
);

const ROUTE: Pair = (
    &[ROUTE_LINUX, ROUTES_LINUX, ROUTE_MACOS, ROUTE_WINDOWS],
    &[
        Step::linux(
            "client",
            "Remove a route that says no (put it in as `ip route` prints it).",
            "sudo ip route del ROUTE",
        ),
        Step::linux(
            "client",
            "No default route: connect again.",
            "sudo nmcli networking off && sudo nmcli networking on",
        ),
        Step::macos("Renew the address and the default route.", "sudo ipconfig set en0 DHCP"),
        Step::windows(
            "Renew the address and the default route.",
            "ipconfig.exe /release; ipconfig.exe /renew",
        ),
        Step::any(
            "client",
            "Only IPv6 affected: your network has no IPv6, although the machine believes so. IPv4 \
                works; a router restart often helps.",
            "",
        ),
        Step::any(
            "client",
            "A VPN leaves routes behind when it crashes: connect and disconnect it, or restart.",
            "",
        ),
    ],
);

const PROXY: Pair = (
    &[
        Step::linux("client", "Which proxy is set?", "env | grep -i _proxy"),
        Step::macos("Which proxy is set?", "scutil --proxy; env | grep -i _proxy"),
        Step::windows(
            "Which proxy is set?",
            "netsh winhttp show proxy; Get-ItemProperty \
                'HKCU:\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings' | \
                Select-Object ProxyEnable, ProxyServer, AutoConfigURL; Get-ChildItem Env:*_proxy",
        ),
        Step::linux(
            "client",
            "Does it work without?",
            "curl -sS -m 15 -o /dev/null -w '%{http_code}\\n' --noproxy '*' {url}",
        )
        .when(When::Web),
        Step::macos(
            "Does it work without?",
            "curl -sS -m 15 -o /dev/null -w '%{http_code}\\n' --noproxy '*' {url}",
        )
        .when(When::Web),
        Step::windows(
            "Does it work without?",
            "curl.exe -sS -m 15 -o NUL -w '%{http_code}' --noproxy '*' {url}",
        )
        .when(When::Web),
    ],
    &[
        Step::linux(
            "client",
            "In this shell: without a proxy.",
            "unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY",
        ),
        Step::linux(
            "client",
            "In this shell: past the proxy for this host only.",
            "export no_proxy={host}",
        ),
        Step::macos(
            "Switch it off (put your network service in for Wi-Fi).",
            "networksetup -setwebproxystate Wi-Fi off; networksetup -setsecurewebproxystate Wi-Fi \
                off",
        ),
        Step::windows(
            "Switch it off for this user, and for system services.",
            "Set-ItemProperty 'HKCU:\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet \
                Settings' ProxyEnable 0; netsh winhttp reset proxy",
        ),
        Step::any("browser", "Firefox has settings of its own: Settings, Network Settings.", ""),
        Step::any(
            "client",
            "407: store user name and password for the proxy, or ask its administrator. Other \
                errors: ask whether {host} is allowed.",
            "",
        ),
    ],
);

const VPN: Pair = (
    &[
        Step::linux(
            "client",
            "Is there a tunnel (tun, wg, ppp, tailscale), and does the way lead through it?",
            "ip -br link; ip route",
        ),
        ROUTE_LINUX,
        Step::macos(
            "Is there a tunnel (utun), and does the way lead through it?",
            "route -n get {host}; scutil --nc list",
        ),
        Step::windows(
            "Is there a tunnel, and does the way lead through it?",
            "Get-VpnConnection; Get-NetAdapter | Where-Object Status -eq Up; Test-NetConnection \
                -ComputerName {host} -DiagnoseRouting",
        ),
        Step::any(
            "client",
            "Disconnect the VPN and try again; or connect it, if the target is an internal one.",
            "",
        ),
    ],
    &[
        Step::any(
            "client",
            "Disconnect the VPN, or exclude {host} from it (split tunnelling).",
            "",
        ),
        Step::linux("client", "WireGuard:", "sudo wg-quick down wg0"),
        Step::windows(
            "Windows' own VPN: list and disconnect.",
            "Get-VpnConnection | Where-Object ConnectionStatus -eq Connected | ForEach-Object { \
                rasdial.exe $_.Name /disconnect }",
        ),
        Step::linux(
            "client",
            "After disconnecting: is the resolver the usual one again?",
            "resolvectl status",
        ),
        Step::any(
            "client",
            "Tell the VPN's administrator: no route to {authority} inside the tunnel.",
            "",
        ),
    ],
);

const HOSTS_FILE: Pair = (
    &[
        Step::linux("client", "Does the file name the host?", "grep -n -F -- {host} /etc/hosts"),
        Step::macos("Does the file name the host?", "grep -n -F -- {host} /etc/hosts"),
        Step::windows(
            "Does the file name the host?",
            "Select-String -SimpleMatch -Pattern {host} -Path \
                \"$env:SystemRoot\\System32\\drivers\\etc\\hosts\"",
        ),
        Step::linux("client", "What does DNS say?", "dig +short {host}").when(When::Name),
    ],
    &[
        Step::linux("client", "Remove the line.", "sudoedit /etc/hosts"),
        Step::macos(
            "Remove the line and clear the cache.",
            "sudo nano /etc/hosts; sudo dscacheutil -flushcache; sudo killall -HUP mDNSResponder",
        ),
        Step::windows(
            "Remove the line (the editor is started as administrator), then Clear-DnsClientCache.",
            "Start-Process notepad.exe -Verb RunAs -ArgumentList \
                \"$env:SystemRoot\\System32\\drivers\\etc\\hosts\"",
        ),
        Step::any(
            "client",
            "An ad blocker or a security program may write the file anew: add an exception there.",
            "",
        ),
    ],
);

const OFFLINE: Pair = (
    &[
        Step::linux(
            "client",
            "Is an interface up, with an address and a default route?",
            "ip -br addr; ip route",
        ),
        Step::linux("client", "Does anything answer?", "ping -c 3 1.1.1.1"),
        Step::macos(
            "Is there a network, and does anything answer?",
            "scutil --nwi; ping -c 3 1.1.1.1",
        ),
        Step::windows(
            "Is there a network, and does anything answer?",
            "Get-NetIPConfiguration; Test-Connection 1.1.1.1 -Count 3",
        ),
    ],
    &[
        Step::any("client", "Check the cable, Wi-Fi, flight mode and mobile data.", ""),
        Step::any(
            "router",
            "Restart the router; are its lights as usual? Ask the provider about an outage.",
            "",
        ),
        Step::linux(
            "client",
            "Connect again.",
            "sudo nmcli networking off && sudo nmcli networking on",
        ),
        Step::macos(
            "Connect again.",
            "networksetup -setairportpower en0 off; networksetup -setairportpower en0 on",
        ),
        Step::windows(
            "Connect again (as administrator; put the adapter in).",
            "Restart-NetAdapter -Name 'Wi-Fi'",
        ),
        Step::any(
            "browser",
            "Hotel or train: open http://neverssl.com to reach the log-in page.",
            "",
        ),
    ],
);

const UNSAFE_PORT: Pair = (
    &[
        Step::linux(
            "client",
            "curl does connect: then it is only the browser.",
            "curl -v -m 10 {url}",
        ),
        Step::macos("curl does connect: then it is only the browser.", "curl -v -m 10 {url}"),
        Step::windows("curl does connect: then it is only the browser.", "curl.exe -v -m 10 {url}"),
    ],
    &[
        Step::server(
            "Move the service to a port that browsers open, for example 8080 or 8443.",
            "sudo nginx -T | grep -n 'listen '",
        )
        .when(When::Always),
        Step::server(
            "Or put nginx on 443 in front: `proxy_pass http://127.0.0.1:{port};`, then",
            "sudo nginx -t && sudo systemctl reload nginx",
        ),
        Step::any(
            "browser",
            "For yourself only: Firefox about:config, network.security.ports.banned.override = \
                {port}.",
            "",
        ),
        Step::any(
            "browser",
            "For yourself only: start Chrome or Edge with --explicitly-allowed-ports={port}.",
            "",
        ),
    ],
);

const CLOCK: Pair = (
    &[
        Step::linux("client", "Is the clock synchronised?", "timedatectl"),
        Step::macos("How far is it off?", "sntp time.apple.com"),
        Step::windows(
            "How far is it off?",
            "w32tm /stripchart /computer:time.windows.com /samples:1 /dataonly",
        ),
        Step::linux(
            "client",
            "Compare with what a server says.",
            "date -u; curl -sSkI {origin} | grep -i '^date'",
        )
        .when(When::Web),
    ],
    &[
        Step::linux("client", "Switch synchronisation on.", "sudo timedatectl set-ntp true"),
        Step::macos("Set it now.", "sudo sntp -sS time.apple.com"),
        Step::windows(
            "Set it now (as administrator).",
            "Start-Service w32time; w32tm /resync /force",
        ),
        Step::any(
            "client",
            "The time zone must be right too. An old machine that forgets the time needs a new \
                battery.",
            "",
        ),
    ],
);

const EXHAUSTED: Pair = (
    &[
        Step::linux(
            "client",
            "How many sockets in which state?",
            "ss -s; cat /proc/sys/net/ipv4/ip_local_port_range",
        ),
        Step::linux(
            "client",
            "To whom do they go?",
            "ss -Htn state time-wait | awk '{print $4}' | sort | uniq -c | sort -rn | head",
        ),
        Step::linux(
            "client",
            "Descriptors: who has most?",
            "for p in /proc/[0-9]*; do echo \"$(sudo ls $p/fd 2> /dev/null | wc -l) $(cat \
                $p/comm)\"; done | sort -rn | head -n 5",
        ),
        Step::linux(
            "client",
            "Memory and time: does it swap (si, so), does it wait for its processor (r, st)?",
            "vmstat 1 5",
        ),
        Step::linux(
            "client",
            "Was it suspended, or out of memory?",
            "journalctl -k -n 20 --grep 'suspend|Out of memory'",
        ),
        Step::macos(
            "How many sockets in which state?",
            "netstat -an -p tcp | awk '{print $6}' | sort | uniq -c",
        ),
        Step::windows(
            "How many sockets in which state?",
            "Get-NetTCPConnection | Group-Object State | Format-Table Count, Name",
        ),
    ],
    &[
        Step::any(
            "client",
            "Let the program reuse connections (keep-alive, a pool) instead of opening one for \
                each request.",
            "",
        ),
        Step::linux(
            "client",
            "More local ports:",
            "sudo sysctl -w net.ipv4.ip_local_port_range='10240 65535'",
        ),
        Step::linux(
            "client",
            "Reuse ports in TIME-WAIT for outgoing connections:",
            "sudo sysctl -w net.ipv4.tcp_tw_reuse=1",
        ),
        Step::windows(
            "More local ports (as administrator):",
            "netsh int ipv4 set dynamicport tcp start=10240 num=55296",
        ),
        Step::macos("More local ports:", "sudo sysctl -w net.inet.ip.portrange.first=10240"),
        Step::linux("client", "More descriptors for this shell:", "ulimit -n 65536"),
        Step::any(
            "client",
            "Let nothing else use up memory and processor here, and keep the machine awake.",
            "",
        ),
    ],
);
