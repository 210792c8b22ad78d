//! Faults that were staged after the rules had been written, most of them two things at once: real
//! servers that turn visitors away, filters in places where few look, and innocent bystanders.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use whydown_lab::{
    Behaviour, Ca, Dnsmasq, Flavour, Haproxy, Hook, Host, Nginx, Peer, Redis, Rule, Sshd,
};

use crate::scene::{Scene, down, faults, own, page};

const GONE: [&str; 3] = ["server", "service.not_listening", "owner"];
const CLOSES: [&str; 3] = ["app", "service.closes_connections", "owner"];
const OVERLOADED: [&str; 3] = ["app", "service.overloaded", "owner"];
const APP: [&str; 3] = ["app", "app.error", "owner"];
const REJECTS: [&str; 3] = ["server", "firewall.rejects", "owner"];
const DROPS: [&str; 3] = ["server", "firewall.drops", "owner"];
const PATH_REJECTS: [&str; 3] = ["network", "path.rejects", "network"];
const CERTIFICATE: [&str; 3] = ["server", "tls.certificate", "owner"];
const SETTINGS: [&str; 3] = ["server", "tls.configuration", "owner"];
const MTU: [&str; 3] = ["network", "path.mtu", "network"];
const STALE: [&str; 3] = ["dns", "dns.stale", "owner"];

fn nginx(scene: &mut Scene, http: &str) {
    let nginx = Nginx::start(&scene.lab.server(), http);
    scene.keep(nginx);
}

/// Everything but the shop's own network goes into a VPN that is dead.
fn vpn_elsewhere(scene: &mut Scene) {
    scene.ssh();
    let tunnel = scene.lab.dead_tunnel("vpn0");
    scene.lab.client().ip("route add 10.99.2.0/24 via 10.99.1.1");
    scene.keep(tunnel);
}

/// The hosts file says what DNS says.
fn honest_hosts_file(scene: &mut Scene) {
    scene.ssh();
    let dns = scene.resolver();
    dns.set_addresses("shop.test", &["10.99.2.10".parse().unwrap()]);
    scene.keep(dns);
    scene.shop_is_at(&["10.99.2.10"]);
}

fn haproxy(scene: &mut Scene, rule: &str) {
    let web = Peer::start(&scene.lab.backend(), 8080, page());
    let sections = format!(
        "frontend web\n bind :80\n {rule}\n default_backend app\nbackend app\n \
         server one 10.99.2.20:8080\n"
    );
    let haproxy = Haproxy::start(&scene.lab.server(), &sections);
    scene.keep((web, haproxy));
}

/// Somebody has connected to a port of the server, has said something, and stays.
#[expect(clippy::disallowed_methods, reason = "a guest makes no check")]
fn guest(host: &Host, port: u16, words: &[u8]) -> TcpStream {
    let to: SocketAddr = (host.v4(), port).into();
    let mut tcp = host.enter(|| TcpStream::connect(to).unwrap());
    tcp.write_all(words).unwrap();
    // The answer shows that the server has taken notice.
    assert!(tcp.read(&mut [0; 64]).unwrap() > 0);
    tcp
}

fn crowded_ssh(scene: &mut Scene) {
    let sshd = Sshd::start_with(&scene.lab.server(), 22, "MaxStartups 1");
    let guest = guest(&scene.lab.server(), 22, b"SSH-2.0-guest\r\n");
    scene.keep((sshd, guest));
}

fn crowded_redis(scene: &mut Scene) {
    let redis = Redis::start(&scene.lab.server(), 6379, None);
    let guest = guest(&scene.lab.server(), 6379, b"CONFIG SET maxclients 1\r\n");
    scene.keep((redis, guest));
}

fn greeting(scene: &mut Scene, port: u16, words: &[u8]) {
    scene.serve(port, Behaviour::Banner(words.to_vec()));
}

fn dnsmasq(scene: &mut Scene, lines: &str) {
    scene.web();
    drop(scene.resolver());
    let dnsmasq = Dnsmasq::start(&scene.lab.resolver(), 53, lines);
    scene.keep(dnsmasq);
}

/// nginx that wants a name which it knows, and is asked for an address.
fn wants_a_name(scene: &mut Scene) {
    nginx(scene, "server { listen 443 ssl default_server; ssl_reject_handshake on; }");
}

/// The web server leads to another place.
fn redirect(scene: &mut Scene, to: &str) {
    let server = format!("server {{ listen 80; return 302 {to}; }}");
    nginx(scene, &server);
}

fn expired_elsewhere(scene: &mut Scene) {
    scene.tls(Flavour::Expired, page());
    redirect(scene, "https://shop.test/");
}

