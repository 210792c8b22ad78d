//! Which certificate authorities this machine trusts, and the cryptography to check with.

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{NamedGroup, RootCertStore};

/// A set of trusted authorities; cheap to clone.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
}

impl Trust {
    /// The machine's own store (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured); Mozilla's list
    /// where there is none. Read once per process.
    #[must_use]
    pub fn native() -> Self {
        static NATIVE: OnceLock<Trust> = OnceLock::new();
        NATIVE.get_or_init(load).clone()
    }

    /// Exactly these authorities. Unreadable ones are passed over.
    #[must_use]
    pub fn only(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        Self { roots: Arc::new(store) }
    }

    /// Exactly the certificates of a PEM bundle. Unreadable ones are passed over.
    #[must_use]
    pub fn from_pem(bundle: &[u8]) -> Self {
        Self::only(CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok))
    }

    pub(crate) fn shared(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    pub(super) fn roots(&self) -> &RootCertStore {
        &self.roots
    }
}

fn load() -> Trust {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a trusted certificate could not be read");
    }
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(native.certs);
    if added == 0 {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Trust { roots: Arc::new(store) }
}

/// The same without post-quantum key exchange, whose keys are a kilobyte long.
pub(super) fn provider_without_post_quantum() -> Arc<CryptoProvider> {
    const CLASSIC: [NamedGroup; 3] =
        [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
    let mut provider = provider().as_ref().clone();
    provider.kx_groups.retain(|group| CLASSIC.contains(&group.name()));
    Arc::new(provider)
}

/// The one cryptography provider of whydown.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}
