//! Devices whose cable is a file descriptor: a tap is a network card, a tun a VPN's tunnel.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

use crate::fail::OrFail as _;
use crate::host::Host;

/// `struct ifreq` as far as TUNSETIFF reads it (linux/if.h: 40 bytes on 64-bit machines).
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    padding: [u8; 22],
}

mod ioctl {
    //! TUNSETIFF of linux/if_tun.h, declared with `int` but handed a `struct ifreq *`.
    nix::ioctl_write_ptr_bad!(
        tun_set_interface,
        nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
        super::InterfaceRequest
    );
}

/// Makes a tap device on a host; it is gone when the file is closed.
pub(super) fn open(host: &Host, name: &str) -> File {
    open_as(host, name, libc::IFF_TAP)
}

/// Makes a tun device on a host; it is gone when the file is closed.
pub(super) fn open_tunnel(host: &Host, name: &str) -> File {
    open_as(host, name, libc::IFF_TUN)
}

fn open_as(host: &Host, name: &str, kind: libc::c_int) -> File {
    let mut request = InterfaceRequest {
        name: [0; libc::IFNAMSIZ],
        flags: libc::c_short::try_from(kind | libc::IFF_NO_PI).or_fail("tap flags in a short"),
        padding: [0; 22],
    };
    let target = request.name.get_mut(..name.len()).or_fail("a tap's name is too long");
    target.copy_from_slice(name.as_bytes());
    host.enter(|| {
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .or_fail("cannot open /dev/net/tun; fix: modprobe tun, or allow the device");
        #[expect(unsafe_code, reason = "nix has no safe TUNSETIFF; the request outlives the call")]
        let made = unsafe { ioctl::tun_set_interface(file.as_raw_fd(), &raw const request) };
        made.or_fail(format_args!("cannot make the tap {name} on {}", host.name()));
        file
    })
}
