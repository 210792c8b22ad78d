//! One question to one DNS server: UDP, over TCP when the answer was cut, EDNS left out when the
//! server does not know it. An answer counts only when id, question and sender match.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use whydown_core::failure::Failure;

use crate::connect::{self, connect};
use crate::socket::{queue_errors, take_icmp};

/// Payload that we accept over UDP: fits an IPv6 path without fragments (DNS flag day 2020).
const UDP_PAYLOAD_BYTES: u16 = 1_232;
/// Room for one datagram, whatever the server believes it may send.
const DATAGRAM_MAX_BYTES: usize = 4_096;
/// Datagrams with a wrong id or question that are passed over before we give up.
const STRAYS_MAX: usize = 64;
/// Longest DNS message over TCP (RFC 1035 §4.2.2: a 16-bit length).
const STREAM_MAX_BYTES: usize = 65_535;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Fully qualified.
    pub name: Name,
    /// Record type.
    pub kind: RecordType,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// RD: the server shall find out what it does not know.
    pub recursive: bool,
    /// CD: the server shall not hide answers that fail DNSSEC validation (RFC 4035 §3.2.2).
    pub unchecked: bool,
    /// When to give up.
    pub deadline: Instant,
}

/// What one server said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The message, when one came.
    pub message: Option<Message>,
    /// Why no usable message came, or what its response code means; `None` for NOERROR.
    pub failure: Option<Failure>,
    /// Response code, when the server answered.
    pub rcode: Option<u16>,
    /// No server answered, but its machine did: nothing listens on the port.
    pub closed: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl Answer {
    fn missing(NoAnswer { failure, closed }: NoAnswer, begin: Instant) -> Self {
        let (failure, elapsed) = (Some(failure), begin.elapsed());
        Self { message: None, failure, rcode: None, closed, elapsed }
    }
}

/// Why no message came.
struct NoAnswer {
    failure: Failure,
    closed: bool,
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self { failure, closed: false }
    }
}

/// Asks one server one question.
pub async fn ask(server: SocketAddr, question: &Question, ask: Ask) -> Answer {
    let begin = Instant::now();
    let first = over_udp(server, question, ask, true).await;
    let answered = match first {
        Ok(message) if message.metadata.response_code == ResponseCode::FormErr => {
            over_udp(server, question, ask, false).await
        }
        other => other,
    };
    let answered = match answered {
        Ok(message) if message.metadata.truncation => {
            // A cut answer still says that the server lives: prefer it to no answer at all.
            Ok(over_tcp(server, question, ask).await.unwrap_or(message))
        }
        other => other,
    };
    match answered {
        Ok(message) => {
            let code = message.metadata.response_code;
            Answer {
                failure: failure_of(code),
                rcode: Some(code.into()),
                message: Some(message),
                closed: false,
                elapsed: begin.elapsed(),
            }
        }
        Err(missing) => Answer::missing(missing, begin),
    }
}

/// What a response code means to somebody who looks for a name (RFC 1035 §4.1.1).
fn failure_of(code: ResponseCode) -> Option<Failure> {
    match code {
        ResponseCode::NoError => None,
        ResponseCode::NXDomain => Some(Failure::DnsNotFound),
        ResponseCode::Refused | ResponseCode::NotAuth => Some(Failure::DnsRefused),
        _ => Some(Failure::DnsServerFailure),
    }
}

/// A query with an id from the system's random numbers.
fn query(question: &Question, ask: Ask, edns: bool) -> Result<(Message, Vec<u8>), Failure> {
    let id = getrandom::u32().map_err(|_| Failure::SelfResources)?.to_ne_bytes();
    let id = u16::from_ne_bytes([id[0], id[1]]);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = ask.recursive;
    message.metadata.checking_disabled = ask.unchecked;
    message.add_query(Query::query(question.name.clone(), question.kind));
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD_BYTES);
        message.set_edns(edns);
    }
    let bytes = message.to_vec().map_err(|_| Failure::DnsNotFound)?;
    Ok((message, bytes))
}

/// Is this the answer to our question? (RFC 5452 §9.1)
fn matches(sent: &Message, received: &Message) -> bool {
    let same_question = match (sent.queries.first(), received.queries.first()) {
        (Some(ours), Some(theirs)) => {
            ours.name() == theirs.name()
                && ours.query_type() == theirs.query_type()
                && ours.query_class() == theirs.query_class()
        }
        // Some servers leave the question out of an error.
        (Some(_), None) => received.metadata.response_code != ResponseCode::NoError,
        (None, _) => false,
    };
    received.metadata.id == sent.metadata.id
        && received.metadata.message_type == MessageType::Response
        && same_question
}

async fn over_udp(
    server: SocketAddr,
    question: &Question,
    ask: Ask,
    edns: bool,
) -> Result<Message, NoAnswer> {
    let (sent, bytes) = query(question, ask, edns)?;
    let socket = udp_socket(server).map_err(|error| unreachable_or_own(&error))?;
    socket.send(&bytes).await.map_err(|error| unreachable_or_own(&error))?;
    let mut buffer = vec![0_u8; DATAGRAM_MAX_BYTES];
    for _ in 0..STRAYS_MAX {
        match timeout_at(ask.deadline, socket.recv(&mut buffer)).await {
            Err(_) => return Err(Failure::DnsTimedOut.into()),
            Ok(Err(error)) => {
                let sender = take_icmp(&socket).and_then(|queued| queued.icmp.sender);
                let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
                let closed = refused && sender == Some(server.ip());
                return Err(NoAnswer { failure: unreachable_or_own(&error), closed });
            }
            Ok(Ok(length)) => match Message::from_vec(&buffer[..length]) {
                Ok(received) if matches(&sent, &received) => return Ok(received),
                _ => {}
            },
        }
    }
    Err(Failure::DnsTimedOut.into())
}

/// A connected socket (the kernel then passes only this server's packets and ICMP errors) with
/// a random source port.
pub(crate) fn udp_socket(remote: SocketAddr) -> std::io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(remote), kind, Some(Protocol::UDP))?;
    queue_errors(&socket, remote.is_ipv4(), true)?;
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    socket.bind(&SockAddr::from(SocketAddr::new(any, 0)))?;
    socket.connect(&SockAddr::from(remote))?;
    UdpSocket::from_std(socket.into())
}

fn unreachable_or_own(error: &std::io::Error) -> Failure {
    match connect::failure_of(error) {
        Failure::SelfResources => Failure::SelfResources,
        _ => Failure::DnsUnreachable,
    }
}

async fn over_tcp(server: SocketAddr, question: &Question, ask: Ask) -> Result<Message, Failure> {
    let (sent, bytes) = query(question, ask, true)?;
    let connected = connect(server, &connect::Options::default(), ask.deadline).await;
    let mut stream = connected.map_err(|_| Failure::DnsUnreachable)?.stream;
    let exchange = async {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&bytes);
        stream.write_all(&framed).await?;
        let length = usize::from(stream.read_u16().await?).min(STREAM_MAX_BYTES);
        let mut answer = vec![0_u8; length];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match timeout_at(ask.deadline, exchange).await {
        Err(_) => Err(Failure::DnsTimedOut),
        Ok(Err(_)) => Err(Failure::DnsUnreachable),
        Ok(Ok(answer)) => match Message::from_vec(&answer) {
            Ok(received) if matches(&sent, &received) => Ok(received),
            _ => Err(Failure::DnsServerFailure),
        },
    }
}
