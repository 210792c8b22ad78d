//! Lets a handshake finish whatever the certificate is like, and remembers what was presented.
//! The proof that the server owns the certificate's key is checked all the same.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::trust::provider;

/// Certificates of one chain looked at.
pub(super) const CHAIN_MAX: usize = 16;

/// What a server presented.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    presented: Mutex<Presented>,
}

/// What a server presented and asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Presented {
    /// Leaf first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// It asked for a client certificate.
    pub(super) asked: bool,
}

impl Recorder {
    pub(super) fn presented(&self) -> Presented {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with(&self, change: impl FnOnce(&mut Presented)) {
        change(&mut self.presented.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates).take(CHAIN_MAX);
        let chain = all.map(|der| der.clone().into_owned()).collect();
        self.with(|presented| presented.chain = chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Has no client certificate to give, but notices that one was asked for.
#[derive(Debug)]
pub(super) struct NoClientCertificate(pub(super) Arc<Recorder>);

impl ResolvesClientCert for NoClientCertificate {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.with(|presented| presented.asked = true);
        None
    }

    // rustls answers a certificate request on its own, without asking `resolve`, unless there
    // seems to be a certificate.
    fn has_certs(&self) -> bool {
        true
    }
}
