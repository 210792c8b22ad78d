//! A real systemd with services, on a host of the lab, whatever runs as PID 1 on the machine.
//!
//! It has namespaces of its own for mounts, processes, names and control groups; what it writes to
//! `/run`, `/tmp`, `/var/log` and `/var/lib/systemd` is gone with it. Nothing else of the machine
//! is hidden from it: services are given configuration of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fail::{OrFail as _, fail, need_program};
use crate::host::Host;
use crate::process::{Command, Output, Process};
use crate::until::{try_until, until};

/// How long a unit may take to get where it is wanted.
const UNIT_MAX: Duration = Duration::from_secs(60);

/// Ends the script with the step that this machine forbids.
const NEED: &str = r#"
set -e
need() { "$@" || { echo "the lab's systemd needs what this machine forbids: $*"; exit 1; }; }
"#;

/// Mounts each hierarchy anew, since `/sys/fs/cgroup` may be read-only or empty. A machine that
/// keeps the memory controller in the old hierarchies (cgroups(7)) gets systemd's hybrid layout.
const GROUPS: &str = r#"
root=/sys/fs/cgroup
need mount -t tmpfs -o mode=755 none $root
mkdir $root/unified $root/systemd $root/memory $root/pids
need mount -t cgroup2 none $root/unified
kinds=unified
if ! grep -qw memory $root/unified/cgroup.controllers; then
  if mount -t cgroup -o memory none $root/memory; then
    need mount -t cgroup -o none,name=systemd none $root/systemd
    kinds="unified systemd memory"
    ! mount -t cgroup -o pids none $root/pids || kinds="$kinds pids"
  else
    echo "no memory controller: services can't be limited" >&2
  fi
fi
"#;

/// In a container the topmost group usually holds processes, which forbids that controllers be
/// handed down (`cgroup.subtree_control`, kernel's cgroup-v2.rst): they move into a leaf.
const ENTER_GROUPS: &str = r#"
hand_down() {
  for kind in memory pids; do
    ! grep -qw $kind cgroup.controllers || echo +$kind >cgroup.subtree_control || return 1
  done
}
make_room() {
  mkdir -p whydown-lab-rest
  for pid in $(cat cgroup.procs); do
    echo $pid >whydown-lab-rest/cgroup.procs || true
  done
}
if [ "$kinds" = unified ]; then
  cd $root/unified
  hand_down 2>/dev/null || { make_room 2>/dev/null; hand_down; } ||
    echo "no memory controller handed down: services can't be limited" >&2
  cd /
fi
for kind in $kinds; do
  need mkdir -p $root/$kind/$stem
  echo $$ >$root/$kind/$stem/cgroup.procs
done
export kinds
exec unshare --mount --pid --uts --cgroup --ipc --fork --kill-child sh -c "$inside" sh "$@"
"#;

const LEAVE_GROUPS: &str = r#"
for kind in $kinds; do
  [ ! -d $root/$kind/$stem ] || find $root/$kind/$stem -depth -type d -exec rmdir {} +
done
"#;

/// The first tmpfs hides the directory that the services' files are in: it is bound back.
const INSIDE: &str = r#"
mount --make-rprivate /
cd "$directory"
for program; do
  : >>"${program##*/}"
  mount --bind "$program" "${program##*/}"
done
need mount -t tmpfs tmpfs /tmp
mkdir -p "$directory"
mount --no-canonicalize --rbind . "$directory"
need mount -t tmpfs tmpfs /run
mkdir -m 1777 /run/lock
need mount -t tmpfs tmpfs /var/log
mkdir -p /var/lib/systemd
need mount -t tmpfs tmpfs /var/lib/systemd
need mount -t proc proc /proc
umount --recursive /sys/fs/cgroup
if [ "$kinds" = unified ]; then
  need mount -t cgroup2 none /sys/fs/cgroup
else
  need mount -t tmpfs -o mode=755 none /sys/fs/cgroup
  for kind in $kinds; do
    mkdir /sys/fs/cgroup/$kind
    case $kind in
      unified) need mount -t cgroup2 none /sys/fs/cgroup/unified ;;
      systemd) need mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd ;;
      *) need mount -t cgroup -o $kind none /sys/fs/cgroup/$kind ;;
    esac
  done
fi
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=lab \
  "$mark" /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=false
"#;

/// A running systemd; it and all its services end when this is dropped.
#[derive(Debug)]
pub struct Systemd {
    host: Host,
    directory: PathBuf,
    stem: String,
    process: Option<Process>,
    /// Of systemd, as the machine counts.
    pid: u32,
}

