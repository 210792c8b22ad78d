//! How often routers say "no route": a limit that the kernel keeps for the whole machine and not
//! per namespace (`ip_error()` in net/ipv4/route.c).
//!
//! Labs share a lock while it is off, and the last one puts it back. A lab that wants the limit has
//! the lock alone; while it waits for that, a gate keeps new labs from passing it by.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::fail::OrFail as _;
use crate::until::until;

const ERROR_COST: &str = "/proc/sys/net/ipv4/route/error_cost";
const LOCK: &str = "/run/lock/whydown-lab-limits";
const GATE: &str = "/run/lock/whydown-lab-limits-gate";
/// Longer than any test of other labs takes.
const DEADLINE: Duration = Duration::from_secs(180);

/// Labs of this process that share the lock: one more needs no gate, and could wait there for ever
/// for somebody who waits for the first.
static SHARED_HERE: AtomicU32 = AtomicU32::new(0);

/// The hold on the machine's limit; `None` where it is not ours to change (in a container).
#[derive(Debug)]
pub(super) struct RouteErrors {
    lock: Option<Flock<File>>,
    keeps_limits: bool,
}

impl RouteErrors {
    pub(super) fn new(keeps_limits: bool) -> Self {
        let Ok(cost) = File::options().write(true).open(ERROR_COST) else {
            return Self { lock: None, keeps_limits };
        };
        drop(cost);
        let mut lock = if keeps_limits { lock_alone() } else { lock_shared() };
        if keeps_limits {
            restore_cost(&mut lock);
        } else {
            SHARED_HERE.fetch_add(1, Ordering::SeqCst);
            remove_cost(&mut lock);
        }
        Self { lock: Some(lock), keeps_limits }
    }
}

impl Drop for RouteErrors {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else {
            return;
        };
        if !self.keeps_limits {
            SHARED_HERE.fetch_sub(1, Ordering::SeqCst);
        }
        // Whoever gets it alone was the last.
        if let Ok(file) = lock.unlock()
            && let Ok(mut lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        {
            restore_cost(&mut lock);
        }
    }
}

fn lock_alone() -> Flock<File> {
    let _gate = lock(GATE, FlockArg::LockExclusiveNonblock);
    lock(LOCK, FlockArg::LockExclusiveNonblock)
}

fn lock_shared() -> Flock<File> {
    let has_one = SHARED_HERE.load(Ordering::SeqCst) > 0;
    let _gate = (!has_one).then(|| lock(GATE, FlockArg::LockSharedNonblock));
    lock(LOCK, FlockArg::LockSharedNonblock)
}

fn lock(path: &str, how: FlockArg) -> Flock<File> {
    let open = || File::options().read(true).write(true).create(true).truncate(false).open(path);
    let what = format_args!("labs with other ICMP limits on this machine to end ({path})");
    until(DEADLINE, what, || {
        Flock::lock(open().or_fail(format_args!("cannot open {path}")), how).ok()
    })
}

/// Takes the limit away; the lock's content is what to put back.
fn remove_cost(lock: &mut File) {
    let cost = fs::read_to_string(ERROR_COST).unwrap_or_default();
    if !cost.trim().is_empty() && cost.trim() != "0" {
        lock.set_len(0).or_fail("cannot empty the lock file");
        lock.write_all(cost.as_bytes()).or_fail("cannot write the lock file");
        fs::write(ERROR_COST, "0").or_fail("cannot set net.ipv4.route.error_cost");
    }
}

fn restore_cost(lock: &mut File) {
    let mut cost = String::new();
    let read = lock.rewind().and_then(|()| lock.read_to_string(&mut cost));
    if read.is_ok() && !cost.trim().is_empty() {
        let _ = fs::write(ERROR_COST, cost.trim());
        let _ = lock.set_len(0);
    }
}
