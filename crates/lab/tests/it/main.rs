//! Integration tests of `whydown-lab`: one binary, so that an edit links once.
//!
//! The witnesses are independent of the lab: curl, ping, ss, openssl, tcpdump, the kernel's errno.

mod browser;
mod dns;
mod firewall;
mod mail;
mod network;
mod peers;
mod receiver;
mod services;
mod systemd;
mod tls;
mod witness;
