//! Where checks may go. A probe in somebody's network can be held to the destinations it is there
//! for, whatever its server asks.

use std::net::IpAddr;
use std::sync::Arc;

use whydown_core::target::Host;
use whydown_host::proxy::covers;

/// One allowed destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address, or a block such as `192.0.2.0/24`.
    Block(String),
    /// A host name; whatever addresses it has.
    Name(String),
}

impl std::str::FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("{text:?} is no destination; write 192.0.2.1, 192.0.2.0/24 or shop.example.com")
        };
        let (base, length) = text.split_once('/').map_or((text, None), |(b, l)| (b, Some(l)));
        match (base.parse::<IpAddr>(), length) {
            (Ok(_), None) => Ok(Self::Block(text.to_owned())),
            (Ok(ip), Some(length)) => {
                let most = if ip.is_ipv4() { 32 } else { 128 };
                let fits = length.parse::<u8>().is_ok_and(|length| length <= most);
                if fits { Ok(Self::Block(text.to_owned())) } else { Err(bad()) }
            }
            (Err(_), None) => {
                match format!("tcp://{text}:1").parse::<whydown_core::target::Target>() {
                    Ok(target) => Ok(Self::Name(target.host.to_string())),
                    Err(_) => Err(bad()),
                }
            }
            (Err(_), Some(_)) => Err(bad()),
        }
    }
}

/// Allowed destinations; everything when none was given. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Allow(Option<Arc<[Destination]>>);

impl From<Vec<Destination>> for Allow {
    fn from(destinations: Vec<Destination>) -> Self {
        Self((!destinations.is_empty()).then(|| destinations.into()))
    }
}

impl Allow {
    /// May this address of `host` be connected to?
    pub(crate) fn covers(&self, host: &Host, ip: IpAddr) -> bool {
        let Some(all) = &self.0 else { return true };
        all.iter().any(|destination| match destination {
            Destination::Block(block) => covers(block, ip),
            Destination::Name(name) => host.to_string() == *name,
        })
    }

    /// May this name server, or name, be asked about? A name has to be allowed itself: what it
    /// stands for inside somebody's network is no answer for everyone who may check a block.
    pub(crate) fn covers_questions(&self, host: &Host) -> bool {
        match host {
            Host::Ip(ip) => self.covers(host, *ip),
            Host::Name(_) => self.0.as_ref().is_none_or(|all| {
                all.iter().any(|one| *one == Destination::Name(host.to_string()))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Allow, Destination};

    #[test]
    fn only_what_is_allowed_is_covered() {
        let allow = |texts: &[&str]| {
            let all: Vec<Destination> = texts.iter().map(|text| text.parse().unwrap()).collect();
            Allow::from(all)
        };
        let host = |text: &str| format!("tcp://{text}:1").parse::<whydown_core::target::Target>();
        let host = |text: &str| host(text).unwrap().host;
        let some = allow(&["192.0.2.0/24", "shop.example.com", "2001:db8::/32"]);
        for (name, ip, covered) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.3.7", "192.0.3.7", false),
            ("shop.example.com", "10.0.0.1", true),
            ("evil.example.com", "10.0.0.1", false),
            ("any.example.com", "2001:db8::1", true),
        ] {
            assert_eq!(some.covers(&host(name), ip.parse().unwrap()), covered, "{name} {ip}");
        }
        assert!(allow(&[]).covers(&host("10.0.0.1"), "10.0.0.1".parse().unwrap()));
        for (name, covered) in
            [("192.0.2.7", true), ("10.0.0.1", false), ("shop.example.com", true)]
        {
            assert_eq!(some.covers_questions(&host(name)), covered, "{name}");
        }
        assert!(!some.covers_questions(&host("db.internal")));
        assert!(allow(&[]).covers_questions(&host("db.internal")));
        for bad in ["", "10.0.0.0/33", "a b", "x/24"] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }
}
