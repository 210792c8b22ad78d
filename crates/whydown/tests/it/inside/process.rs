//! Processes that run, and yet nobody gets an answer, or not everybody.

use super::unit::serve;
use super::{Fault, all_are_named};

const FAULTS: [Fault; 5] = [
    Fault {
        name: "it listens for this machine only",
        port: 8_101,
        cause: "service.loopback_only",
        facts: &["listens on 127.0.0.1:8101 only"],
        break_it: |inside| serve(inside, "serve 127.0.0.1 8101", 8_101),
    },
    Fault {
        name: "it listens for IPv6 only",
        port: 8_102,
        cause: "service.one_family_only",
        facts: &["not on 10.99.2.10"],
        break_it: |inside| serve(inside, "serve :: 8102", 8_102),
    },
    Fault {
        name: "it is stopped by SIGSTOP",
        port: 8_105,
        cause: "service.hung",
        facts: &["is stopped by a signal"],
        break_it: |inside| {
            serve(inside, "serve 0.0.0.0 8105", 8_105);
            inside.stop_process("app.service");
        },
    },
    Fault {
        name: "it accepts nobody, and its queue is full",
        port: 8_106,
        cause: "service.overloaded",
        facts: &["places in the accept queue"],
        break_it: |inside| {
            serve(inside, "never-accept 0.0.0.0 8106", 8_106);
            let client = "import socket, time\n\
                          kept = [socket.socket() for _ in range(8)]\n\
                          for s in kept: s.setblocking(False); s.connect_ex(('127.0.0.1', 8106))\n\
                          print('knocked', flush=True); time.sleep(3600)";
            inside.beside("/usr/bin/python3", &["-c", client]);
            whydown_lab::until(super::WAIT, "a full queue", || {
                let filter = ["-Hltn", "sport = :8106"];
                let line = inside.systemd.exec("ss", &filter).success();
                (line.split_ascii_whitespace().nth(1) == Some("3")).then_some(())
            });
        },
    },
    Fault {
        name: "it has no file descriptors left",
        port: 8_107,
        cause: "service.overloaded",
        facts: &["file descriptors in use"],
        break_it: |inside| {
            inside.app("app.service", "leak 0.0.0.0 8107", "LimitNOFILE=64");
            inside.wait_listening(8_107);
        },
    },
];

#[test]
fn a_running_process_that_serves_nobody_is_named() {
    all_are_named(&FAULTS);
}
