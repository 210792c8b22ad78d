//! What the tables of this directory choose by: one failure of one target, with the facts of
//! the attempt that tell variants apart.

use crate::failure::Failure as F;
use crate::observation::{Attempt, Step};
use crate::target::{Scheme, Target};

/// Linux error numbers that a failing connection can carry.
pub(super) mod errno {
    pub(in super::super) const EPERM: i32 = 1;
    pub(in super::super) const EACCES: i32 = 13;
    pub(in super::super) const EINVAL: i32 = 22;
    pub(in super::super) const EMFILE: i32 = 24;
    pub(in super::super) const ENOPROTOOPT: i32 = 92;
    pub(in super::super) const EADDRNOTAVAIL: i32 = 99;
    pub(in super::super) const ENETUNREACH: i32 = 101;
    pub(in super::super) const ECONNRESET: i32 = 104;
    pub(in super::super) const ETIMEDOUT: i32 = 110;
    pub(in super::super) const ECONNREFUSED: i32 = 111;
    pub(in super::super) const EHOSTUNREACH: i32 = 113;
}

/// A failure as the client tables see it.
pub(super) struct Case<'a> {
    pub(super) failure: F,
    pub(super) target: &'a Target,
    pub(super) attempt: Option<&'a Attempt>,
    /// The forward proxy used, `host:port`.
    pub(super) proxy: Option<&'a str>,
}

impl Case<'_> {
    /// The host as the user wrote it.
    pub(super) fn host(&self) -> String {
        self.target.host.to_string()
    }

    /// The target's port; what a browser or curl would use where the scheme has none.
    pub(super) fn port(&self) -> u16 {
        if self.target.port == 0 { 80 } else { self.target.port }
    }

    /// The address that was tried, or the host where none was.
    pub(super) fn ip(&self) -> String {
        self.attempt.map_or_else(|| self.host(), |attempt| attempt.ip.to_string())
    }

    /// The forward proxy's host and port as the user wrote them.
    pub(super) fn proxy(&self) -> (&str, &str) {
        self.proxy.and_then(|proxy| proxy.rsplit_once(':')).unwrap_or(("PROXY", "3128"))
    }

    /// Did the proxy accept the connection, and then fall silent?
    pub(super) fn proxy_hangs(&self) -> bool {
        self.failure == F::ProxyTimedOut && self.attempt.is_some_and(Attempt::connected)
    }

    /// `ip:port`, IPv6 in brackets.
    pub(super) fn ip_port(&self) -> String {
        match self.attempt {
            Some(attempt) => std::net::SocketAddr::new(attempt.ip, self.port()).to_string(),
            None => format!("{}:{}", self.target.host.in_url(), self.port()),
        }
    }

    /// Milliseconds until the attempt failed.
    pub(super) fn elapsed_ms(&self) -> u128 {
        self.attempt.map_or(0, |attempt| attempt.elapsed.as_millis())
    }

    /// Is it asked over HTTP or HTTPS?
    pub(super) fn http(&self) -> bool {
        self.target.scheme.is_http()
    }

    /// Could a person open it in a browser at all?
    pub(super) fn browsable(&self) -> bool {
        let scheme = self.target.scheme;
        let own = matches!(scheme, Scheme::Http | Scheme::Https | Scheme::Tcp | Scheme::Tls);
        own || scheme == Scheme::Dns
    }

    /// Does it open a TCP connection?
    pub(super) fn tcp(&self) -> bool {
        self.target.scheme.is_tcp()
    }

    /// HTTP status of the answer, when there was one.
    pub(super) fn status(&self) -> Option<u16> {
        let status = self.attempt?.http.as_ref()?.status;
        (status != 0).then_some(status)
    }

    /// TLS alert received.
    pub(super) fn alert(&self) -> Option<u8> {
        self.attempt?.tls.as_ref()?.alert
    }

    /// Is it the scheme's own port, where browsers take what is not HTTP/1 for a page of HTTP/0.9?
    pub(super) fn on_own_port(&self) -> bool {
        self.target.scheme.default_port() == Some(self.target.port)
    }

    /// Did a server of TLS hang up on plain HTTP? Otherwise it sent a page, or nothing but an alert
    /// in its own binary form.
    pub(super) fn tls_hangs_up(&self) -> bool {
        let reset = |attempt: &Attempt| attempt.errno == Some(errno::ECONNRESET);
        self.failure == F::HttpSpokenToTls
            && self.status().is_none()
            && self.attempt.is_some_and(reset)
    }

    /// Is what came not HTTP: a foreign greeting, or a TLS alert?
    pub(super) fn not_http(&self) -> bool {
        let alert = self.failure == F::HttpSpokenToTls
            && self.status().is_none()
            && self.attempt.is_some()
            && !self.tls_hangs_up();
        alert || self.failure == F::HttpNotHttp
    }

    /// Was the head of an answer read before it failed?
    pub(super) fn in_body(&self) -> bool {
        self.attempt.is_some_and(|attempt| attempt.step == Step::Body)
    }

    /// Was the body still coming when the time was up? To limits between two pieces nothing is
    /// wrong.
    pub(super) fn still_coming(&self) -> bool {
        let http = self.attempt.and_then(|attempt| attempt.http.as_ref());
        http.is_some_and(|http| http.still_coming)
    }

    /// Bytes promised by `Content-Length` and not received.
    pub(super) fn bytes_missing(&self) -> Option<u64> {
        let http = self.attempt?.http.as_ref()?;
        Some(http.content_length?.saturating_sub(http.body_bytes))
    }

    /// Has the answer a head, but an empty body?
    pub(super) fn empty_body(&self) -> bool {
        let http = self.attempt.and_then(|attempt| attempt.http.as_ref());
        http.is_some_and(|http| http.status != 0 && http.body_bytes == 0)
    }

    /// The error number: the attempt's own, else the usual one of the failure. `None` where no
    /// system call failed.
    pub(super) fn errno(&self) -> Option<i32> {
        if self.proxy_hangs() {
            return None;
        }
        let usual = match self.failure {
            F::TcpRefused | F::UdpRefused | F::ProxyRefused => errno::ECONNREFUSED,
            F::TcpTimedOut | F::ProxyTimedOut => errno::ETIMEDOUT,
            F::TcpReset | F::TlsReset | F::HttpReset => errno::ECONNRESET,
            F::TcpHostUnreachable | F::ProxyUnreachable => errno::EHOSTUNREACH,
            F::TcpNetworkUnreachable | F::SelfOffline => errno::ENETUNREACH,
            F::TcpNotPermitted => errno::EACCES,
            F::TcpProtocolUnreachable => errno::ENOPROTOOPT,
            F::TcpNoLocalAddress => errno::EADDRNOTAVAIL,
            F::SelfResources => errno::EMFILE,
            _ => return None,
        };
        let own = self.attempt.and_then(|attempt| attempt.errno);
        Some(own.filter(|own| strerror(*own).is_some()).unwrap_or(usual))
    }

    /// The C library's words for [`Case::errno`].
    pub(super) fn strerror(&self) -> Option<&'static str> {
        self.errno().and_then(strerror)
    }

    /// What `getaddrinfo` of glibc says about a name that does not resolve.
    pub(super) fn gai_strerror(&self) -> Option<&'static str> {
        match self.failure {
            F::DnsNotFound | F::ProxyUnresolved => Some("Name or service not known"),
            F::DnsNoAddress => Some("No address associated with hostname"),
            F::DnsServerFailure | F::DnsRefused | F::DnsTimedOut | F::DnsUnreachable => {
                Some("Temporary failure in name resolution")
            }
            _ => None,
        }
    }
}

