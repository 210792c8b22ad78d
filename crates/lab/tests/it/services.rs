//! Real servers start, answer their own clients, stop and come back.

use std::time::{Duration, Instant};

use whydown_lab::{Ca, Flavour, Haproxy, Host, Lab, Nginx, Postgres, Redis, Signal, Sshd, until};

use crate::witness::{connect_errno, verdict};

const HELLO: &str = "server { listen 80; listen [::]:80; return 200 \"hello\"; }";

#[test]
fn nginx_is_stopped_started_and_reloaded_on_both_families() {
    let lab = Lab::builder().small().build();
    let nginx = Nginx::start(&lab.server(), HELLO);
    let codes = || lab.server().both(80).map(|to| connect_errno(&lab.client(), to));
    assert_eq!(codes(), [0; 2]);
    nginx.stop();
    assert_eq!(codes(), [libc::ECONNREFUSED; 2]);
    nginx.start_again();
    nginx.kill();
    assert_eq!(codes(), [libc::ECONNREFUSED; 2]);
    nginx.start_again();
    nginx.reload("server { listen 80; return 204; }");
    until(Duration::from_secs(5), "the new configuration", || {
        (verdict(&lab.client(), &["http://10.99.2.10/"]).1 == "204").then_some(())
    });
    nginx.reload("server { listen 80; nonsense; }");
    assert!(nginx.error_log().contains("unknown directive"), "{}", nginx.error_log());
    assert_eq!(verdict(&lab.client(), &["http://10.99.2.10/"]).1, "204");
    assert!(nginx.access_log().contains("\" 204 "), "{}", nginx.access_log());
}

#[test]
fn nginx_serves_https_on_loopback_and_a_dead_upstream_is_a_502() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["localhost"]);
    let (port, closed) = (machine.free_port(), machine.free_port());
    let (chain, key) = (identity.chain.display(), identity.key.display());
    let _nginx = Nginx::start(
        &machine,
        &format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; \
             ssl_certificate_key {key}; location / {{ return 200; }} \
             location /app {{ proxy_pass http://127.0.0.1:{closed}; }} }}"
        ),
    );
    let bundle = ca.bundle().display().to_string();
    for (path, status) in [("/", "200"), ("/app", "502")] {
        let url = format!("https://localhost:{port}{path}");
        let args = ["-4", "--cacert", &bundle, &url];
        assert_eq!(verdict(&machine, &args), (0, status.into()), "{path}");
    }
}

#[test]
fn a_stopped_nginx_accepts_and_says_nothing_until_it_continues() {
    let machine = Host::machine();
    let port = machine.free_port();
    let nginx =
        Nginx::start(&machine, &format!("server {{ listen 127.0.0.1:{port}; return 200; }}"));
    let url = format!("http://127.0.0.1:{port}/");
    nginx.signal(Signal::SIGSTOP);
    assert_eq!(verdict(&machine, &["-m", "0.5", &url]), (28, "000".into()));
    nginx.signal(Signal::SIGCONT);
    assert_eq!(verdict(&machine, &[&url]), (0, "200".into()));
}

#[test]
fn haproxy_balances_and_says_503_when_its_backends_are_gone() {
    let lab = Lab::new();
    let backend = Nginx::start(&lab.backend(), HELLO);
    let _haproxy = Haproxy::start(
        &lab.server(),
        "frontend web\n    bind :80\n    default_backend app\n\
         backend app\n    retries 0\n    server b1 10.99.2.20:80\n",
    );
    let url = ["http://10.99.2.10/"];
    assert_eq!(verdict(&lab.client(), &url), (0, "200".into()));
    backend.stop();
    assert_eq!(verdict(&lab.client(), &url), (0, "503".into()));
}

#[test]
fn redis_answers_with_and_without_a_password() {
    let machine = Host::machine();
    let (open, closed) = (Redis::start(&machine, 0, None), Redis::start(&machine, 0, Some("pw")));
    let ping = |port: u16| machine.exec("redis-cli", &["-p", &port.to_string(), "ping"]).stdout;
    assert_eq!(ping(open.port()), "PONG\n");
    assert!(ping(closed.port()).contains("NOAUTH"));
}

#[test]
fn postgres_keeps_its_rows_over_a_crash_and_is_reached_from_the_client() {
    let lab = Lab::builder().small().build();
    let start = Instant::now();
    let postgres = Postgres::start(&lab.server(), 5432);
    let url = postgres.create_database("whydown");
    postgres.sql("whydown", "CREATE TABLE t (n bigint); INSERT INTO t VALUES (41), (42)");
    postgres.kill();
    postgres.start_again();
    let rows = until(Duration::from_secs(10), "the end of the recovery", || {
        let output = lab.client().exec("psql", &["-XAtq", "-c", "SELECT max(n) FROM t", &url]);
        (output.code == Some(0)).then_some(output.stdout)
    });
    assert_eq!(rows, "42\n");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn sshd_shows_its_banner_and_lets_nobody_in() {
    let lab = Lab::builder().small().build();
    let _sshd = Sshd::start(&lab.server(), 22);
    let output = lab.client().exec("sh", &["-c", "nc -w1 fd99:2::10 22 </dev/null"]);
    assert!(output.stdout.starts_with("SSH-2.0-OpenSSH"), "{output}");
    let options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o"];
    let target = ["UserKnownHostsFile=/dev/null", "root@10.99.2.10", "true"];
    let output = lab.client().exec("ssh", &[&options[..], &target].concat());
    assert_eq!(output.code, Some(255), "{output}");
    assert!(output.stderr.contains("Permission denied"), "{output}");
}
