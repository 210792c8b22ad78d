//! A DNS server that says exactly what a test wants, also the wrong thing or nothing (RFC 1035).
//!
//! For what real servers don't do on request; those are [`crate::Dnsmasq`], [`crate::Knot`] and
//! [`crate::Unbound`]. Knows A, AAAA and CNAME; without EDNS and compression beyond the first name.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Protocol, Type};

use crate::fail::OrFail as _;
use crate::host::Host;
use crate::peer::Listen;
use crate::wire::{Stop, Stopper, Wire};

const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_AAAA: u16 = 28;

/// What a [`DnsServer`] says about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// Its addresses; asked for the other family, NODATA.
    Addresses(Vec<IpAddr>),
    /// It is another name for this one, whose addresses follow if the server knows them.
    Alias(String),
    /// There is no such name.
    NxDomain,
    /// The name exists, but has no addresses.
    NoData,
    /// The server has a problem.
    ServFail,
    /// The server doesn't want to.
    Refused,
    /// Nothing at all.
    Silence,
    /// Something, but later.
    Later(Duration, Box<Say>),
    /// Only "ask again by TCP" by UDP, and this by TCP.
    Truncated(Box<Say>),
}

/// A question that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name in lower case, without the last dot.
    pub name: String,
    /// The record type: 1 for A, 28 for AAAA.
    pub kind: u16,
    /// Whether it came by TCP.
    pub tcp: bool,
    /// From where.
    pub from: SocketAddr,
}

#[derive(Debug)]
struct Book {
    names: Mutex<HashMap<String, Say>>,
    otherwise: Mutex<Say>,
    ttl_seconds: Mutex<u32>,
    queries: Mutex<Vec<Query>>,
}

/// A running server, by UDP and TCP; it ends when this is dropped.
#[derive(Debug)]
pub struct DnsServer {
    book: Arc<Book>,
    port: u16,
    stopper: Option<Stopper>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// Starts one that knows no name (NXDOMAIN) on all addresses of a host; port 0 for a free one.
    #[track_caller]
    pub fn start(host: &Host, port: u16) -> Self {
        let port = if port == 0 { host.free_port() } else { port };
        let listen = Listen::Everywhere(port);
        let (udp, tcp) =
            host.enter(|| (listen.bind(Type::DGRAM, Protocol::UDP), listen.listen(16)));
        let udp = UdpSocket::from(udp);
        let book = Arc::new(Book {
            names: Mutex::default(),
            otherwise: Mutex::new(Say::NxDomain),
            ttl_seconds: Mutex::new(60),
            queries: Mutex::default(),
        });
        let stopper = Stopper::new();
        let (stop, own) = (stopper.stop(), Arc::clone(&book));
        let by_udp = thread::spawn(move || own.serve_udp(udp, &stop));
        let (stop, own) = (stopper.stop(), Arc::clone(&book));
        let by_tcp = thread::spawn(move || own.serve_tcp(&tcp, &stop));
        Self { book, port, stopper: Some(stopper), threads: vec![by_udp, by_tcp] }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what it says about a name from now on.
    pub fn set(&self, name: &str, say: Say) {
        locked(&self.book.names).insert(name.to_ascii_lowercase(), say);
    }

    /// Sets the addresses of a name.
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr]) {
        self.set(name, Say::Addresses(addresses.to_vec()));
    }

    /// Changes what it says about names that were not set.
    pub fn set_otherwise(&self, say: Say) {
        *locked(&self.book.otherwise) = say;
    }

    /// Changes how long its answers may be kept (60 s at first).
    pub fn set_ttl(&self, seconds: u32) {
        *locked(&self.book.ttl_seconds) = seconds;
    }

    /// All questions so far.
    pub fn queries(&self) -> Vec<Query> {
        locked(&self.book.queries).clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        drop(self.stopper.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().or_fail("a lab thread panicked")
}

impl Book {
    fn serve_udp(self: Arc<Self>, socket: UdpSocket, stop: &Stop) {
        let mut buffer = [0; 4096];
        let socket = Arc::new(socket);
        while stop.or_readable(socket.as_fd()) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let (query, book) = (buffer[..length].to_vec(), Arc::clone(&self));
            let (socket, stop) = (Arc::clone(&socket), stop.clone());
            // A thread of its own, so that a late answer holds up no other.
            thread::spawn(move || {
                if let Some(answer) = book.answer(&query, from, false, &stop) {
                    let _ = socket.send_to(&answer, from);
                }
            });
        }
    }

    fn serve_tcp(self: Arc<Self>, listener: &TcpListener, stop: &Stop) {
        while stop.or_readable(listener.as_fd()) {
            let Ok((tcp, from)) = listener.accept() else {
                continue;
            };
            let (book, stop) = (Arc::clone(&self), stop.clone());
            thread::spawn(move || {
                let _ = book.converse(Wire::new(tcp, stop), from);
            });
        }
    }

    /// Messages by TCP have their length in front (RFC 1035 §4.2.2).
    fn converse(&self, mut wire: Wire, from: SocketAddr) -> io::Result<()> {
        loop {
            let mut length = [0; 2];
            wire.read_exact(&mut length)?;
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            wire.read_exact(&mut query)?;
            let stop = wire.stop.clone();
            let Some(answer) = self.answer(&query, from, true, &stop) else {
                continue;
            };
            let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
            wire.write_all(&length.to_be_bytes())?;
            wire.write_all(&answer)?;
        }
    }

    fn answer(&self, query: &[u8], from: SocketAddr, tcp: bool, stop: &Stop) -> Option<Vec<u8>> {
        let question = Question::parse(query)?;
        let (name, kind) = (question.name.clone(), question.kind);
        locked(&self.queries).push(Query { name, kind, tcp, from });
        let known = locked(&self.names).get(&question.name).cloned();
        let mut say = known.unwrap_or_else(|| locked(&self.otherwise).clone());
        loop {
            say = match say {
                Say::Later(delay, then) if !stop.within(delay) => *then,
                Say::Truncated(then) if tcp => *then,
                say => break self.reply(&question, &say),
            };
        }
    }

    /// The message that says so.
    fn reply(&self, question: &Question, say: &Say) -> Option<Vec<u8>> {
        const TRUNCATED: u16 = 0x0200;
        let ttl = *locked(&self.ttl_seconds);
        let mut records = Vec::new();
        let code = match say {
            Say::Addresses(addresses) => {
                records.extend(addresses.iter().filter_map(|ip| address(question.kind, *ip)));
                0
            }
            Say::Alias(target) => {
                records.push((TYPE_CNAME, encode_name(target)));
                0
            }
            Say::NoData => 0,
            Say::ServFail => 2,
            Say::NxDomain => 3,
            Say::Refused => 5,
            Say::Truncated(_) => TRUNCATED,
            Say::Silence | Say::Later(..) => return None,
        };
        let mut message = question.head(code);
        let mut count = 0_u16;
        for (kind, data) in records {
            append_record(&mut message, &[0xc0, 12], kind, ttl, &data);
            count += 1;
        }
        if let Say::Alias(target) = say
            && let Some(Say::Addresses(addresses)) = locked(&self.names).get(target)
        {
            for (kind, data) in addresses.iter().filter_map(|ip| address(question.kind, *ip)) {
                append_record(&mut message, &encode_name(target), kind, ttl, &data);
                count += 1;
            }
        }
        message[6..8].copy_from_slice(&count.to_be_bytes());
        Some(message)
    }
}

