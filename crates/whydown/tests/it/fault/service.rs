//! Services that accept and then do the wrong thing, or say nothing.

use std::time::Duration;

use whydown_lab::{Answer, Behaviour, Ca, Flavour, Nginx, Peer, Postgres, Redis, Sshd};

use crate::clients::NODE_FORGETS;
use crate::scene::{Scene, down, faults, page, up};

const HUNG: [&str; 3] = ["app", "service.hung", "owner"];
const CLOSES: [&str; 3] = ["app", "service.closes_connections", "owner"];
const APP: [&str; 3] = ["app", "app.error", "owner"];
const WRONG_PROTOCOL: [&str; 3] = ["app", "service.wrong_protocol", "owner"];
const TLS_HERE: [&str; 3] = ["server", "service.wrong_protocol", "owner"];
const WRONG_PORT: [&str; 3] = ["app", "service.wrong_protocol", "visitor"];

fn status(scene: &mut Scene, status: u16) {
    scene.serve(80, Behaviour::Http(Answer::new(status)));
}

fn banner(scene: &mut Scene, port: u16, text: &str) {
    // It waits for more than a greeting, for as long as this peer holds the line.
    scene.either("firefox", None);
    scene.serve(port, Behaviour::Banner(text.as_bytes().to_vec()));
}

fn busy(scene: &mut Scene) {
    let sorry = Answer::new(503).header("Retry-After", "30").header("Server", "app").body("busy");
    scene.serve(80, Behaviour::Http(sorry));
}

/// A web server that speaks TLS where plain HTTP is asked for.
fn tls_on_port_80(scene: &mut Scene) {
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["shop.test"]);
    let (chain, key) = (identity.chain.display(), identity.key.display());
    let server = format!(
        "server {{ listen 80 ssl; ssl_certificate {chain}; ssl_certificate_key {key}; \
         return 200; }}"
    );
    let nginx = Nginx::start(&scene.lab.server(), &server);
    scene.keep(nginx);
    scene.keep(ca);
}

/// The same with a server that doesn't recognise plain HTTP.
fn strict_tls_on_port_80(scene: &mut Scene) {
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["shop.test"]);
    let peer = Peer::start_tls(&scene.lab.server(), 80, page(), &identity);
    scene.keep(peer);
    scene.keep(ca);
}

fn sshd(scene: &mut Scene) {
    let sshd = Sshd::start(&scene.lab.server(), 22);
    scene.keep(sshd);
}

fn redis(scene: &mut Scene) {
    let redis = Redis::start(&scene.lab.server(), 6379, None);
    scene.keep(redis);
}

