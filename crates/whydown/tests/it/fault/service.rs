//! Services that accept and then do the wrong thing.

use whydown_lab::{Answer, Behaviour, Haproxy, Hook, Lab, Nginx, Peer, Redis, Rule, Sshd};

use crate::run::diagnose;

#[test]
fn each_way_of_treating_a_request_badly() {
    for (behaviour, failure, cause) in [
        (Behaviour::Stopped, "http.timed_out", "service.hung"),
        (Behaviour::NeverAnswer, "http.timed_out", "service.hung"),
        (Behaviour::CloseAfterRequest, "http.empty_reply", "service.closes_connections"),
        (Behaviour::ResetAfterRequest, "http.reset", "service.closes_connections"),
        (Behaviour::CloseMidBody, "http.closed_early", "service.closes_connections"),
        (Behaviour::ResetMidBody, "http.reset", "service.closes_connections"),
        (Behaviour::RedirectLoop, "http.too_many_redirects", "app.error"),
        (Behaviour::Http(Answer::new(500)), "http.status", "app.error"),
        (
            Behaviour::Banner(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            "http.not_http",
            "service.wrong_protocol",
        ),
    ] {
        let lab = Lab::new();
        let _web = Peer::start(&lab.server(), 80, behaviour);
        diagnose(&lab.client(), "http://10.99.2.10/").is(["down", failure, "app", cause, "owner"]);
    }
}

#[test]
fn the_backend_behind_nginx_refuses() {
    let lab = Lab::new();
    let _nginx = Nginx::start(
        &lab.server(),
        "server { listen 80; location / { proxy_pass http://10.99.2.20:8080; } }",
    );
    diagnose(&lab.client(), "http://10.99.2.10/")
        .is(["down", "http.status", "app", "upstream.dead", "owner"])
        .knows("502");
}

#[test]
fn haproxy_has_no_server() {
    let lab = Lab::new();
    let _haproxy = Haproxy::start(
        &lab.server(),
        "frontend web\n bind :80\n default_backend app\nbackend app\n server one 10.99.2.20:8080\n",
    );
    let output = crate::run::run(
        crate::run::whydown(&lab.client()),
        &["diagnose", "http://10.99.2.10/", "--json", "--timeout", "6s"],
    );
    crate::run::Verdict::of(output)
        .is(["down", "http.status", "app", "upstream.dead", "owner"])
        .knows("HAProxy");
}

#[test]
fn large_packets_are_lost_on_the_way() {
    let lab = Lab::new();
    let body = "x".repeat(50_000);
    let _web = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200).body(body)));
    lab.r2().rule(Rule::DropLongerThan(Hook::Forward, 1_000));
    diagnose(&lab.client(), "http://10.99.2.10/").is([
        "down",
        "http.timed_out",
        "network",
        "path.mtu",
        "network",
    ]);
}

#[test]
fn banner_services_that_work_are_up() {
    let lab = Lab::new();
    let _sshd = Sshd::start(&lab.server(), 22);
    let _redis = Redis::start(&lab.server(), 6379, None);
    for target in ["ssh://10.99.2.10", "redis://10.99.2.10", "tcp://10.99.2.10:22"] {
        diagnose(&lab.client(), target).is(["up", "-", "-", "-", "-"]);
    }
    diagnose(&lab.client(), "redis://10.99.2.10:22").is([
        "down",
        "banner.unexpected",
        "app",
        "service.wrong_protocol",
        "visitor",
    ]);
}
