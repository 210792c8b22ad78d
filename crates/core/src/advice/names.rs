//! DNS and TLS: how to make sure, and what to do.

use super::fill::{Step, When};
use crate::cause::Cause as C;

const ASK_PUBLIC: Step = Step::linux(
    "client",
    "What does a public resolver say? (NXDOMAIN: no such name; NOERROR without answer: no address)",
    "dig @1.1.1.1 {host} A {host} AAAA",
);
const ASK_PUBLIC_WINDOWS: Step =
    Step::windows("What does a public resolver say?", "Resolve-DnsName {host} -Server 1.1.1.1");
const ASK_OWN: Step = Step::linux(
    "client",
    "What does the own resolver say?",
    "resolvectl query {host} || getent ahosts {host}",
);
const ASK_OWN_MACOS: Step = Step::macos(
    "What does the own resolver say, and which one is it?",
    "dscacheutil -q host -a name {host}; scutil --dns | head -n 20",
);
const ASK_OWN_WINDOWS: Step = Step::windows(
    "What does the own resolver say, and which one is it?",
    "Resolve-DnsName {host}; Get-DnsClientServerAddress",
);
const ASK_ZONE: Step = Step::linux(
    "client",
    "Ask from the root down: who is responsible, and what does it say?",
    "dig +trace {host}",
);
const CHAIN: Step = Step::linux(
    "client",
    "See the certificates as the server sends them.",
    "openssl s_client -connect {authority} -servername {host} -showcerts < /dev/null",
);
const DATES: Step = Step::linux(
    "client",
    "See for whom, by whom and until when the certificate is.",
    "openssl s_client -connect {authority} -servername {host} < /dev/null 2> /dev/null | openssl \
        x509 -noout -subject -issuer -dates -ext subjectAltName",
);
const CURL_TLS: Step = Step::windows("See the certificate's complaint.", "curl.exe -v {origin}");
const RELOAD: Step =
    Step::server("A renewed file counts only after a reload.", "sudo systemctl reload {unit}");

/// Confirm and fix steps; empty for causes that live elsewhere.
pub(super) const fn steps(cause: C) -> (&'static [Step], &'static [Step]) {
    match cause {
        C::DnsNameMissing => NAME_MISSING,
        C::DnsZoneBroken => ZONE_BROKEN,
        C::DnsStale => STALE,
        C::DnsResolverDown => RESOLVER_DOWN,
        C::TlsCertificate => CERTIFICATE,
        C::TlsConfiguration => CONFIGURATION,
        C::TlsClientCertificate => CLIENT_CERTIFICATE,
        _ => (&[], &[]),
    }
}

type Pair = (&'static [Step], &'static [Step]);

const NAME_MISSING: Pair = (
    &[
        ASK_PUBLIC,
        ASK_PUBLIC_WINDOWS,
        ASK_ZONE,
        Step::linux(
            "client",
            "Has the domain expired? Put the registered domain in.",
            "whois DOMAIN | grep -iE 'expir|status|name server'",
        ),
    ],
    &[
        Step::any("client", "Check the name for a typing error.", ""),
        Step::any(
            "dns",
            "Create the record for {host} at your DNS provider: A with the server's IPv4 address, \
                AAAA with its IPv6 address.",
            "",
        ),
        Step::any("dns", "The domain has expired or is on hold: renew it at the registrar.", ""),
        Step::any(
            "client",
            "An internal name? Then connect the VPN or use the company's resolver.",
            "",
        ),
        Step::linux(
            "client",
            "After the change: forget the old answer.",
            "sudo resolvectl flush-caches",
        ),
        Step::macos(
            "After the change: forget the old answer.",
            "sudo dscacheutil -flushcache; sudo killall -HUP mDNSResponder",
        ),
        Step::windows("After the change: forget the old answer.", "Clear-DnsClientCache"),
    ],
);