/// An address as a record, if it is of the kind asked for.
fn address(kind: u16, ip: IpAddr) -> Option<(u16, Vec<u8>)> {
    match (kind, ip) {
        (TYPE_A, IpAddr::V4(ip)) => Some((TYPE_A, ip.octets().to_vec())),
        (TYPE_AAAA, IpAddr::V6(ip)) => Some((TYPE_AAAA, ip.octets().to_vec())),
        _ => None,
    }
}

fn append_record(message: &mut Vec<u8>, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) {
    message.extend_from_slice(owner);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(&ttl.to_be_bytes());
    message.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    message.extend_from_slice(data);
}

fn encode_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).or_fail("a label is too long"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The first question of a message.
struct Question {
    id: [u8; 2],
    recursion_desired: bool,
    name: String,
    kind: u16,
    /// The question section as it came, to be sent back.
    section: Vec<u8>,
}

impl Question {
    fn parse(message: &[u8]) -> Option<Self> {
        let (id, flags) = (message.get(..2)?, *message.get(2)?);
        let section = message.get(12..)?;
        let mut labels: Vec<String> = Vec::new();
        let mut rest = section;
        loop {
            let (length, after) = rest.split_first()?;
            if *length == 0 {
                rest = after;
                break;
            }
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            rest = after;
        }
        let kind = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
        let end = section.len() - rest.len() + 4;
        Some(Self {
            id: id.try_into().ok()?,
            recursion_desired: flags & 1 == 1,
            name: labels.join("."),
            kind,
            section: section.get(..end)?.to_vec(),
        })
    }

    /// The header of an answer with the question, still without records.
    fn head(&self, code: u16) -> Vec<u8> {
        // QR, AA, RA, and RD as it was asked.
        let flags = 0x8480 | u16::from(self.recursion_desired) << 8 | code;
        let mut message = self.id.to_vec();
        message.extend_from_slice(&flags.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        message.extend_from_slice(&self.section);
        message
    }
}
