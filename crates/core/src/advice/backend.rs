//! What the owner of a service can do about what works behind it: backends of reverse proxies
//! and balancers, and the application itself.

use super::fill::{Step, When};
use super::owner::{NGINX_LOG, UNIT_LOG};
use crate::cause::Cause as C;

/// Confirm and fix steps; empty for causes that live elsewhere.
pub(super) const fn steps(cause: C) -> (&'static [Step], &'static [Step]) {
    match cause {
        C::UpstreamDead => UPSTREAM_DEAD,
        C::BalancerSomeBackends => SOME_BACKENDS,
        C::AppError => APP_ERROR,
        _ => (&[], &[]),
    }
}

type Pair = (&'static [Step], &'static [Step]);

const UPSTREAM_DEAD: Pair = (
    &[
        Step::server(
            "nginx names the backend and the reason.",
            "sudo grep -E 'upstream|connect\\(\\) failed' /var/log/nginx/error.log | tail -n 20",
        ),
        Step::server(
            "Where does the proxy send the requests?",
            "sudo nginx -T | grep -nE 'proxy_pass|fastcgi_pass|upstream|server '",
        ),
        Step::server(
            "Is that backend listening? Look for its port or socket.",
            "sudo ss -tlnp; sudo ss -xlp",
        ),
        Step::server(
            "HAProxy: which backend servers are DOWN?",
            "echo 'show stat' | sudo socat stdio /run/haproxy/admin.sock | cut -d, -f1,2,18,37",
        ),
        Step::server(
            "Apache: the proxy's messages.",
            "sudo grep -E 'proxy:|AH0' /var/log/apache2/error.log | tail -n 20",
        ),
        Step::linux("client", "Whose error page is it?", "curl -sS -m 30 -i {url} | head -n 20")
            .when(When::Http),
        Step::server(
            "With Docker: are the application's containers up and healthy?",
            "docker compose ps --all",
        ),
    ],
    &[
        Step::server(
            "Start the application behind the proxy (put its unit's name in).",
            "sudo systemctl restart APPLICATION && sudo journalctl -u APPLICATION -n 50 --no-pager",
        ),
        Step::server("With Docker:", "docker compose up -d && docker compose logs --tail 50"),
        Step::server(
            "PHP: restart the process manager; the socket in fastcgi_pass must be the pool's \
                `listen`.",
            "sudo systemctl restart 'php*-fpm'",
        ),
        Step::server(
            "The backend's address changed? nginx looks names up only when it starts.",
            "sudo nginx -t && sudo systemctl reload nginx",
        ),
        Step::server(
            "On RHEL, SELinux forbids nginx and Apache to connect to backends until it is told \
                otherwise.",
            "sudo setsebool -P httpd_can_network_connect 1",
        ),
        Step::server(
            "504: the backend is slow. Raise proxy_read_timeout only after its log is understood.",
            "sudo journalctl -u APPLICATION -n 100 --no-pager",
        ),
    ],
);

const SOME_BACKENDS: Pair = (
    &[
        Step::linux(
            "client",
            "Which addresses are there?",
            "dig +short {host} A {host} \
            AAAA",
        )
        .when(When::Name),
        Step::linux(
            "client",
            "Knock at each of them.",
            "for a in $(dig +short {host} A); do nc \
            -vz -w 5 \"$a\" {port}; done",
        )
        .when(When::Name),
        Step::macos(
            "Knock at each of them.",
            "for a in $(dig +short {host} A); do nc -vz -G 5 \
            \"$a\" {port}; done",
        )
        .when(When::Name),
        Step::windows(
            "Knock at each of them.",
            "(Resolve-DnsName {host} -Type A).IPAddress | \
            ForEach-Object { Test-NetConnection -ComputerName $_ -Port {port} | Select-Object \
            RemoteAddress, TcpTestSucceeded }",
        )
        .when(When::Name),
        Step::linux(
            "client",
            "One address, many backends: how many of 20 requests \
            fail?",
            "for i in $(seq 20); do curl -s -o /dev/null -m 5 -w '%{http_code}\\n' {url}; \
            done | sort | uniq -c",
        )
        .when(When::Http),
        Step::server(
            "HAProxy: which servers are DOWN?",
            "echo 'show stat' | sudo socat stdio \
            /run/haproxy/admin.sock | cut -d, -f1,2,18,37",
        ),
    ],
    &[
        Step::any("dns", "Take the failing address out of DNS until its machine works again.", ""),
        Step::server(
            "On the failing machine: start the service.",
            "sudo systemctl enable --now \
            {unit}",
        ),
        Step::server(
            "On the balancer: take the failing backend out and switch on health checks \
            (HAProxy `check`, nginx `max_fails`).",
            "sudo nginx -t && sudo systemctl reload nginx",
        ),
        Step::any("client", "Until then, trying again often reaches a working one.", ""),
    ],
);

const APP_ERROR: Pair = (
    &[
        Step::linux(
            "client",
            "See the status, the headers and the beginning of the answer.",
            "curl -sS -m 30 -i {url} | head -n 40",
        )
        .when(When::Http),
        Step::windows("See the status and the headers.", "curl.exe -sS -m 30 -i {url}")
            .when(When::Http),
        NGINX_LOG,
        Step::server(
            "What does the application say? (put its unit's name in)",
            "sudo journalctl -u APPLICATION -n 100 --no-pager",
        )
        .when(When::Web),
        UNIT_LOG.when(When::NotWeb),
        Step::server("With Docker:", "docker compose logs --tail 100"),
        Step::server("Disk full, or no memory left?", "df -h; df -i; free -m"),
    ],
    &[
        Step::server(
            "Restart the application once its log is saved.",
            "sudo systemctl restart APPLICATION",
        ),
        Step::any("server", "Went wrong with the last release: go back to the one before.", ""),
        Step::server(
            "Disk full: find what grew.",
            "sudo du -xh --max-depth=2 /var | sort -h | tail",
        ),
        Step::any(
            "server",
            "Check what the application needs: database, cache, secrets, other services.",
            "",
        ),
        Step::any(
            "client",
            "A 4xx status is about the request: check address, rights and method.",
            "",
        )
        .when(When::Http),
    ],
);