const ZONE_BROKEN: Pair = (
    &[
        ASK_ZONE,
        Step::linux(
            "client",
            "Does it answer when told not to check DNSSEC? Then DNSSEC is broken.",
            "dig @1.1.1.1 +cd {host}",
        ),
        Step::linux(
            "client",
            "Do all name servers of the domain answer alike? Put the registered domain in.",
            "dig +nssearch DOMAIN",
        ),
        ASK_PUBLIC_WINDOWS,
    ],
    &[
        Step::any(
            "dns",
            "DNSSEC: the DS record at the registrar must match a key of the zone. After moving to \
                another DNS provider, remove or replace it.",
            "",
        ),
        Step::any("dns", "The name servers at the registrar must be those that hold the zone.", ""),
        Step::linux(
            "dns",
            "Own name server: check it and restart it.",
            "sudo named-checkconf -z && sudo systemctl restart named",
        ),
        Step::linux(
            "dns",
            "Own signed zone: have the signatures expired?",
            "dig +dnssec {host} | grep RRSIG",
        ),
    ],
);

const STALE: Pair = (
    &[
        ASK_PUBLIC,
        ASK_OWN,
        ASK_OWN_MACOS,
        ASK_OWN_WINDOWS,
        Step::linux(
            "client",
            "How long will the old answer still be kept? (second column, seconds)",
            "dig +noall +answer {host}",
        ),
        Step::linux(
            "client",
            "Do the domain's own servers agree? Put the registered domain in.",
            "dig +nssearch DOMAIN",
        ),
    ],
    &[
        Step::linux("client", "Forget the old answer.", "sudo resolvectl flush-caches"),
        Step::macos(
            "Forget the old answer.",
            "sudo dscacheutil -flushcache; sudo killall -HUP mDNSResponder",
        ),
        Step::windows("Forget the old answer.", "Clear-DnsClientCache"),
        Step::any(
            "browser",
            "Browsers keep answers too: chrome://net-internals/#dns, Firefox about:networking#dns.",
            "",
        ),
        Step::any(
            "dns",
            "Owner: correct the record, and lower its time to live before the next move.",
            "",
        ),
        Step::server(
            "Owner: keep the old address serving until the time to live has passed.",
            "sudo systemctl status {unit}",
        ),
    ],
);

const RESOLVER_DOWN: Pair = (
    &[
        ASK_PUBLIC,
        ASK_PUBLIC_WINDOWS,
        Step::linux(
            "client",
            "Which resolver is configured?",
            "resolvectl status || cat /etc/resolv.conf",
        ),
        ASK_OWN,
        ASK_OWN_MACOS,
        ASK_OWN_WINDOWS,
    ],
    &[
        Step::linux(
            "client",
            "Restart the local resolver.",
            "sudo systemctl restart systemd-resolved",
        ),
        Step::linux(
            "client",
            "Use another one for now (put the interface in).",
            "sudo resolvectl dns INTERFACE 1.1.1.1 9.9.9.9",
        ),
        Step::macos(
            "Use another one for now (\"Empty\" instead of the addresses goes back).",
            "networksetup -setdnsservers Wi-Fi 1.1.1.1 9.9.9.9",
        ),
        Step::windows(
            "Use another one for now (-ResetServerAddresses goes back).",
            "Set-DnsClientServerAddress -InterfaceAlias 'Wi-Fi' -ServerAddresses 1.1.1.1, 9.9.9.9",
        ),
        Step::any(
            "router",
            "Restart the router: it usually is the resolver of a home network.",
            "",
        ),
        Step::any(
            "client",
            "A VPN that is half connected leaves its resolver behind: disconnect it.",
            "",
        ),
    ],
);