faults! {
    the_process_is_stopped: "http://10.99.2.10/", |s| s.serve(80, Behaviour::Stopped),
        down("http.timed_out", HUNG);
    the_process_is_stopped_over_ipv6: "http://[fd99:2::10]/",
        |s| s.serve(80, Behaviour::Stopped), down("http.timed_out", HUNG);
    the_service_never_answers: "http://10.99.2.10/", |s| s.serve(80, Behaviour::NeverAnswer),
        down("http.timed_out", HUNG);
    the_service_never_accepts: "http://10.99.2.10/", |s| s.serve(80, Behaviour::NeverAccept),
        down("http.timed_out", HUNG);
    the_answer_drips: "http://10.99.2.10/",
        |s| s.serve(80, Behaviour::SlowDrip(Duration::from_millis(500))),
        down("http.timed_out", HUNG);
    an_ssh_server_never_greets: "ssh://10.99.2.10", |s| s.serve(22, Behaviour::NeverAnswer),
        down("banner.unexpected", HUNG);
    the_service_resets_at_once: "http://10.99.2.10/", |s| {
            s.serve(80, Behaviour::Reset);
            // The RST can come before it has looked at its new socket.
            s.either("chrome", Some("ERR_SOCKET_NOT_CONNECTED"));
        },
        down("http.reset", CLOSES);
    the_service_closes_at_once: "http://10.99.2.10/", |s| {
            s.serve(80, Behaviour::Close);
            // The end can come before they have looked at their new socket.
            s.either("chrome", Some("ERR_SOCKET_NOT_CONNECTED"));
            s.either("node", Some(NODE_FORGETS));
        },
        down("http.empty_reply", CLOSES);
    the_service_closes_after_the_request: "http://10.99.2.10/",
        |s| s.serve(80, Behaviour::CloseAfterRequest), down("http.empty_reply", CLOSES);
    the_service_resets_after_the_request: "http://[fd99:2::10]/",
        |s| s.serve(80, Behaviour::ResetAfterRequest), down("http.reset", CLOSES);
    the_service_closes_in_the_body: "http://10.99.2.10/",
        |s| s.serve(80, Behaviour::CloseMidBody), down("http.closed_early", CLOSES);
    the_service_resets_in_the_body: "http://10.99.2.10/",
        |s| {
            s.serve(80, Behaviour::ResetMidBody);
            // It says which of the two it has noticed first: the RST, or that the body ends.
            s.either("node", Some("UND_ERR_SOCKET"));
        },
        down("http.reset", CLOSES);
    the_application_fails: "http://10.99.2.10/", |s| status(s, 500), down("http.status", APP);
    the_page_does_not_exist: "http://[fd99:2::10]/", |s| status(s, 404),
        down("http.status", APP);
    the_application_redirects_in_circles: "http://10.99.2.10/",
        |s| s.serve(80, Behaviour::RedirectLoop), down("http.too_many_redirects", APP);
    the_application_is_overloaded_and_says_so: "http://10.99.2.10/", busy,
        down("http.status", ["app", "service.overloaded", "owner"])
            .or(["app", "upstream.dead", "owner"]);
    an_expected_word_is_missing: "http://10.99.2.10/",
        |s| { s.web(); s.flag("--contains=goodbye"); }, down("assertion.keyword", APP);
    ssh_answers_on_the_web_servers_port: "http://10.99.2.10/",
        |s| banner(s, 80, "SSH-2.0-OpenSSH_9.2\r\n"), down("http.not_http", WRONG_PROTOCOL);
    smtp_answers_on_the_web_servers_port: "http://[fd99:2::10]/",
        |s| banner(s, 80, "220 mail.test ESMTP Exim\r\n"), down("http.not_http", WRONG_PROTOCOL);
    garbage_answers_on_the_web_servers_port: "http://10.99.2.10/",
        |s| banner(s, 80, "\u{1}\u{2}\u{3} nothing that anybody knows\r\n"),
        down("http.not_http", WRONG_PROTOCOL);
    tls_is_spoken_where_http_is_asked: "http://10.99.2.10/", tls_on_port_80,
        down("http.spoken_to_tls", TLS_HERE);
    strict_tls_is_spoken_where_http_is_asked: "http://10.99.2.10/", strict_tls_on_port_80,
        down("http.spoken_to_tls", TLS_HERE);
    redis_is_asked_of_an_ssh_server: "redis://10.99.2.10:22", sshd,
        down("banner.unexpected", WRONG_PORT);
    ssh_is_asked_of_a_redis_server: "ssh://10.99.2.10:6379", redis,
        down("banner.unexpected", WRONG_PORT).or(HUNG);
    redis_answers_on_the_web_servers_port: "http://10.99.2.10/",
        |s| {
            let redis = Redis::start(&s.lab.server(), 80, None);
            s.keep(redis);
            s.ends_either_way();
        },
        down("http.empty_reply", WRONG_PROTOCOL).or_sees(&["http.reset"]).knowing("speaks redis");
    postgres_answers_on_the_web_servers_port: "http://[fd99:2::10]:8000/",
        |s| {
            let db = Postgres::start(&s.lab.server(), 8000);
            s.keep(db);
            s.ends_either_way();
        },
        down("http.empty_reply", WRONG_PORT)
            .or_sees(&["http.reset"])
            .knowing("speaks postgres");
    an_ssh_server_works: "ssh://10.99.2.10", sshd, up();
    a_redis_server_works: "redis://[fd99:2::10]", redis, up();
    an_open_port_works: "tcp://10.99.2.10:22", sshd, up();
    a_udp_port_is_closed: "udp://10.99.2.10:9999", Scene::ssh,
        down("udp.refused", ["server", "service.not_listening", "owner"]);
    a_udp_port_is_closed_over_ipv6: "udp://[fd99:2::10]:9999", Scene::ssh,
        down("udp.refused", ["server", "service.not_listening", "owner"]);
    a_host_answers_pings: "icmp://10.99.2.10", |_| {}, up();
    a_host_that_is_off_answers_no_pings: "icmp://10.99.2.77", |_| {},
        down("icmp.no_reply", ["server", "host.down", "owner"]);
}
