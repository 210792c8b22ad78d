//! Independent witnesses of what a server does.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use whydown_lab::{Host, Output};

/// curl's run on a URL, at most `-m 3` seconds unless the options say otherwise.
pub(crate) fn curl(host: &Host, args: &[&str]) -> Output {
    let common = ["-sS", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", ""];
    let all: Vec<&str> = common.iter().chain(args).copied().collect();
    host.exec("curl", &all)
}

/// curl's exit code and the HTTP status that it saw (`000` for none).
pub(crate) fn verdict(host: &Host, args: &[&str]) -> (i32, String) {
    let output = curl(host, args);
    (output.code.expect("curl was killed"), output.stdout)
}

/// The errno of a blocking connect from a host, 0 when it succeeds; `ETIMEDOUT` when there is no
/// answer to the first SYN.
pub(crate) fn connect_errno(host: &Host, to: SocketAddr) -> i32 {
    errno_within(host, to, Duration::from_millis(900))
}

/// Whether nothing at all comes back from there.
pub(crate) fn is_silent(host: &Host, to: SocketAddr) -> bool {
    errno_within(host, to, Duration::from_millis(300)) == libc::ETIMEDOUT
}

/// Not `TcpStream::connect_timeout`: an ICMP error that comes while `connect()` still holds the
/// socket is a soft one, which only the error queue tells, and the standard library then has an
/// error without a number.
fn errno_within(host: &Host, to: SocketAddr, limit: Duration) -> i32 {
    host.enter(|| {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(Domain::for_address(to), kind, Some(Protocol::TCP));
        let socket = socket.expect("a socket");
        match socket.connect(&SockAddr::from(to)) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                return error.raw_os_error().expect("an error of the system");
            }
            _ => {}
        }
        let mut waiting = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
        let limit = PollTimeout::try_from(limit).expect("a short limit");
        if poll(&mut waiting, limit).expect("poll(2)") == 0 {
            return libc::ETIMEDOUT;
        }
        let failed = waiting[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLERR));
        match socket.take_error().expect("SO_ERROR") {
            Some(error) => error.raw_os_error().expect("an error of the system"),
            None if failed => queued_errno(&socket),
            None => 0,
        }
    })
}

/// The error number that the kernel made of the ICMP error in the queue, ip(7).
fn queued_errno(socket: &Socket) -> i32 {
    let (mut payload, mut control) = ([0; 64], vec![0; 512]);
    let mut buffers = [IoSliceMut::new(&mut payload)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags);
    let message = message.expect("an entry in the queue");
    let mut entries = message.cmsgs().expect("control messages");
    let errno = entries.find_map(|entry| match entry {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            i32::try_from(error.ee_errno).ok()
        }
        _ => None,
    });
    errno.expect("an error in the queue")
}

/// A URL of a socket address.
pub(crate) fn url(scheme: &str, to: SocketAddr) -> String {
    format!("{scheme}://{to}/")
}
