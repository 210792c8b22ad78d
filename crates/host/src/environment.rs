//! The checking machine's own side, as far as it matters for a target: everything in
//! [`Environment`] except what only the network can tell (the clock).

use std::net::IpAddr;

use whydown_core::evidence::Environment;
use whydown_core::target::Target;

use crate::{firewall, proxy, resolver, route};

/// Looks at this machine (at the calling thread's namespaces). `failing`: the addresses whose
/// routes are of interest.
#[must_use]
pub fn environment(target: &Target, failing: &[IpAddr]) -> Environment {
    let decisions: Vec<route::Decision> = failing.iter().map(|ip| route::decide(*ip)).collect();
    let rules = firewall::own_rules(failing, target.port);
    let mut missing_rights = Vec::new();
    if rules.denied {
        missing_rights.push("the rules of this machine's own firewall (CAP_NET_ADMIN)".to_owned());
    }
    let resolvers = resolver::resolvers();
    let configured = resolvers.servers.iter().filter(|_| resolvers.configured);
    Environment {
        proxy: proxy::from_environment(target).map(|(proxy, name)| (proxy.authority(), name)),
        tunnel: decisions.iter().find_map(|decision| decision.tunnel.clone()),
        route: decisions.iter().find_map(|decision| decision.refusal.clone()),
        no_interface: route::is_unplugged(),
        default_route: route::default_routes(),
        hosts_line: target.host.name().and_then(resolver::hosts).map(|entry| entry.line),
        resolvers: configured.map(std::net::SocketAddr::ip).collect(),
        output_rules: rules.rules,
        clock_ahead_s: None,
        missing_rights,
    }
}