impl Systemd {
    /// Boots it on a host, and waits until it is up. Some programs (of a build) are shown to it in
    /// its directory.
    #[track_caller]
    pub fn boot(host: &Host, programs: &[&Path]) -> Self {
        need_program("/lib/systemd/systemd");
        let directory = host.directory("systemd");
        let stem = format!("{}-systemd", host.namespace().unwrap_or("machine"));
        let mut command = host.command("sh");
        command.args(["-c", &format!("{NEED}{GROUPS}{ENTER_GROUPS}"), "sh"]).args(programs);
        // systemd's own environment is empty but for what marks the lab's children.
        let mark = format!("{}={}", crate::scratch::OWNER, stem_of(&stem));
        let inside = format!("{NEED}{INSIDE}");
        command.env("stem", &stem).env("directory", &directory).env("inside", inside);
        command.env("mark", mark);
        let mut process = Process::start(command, &directory.join("systemd.log"));
        let pid = wait_started(&mut process);
        let systemd = Self { host: host.clone(), directory, stem, process: Some(process), pid };
        let state = systemd.exec("systemctl", &["is-system-running", "--wait"]);
        if !["running", "degraded"].contains(&state.stdout.trim()) {
            fail(format_args!("systemd did not boot: {state}{}", systemd.log()));
        }
        systemd
    }

    fn log(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// Ends the test unless the memory of services can be limited.
    #[track_caller]
    pub fn need_memory_limits(&self) {
        let log = self.log();
        if log.contains("no memory controller") {
            fail(format_args!("the kernel would not kill a service for want of memory: {log}"));
        }
    }

    /// A directory for configuration and data, at the same path inside and outside.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The host it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(need_program("nsenter"));
        let of = self.pid.to_string();
        command.args(["--target", &of, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"]);
        command.args(["--", program]).current_dir("/");
        command
    }

    /// Runs a command inside, for at most a minute.
    #[track_caller]
    pub fn exec(&self, program: &str, args: &[&str]) -> Output {
        let mut command = self.command(program);
        command.args(args);
        Output::of(command, None, Duration::from_secs(60))
    }

    /// Runs `systemctl`, which must succeed.
    #[track_caller]
    pub fn systemctl(&self, args: &[&str]) -> String {
        self.exec("systemctl", args).success()
    }

    /// Where a path inside is seen from outside.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        let relative = inside.strip_prefix("/").unwrap_or(inside);
        Path::new(&format!("/proc/{}/root", self.pid)).join(relative)
    }

    /// Writes a file inside, with the directories above it.
    #[track_caller]
    pub fn write(&self, inside: impl AsRef<Path>, text: &str) {
        let path = self.path(inside);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).or_fail("cannot make a directory inside");
        }
        fs::write(&path, text).or_fail(format_args!("cannot write {}", path.display()));
    }

    /// Installs (or replaces) a unit file and makes systemd know it.
    #[track_caller]
    pub fn install(&self, unit: &str, text: &str) {
        self.write(Path::new("/run/systemd/system").join(unit), text);
        self.systemctl(&["daemon-reload"]);
    }

    /// A property of a unit, as `systemctl show` prints it.
    #[track_caller]
    pub fn property(&self, unit: &str, name: &str) -> String {
        let value = self.systemctl(&["show", "--value", "--property", name, unit]);
        value.trim().to_owned()
    }

    /// Waits until a property of a unit has a value.
    #[track_caller]
    pub fn wait_for(&self, unit: &str, name: &str, value: &str) {
        let what = format!("{unit} to have {name}={value}");
        until(UNIT_MAX, what, || (self.property(unit, name) == value).then_some(()));
    }
}

impl Drop for Systemd {
    /// With the first process of a PID namespace all others end.
    fn drop(&mut self) {
        self.process = None;
        let mut command = self.host.command("unshare");
        let script = format!("{NEED}{GROUPS}{LEAVE_GROUPS}");
        command.args(["--mount", "sh", "-c", &script]).env("stem", &self.stem);
        let _ = try_until(Duration::from_secs(5), || {
            let gone = !Path::new(&format!("/proc/{}", self.pid)).exists();
            gone.then_some(())
        });
        Output::of(command, None, Duration::from_secs(10));
    }
}

/// Waits until systemd talks to `systemctl`; its process id, as the machine counts.
#[track_caller]
fn wait_started(process: &mut Process) -> u32 {
    process.wait_until("systemd to start in namespaces", |process| {
        let pid = first_child(process.pid())?;
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let is_there = Path::new(&format!("/proc/{pid}/root/run/systemd/private")).exists();
        (command.starts_with("/lib/systemd/systemd") && is_there).then_some(pid)
    })
}

/// `wd<pid>-<n>` of `wd<pid>-<n>-s-systemd`.
fn stem_of(name: &str) -> String {
    name.split('-').take(2).collect::<Vec<_>>().join("-")
}

/// The child of `unshare`, which is one of the process itself (`exec` all the way).
fn first_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok()
}
