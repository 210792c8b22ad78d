//! Certificates in every flavour of wrong: a root, an intermediate and leaves, as PEM files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

use crate::fail::OrFail as _;
use crate::host::Host;

const DAY: Duration = Duration::from_secs(86_400);

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Nothing; valid for 90 days, the intermediate is sent along.
    Good,
    /// Valid, but only for so many more days.
    ExpiresIn(u16),
    /// Its time ended a month ago.
    Expired,
    /// Its time begins in a month.
    NotYetValid,
    /// Signed by its own key, and no CA.
    SelfSigned,
    /// Signed by a CA that nobody knows, whose root is sent along.
    UnknownCa,
    /// The intermediate is not sent along.
    MissingIntermediate,
    /// The intermediate is sent along, and its own time has ended.
    ExpiredIntermediate,
    /// Made out to `elsewhere.example` instead of the names asked for.
    WrongName,
}

impl Flavour {
    /// Every defect once.
    pub const DEFECTS: [Self; 7] = [
        Self::Expired,
        Self::NotYetValid,
        Self::SelfSigned,
        Self::UnknownCa,
        Self::MissingIntermediate,
        Self::ExpiredIntermediate,
        Self::WrongName,
    ];

    /// From and until when it is valid, as distances from today.
    fn validity(self) -> (Shift, Shift) {
        match self {
            Self::Expired => (Shift::Ago(90 * DAY), Shift::Ago(30 * DAY)),
            Self::NotYetValid => (Shift::In(30 * DAY), Shift::In(90 * DAY)),
            // An hour more, so that it has so many full days left for the length of a test.
            Self::ExpiresIn(days) => {
                (Shift::Ago(DAY), Shift::In(DAY * u32::from(days) + Duration::from_secs(3600)))
            }
            _ => (Shift::Ago(DAY), Shift::In(90 * DAY)),
        }
    }
}

/// A time relative to now.
#[derive(Clone, Copy)]
enum Shift {
    Ago(Duration),
    In(Duration),
}

impl Shift {
    fn since_1970(self) -> Duration {
        let now = SystemTime::UNIX_EPOCH.elapsed().or_fail("a clock before 1970");
        match self {
            Self::Ago(time) => now.saturating_sub(time),
            Self::In(time) => now + time,
        }
    }
}

/// A certificate with its chain and key, as the files that servers and clients want.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The leaf first, then what is sent along (PEM).
    pub chain: PathBuf,
    /// The private key (PEM, PKCS #8), readable by everyone: daemons drop root before they look.
    pub key: PathBuf,
    /// Both in one file, as haproxy wants it.
    pub chain_and_key: PathBuf,
    /// The root that signed the clients' certificates, for servers that ask for one.
    pub client_ca: PathBuf,
}

/// A certificate authority: a root, an intermediate, and a stranger that nobody trusts.
pub struct Ca {
    directory: TempDir,
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    ended: CertifiedIssuer<'static, KeyPair>,
    stranger: CertifiedIssuer<'static, KeyPair>,
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

impl Ca {
    /// A new one, with keys that nobody else has.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("wd{}-ca-", std::process::id()))
            .tempdir()
            .or_fail("cannot make a temporary directory");
        open_to_all(directory.path());
        let root = issuer("Lab Root", None);
        let intermediate = issuer("Lab Intermediate", Some(&root));
        let ended = issuer_until("Lab Intermediate of old", Some(&root), Shift::Ago(30 * DAY));
        let stranger = issuer("Stranger Root", None);
        fs::write(directory.path().join("root.pem"), root.pem()).or_fail("cannot write a file");
        Self { directory, root, intermediate, ended, stranger }
    }

    /// The root as a PEM file: `SSL_CERT_FILE`, `curl --cacert`, `ca-file`.
    pub fn bundle(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }

    /// Lets Chromium trust the root when it is started on a host from now on, by its policy
    /// `CACertificates`: it reads no `SSL_CERT_FILE`.
    pub fn trusted_by_chromium(&self, host: &Host) {
        let policy = serde_json::json!({"CACertificates": [self.root_base64()]});
        host.etc_file("chromium/policies/managed/lab.json", &policy.to_string());
    }

    /// The root's DER as base64, which is PEM without its first and last line.
    pub(crate) fn root_base64(&self) -> String {
        self.root.pem().lines().filter(|line| !line.starts_with("-----")).collect()
    }

    /// A server's certificate for some host names or IP addresses.
    pub fn identity(&self, flavour: Flavour, names: &[&str]) -> Identity {
        let names = if flavour == Flavour::WrongName { &["elsewhere.example"] } else { names };
        let mut params = leaf(names, flavour.validity());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = new_key();
        let signed = match flavour {
            Flavour::SelfSigned => params.self_signed(&key),
            Flavour::UnknownCa => params.signed_by(&key, &self.stranger),
            Flavour::ExpiredIntermediate => params.signed_by(&key, &self.ended),
            _ => params.signed_by(&key, &self.intermediate),
        };
        let sent_along = match flavour {
            Flavour::SelfSigned | Flavour::MissingIntermediate => String::new(),
            Flavour::UnknownCa => self.stranger.pem(),
            Flavour::ExpiredIntermediate => self.ended.pem(),
            _ => self.intermediate.pem(),
        };
        self.write(signed.or_fail("cannot sign a certificate").pem() + &sent_along, &key)
    }

    /// A client's certificate, signed by the root.
    pub fn client(&self, name: &str) -> Identity {
        let mut params = leaf(&[name], Flavour::Good.validity());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = new_key();
        let signed = params.signed_by(&key, &self.root).or_fail("cannot sign a certificate");
        self.write(signed.pem(), &key)
    }

    fn write(&self, chain: String, key: &KeyPair) -> Identity {
        let directory =
            tempfile::tempdir_in(self.directory.path()).or_fail("cannot make a directory").keep();
        open_to_all(&directory);
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            fs::write(&path, text).or_fail("cannot write a file");
            path
        };
        Identity {
            chain_and_key: write("both.pem", format!("{chain}{}", key.serialize_pem())),
            chain: write("chain.pem", chain),
            key: write("key.pem", key.serialize_pem()),
            client_ca: self.bundle(),
        }
    }
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
        .or_fail("cannot open a directory");
}

fn new_key() -> KeyPair {
    KeyPair::generate().or_fail("cannot make a key")
}

fn leaf(names: &[&str], (from, until): (Shift, Shift)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).or_fail("a name no certificate can have");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(1970, 1, 1) + from.since_1970();
    params.not_after = date_time_ymd(1970, 1, 1) + until.since_1970();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn issuer(
    name: &str,
    parent: Option<&CertifiedIssuer<'static, KeyPair>>,
) -> CertifiedIssuer<'static, KeyPair> {
    // So wide that no leaf outlives it: expired leaves must have had a valid chain.
    issuer_until(name, parent, Shift::In(3650 * DAY))
}

fn issuer_until(
    name: &str,
    parent: Option<&CertifiedIssuer<'static, KeyPair>>,
    end: Shift,
) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = leaf(&[], (Shift::Ago(3650 * DAY), end));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    match parent {
        None => CertifiedIssuer::self_signed(params, new_key()),
        Some(parent) => CertifiedIssuer::signed_by(params, new_key(), parent),
    }
    .or_fail("cannot sign a CA's certificate")
}
