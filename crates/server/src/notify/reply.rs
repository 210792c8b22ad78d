//! Addresses on this server by which a message is answered: signed, so that only who got the
//! message can use them, and each only for its incident and channel.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// Characters of a signature in an address: 132 bits.
const TAG_CHARS: usize = 22;

/// Makes and checks signed addresses.
#[derive(Clone, Debug)]
pub(crate) struct Replies {
    key: Secret,
}

impl Replies {
    /// With the key that the store keeps.
    pub(crate) fn new(key: String) -> Self {
        Self { key: Secret::new(key) }
    }

    /// The signature of a purpose, an incident and a channel.
    pub(crate) fn tag(&self, purpose: &str, incident: &str, channel: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.reveal().as_bytes()) else {
            return String::new();
        };
        mac.update(format!("{purpose}\n{incident}\n{channel}").as_bytes());
        let mut tag = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        tag.truncate(TAG_CHARS);
        tag
    }

    /// Is it the right one? Compared in constant time.
    pub(crate) fn verifies(&self, tag: &str, purpose: &str, incident: &str, channel: &str) -> bool {
        same(self.tag(purpose, incident, channel).as_bytes(), tag.as_bytes())
    }

    /// The page that acknowledges: `…/answer/{channel}/{incident}/{tag}`.
    pub(crate) fn page(&self, base: &str, incident: &str, channel: &str) -> String {
        let tag = self.tag("acknowledge", incident, channel);
        format!("{base}/answer/{}/{incident}/{tag}", segment(channel))
    }

    /// The address that a provider calls: `…/answer/{channel}/{incident}/{tag}/{provider}`.
    pub(crate) fn callback(
        &self,
        base: &str,
        provider: &str,
        incident: &str,
        channel: &str,
    ) -> String {
        format!("{}/{provider}", self.page(base, incident, channel))
    }
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut url = url::Url::parse("http://x/").unwrap_or_else(|_| unreachable!("a constant"));
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().push(name);
    }
    url.path().trim_start_matches('/').to_owned()
}

/// Compares without telling by the time taken where two texts differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && !a.is_empty() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_good_for_its_incident_and_channel_only() {
        let replies = Replies::new("key".to_owned());
        let tag = replies.tag("acknowledge", "i1", "ops");
        assert!(replies.verifies(&tag, "acknowledge", "i1", "ops"));
        for (purpose, incident, channel) in
            [("x", "i1", "ops"), ("acknowledge", "i2", "ops"), ("acknowledge", "i1", "op")]
        {
            assert!(!replies.verifies(&tag, purpose, incident, channel));
        }
        assert!(!replies.verifies("", "acknowledge", "i1", "ops"));
        assert!(replies.page("https://up.example", "i1", "a b?").contains("/answer/a%20b%3F/i1/"));
    }
}
