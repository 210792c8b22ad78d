//! The inside view, when the target is this machine itself: who stands before the door has also
//! the key.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout_at;
use whydown_core::inside::{InsideView, Transport};
use whydown_core::observation::Attempt;
use whydown_core::target::{Host, Scheme};
use whydown_host::inside::{Question, addresses, look};

use super::Look;

/// How long each program that is asked (`systemctl`, `nft` …) may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What this machine knows of the first port that fails. `None` when the target is elsewhere.
pub(super) async fn look_inside(look_at: &Look<'_>, failing: &[Attempt]) -> Option<InsideView> {
    let attempt = failing.first().filter(|attempt| {
        look_at.settings.inside && means_here(&look_at.monitor.target.host, attempt.ip)
    })?;
    let udp = look_at.monitor.target.scheme == Scheme::Udp;
    let transport = if udp { Transport::Udp } else { Transport::Tcp };
    let port = attempt.port;
    let question = Question { transport, patience: PATIENCE, ..Question::tcp(port) };
    let work = tokio::task::spawn_blocking(move || look(&question));
    timeout_at(look_at.deadline, work).await.ok()?.ok()
}

/// Does whoever names this host mean the machine that he sits at? A name that leads here may be
/// an old line of the hosts file, or a lie.
fn means_here(host: &Host, ip: IpAddr) -> bool {
    let named = match host {
        Host::Ip(_) => true,
        Host::Name(name) => name == "localhost",
    };
    named && (ip.to_canonical().is_loopback() || addresses().contains(&ip))
}
