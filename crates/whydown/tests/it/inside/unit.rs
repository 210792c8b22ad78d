//! Services that don't run, and what systemd knows about why.

use super::{Fault, Inside, all_are_named};

const FAULTS: [Fault; 11] = [
    Fault {
        name: "it was never started, nor enabled",
        port: 8_001,
        cause: "service.not_listening",
        facts: &["nothing listens on tcp port 8001", "is not enabled"],
        break_it: |inside| inside.install("app.service", &serves(8_001)),
    },
    Fault {
        name: "it was stopped by hand",
        port: 8_002,
        cause: "service.not_listening",
        facts: &["Stopped app.service"],
        break_it: |inside| {
            inside.app("app.service", "serve 0.0.0.0 8002", "");
            inside.wait_listening(8_002);
            inside.systemd.systemctl(&["stop", "app.service"]);
        },
    },
    Fault {
        name: "it is masked",
        port: 8_003,
        cause: "service.not_listening",
        facts: &["masked"],
        break_it: |inside| {
            inside.app("app.service", "serve 0.0.0.0 8003", "");
            inside.wait_listening(8_003);
            inside.systemd.systemctl(&["stop", "app.service"]);
            // As `systemctl mask` does, in a directory that goes before that of the unit.
            let mask = "mkdir -p /run/systemd/system.control\n\
                        ln -s /dev/null /run/systemd/system.control/app.service";
            inside.systemd.exec("sh", &["-c", mask]).success();
            inside.systemd.systemctl(&["daemon-reload"]);
        },
    },
    Fault {
        name: "its program is missing",
        port: 8_004,
        cause: "service.stopped_after_deploy",
        facts: &["app.service", "/usr/local/bin/no-such-app"],
        break_it: |inside| {
            inside.install("app.service", "ExecStart=/usr/local/bin/no-such-app --port 8004");
            inside.start("app.service");
            inside.wait_failed("app.service");
        },
    },
    Fault {
        name: "its user may not open the port",
        port: 81,
        cause: "service.stopped_after_deploy",
        facts: &["app.service", "Permission denied"],
        break_it: |inside| {
            inside.app("app.service", "serve 0.0.0.0 81", "User=nobody");
            inside.wait_failed("app.service");
        },
    },
    Fault {
        name: "its start takes too long",
        port: 8_006,
        cause: "service.stopped_after_deploy",
        facts: &["app.service took too long"],
        break_it: |inside| {
            inside.app("app.service", "wait 0.0.0.0 8006", "Type=notify\nTimeoutStartSec=1");
            inside.wait_failed("app.service");
        },
    },
    Fault {
        name: "its settings are wrong",
        port: 8_007,
        cause: "service.stopped_after_deploy",
        facts: &["app.service", "settings.json:7: unknown key 'databse'"],
        break_it: |inside| {
            inside.app("app.service", "configure 0.0.0.0 8007", "");
            inside.wait_failed("app.service");
        },
    },
    Fault {
        name: "it crashes and is started again for ever",
        port: 8_008,
        cause: "service.crash_loop",
        facts: &["was started again", "KeyError"],
        break_it: |inside| {
            let again =
                "Restart=always\nRestartSec=100ms\nStartLimitBurst=4\nStartLimitInterval=10min";
            inside.app("app.service", "crash 0.0.0.0 8008", again);
            inside.wait_failed("app.service");
        },
    },
    Fault {
        name: "the kernel killed it for want of memory",
        port: 8_009,
        cause: "service.not_listening",
        facts: &["app.service", "memory"],
        break_it: |inside| {
            inside.systemd.need_memory_limits();
            inside.app("app.service", "eat 0.0.0.0 8009", "MemoryMax=32M\nMemorySwapMax=0");
            inside.wait_failed("app.service");
        },
    },
    Fault {
        name: "somebody killed it",
        port: 8_010,
        cause: "service.not_listening",
        facts: &["app.service", "SIGKILL"],
        break_it: |inside| {
            inside.app("app.service", "serve 0.0.0.0 8010", "");
            inside.wait_listening(8_010);
            inside.systemd.systemctl(&["kill", "--signal=KILL", "app.service"]);
            inside.wait_failed("app.service");
        },
    },
    Fault {
        name: "its disk is full",
        port: 8_011,
        cause: "service.stopped_after_deploy",
        facts: &["the disk at", "No space left on device"],
        break_it: |inside| {
            inside.small_disk("data");
            let file = inside.at("data/file");
            inside.app("app.service", &format!("write 0.0.0.0 8011 {file}"), "");
            inside.wait_failed("app.service");
        },
    },
];

fn serves(port: u16) -> String {
    format!("ExecStart=/usr/bin/python3 DIR/app.py serve 0.0.0.0 {port}")
}

#[test]
fn the_end_of_a_unit_is_named() {
    all_are_named(&FAULTS);
}

/// What the other tables use, too.
pub(super) fn serve(inside: &Inside, arguments: &str, port: u16) {
    inside.app("app.service", arguments, "");
    inside.wait_listening(port);
}
