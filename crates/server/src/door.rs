//! The front door: one listener that speaks HTTP and, to whoever begins with a TLS handshake,
//! HTTPS with the server's own certificate. It knows nothing of what is served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::tasks::Stop;

/// Connections served at the same time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 8_192;
/// How long a connection may take to say what it speaks, and for a handshake.
const FIRST_WORDS_WITHIN: Duration = Duration::from_secs(10);
/// How long a request's head may take.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// The pause after accepting failed (no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// TLS 1.0 to 1.3 begin with a record of type handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Serves until `stop`, then lets go of every connection.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Arc<ServerConfig>,
    mut stop: Stop,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            () = stop.wait() => return,
            place = Arc::clone(&places).acquire_owned() => place,
            Some(_) = connections.join_next() => continue,
        };
        let accepted = tokio::select! {
            () = stop.wait() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers that somebody waits for.
        let _ = stream.set_nodelay(true);
        let (router, acceptor) = (router.clone(), acceptor.clone());
        connections.spawn(async move {
            welcome(stream, peer, router, acceptor).await;
            drop(place);
        });
        // Ended ones are let go of as new ones come.
        while connections.try_join_next().is_some() {}
    }
}

async fn welcome(stream: TcpStream, peer: SocketAddr, router: Router, acceptor: TlsAcceptor) {
    let mut first = [0_u8; 1];
    match timeout(FIRST_WORDS_WITHIN, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {
            if let Ok(Ok(stream)) = timeout(FIRST_WORDS_WITHIN, acceptor.accept(stream)).await {
                talk(stream, peer, router).await;
            }
        }
        Ok(Ok(1)) => talk(stream, peer, router).await,
        _ => {}
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    router: Router,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    // How a connection ends is its client's business.
    let _ = connection.await;
}
