//! Random secrets and how they are stored: 256 bits, as SHA-256. A slow hash would add nothing,
//! nobody guesses 256 bits.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Bytes of randomness in a secret.
const SECRET_BYTES: usize = 32;
/// The longest text that is hashed to be looked up.
const SECRET_TEXT_MAX_BYTES: usize = 128;

/// A new secret: 43 characters that fit URLs, cookies and headers.
pub(crate) fn fresh() -> io::Result<String> {
    let mut bytes = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a secret. Looking up by this hash leaks nothing by its timing: whoever does
/// not know the secret cannot choose the hash's prefix.
pub(crate) fn hash(secret: &str) -> Option<String> {
    if secret.is_empty() || secret.len() > SECRET_TEXT_MAX_BYTES {
        return None;
    }
    Some(URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (a, b) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 43);
        assert_ne!(hash(&a), hash(&b));
        assert_eq!(hash(""), None);
        assert_eq!(hash(&"x".repeat(129)), None);
    }
}
