//! A systemd of the lab starts, watches and ends services, and reports how they ended.

use std::path::Path;

use whydown_lab::{Lab, Systemd};

#[test]
fn units_report_their_results_and_are_reached_from_the_network() {
    let lab = Lab::builder().small().build();
    let systemd = Systemd::boot(&lab.server(), &[Path::new("/bin/echo")]);
    let served = "[Service]\nExecStart=/usr/bin/python3 -m http.server 80\n";
    systemd.install("web.service", served);
    systemd.systemctl(&["start", "web.service"]);
    let main: u32 = systemd.property("web.service", "MainPID").parse().expect("a process id");
    assert!(main > 1);
    let url = format!("http://{}/", lab.server().v4());
    let retry = ["-sS", "--retry", "50", "--retry-connrefused", "--retry-delay", "0", &url];
    lab.client().exec("curl", &retry).success();

    systemd.exec("systemctl", &["kill", "--signal=KILL", "web.service"]).success();
    systemd.wait_for("web.service", "Result", "signal");
    systemd.install("bad.service", "[Service]\nExecStart=/no/such/program\n");
    systemd.exec("systemctl", &["start", "bad.service"]);
    systemd.wait_for("bad.service", "ExecMainStatus", "203");

    systemd.need_memory_limits();
    let memory = "import time; x = bytearray(200 << 20); time.sleep(60)";
    let hungry = format!(
        "[Service]\nMemoryMax=32M\nMemorySwapMax=0\nExecStart=/usr/bin/python3 -c '{memory}'\n"
    );
    systemd.install("hungry.service", &hungry);
    systemd.systemctl(&["start", "hungry.service"]);
    systemd.wait_for("hungry.service", "ActiveState", "failed");
    assert_eq!(systemd.property("hungry.service", "ExecMainStatus"), "9");

    let shown = systemd.directory().join("echo").display().to_string();
    assert_eq!(systemd.exec(&shown, &["shown"]).success(), "shown\n");
    let journal = systemd.exec("journalctl", &["--unit=bad.service", "--no-pager"]).success();
    assert!(journal.contains("/no/such/program"), "{journal}");
}