const CERTIFICATE: Pair = (
    &[
        DATES,
        CHAIN,
        CURL_TLS,
        Step::server(
            "Does the file on disk differ from what is served? Then a reload is missing.",
            "sudo openssl x509 -noout -dates -in /etc/letsencrypt/live/{host}/fullchain.pem",
        )
        .when(When::Name),
        Step::server("Does renewal work?", "sudo certbot renew --dry-run"),
        Step::any(
            "client",
            "Only this network shows it? Then an inspecting proxy or antivirus may be in between: \
                compare the issuer from elsewhere.",
            "",
        ),
    ],
    &[
        Step::server("Let's Encrypt with certbot: renew.", "sudo certbot renew"),
        RELOAD,
        Step::server(
            "A new certificate for all names (add -d for each; --apache with Apache).",
            "sudo certbot --nginx -d {host}",
        )
        .when(When::Name),
        Step::server(
            "Incomplete chain in nginx: ssl_certificate must be fullchain.pem, not cert.pem.",
            "sudo nginx -T | grep -n ssl_certificate",
        )
        .when(When::Web),
        Step::server(
            "Incomplete chain in Apache: SSLCertificateFile must be fullchain.pem.",
            "sudo apachectl -S; sudo grep -rn SSLCertificateFile /etc/apache2/sites-enabled",
        )
        .when(When::Web),
        Step::server(
            "HAProxy: the crt file holds certificate, intermediates and key.",
            "sudo haproxy -c -f /etc/haproxy/haproxy.cfg && sudo systemctl reload haproxy",
        )
        .when(When::Web),
        Step::any("server", "Behind a CDN or cloud balancer: renew or re-issue it there.", "")
            .when(When::Web),
        Step::any(
            "client",
            "Do not click through the warning. A company's own authority is installed by its \
                administrators.",
            "",
        ),
    ],
);

const CONFIGURATION: Pair = (
    &[
        Step::linux(
            "client",
            "Which versions does it accept?",
            "for v in tls1_2 tls1_3; do echo $v; openssl s_client -connect {authority} \
                -servername {host} -$v < /dev/null 2>&1 | grep -E 'Protocol|Cipher|alert'; done",
        ),
        CHAIN,
        CURL_TLS,
        Step::server(
            "nginx: versions, ciphers and the name of each site.",
            "sudo nginx -T | grep -nE 'ssl_protocols|ssl_ciphers|server_name|listen '",
        )
        .when(When::Web),
    ],
    &[
        Step::server(
            "nginx: `ssl_protocols TLSv1.2 TLSv1.3;` and no hand-made ssl_ciphers, then",
            "sudo nginx -t && sudo systemctl reload nginx",
        )
        .when(When::Web),
        Step::server(
            "Apache: `SSLProtocol -all +TLSv1.2 +TLSv1.3`, then",
            "sudo apachectl configtest && sudo systemctl reload apache2",
        )
        .when(When::Web),
        Step::server(
            "HAProxy: `ssl-default-bind-options ssl-min-ver TLSv1.2`, then",
            "sudo haproxy -c -f /etc/haproxy/haproxy.cfg && sudo systemctl reload haproxy",
        )
        .when(When::Web),
        Step::server(
            "Alert 112 (unrecognized name): add a site for {host}.",
            "sudo nginx -T | grep -n server_name",
        )
        .when(When::Web),
        Step::server(
            "Another service: allow TLS 1.2 and 1.3 in its configuration, then restart it.",
            "sudo systemctl restart {unit}",
        )
        .when(When::NotWeb),
        Step::any(
            "client",
            "Very old systems (Windows 7, Android 4, Java 7) need an update: they do not speak \
                TLS 1.2 by default.",
            "",
        ),
    ],
);

const CLIENT_CERTIFICATE: Pair = (
    &[
        Step::linux(
            "client",
            "Does the server ask? Look for \"Acceptable client certificate CA names\".",
            "openssl s_client -connect {authority} -servername {host} < /dev/null",
        ),
        Step::linux(
            "client",
            "Does it work with your certificate?",
            "curl -v --cert client.pem --key client.key {origin}",
        ),
    ],
    &[
        Step::any("client", "Ask the server's owner for a certificate, and install it.", ""),
        Step::windows(
            "Install it (a .p12 or .pfx file).",
            "Import-PfxCertificate -FilePath .\\client.pfx -CertStoreLocation \
                Cert:\\CurrentUser\\My -Password (Read-Host -AsSecureString)",
        ),
        Step::macos(
            "Install it.",
            "security import client.p12 -k ~/Library/Keychains/login.keychain-db",
        ),
        Step::any(
            "browser",
            "Firefox has a store of its own: Settings, Privacy & Security, Certificates, View \
                Certificates, Your Certificates, Import.",
            "",
        ),
        Step::server(
            "Owner: not meant to be asked for? nginx ssl_verify_client, Apache SSLVerifyClient.",
            "sudo nginx -T | grep -n ssl_verify_client; sudo grep -rn SSLVerifyClient /etc/apache2",
        )
        .when(When::Web),
    ],
);
