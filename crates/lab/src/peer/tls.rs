//! The TLS side of a peer: a rustls server with a certificate from files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::ca::Identity;
use crate::fail::OrFail as _;

/// TLS that today's clients refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldTls {
    /// TLS 1.0 only.
    Tls10,
    /// TLS 1.1 only.
    Tls11,
    /// TLS 1.2 with nothing but a cipher that doesn't encrypt (`ECDHE-ECDSA-NULL-SHA`), which no
    /// client offers.
    OldCipher,
}

/// Versions that today's clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2: the refusal is part of the handshake.
    Tls12,
    /// TLS 1.3: the refusal comes after a handshake that the client thinks is complete.
    Tls13,
}

pub(crate) fn server_config(identity: &Identity) -> Arc<ServerConfig> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&identity.chain)
        .or_fail("cannot read a certificate")
        .collect::<Result<_, _>>()
        .or_fail("not a certificate");
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .or_fail("no TLS versions")
        .with_no_client_auth()
        .with_single_cert(chain, key(&identity.key))
        .or_fail("a certificate and a key that don't belong together");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path).or_fail("cannot read a private key")
}
