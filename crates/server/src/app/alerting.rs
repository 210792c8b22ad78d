//! Comments, silences, and messages that are tried again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use whydown_core::alerting::rules::{Select, Silence};
use whydown_core::incident::Incident;
use whydown_core::units::show;

use super::{App, EditError};
use crate::engine::Event;

/// Characters of a comment.
const COMMENT_MAX: usize = 4_000;
/// The shortest and the longest silence.
const SILENCE_MIN: Duration = Duration::from_mins(1);
const SILENCE_MAX: Duration = Duration::from_hours(24 * 30);

impl App {
    /// Writes a comment into an incident's time line.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Unavailable`.
    pub async fn comment(
        &self,
        incident: &str,
        by: &str,
        text: &str,
    ) -> Result<Incident, EditError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > COMMENT_MAX {
            let message = format!("a comment has 1 to {COMMENT_MAX} characters");
            return Err(EditError::invalid("text", message));
        }
        let (incident, by, text) = (incident.to_owned(), by.to_owned(), text.to_owned());
        self.ask(|reply| Event::Comment { incident, by, text, reply }).await
    }

    /// Tries a notice that was given up again.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn retry(&self, key: &str) -> Result<(), EditError> {
        if !self.0.store.revive(key, self.0.hands.clock.now()).await? {
            return Err(EditError::not_found("given-up notice", key));
        }
        self.0.hands.outbox.notify_one();
        Ok(())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.hands.clock.now()
    }

    /// Silences in force or to come.
    #[must_use]
    pub fn silences(&self) -> Arc<Vec<Silence>> {
        Arc::clone(&self.roster().silences)
    }

    /// Tells nobody of some monitors for a while; the silence as it was made.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`.
    pub async fn silence(
        &self,
        select: Select,
        lasts: Duration,
        by: &str,
        comment: &str,
    ) -> Result<Silence, EditError> {
        if !(SILENCE_MIN..=SILENCE_MAX).contains(&lasts) {
            let (min, max) = (show(SILENCE_MIN), show(SILENCE_MAX));
            let message = format!("{} is not between {min} and {max}", show(lasts));
            return Err(EditError::invalid("for", message));
        }
        if comment.chars().count() > COMMENT_MAX {
            let message = format!("a comment has at most {COMMENT_MAX} characters");
            return Err(EditError::invalid("comment", message));
        }
        let from = self.0.hands.clock.now();
        let random = getrandom::u64().map_err(|error| EditError::Unavailable(error.to_string()))?;
        let silence = Silence {
            id: format!("{random:016x}"),
            by: by.to_owned(),
            comment: comment.trim().to_owned(),
            select,
            from,
            until: from.checked_add(lasts).unwrap_or(Timestamp::MAX),
        };
        let made = Box::new(silence.clone());
        self.ask(|reply| Event::Silence { silence: made, reply }).await?;
        Ok(silence)
    }

    /// Ends a silence before its time.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn end_silence(&self, id: &str) -> Result<(), EditError> {
        let id = id.to_owned();
        self.ask(|reply| Event::EndSilence { id, reply }).await
    }
}
