//! Known servers: nginx, Apache, PostgreSQL, sshd.

use super::{Fault, Inside, all_are_named};

/// nginx as Debian starts it, with its files in its own directory.
pub(super) fn nginx(inside: &Inside, servers: &str) {
    write_nginx(inside, servers);
    let with = "-p DIR -c DIR/nginx.conf -e DIR/error.log";
    let run = format!("/usr/sbin/nginx {with}");
    inside.install(
        "nginx.service",
        &format!(
            "ExecStartPre={run} -t -q\nExecStart={run} -g 'daemon off;'\n\
             ExecReload=/bin/sh -c '{run} -t -q && kill -HUP $MAINPID'\nKillMode=mixed"
        ),
    );
}

pub(super) fn write_nginx(inside: &Inside, servers: &str) {
    let at = inside.at("");
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places = places.map(|kind| format!("{kind}_temp_path {at}{kind};\n")).concat();
    inside.write(
        "nginx.conf",
        &format!(
            "user root;\nworker_processes 1;\npid {at}nginx.pid;\nevents {{}}\n\
             http {{\naccess_log off;\n{places}{servers}\n}}\n"
        ),
    );
}

pub(super) fn apache(inside: &Inside, directives: &str) {
    let at = inside.at("");
    let modules = "/usr/lib/apache2/modules";
    inside.write(
        "apache2.conf",
        &format!(
            "ServerRoot {at}\nServerName shop\nPidFile {at}apache2.pid\nErrorLog {at}apache.log\n\
             LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
             LoadModule authz_core_module {modules}/mod_authz_core.so\n{}\n",
            directives.replace("MODULES", modules)
        ),
    );
    let run = "ExecStart=/usr/sbin/apache2 -D FOREGROUND -f DIR/apache2.conf";
    inside.install("apache2.service", run);
}

const PAGE: &str = "server { listen 80; return 200; }\n";

const FAULTS: [Fault; 8] = [
    Fault {
        name: "nginx: a mistake in its configuration, seen at a restart",
        port: 80,
        cause: "service.stopped_after_deploy",
        facts: &["nginx.service", "unknown directive \"lisen\""],
        break_it: |inside| {
            nginx(inside, PAGE);
            inside.start("nginx.service");
            inside.wait_listening(80);
            write_nginx(inside, "server { lisen 80; }\n");
            inside.systemd.exec("systemctl", &["restart", "nginx.service"]);
            inside.wait_failed("nginx.service");
        },
    },
    Fault {
        name: "nginx: a mistake in its configuration, seen at a reload",
        port: 8_301,
        cause: "service.stopped_after_deploy",
        facts: &["nginx.service could not be reloaded", "unknown directive \"lisen\""],
        break_it: |inside| {
            nginx(inside, PAGE);
            inside.start("nginx.service");
            inside.wait_listening(80);
            write_nginx(inside, "server { listen 8301; lisen 80; }\n");
            inside.systemd.exec("systemctl", &["reload", "nginx.service"]);
        },
    },
    Fault {
        name: "nginx: one of its ports is taken by Apache",
        port: 80,
        cause: "service.stopped_after_deploy",
        facts: &["Address already in use", "held by apache2"],
        break_it: |inside| {
            apache(inside, "Listen 443");
            inside.start("apache2.service");
            inside.wait_listening(443);
            nginx(inside, "server { listen 80; listen 443; return 200; }\n");
            inside.start("nginx.service");
            inside.wait_failed("nginx.service");
        },
    },
    Fault {
        name: "nginx: its configuration names another port now",
        port: 80,
        cause: "service.wrong_port",
        facts: &["nginx.service listens on", "8302"],
        break_it: |inside| {
            nginx(inside, PAGE);
            inside.start("nginx.service");
            inside.wait_listening(80);
            write_nginx(inside, "server { listen 8302; return 200; }\n");
            inside.systemd.systemctl(&["restart", "nginx.service"]);
            inside.wait_listening(8_302);
        },
    },
    Fault {
        name: "Apache: a mistake in its configuration",
        port: 8_303,
        cause: "service.stopped_after_deploy",
        facts: &["apache2.service", "Invalid command"],
        break_it: |inside| {
            apache(inside, "Listen 8303\nLissen 8304");
            inside.start("apache2.service");
            inside.wait_failed("apache2.service");
        },
    },
    Fault {
        name: "Apache listens for this machine only",
        port: 8_304,
        cause: "service.loopback_only",
        facts: &["listens on 127.0.0.1:8304 only"],
        break_it: |inside| {
            apache(inside, "Listen 127.0.0.1:8304");
            inside.start("apache2.service");
            inside.wait_listening(8_304);
        },
    },
    Fault {
        name: "PostgreSQL listens for this machine only",
        port: 5_432,
        cause: "service.loopback_only",
        facts: &["postgres", "only"],
        break_it: |inside| {
            postgres(inside);
            inside.start("postgresql.service");
            inside.wait_listening(5_432);
        },
    },
    Fault {
        name: "sshd: an option that it doesn't know",
        port: 2_222,
        cause: "service.stopped_after_deploy",
        facts: &["ssh.service", "Bad configuration option"],
        break_it: |inside| {
            let key = inside.at("key");
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-f", &key];
            inside.systemd.exec("ssh-keygen", &arguments).success();
            let text = format!("Port 2222\nHostKey {key}\nPermitRoot no\n");
            inside.write("sshd_config", &text);
            inside.install("ssh.service", "ExecStart=/usr/sbin/sshd -D -e -f DIR/sshd_config");
            inside.start("ssh.service");
            inside.wait_failed("ssh.service");
        },
    },
];

fn postgres(inside: &Inside) {
    let script = "set -e\nbin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)\n\
                  rm -rf DATA\nmkdir DATA\nchown postgres DATA\n\
                  setpriv --reuid=postgres --regid=postgres --clear-groups \
                  $bin/initdb -D DATA -A trust --no-sync >/dev/null\necho $bin";
    let script = script.replace("DATA", &inside.at("cluster"));
    let bin = inside.systemd.exec("sh", &["-c", &script]).success();
    let bin = bin.trim();
    inside.install(
        "postgresql.service",
        &format!("User=postgres\nExecStart={bin}/postgres -D DIR/cluster -k DIR/cluster -p 5432"),
    );
}

#[test]
fn what_known_servers_complain_of_is_named() {
    all_are_named(&FAULTS);
}