/// A device on the way lets connections through and ends them at the first words.
fn inspector(scene: &mut Scene) {
    let ca = Ca::new();
    scene.tls(Flavour::Good, page());
    scene.ssh();
    scene.lab.r1().nft(
        "add table inet inspector\n\
         add chain inet inspector forward { type filter hook forward priority 0; }\n\
         add rule inet inspector forward tcp dport 443 tcp flags & psh == psh \
         reject with tcp reset\n",
    );
    scene.keep(ca);
}

/// As fail2ban does it.
fn banned(scene: &mut Scene, statement: &str) {
    scene.shop();
    scene.lab.server().nft(&format!(
        "add table inet f2b\n\
         add chain inet f2b input {{ type filter hook input priority -1; }}\n\
         add rule inet f2b input ip saddr 10.99.1.10 {statement}\n"
    ));
}

fn ingress_drop(scene: &mut Scene) {
    scene.shop();
    scene.lab.server().nft(
        "add table netdev early\n\
         add chain netdev early ingress { type filter hook ingress device eth0 priority 0; }\n\
         add rule netdev early ingress tcp dport 80 drop\n",
    );
}

fn no_ipv6_here(scene: &mut Scene) {
    scene.shop();
    scene.lab.client().sysctl(&[("net.ipv6.conf.all.disable_ipv6", "1")]);
}

fn large_handshake(scene: &mut Scene) {
    scene.tls(Flavour::Good, page());
    scene.shop_is_at(&["fd99:2::10"]);
    scene.lab.r2().rule(Rule::DropLongerThan(Hook::Forward, 700));
}

/// The own router lives and has lost its way out; with the target the resolver is gone.
fn no_way_out(scene: &mut Scene, how: impl Fn(&Host)) {
    scene.shop();
    let dns = scene.resolver();
    scene.keep(dns);
    how(&scene.lab.r1());
}

/// Its uplink is broken, and the router tells nobody.
fn silent_router(router: &Host) {
    router.rule(Rule::DropAll(Hook::Forward));
}

fn router_without_a_way(router: &Host) {
    router.ip("route del 10.99.2.0/24");
    router.ip("route del fd99:2::/64");
}

