//! Who this probe or agent is: a key that it made itself, registered with one server by a one-time
//! token, and kept in its data directory for itself alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use whydown_core::wire::{ENROL_PATH, Enrolled, Enrolment, Introduction, Role};

use super::{Client, LinkError, Pauses, Pin, Server};

/// The file in the data directory.
const FILE: &str = "identity.json";
/// Every key begins so, so that leaked ones are recognised by scanners.
const KEY_PREFIX: &str = "wdk_";

/// A one-time token, and the certificate of the server that it is for.
#[derive(Clone)]
pub struct Token {
    secret: String,
    pin: Option<Pin>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(***)")
    }
}

impl std::str::FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            "this is no token; take the whole line that `whydown admin location add` prints"
                .to_owned()
        };
        let (secret, pin) = match text.trim().split_once('.') {
            Some((secret, pin)) => (secret, Some(Pin::parse(pin).ok_or_else(bad)?)),
            None => (text.trim(), None),
        };
        if !secret.starts_with("wdt_") {
            return Err(bad());
        }
        Ok(Self { secret: secret.to_owned(), pin })
    }
}

/// Who we are to a server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The server's address.
    pub server: String,
    /// Its certificate's SHA-256, when a token gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    key: String,
    /// What the server calls the key; `None` until it is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The location of a probe, or the host of an agent.
    #[serde(default)]
    pub place: String,
    /// The SHA-256 of the token that registered it: the same command line works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?} of {} at {})", self.id, self.place, self.server)
    }
}

impl Identity {
    /// The client that speaks as this identity.
    ///
    /// # Errors
    /// `Unusable`: the server's address can't be used.
    pub fn client(&self) -> Result<Client, LinkError> {
        Ok(Client::new(self.server()?, Some(&self.key)))
    }

    /// The server.
    ///
    /// # Errors
    /// `Unusable`: its address can't be used.
    pub fn server(&self) -> Result<Server, LinkError> {
        Server::new(&self.server, self.pin.as_deref().and_then(Pin::parse))
    }

    fn read(dir: &Path) -> Result<Option<Self>, LinkError> {
        let path = dir.join(FILE);
        let bad = |error: &dyn std::fmt::Display| {
            LinkError::Unusable(format!(
                "{} cannot be read: {error}; remove it and enrol again with a new token",
                path.display()
            ))
        };
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| bad(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(bad(&error)),
        }
    }

    fn write(&self, dir: &Path) -> Result<(), LinkError> {
        let failed = |error: std::io::Error| {
            LinkError::Unusable(format!(
                "cannot write to {}: {error}; give another --data directory",
                dir.display()
            ))
        };
        write_private(dir, FILE, &serde_json::to_vec_pretty(self).unwrap_or_default())
            .map_err(failed)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write_private(dir: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let temporary = dir.join(format!("{name}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(temporary, dir.join(name))
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

fn fresh_key() -> Result<String, LinkError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| LinkError::Unusable(format!("no random numbers: {error}")))?;
    Ok(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The identity that `dir` holds for `url`; with a token that it has not used yet it is registered
/// first, and tried again until the server can be reached.
///
/// # Errors
/// `Refused`: the token is unknown or used by another. `Unusable`: no identity and no token, or
/// the directory can't be used.
pub async fn enrol(
    dir: &Path,
    url: &str,
    token: Option<&Token>,
    role: Role,
    introduction: Introduction,
) -> Result<Identity, LinkError> {
    let known = Identity::read(dir)?;
    let by = token.map(|token| hash(&token.secret));
    // Registered, and not by a new token that asks for another place.
    if let Some(known) = known.as_ref().filter(|known| known.id.is_some())
        && (by.is_none() || known.by == by)
    {
        let mut known = known.clone();
        url.clone_into(&mut known.server);
        return Ok(known);
    }
    let Some(token) = token else {
        return Err(LinkError::Unusable(format!(
            "{} holds no registered key; give the --token that `whydown admin location add` prints",
            dir.display()
        )));
    };
    // The key is written before it is registered: when the answer is lost, the same key asks again.
    let unused = known.filter(|known| known.id.is_none() && known.by == by);
    let mut identity = match unused {
        Some(identity) => identity,
        None => Identity {
            server: url.to_owned(),
            pin: None,
            key: fresh_key()?,
            id: None,
            place: String::new(),
            by,
        },
    };
    url.clone_into(&mut identity.server);
    identity.pin = token.pin.map(|pin| pin.to_string());
    identity.write(dir)?;
    let (secret, key) = (token.secret.clone(), identity.key.clone());
    let enrolment = Enrolment { token: secret, key, role, introduction };
    let enrolled = register(&identity, &enrolment).await?;
    identity.id = Some(enrolled.id);
    identity.place = enrolled.place;
    identity.write(dir)?;
    Ok(identity)
}

async fn register(identity: &Identity, enrolment: &Enrolment) -> Result<Enrolled, LinkError> {
    let client = Client::new(identity.server()?, None);
    let mut pauses = Pauses::default();
    loop {
        match client.post(ENROL_PATH, enrolment).await {
            Err(error) if error.is_passing() => {
                let pause = pauses.next_pause();
                tracing::warn!("not registered yet: {error}; next attempt in {pause:.1?}");
                tokio::time::sleep(pause).await;
            }
            done => return done,
        }
    }
}
