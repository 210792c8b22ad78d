//! An element of the page that is open.

use serde_json::{Value, json};

use super::{Session, text};

/// The name that WebDriver gives to references (W3C WebDriver §11).
const REFERENCE: &str = "element-6066-11e4-a52e-4f735466cecf";

/// An element; it becomes useless when its page goes.
#[derive(Debug)]
pub struct Element<'a> {
    session: &'a Session,
    id: String,
}

impl<'a> Element<'a> {
    /// The key Enter for [`Element::type_text`].
    pub const ENTER: &'static str = "\u{e007}";
    /// The key Tab.
    pub const TAB: &'static str = "\u{e004}";
    /// The key Escape.
    pub const ESCAPE: &'static str = "\u{e00c}";

    pub(super) fn new(session: &'a Session, reference: &Value) -> Option<Self> {
        let id = reference.get(REFERENCE)?.as_str()?.to_owned();
        Some(Self { session, id })
    }

    fn path(&self, rest: &str) -> String {
        format!("/element/{}{rest}", self.id)
    }

    /// Clicks it, as a user would: it must be visible and not covered.
    #[track_caller]
    pub fn click(&self) {
        self.session.post(&self.path("/click"), &json!({}));
    }

    /// Types into it, after what is there.
    #[track_caller]
    pub fn type_text(&self, keys: &str) {
        self.session.post(&self.path("/value"), &json!({"text": keys}));
    }

    /// Empties it.
    #[track_caller]
    pub fn clear(&self) {
        self.session.post(&self.path("/clear"), &json!({}));
    }

    /// Its visible text.
    #[track_caller]
    pub fn text(&self) -> String {
        text(&self.session.get(&self.path("/text")))
    }

    /// An attribute as it stands in the HTML, if it has it.
    #[track_caller]
    pub fn attribute(&self, name: &str) -> Option<String> {
        let value = self.session.get(&self.path(&format!("/attribute/{name}")));
        value.as_str().map(str::to_owned)
    }

    /// A CSS property as computed.
    #[track_caller]
    pub fn css(&self, property: &str) -> String {
        text(&self.session.get(&self.path(&format!("/css/{property}"))))
    }

    /// Whether it is displayed.
    #[track_caller]
    pub fn is_displayed(&self) -> bool {
        self.session.get(&self.path("/displayed")) == json!(true)
    }

    /// The role and the name that a screen reader tells.
    #[track_caller]
    pub fn accessible(&self) -> (String, String) {
        let role = self.session.get(&self.path("/computedrole"));
        (text(&role), text(&self.session.get(&self.path("/computedlabel"))))
    }
}
