//! A provider on a socket with TLS: it looks at every request, refuses what its original doesn't
//! document, and otherwise answers as its original does, or as it is told.

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;
use whydown_lab::{Ca, Flavour};

/// A request that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What is wrong with method, path and headers.
    pub(crate) fn unlike(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.method != method || self.path != path {
            wrong.push(format!("{} {} instead of {method} {path}", self.method, self.path));
        }
        for (name, value) in headers {
            if self.header(name) != *value {
                wrong.push(format!("{name}: {:?} instead of {value:?}", self.header(name)));
            }
        }
        // What every HTTP client sends, and nothing that nobody documents.
        let usual = ["host", "user-agent", "content-length", "content-type"];
        for name in self.headers.keys().map(hyper::header::HeaderName::as_str) {
            if !usual.contains(&name) && !headers.iter().any(|(known, _)| *known == name) {
                wrong.push(format!("header {name} is not documented"));
            }
        }
        wrong
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    #[expect(clippy::needless_pass_by_value, reason = "json!(…) is written in place")]
    pub(crate) fn new(status: u16, body: impl ToString) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts are written in place")]
    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

pub(crate) type Check = Arc<dyn Fn(&Seen) -> Vec<String> + Send + Sync>;
pub(crate) type Good = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

struct Desk {
    check: Check,
    good: Good,
    instead: Mutex<Option<Answer>>,
    seen: Mutex<Vec<Seen>>,
    wrong: Mutex<Vec<String>>,
}

/// A running provider.
pub(crate) struct Fake {
    desk: Arc<Desk>,
    /// `https://127.0.0.1:port`
    pub(crate) origin: String,
}

impl Fake {
    pub(crate) async fn start(ca: &Ca, check: Check, good: Good) -> Self {
        let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
        let chain = CertificateDer::pem_file_iter(&identity.chain).unwrap().map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let desk = Arc::new(Desk {
            check,
            good,
            instead: Mutex::default(),
            seen: Mutex::default(),
            wrong: Mutex::default(),
        });
        let shared = Arc::clone(&desk);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, desk) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| attend(Arc::clone(&desk), request));
                    let serving = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A client may end a connection at any moment.
                    let _ = serving.await;
                });
            }
        });
        Self { desk, origin }
    }

    /// Answers this instead of success from now on; `None`: success again.
    pub(crate) fn answer(&self, answer: Option<Answer>) {
        *self.desk.instead.lock().unwrap() = answer;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.desk.seen.lock().unwrap().clone()
    }

    /// Fails when a request was not as documented.
    #[track_caller]
    pub(crate) fn assert_documented(&self) {
        let wrong = self.desk.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

async fn attend(
    desk: Arc<Desk>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    };
    let wrong = (desk.check)(&seen);
    let good = (desk.good)(&seen);
    desk.seen.lock().unwrap().push(seen.clone());
    let answer = if wrong.is_empty() {
        desk.instead.lock().unwrap().clone().unwrap_or(good)
    } else {
        let words = wrong.join("; ");
        desk.wrong.lock().unwrap().extend(wrong);
        Answer::new(400, words)
    };
    // `$ECHO`: all that was sent, as careless receivers repeat it.
    let echo = format!("{} {:?} {}", seen.path, seen.headers, String::from_utf8_lossy(&seen.body));
    let body = answer.body.replace("$ECHO", &echo);
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(body))).unwrap())
}
