//! Reverse proxies whose upstream is dead.

use super::service::{apache, nginx};
use super::{Fault, Inside, all_are_named};

fn haproxy(inside: &Inside, backend: &str) {
    inside.write(
        "haproxy.cfg",
        &format!(
            "global\ndefaults\n mode http\n timeout connect 1s\n timeout client 5s\n \
             timeout server 5s\nfrontend web\n bind :::8401 v4v6\n default_backend app\n\
             backend app\n server one {backend}\n"
        ),
    );
    inside.install("haproxy.service", "ExecStart=/usr/sbin/haproxy -db -f DIR/haproxy.cfg");
    inside.start("haproxy.service");
    inside.wait_listening(8_401);
}

/// As sites are kept: in files of their own, with a balancer.
fn apache_with(inside: &Inside, site: &str) {
    let modules = ["proxy", "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests"];
    let load = |name: &str| format!("LoadModule {name}_module MODULES/mod_{name}.so\n");
    let load = modules.map(load).concat();
    inside.write("sites/shop.conf", site);
    apache(inside, &format!("{load}Listen 8402\nInclude sites/*.conf"));
    inside.start("apache2.service");
    inside.wait_listening(8_402);
}

fn caddy(inside: &Inside, sites: &str) {
    inside.write("Caddyfile", &format!("{{\n  admin off\n  auto_https off\n}}\n{sites}"));
    let run = "ExecStart=/usr/bin/caddy run --config DIR/Caddyfile --adapter caddyfile";
    inside.install("caddy.service", &format!("Environment=HOME=DIR\n{run}"));
    inside.start("caddy.service");
    inside.wait_listening(8_403);
}

const FAULTS: [Fault; 8] = [
    Fault {
        name: "nothing listens behind a virtual host of Apache",
        port: 8_402,
        cause: "upstream.dead",
        facts: &["apache passes requests to 127.0.0.1:8495", "sites/shop.conf:3"],
        break_it: |inside| {
            let host = "<VirtualHost *:8402>\nServerName shop.test\n\
                        ProxyPass / http://127.0.0.1:8495/\n</VirtualHost>\n";
            apache_with(inside, host);
        },
    },
    Fault {
        name: "nothing listens behind a balancer of Apache",
        port: 8_402,
        cause: "upstream.dead",
        facts: &["apache passes requests to 127.0.0.1:8494"],
        break_it: |inside| {
            let balancer = "<Proxy balancer://app>\nBalancerMember http://127.0.0.1:8494\n</Proxy>";
            apache_with(inside, &format!("{balancer}\nProxyPass / balancer://app/\n"));
        },
    },
    Fault {
        name: "nothing listens behind Caddy",
        port: 8_403,
        cause: "upstream.dead",
        facts: &["caddy passes requests to 127.0.0.1:8493", "Caddyfile:6"],
        break_it: |inside| {
            caddy(
                inside,
                "(pass) {\n  reverse_proxy 127.0.0.1:8493\n}\n:8403 {\n  import pass\n}\n",
            );
        },
    },
    Fault {
        name: "all is well behind Caddy",
        port: 8_403,
        cause: "-",
        facts: &[],
        break_it: |inside| {
            inside.app("app.service", "serve 127.0.0.1 8492", "");
            inside.wait_listening(8_492);
            caddy(inside, "http://:8403 {\n  reverse_proxy {\n    to 127.0.0.1:8492\n  }\n}\n");
        },
    },
    Fault {
        name: "nothing listens behind nginx",
        port: 8_400,
        cause: "upstream.dead",
        facts: &["nginx passes requests to 127.0.0.1:8499"],
        break_it: |inside| {
            let pass = "location / { proxy_pass http://127.0.0.1:8499; }";
            nginx(inside, &format!("server {{ listen 8400; listen [::]:8400; {pass} }}\n"));
            inside.start("nginx.service");
            inside.wait_listening(8_400);
        },
    },
    Fault {
        name: "nothing listens behind HAProxy",
        port: 8_401,
        cause: "upstream.dead",
        facts: &["haproxy passes requests to 127.0.0.1:8498"],
        break_it: |inside| haproxy(inside, "127.0.0.1:8498"),
    },
    Fault {
        name: "who listens behind HAProxy is stopped",
        port: 8_401,
        cause: "upstream.dead",
        facts: &["127.0.0.1:8497", "stopped"],
        break_it: |inside| {
            inside.app("app.service", "serve 127.0.0.1 8497", "");
            inside.wait_listening(8_497);
            inside.stop_process("app.service");
            haproxy(inside, "127.0.0.1:8497");
        },
    },
    Fault {
        name: "all is well behind HAProxy",
        port: 8_401,
        cause: "-",
        facts: &[],
        break_it: |inside| {
            inside.app("app.service", "serve 127.0.0.1 8496", "");
            inside.wait_listening(8_496);
            haproxy(inside, "127.0.0.1:8496");
        },
    },
];

#[test]
fn a_dead_upstream_is_named() {
    all_are_named(&FAULTS);
}
