//! Routes that lead nowhere.

use super::Host;

/// A route that answers instead of leading somewhere (ip-route(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Thrown away in silence (to the host's own programs: `EINVAL`).
    Blackhole,
    /// "Host unreachable".
    Unreachable,
    /// "Administratively prohibited".
    Prohibit,
    /// As if there were no route: "network unreachable".
    Throw,
}

impl Route {
    /// Every one, for tests that go through them.
    pub const ALL: [Self; 4] = [Self::Blackhole, Self::Unreachable, Self::Prohibit, Self::Throw];

    fn word(self) -> &'static str {
        match self {
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
        }
    }
}

impl Host {
    /// Adds such a route to an address or network, `10.99.2.10` or `fd99:2::/64`.
    pub fn add_route(&self, route: Route, to: impl std::fmt::Display) {
        self.ip(&format!("route replace {} {to}", route.word()));
    }

    /// Removes it again.
    pub fn remove_route(&self, route: Route, to: impl std::fmt::Display) {
        self.ip(&format!("route del {} {to}", route.word()));
    }

    /// Leaves this host without a default route.
    pub fn remove_default_routes(&self) {
        self.ip("route del 0.0.0.0/0\nroute del ::/0");
    }
}
