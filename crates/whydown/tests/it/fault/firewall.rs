//! Packet filters on the server, on the routers and on the client itself.

use whydown_lab::{Hook, Reject, Rule};

use crate::scene::{Scene, down, faults, own};

const REJECTS: [&str; 3] = ["server", "firewall.rejects", "owner"];
const DROPS: [&str; 3] = ["server", "firewall.drops", "owner"];
const PATH_REJECTS: [&str; 3] = ["network", "path.rejects", "network"];
const PATH_DROPS: [&str; 3] = ["network", "path.drops", "network"];

fn server(scene: &mut Scene, how: Reject) {
    scene.server_rule(Rule::Reject(Hook::Input, 80, how));
}

fn router(scene: &mut Scene, name: &str, how: Reject) {
    scene.router_rule(name, Rule::Reject(Hook::Forward, 80, how));
}

fn client(scene: &mut Scene, how: Reject) {
    scene.own_rule(Rule::Reject(Hook::Output, 80, how));
}

faults! {
    the_server_rejects_port_unreachable: "http://10.99.2.10/",
        |s| server(s, Reject::PortUnreachable),
        down("tcp.refused", REJECTS).knowing("sent by the host itself");
    the_server_rejects_host_unreachable: "http://10.99.2.10/",
        |s| server(s, Reject::HostUnreachable), down("tcp.host_unreachable", REJECTS);
    the_server_rejects_admin_prohibited: "http://10.99.2.10/",
        |s| server(s, Reject::AdminProhibited), down("tcp.host_unreachable", REJECTS);
    the_server_rejects_host_prohibited: "http://10.99.2.10/",
        |s| server(s, Reject::HostProhibited), down("tcp.host_unreachable", REJECTS);
    the_server_rejects_net_unreachable: "http://10.99.2.10/",
        |s| server(s, Reject::NetUnreachable), down("tcp.network_unreachable", REJECTS);
    the_server_rejects_net_prohibited: "http://10.99.2.10/",
        |s| server(s, Reject::NetProhibited), down("tcp.network_unreachable", REJECTS);
    the_server_rejects_protocol_unreachable: "http://10.99.2.10/",
        |s| server(s, Reject::ProtocolUnreachable), down("tcp.protocol_unreachable", REJECTS);
    the_server_rejects_by_reset: "http://10.99.2.10/", |s| server(s, Reject::TcpReset),
        down("tcp.refused", REJECTS).knowing("does not repeat our TOS byte");
    the_server_rejects_by_reset_over_ipv6: "http://[fd99:2::10]/",
        |s| server(s, Reject::TcpReset), down("tcp.refused", REJECTS);
    the_server_rejects_by_reset_where_routers_clear_the_class: "http://[fd99:2::10]/",
        |s| {
            s.lab.r1().rule(Rule::ClearClass(Hook::Forward));
            server(s, Reject::TcpReset);
        },
        down("tcp.refused", REJECTS).knowing("the reset has no IPv6 flow label");
    the_server_rejects_v6_port_unreachable: "http://[fd99:2::10]/",
        |s| server(s, Reject::V6PortUnreachable), down("tcp.refused", REJECTS);
    the_server_rejects_v6_address_unreachable: "http://[fd99:2::10]/",
        |s| server(s, Reject::V6AddressUnreachable), down("tcp.host_unreachable", REJECTS);
    the_server_rejects_v6_admin_prohibited: "http://[fd99:2::10]/",
        |s| server(s, Reject::V6AdminProhibited), down("tcp.not_permitted", REJECTS);
    the_server_rejects_v6_policy_fail: "http://[fd99:2::10]/",
        |s| server(s, Reject::V6PolicyFail), down("tcp.not_permitted", REJECTS);
    the_server_rejects_v6_reject_route: "http://[fd99:2::10]/",
        |s| server(s, Reject::V6RejectRoute), down("tcp.not_permitted", REJECTS);
    the_server_rejects_v6_no_route: "http://[fd99:2::10]/",
        |s| server(s, Reject::V6NoRoute), down("tcp.network_unreachable", REJECTS);

    the_first_router_rejects_admin_prohibited: "http://10.99.2.10/",
        |s| router(s, "r1", Reject::AdminProhibited), down("tcp.host_unreachable", PATH_REJECTS);
    the_second_router_rejects_admin_prohibited: "http://10.99.2.10/",
        |s| router(s, "r2", Reject::AdminProhibited), down("tcp.host_unreachable", PATH_REJECTS);
    the_first_router_rejects_port_unreachable: "http://10.99.2.10/",
        |s| router(s, "r1", Reject::PortUnreachable), down("tcp.refused", PATH_REJECTS);
    the_second_router_rejects_net_prohibited: "http://10.99.2.10/",
        |s| router(s, "r2", Reject::NetProhibited), down("tcp.network_unreachable", PATH_REJECTS);
    the_first_router_rejects_by_reset: "http://10.99.2.10/",
        |s| router(s, "r1", Reject::TcpReset), down("tcp.refused", PATH_REJECTS);
    the_second_router_rejects_by_reset: "http://10.99.2.10/",
        |s| router(s, "r2", Reject::TcpReset), down("tcp.refused", PATH_REJECTS);
    the_second_router_rejects_by_reset_over_ipv6: "http://[fd99:2::10]/",
        |s| router(s, "r2", Reject::TcpReset), down("tcp.refused", PATH_REJECTS);
    the_first_router_rejects_v6_admin_prohibited: "http://[fd99:2::10]/",
        |s| router(s, "r1", Reject::V6AdminProhibited), down("tcp.not_permitted", PATH_REJECTS);
    the_second_router_rejects_v6_port_unreachable: "http://[fd99:2::10]/",
        |s| router(s, "r2", Reject::V6PortUnreachable), down("tcp.refused", PATH_REJECTS);

    the_server_drops: "http://10.99.2.10/", |s| s.server_rule(Rule::Drop(Hook::Input, 80)),
        down("tcp.timed_out", DROPS).knowing("port 22 of the same address answers");
    the_server_drops_over_ipv6: "http://[fd99:2::10]/",
        |s| s.server_rule(Rule::Drop(Hook::Input, 80)), down("tcp.timed_out", DROPS);
    the_server_drops_new_connections: "http://10.99.2.10/",
        |s| s.server_rule(Rule::DropNew(Hook::Input, 80)), down("tcp.timed_out", DROPS);
    the_servers_answers_are_dropped_by_itself: "http://10.99.2.10/",
        |s| s.server_rule(Rule::DropReplies(Hook::Output, 80)), down("tcp.timed_out", DROPS);
    the_server_drops_pings: "icmp://10.99.2.10",
        |s| s.server_rule(Rule::DropPing(Hook::Input)), down("icmp.no_reply", DROPS);
    the_first_router_drops: "http://10.99.2.10/",
        |s| s.router_rule("r1", Rule::Drop(Hook::Prerouting, 80)),
        down("tcp.timed_out", PATH_DROPS);
    the_second_router_drops: "http://10.99.2.10/",
        |s| s.router_rule("r2", Rule::Drop(Hook::Prerouting, 80)),
        down("tcp.timed_out", PATH_DROPS);
    the_second_router_drops_over_ipv6: "http://[fd99:2::10]/",
        |s| s.router_rule("r2", Rule::Drop(Hook::Prerouting, 80)),
        down("tcp.timed_out", PATH_DROPS);
    the_last_router_drops_after_routing: "http://10.99.2.10/",
        |s| s.router_rule("r2", Rule::Drop(Hook::Forward, 80)),
        down("tcp.timed_out", DROPS);
    the_first_router_drops_after_routing: "http://10.99.2.10/",
        |s| s.router_rule("r1", Rule::Drop(Hook::Forward, 80)),
        down("tcp.timed_out", PATH_DROPS);

    the_client_rejects_port_unreachable: "http://10.99.2.10/",
        |s| client(s, Reject::PortUnreachable), own("tcp.refused", "client", "client.firewall");
    the_client_rejects_admin_prohibited: "http://10.99.2.10/",
        |s| client(s, Reject::AdminProhibited),
        own("tcp.host_unreachable", "client", "client.firewall");
    the_client_rejects_net_unreachable: "http://10.99.2.10/",
        |s| client(s, Reject::NetUnreachable),
        own("tcp.network_unreachable", "client", "client.firewall");
    the_client_rejects_by_reset: "http://10.99.2.10/",
        |s| client(s, Reject::TcpReset), own("tcp.refused", "client", "client.firewall");
    the_client_rejects_v6_admin_prohibited: "http://[fd99:2::10]/",
        |s| client(s, Reject::V6AdminProhibited),
        own("tcp.not_permitted", "client", "client.firewall");
    the_client_drops_what_it_sends: "http://10.99.2.10/",
        |s| s.own_rule(Rule::Drop(Hook::Output, 80)),
        own("tcp.timed_out", "client", "client.firewall");
    the_client_drops_what_it_sends_over_ipv6: "http://[fd99:2::10]/",
        |s| s.own_rule(Rule::Drop(Hook::Output, 80)),
        own("tcp.timed_out", "client", "client.firewall");
    the_client_drops_the_answers: "http://10.99.2.10/",
        |s| s.own_rule(Rule::DropReplies(Hook::Input, 80)),
        own("tcp.timed_out", "client", "client.firewall");
}
