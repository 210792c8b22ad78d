//! News of sockets that go away: the multicast groups of `NETLINK_SOCK_DIAG`. Listening sockets
//! are among them, a millisecond or two after the last process that held them has ended.
//! The kernel lets everybody hear it (`NL_CFG_F_NONROOT_RECV`, net/core/sock_diag.c).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockProtocol, recv};
use socket2::SockFilter;
use whydown_core::inside::Transport;

use crate::netlink::{open, split};

use super::diag;

/// `SKNLGRP_INET_TCP_DESTROY` and `SKNLGRP_INET6_TCP_DESTROY` of linux/sock_diag.h, as bits.
const GROUPS: u32 = 0b101;
/// Keeps messages whose `idiag_dport` is 0: that many bytes behind the netlink header's 16.
/// Classic BPF as in linux/filter.h: load half-word, jump if equal, return.
const WITHOUT_PEER: [SockFilter; 4] = [
    SockFilter::new(0x28, 0, 0, 16 + 6),
    SockFilter::new(0x15, 0, 1, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
    SockFilter::new(0x06, 0, 0, 0),
];
/// Bytes of one message; the kernel's are below 1 KiB.
const BUFFER_BYTES: usize = 16 << 10;

/// An open ear.
#[derive(Debug)]
pub struct Ear(OwnedFd);

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A TCP socket on this local port, without a peer, is gone. It has listened, or never
    /// connected: whoever cares looks at what listens now.
    Gone(u16),
    /// Messages were lost: anything may have gone.
    Lost,
}

impl Ear {
    /// Begins to listen, in the calling thread's network namespace.
    ///
    /// # Errors
    /// Where netlink sockets may not be made, or the kernel is older than 4.5.
    pub fn open() -> Result<Self, Errno> {
        let socket = open(SockProtocol::NetlinkSockDiag, GROUPS)?;
        // Without the filter every end of a connection would wake us: thousands a second.
        let filtered = socket2::SockRef::from(&socket).attach_filter(&WITHOUT_PEER);
        filtered.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        Ok(Self(socket))
    }

    /// Takes what has come, without waiting; `None` when nothing has. Connections that end are
    /// passed over: a busy server ends thousands a second.
    #[must_use]
    pub fn next(&self) -> Option<Vec<Heard>> {
        let mut buffer = [0; BUFFER_BYTES];
        let length = match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => length,
            Err(Errno::ENOBUFS) => return Some(vec![Heard::Lost]),
            Err(_) => return None,
        };
        let mut messages = Vec::new();
        let _ = split(buffer.get(..length)?, &mut messages);
        Some(messages.iter().filter_map(|(_, body)| gone(body)).collect())
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Ear {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

fn gone(body: &[u8]) -> Option<Heard> {
    let peer_port = u16::from_be_bytes(body.get(6..8)?.try_into().ok()?);
    let bare = diag::parse(Transport::Tcp, body)?;
    (peer_port == 0 && bare.port != 0).then_some(Heard::Gone(bare.port))
}
