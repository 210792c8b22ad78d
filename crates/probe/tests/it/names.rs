//! A DNS server for these tests: one thread on a lab host, answering by a function.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use whydown_lab::Host;

/// What the server does with a question.
pub(crate) enum Say {
    /// These records.
    Records(Vec<Record>),
    /// This code and nothing else.
    Code(ResponseCode),
    /// Nothing.
    Silence,
}

/// A running server; it ends when this is dropped.
pub(crate) struct NameServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Answers on port 53 of a host's IPv4 address.
    pub(crate) fn start(
        host: &Host,
        answer: impl Fn(&Message, &str, RecordType) -> Say + Send + 'static,
    ) -> Self {
        let at = (host.v4(), 53);
        let socket = host.enter(|| UdpSocket::bind(at).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let ended = stop.clone();
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                serve_one(&socket, &answer);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

fn serve_one(socket: &UdpSocket, answer: &impl Fn(&Message, &str, RecordType) -> Say) {
    let mut buffer = [0; 2_048];
    let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
    let Ok(question) = Message::from_vec(&buffer[..length]) else { return };
    let Some(query) = question.queries.first().cloned() else { return };
    let name = query.name().to_ascii();
    let mut reply = question.clone();
    reply.metadata.message_type = MessageType::Response;
    match answer(&question, name.trim_end_matches('.'), query.query_type()) {
        Say::Records(records) => reply.answers = records,
        Say::Code(code) => reply.metadata.response_code = code,
        Say::Silence => return,
    }
    let _ = socket.send_to(&reply.to_vec().unwrap(), from);
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A name.
pub(crate) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

/// An address record.
pub(crate) fn address(owner: &str, ip: IpAddr) -> Record {
    let data = match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    };
    Record::from_rdata(name(owner), 60, data)
}

/// An alias.
pub(crate) fn alias(owner: &str, to: &str) -> Record {
    Record::from_rdata(name(owner), 30, RData::CNAME(CNAME(name(to))))
}

/// A name server record.
pub(crate) fn server(zone: &str, is: &str) -> Record {
    Record::from_rdata(name(zone), 60, RData::NS(NS(name(is))))
}

/// The lab's server.
pub(crate) const SHOP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 2, 10));