/// All connections that HAProxy takes at a time are taken; the next ones wait in the kernel.
fn haproxy_is_full(scene: &mut Scene) {
    // Whoever says nothing more for five seconds would be sent away and somebody else let in, and
    // the kernel would keep no more of them than HAProxy takes.
    haproxy(scene, "maxconn 1\n backlog 128\n timeout client 10m");
    let guest = guest(&scene.lab.server(), 80, b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    scene.keep(guest);
}

/// A filter in front of the service asks for other packets than a visitor's.
fn only_from_the_office(scene: &mut Scene, verdict: &str) {
    scene.shop();
    scene.lab.server().nft(&format!(
        "add table inet office\n\
         add chain inet office input {{ type filter hook input priority 0; policy accept; }}\n\
         add rule inet office input ip saddr 10.99.2.0/24 accept\n\
         add rule inet office input ip6 saddr fd99:2::/64 accept\n\
         add rule inet office input tcp dport 80 {verdict}\n"
    ));
}

/// The server takes packets only where it would send the answers (rp_filter), and its way back to
/// the visitors leads elsewhere.
fn strict_reverse_path(scene: &mut Scene) {
    scene.shop();
    let server = scene.lab.server();
    server.sysctl(&[("net.ipv4.conf.all.rp_filter", "1"), ("net.ipv4.conf.eth0.rp_filter", "1")]);
    server.ip("link add office type veth peer name desk");
    server.ip("link set desk up");
    server.ip("link set office up");
    server.ip("route add 10.99.1.0/24 dev office");
}

/// A port is published to a container that is gone.
fn published_to_nobody(scene: &mut Scene) {
    scene.ssh();
    scene.lab.server().rule(Rule::SendTo(80, "10.99.2.88:80".parse().unwrap()));
    scene.timeout = std::time::Duration::from_secs(5);
}

faults! {
    the_own_router_has_lost_its_uplink: "http://10.99.2.10/",
        |s| no_way_out(s, silent_router), own("tcp.timed_out", "client", "client.offline");
    the_own_router_knows_no_way: "http://10.99.2.10/",
        |s| no_way_out(s, router_without_a_way),
        own("tcp.network_unreachable", "client", "client.offline");
    the_own_router_knows_no_way_over_ipv6: "http://[fd99:2::10]/",
        |s| no_way_out(s, router_without_a_way),
        own("tcp.network_unreachable", "client", "client.offline");
    haproxy_has_all_the_connections_it_takes: "http://10.99.2.10/", haproxy_is_full,
        down("http.timed_out", ["app", "service.hung", "owner"])
            .or(["app", "service.overloaded", "owner"]);
    only_the_office_may_come_in: "http://10.99.2.10/",
        |s| only_from_the_office(s, "reject with icmpx host-unreachable"),
        down("tcp.host_unreachable", REJECTS);
    only_the_office_may_come_in_over_ipv6: "http://[fd99:2::10]/",
        |s| only_from_the_office(s, "reject with tcp reset"), down("tcp.refused", REJECTS);
    the_server_expects_the_visitor_elsewhere: "http://10.99.2.10/", strict_reverse_path,
        down("tcp.timed_out", ["network", "path.drops", "network"])
            .or(["server", "firewall.drops", "owner"]);
    a_port_is_published_to_a_container_that_is_gone: "http://10.99.2.10/", published_to_nobody,
        down("tcp.host_unreachable", ["server", "upstream.dead", "owner"]);
    a_vpn_is_dead_and_something_else_is_closed: "http://10.99.2.10/", vpn_elsewhere,
        down("tcp.refused", GONE);
    the_hosts_file_is_right_and_nothing_listens: "http://shop.test/", honest_hosts_file,
        down("tcp.refused", GONE);
    haproxy_turns_connections_away: "http://10.99.2.10/",
        |s| {
            haproxy(s, "tcp-request connection reject");
            s.ends_either_way();
            s.ends_at_once("10.99.2.10");
        },
        down("http.empty_reply", CLOSES).or_sees(&["http.reset"]);
    haproxy_turns_requests_away_silently: "http://10.99.2.10/",
        |s| haproxy(s, "http-request silent-drop"),
        down("http.timed_out", ["app", "service.hung", "owner"]);
    haproxy_denies: "http://10.99.2.10/", |s| haproxy(s, "http-request deny"),
        down("http.status", APP);
    nginx_hangs_up_without_an_answer: "http://10.99.2.10/",
        |s| nginx(s, "server { listen 80; return 444; }"), down("http.empty_reply", CLOSES);
    ssh_has_too_many_guests: "ssh://10.99.2.10", crowded_ssh,
        down("banner.unexpected", OVERLOADED);
    redis_has_too_many_guests: "redis://10.99.2.10", crowded_redis,
        down("banner.unexpected", OVERLOADED);
    mail_is_turned_away: "smtp://[fd99:2::10]",
        |s| greeting(s, 25, b"421 4.7.0 mail.test Too many connections, come back later\r\n"),
        down("banner.unexpected", OVERLOADED);
    mysql_has_too_many_guests: "mysql://10.99.2.10",
        |s| greeting(s, 3306, b"\x17\0\0\0\xff\x10\x04Too many connections"),
        down("banner.unexpected", OVERLOADED);
    dnsmasq_blocks_by_the_zero_address: "http://shop.test/",
        |s| dnsmasq(s, "address=/shop.test/0.0.0.0\n"), down("tcp.refused", STALE);
    dnsmasq_blocks_by_the_zero_address_of_ipv6: "http://shop.test/",
        |s| dnsmasq(s, "address=/shop.test/::\n"), down("tcp.refused", STALE);
    tls_is_asked_of_an_address_where_a_name_is_wanted: "https://10.99.2.10/", wants_a_name,
        down("tls.alert", SETTINGS);
    the_intermediate_certificate_has_ended: "https://shop.test/",
        |s| s.tls(Flavour::ExpiredIntermediate, page()), down("tls.expired", CERTIFICATE);
    the_page_has_moved_to_a_closed_port: "http://10.99.2.10/",
        |s| redirect(s, "http://10.99.2.10:8081/"), down("tcp.refused", GONE);
    the_page_has_moved_to_an_expired_certificate: "http://shop.test/", expired_elsewhere,
        down("tls.expired", CERTIFICATE);
    a_device_on_the_way_ends_encrypted_connections: "https://shop.test/", inspector,
        down("tls.reset", ["server", "service.closes_connections", "owner"]).or(PATH_REJECTS);
    the_visitor_is_banned: "http://10.99.2.10/", |s| banned(s, "reject"),
        down("tcp.refused", REJECTS);
    the_visitor_is_banned_in_silence: "http://10.99.2.10/", |s| banned(s, "tcp dport 1-65535 drop"),
        down("tcp.timed_out", DROPS);
    the_network_card_drops: "http://10.99.2.10/", ingress_drop, down("tcp.timed_out", DROPS);
    the_server_drops_its_own_answers: "http://[fd99:2::10]/",
        |s| s.server_rule(Rule::DropReplies(Hook::Output, 80)), down("tcp.timed_out", DROPS);
    ipv6_is_switched_off_here: "http://[fd99:2::10]/", no_ipv6_here,
        own("tcp.no_local_address", "client", "client.route");
    a_policy_rule_prohibits: "http://10.99.2.10/",
        |s| { s.shop(); s.lab.client().ip("rule add to 10.99.2.10 prohibit"); },
        own("tcp.not_permitted", "client", "client.route");
    large_handshakes_are_lost_over_ipv6: "https://shop.test/", large_handshake,
        down("tls.timed_out", MTU);
}
