//! Passwords: what is accepted, and Argon2id.

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash};
use tokio::sync::Semaphore;

use super::AccessError;

/// Fewest characters of a password (NIST SP 800-63B asks for 8; length is what counts).
pub const PASSWORD_MIN_CHARS: usize = 10;
/// Longest password, in bytes.
pub const PASSWORD_MAX_BYTES: usize = 1_024;
/// Passwords hashed at the same time: each takes 19 MiB (Argon2's defaults follow OWASP).
const HASHING_MAX: usize = 2;

static HASHING: Semaphore = Semaphore::const_new(HASHING_MAX);
/// Verified when the user does not exist, so that both answers take the same time.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody has this one").ok());

/// Is this password acceptable for `user`?
pub(super) fn check(password: &str, user: &str) -> Result<(), AccessError> {
    let problem = if password.chars().count() < PASSWORD_MIN_CHARS {
        format!("the password needs at least {PASSWORD_MIN_CHARS} characters")
    } else if password.len() > PASSWORD_MAX_BYTES {
        format!("the password is longer than {PASSWORD_MAX_BYTES} bytes")
    } else if password.eq_ignore_ascii_case(user) {
        "the password must differ from the user name".to_owned()
    } else if password.chars().all(|c| password.starts_with(c)) {
        "the password must not be one character repeated".to_owned()
    } else {
        return Ok(());
    };
    Err(AccessError::Password(problem))
}

/// The PHC string of a password.
pub(super) async fn hash(password: String) -> Result<String, AccessError> {
    off_the_loop(move || hash_now(&password)).await?
}

/// Does the password fit? `None` stands for a user who does not exist; it takes as long.
pub(super) async fn fits(password: String, stored: Option<String>) -> Result<bool, AccessError> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Ok(false);
    }
    off_the_loop(move || {
        let exists = stored.is_some();
        let Some(phc) = stored.or_else(|| NOBODY.clone()) else { return false };
        let Ok(parsed) = PasswordHash::new(&phc) else { return false };
        let fits = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
        fits && exists
    })
    .await
}

fn hash_now(password: &str) -> Result<String, AccessError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| AccessError::Hashing(error.to_string()))
}

/// Hashing takes tens of milliseconds of CPU: not on the threads that serve requests.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AccessError> {
    let failed = |why: &str| AccessError::Hashing(why.to_owned());
    let _permit = HASHING.acquire().await.map_err(|_| failed("hashing has ended"))?;
    tokio::task::spawn_blocking(work).await.map_err(|_| failed("hashing was interrupted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_with_a_reason() {
        assert!(check("short", "ada").is_err());
        assert!(check("aaaaaaaaaaaa", "ada").is_err());
        assert!(check("ada.lovelace", "Ada.Lovelace").is_err());
        assert!(check(&"x1".repeat(600), "ada").is_err());
        assert!(check("ten chars!", "ada").is_ok());
        assert!(check("äöüßäöüßäö", "ada").is_ok());
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only_and_nobody_fits_nothing() {
        let stored = hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(fits("correct horse".to_owned(), Some(stored.clone())).await.unwrap());
        assert!(!fits("wrong horse".to_owned(), Some(stored)).await.unwrap());
        assert!(!fits("nobody has this one".to_owned(), None).await.unwrap());
    }
}
