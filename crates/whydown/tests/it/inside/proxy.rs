//! Reverse proxies whose upstream is dead.

use super::service::nginx;
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

const FAULTS: [Fault; 4] = [
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
