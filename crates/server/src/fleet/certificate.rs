//! The server's own certificate: self-signed, made once, known to probes by its SHA-256, so that
//! nobody has to run an authority. Browsers are better served by a reverse proxy.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use whydown_probe::link::Pin;

/// Certificate and key in the data directory, for the server's eyes only.
const FILE: &str = "tls.pem";
/// Who is waited for while a certificate is made.
const LOCK: &str = "tls.lock";
/// Names in the certificate; a pin asks for none.
const NAME: &str = "whydown.invalid";

/// The certificate can't be made or read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the certificate {} cannot be used: {detail}; remove it to have a new one made (probes then \
     need new tokens)",
    .file.display()
)]
pub struct CertificateError {
    file: PathBuf,
    detail: String,
}

/// The server's certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What probes recognise it by.
    pub pin: Pin,
    /// For the listener.
    pub(crate) config: Arc<ServerConfig>,
}

/// Reads the certificate in `dir`, making it when there is none.
///
/// # Errors
/// The directory can't be written, or the file is damaged.
pub fn certificate(dir: &Path) -> Result<Certificate, CertificateError> {
    let file = dir.join(FILE);
    let bad = |detail: String| CertificateError { file: file.clone(), detail };
    let io = |error: std::io::Error| bad(error.to_string());
    let open = || OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(LOCK));
    let lock = Flock::lock(open().map_err(io)?, FlockArg::LockExclusive);
    let _lock = lock.map_err(|(_, error)| bad(error.to_string()))?;
    if !file.exists() {
        make(dir, &file).map_err(bad)?;
    }
    let pem = std::fs::read(&file).map_err(io)?;
    let certificate = CertificateDer::from_pem_slice(&pem).map_err(|e| bad(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| bad(e.to_string()))?;
    let pin = Pin::of(&certificate);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    let mut config = config.map_err(|error| bad(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificate { pin, config: Arc::new(config) })
}

fn make(dir: &Path, file: &Path) -> Result<(), String> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]);
    let made = made.map_err(|error| error.to_string())?;
    let pem = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
    let temporary = dir.join(format!("{FILE}.new"));
    let write = || {
        let mut new = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        new.write_all(pem.as_bytes())?;
        new.sync_all()?;
        std::fs::rename(&temporary, file)
    };
    write().map_err(|error: std::io::Error| error.to_string())
}