/// glibc's text of an error number of [`errno`].
fn strerror(number: i32) -> Option<&'static str> {
    Some(match number {
        errno::EPERM => "Operation not permitted",
        errno::EACCES => "Permission denied",
        errno::EINVAL => "Invalid argument",
        errno::EMFILE => "Too many open files",
        errno::ENOPROTOOPT => "Protocol not available",
        errno::EADDRNOTAVAIL => "Cannot assign requested address",
        errno::ENETUNREACH => "Network is unreachable",
        errno::ECONNRESET => "Connection reset by peer",
        errno::ETIMEDOUT => "Connection timed out",
        errno::ECONNREFUSED => "Connection refused",
        errno::EHOSTUNREACH => "No route to host",
        _ => return None,
    })
}

/// OpenSSL's reason for an alert received (`ssl/ssl_err.c`); its number is 1000 + alert.
pub(super) fn openssl_alert(alert: u8) -> &'static str {
    match alert {
        10 => "ssl/tls alert unexpected message",
        20 => "ssl/tls alert bad record mac",
        40 => "sslv3 alert handshake failure",
        42 => "sslv3 alert bad certificate",
        43 => "sslv3 alert unsupported certificate",
        44 => "sslv3 alert certificate revoked",
        45 => "sslv3 alert certificate expired",
        46 => "sslv3 alert certificate unknown",
        47 => "sslv3 alert illegal parameter",
        48 => "tlsv1 alert unknown ca",
        49 => "tlsv1 alert access denied",
        50 => "tlsv1 alert decode error",
        51 => "tlsv1 alert decrypt error",
        70 => "tlsv1 alert protocol version",
        71 => "tlsv1 alert insufficient security",
        86 => "tlsv1 alert inappropriate fallback",
        90 => "tlsv1 alert user cancelled",
        109 => "tlsv13 alert missing extension",
        112 => "tlsv1 unrecognized name",
        116 => "tlsv13 alert certificate required",
        120 => "no application protocol",
        _ => "tlsv1 alert internal error",
    }
}
