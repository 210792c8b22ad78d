//! *Why* it happened: one code per cause, with the side that can end it (DESIGN §4).
//!
//! What decides a cause lives in [`diagnose`](mod@crate::diagnose); what to do about it in
//! [`advice`](crate::advice).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::failure::UnknownCode;

/// Who can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Whoever runs the site or service.
    Owner,
    /// Whoever tries to reach it.
    Visitor,
    /// Whoever runs the network between them.
    Network,
    /// Not decided.
    Unknown,
}

impl Side {
    /// The word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Visitor => "visitor",
            Self::Network => "network",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $code:literal @ $side:ident,)*) => {
        /// Why something fails. The text form ([`Cause::code`]) is a public contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause { $($(#[$doc])* $name,)* }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code, such as `service.not_listening`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Who usually has to act. Evidence can move it (a stale record in the visitor's own
            /// cache is the visitor's).
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)* }
            }
        }
    };
}

causes! {
    /// Nothing listens on the port.
    ServiceNotListening = "service.not_listening" @ Owner,
    /// The service listens on 127.0.0.1 or ::1 only.
    ServiceLoopbackOnly = "service.loopback_only" @ Owner,
    /// The service listens on one IP family only.
    ServiceOneFamilyOnly = "service.one_family_only" @ Owner,
    /// The service answers on another port.
    ServiceWrongPort = "service.wrong_port" @ Owner,
    /// The service starts and dies again and again.
    ServiceCrashLoop = "service.crash_loop" @ Owner,
    /// The service failed right after a start or reload.
    ServiceStoppedAfterDeploy = "service.stopped_after_deploy" @ Owner,
    /// The service accepts and never answers.
    ServiceHung = "service.hung" @ Owner,
    /// The service cannot keep up.
    ServiceOverloaded = "service.overloaded" @ Owner,
    /// The service closes connections before or while answering.
    ServiceClosesConnections = "service.closes_connections" @ Owner,
    /// The port speaks another protocol than was asked.
    ServiceWrongProtocol = "service.wrong_protocol" @ Owner,
    /// A packet filter on the server's side says no.
    FirewallRejects = "firewall.rejects" @ Owner,
    /// A packet filter on the server's side says nothing.
    FirewallDrops = "firewall.drops" @ Owner,
    /// The machine is off or unplugged.
    HostDown = "host.down" @ Owner,
    /// A device on the way says no.
    PathRejects = "path.rejects" @ Network,
    /// A router knows no way.
    PathNoRoute = "path.no_route" @ Network,
    /// A device on the way swallows packets.
    PathDrops = "path.drops" @ Network,
    /// Large packets are lost (path-MTU black hole).
    PathMtu = "path.mtu" @ Network,
    /// A device on the way cannot cope with a large TLS greeting.
    PathLargeHello = "path.large_hello" @ Network,
    /// A reverse proxy or balancer cannot use its backend.
    UpstreamDead = "upstream.dead" @ Owner,
    /// Some backends or addresses fail, the rest work.
    BalancerSomeBackends = "balancer.some_backends" @ Owner,
    /// The name or its address record does not exist.
    DnsNameMissing = "dns.name_missing" @ Owner,
    /// The zone's own name servers fail.
    DnsZoneBroken = "dns.zone_broken" @ Owner,
    /// An old or foreign answer is served for the name.
    DnsStale = "dns.stale" @ Owner,
    /// The resolver in use does not work.
    DnsResolverDown = "dns.resolver_down" @ Visitor,
    /// The certificate is wrong.
    TlsCertificate = "tls.certificate" @ Owner,
    /// The server's TLS settings are wrong.
    TlsConfiguration = "tls.configuration" @ Owner,
    /// The server asks for a certificate of the visitor's.
    TlsClientCertificate = "tls.client_certificate" @ Visitor,
    /// The visitor's own packet filter.
    ClientFirewall = "client.firewall" @ Visitor,
    /// The visitor's own routing table.
    ClientRoute = "client.route" @ Visitor,
    /// The visitor's own proxy setting, or that proxy.
    ClientProxy = "client.proxy" @ Visitor,
    /// The visitor's own VPN.
    ClientVpn = "client.vpn" @ Visitor,
    /// The visitor's own hosts file.
    ClientHostsFile = "client.hosts_file" @ Visitor,
    /// The visitor has no network.
    ClientOffline = "client.offline" @ Visitor,
    /// Browsers refuse to use this port.
    ClientUnsafePort = "client.unsafe_port" @ Visitor,
    /// The visitor's clock is wrong.
    ClientClock = "client.clock" @ Visitor,
    /// The visitor's machine has no free ports.
    ClientExhausted = "client.exhausted" @ Visitor,
    /// The application itself fails.
    AppError = "app.error" @ Owner,
    /// The evidence does not decide.
    Unknown = "unknown" @ Unknown,
}

impl Cause {
    /// Does the cause lie on the checking machine's own side, so that nothing is known about the
    /// target (`inconclusive`)?
    #[must_use]
    pub const fn is_own_side(self) -> bool {
        matches!(
            self,
            Self::ClientFirewall
                | Self::ClientRoute
                | Self::ClientProxy
                | Self::ClientVpn
                | Self::ClientHostsFile
                | Self::ClientOffline
                | Self::ClientUnsafePort
                | Self::ClientClock
                | Self::ClientExhausted
                | Self::DnsResolverDown
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Cause {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let found = Self::ALL.iter().find(|cause| cause.code() == text);
        found.copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
