//! From effects to notices: the engine's side of [`whydown_core::alerting`]. Each round looks at
//! what happened, and puts notices, time lines and what is remembered into one draft.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use whydown_core::alerting::rules::Silence;
use whydown_core::alerting::{Alerting, Noted, View};
use whydown_core::incident::{Effect, Incident, Input, Standing};
use whydown_core::monitor::Monitor;

use super::Engine;
use crate::app::EditError;
use crate::store::StoreError;

/// Clocks may be set: the next wake is looked at again at least so often.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Silences at the same time.
const SILENCES_MAX: usize = 1_000;

impl Engine {
    /// Shows the machine what it may look at.
    pub(super) fn round(&mut self, now: Timestamp, act: impl FnOnce(&mut Alerting, &View<'_>)) {
        let roster = self.roster();
        let monitor = |name: &str| -> Option<&Monitor> {
            roster.entry(name).map(|entry| &entry.monitor).filter(|monitor| !monitor.paused)
        };
        let watched = |location: &str| self.shared.fleet.watched(location);
        let view = View {
            rules: &roster.config.rules,
            silences: &roster.silences,
            dependencies: &roster.dependencies,
            monitor: &monitor,
            watched: &watched,
            standings: &self.standings,
            base_url: roster.config.base_url.as_deref(),
            now,
        };
        act(&mut self.alerting, &view);
    }

    /// What follows from a step of a monitor's incident machine.
    pub(super) fn follow(&mut self, monitor: &str, effects: &[Effect], now: Timestamp) {
        for effect in effects {
            self.draft.keep(effect.incident(), now);
        }
        self.round(now, |alerting, view| {
            effects.iter().for_each(|effect| alerting.follow(view, effect));
            alerting.seen(view, monitor);
        });
    }

    /// Ends a round: what it came to goes into the draft.
    pub(super) fn tell(&mut self, now: Timestamp) {
        let mut told = None;
        self.round(now, |alerting, view| {
            alerting.wake(view);
            told = Some(alerting.finish(view));
        });
        let Some(told) = told else { return };
        for noted in told.moments {
            self.note(noted, now);
        }
        self.draft.tell(told.notices, told.rows, now);
        for name in told.rechecks {
            let roster = self.roster();
            if let Some(entry) = roster.entry(&name) {
                self.shared.fleet.ask(&entry.monitor, "");
                self.shared.fleet.flush();
            }
        }
    }

    fn note(&mut self, noted: Noted, now: Timestamp) {
        let Noted { monitor, incident: id, moment } = noted;
        let standing = self.standings.get_mut(&monitor);
        let open = standing.filter(|s| s.incident.as_ref().is_some_and(|open| open.id == id));
        if let Some(standing) = open {
            let Some(incident) = &mut standing.incident else { return };
            incident.note(moment.at, moment.kind, moment.text);
            self.draft.keep(incident, now);
            self.draft.restand(&monitor, standing);
        } else if let Some(ended) = self.draft.commit.incidents.get_mut(&id) {
            ended.note(moment.at, moment.kind, moment.text);
        }
    }

    /// When alerting has something to do by itself.
    pub(super) fn alert_at(&self) -> Option<Instant> {
        let at = self.alerting.next_wake()?;
        let wait = at.duration_since(self.shared.clock.now());
        Some(Instant::now() + Duration::try_from(wait).unwrap_or_default().min(LOOK_MAX))
    }

    /// Does it have now, or has something happened that nobody has told yet?
    pub(super) fn alert_due(&self) -> bool {
        self.alerting.has_news()
            || self.alerting.next_wake().is_some_and(|at| at <= self.shared.clock.now())
    }

    /// Rules, silences or monitors have changed.
    pub(super) fn reconsider(&mut self, now: Timestamp) {
        self.round(now, Alerting::reconsider);
        self.tell(now);
    }

    /// Takes an incident, or all open ones of a storm. Written on its own, so that the answer is
    /// the truth.
    pub(super) async fn acknowledge(&mut self, id: &str, by: &str) -> Result<Incident, EditError> {
        let mut members = self.alerting.members(id);
        if members.is_empty() {
            members.push(id.to_owned());
        }
        self.put_in(&members, &Input::Acknowledge { by: by.to_owned() }).await
    }

    /// Writes a comment into an incident's time line, also when it has ended.
    pub(super) async fn comment(
        &mut self,
        id: &str,
        by: &str,
        text: &str,
    ) -> Result<Incident, EditError> {
        let input = Input::Comment { by: by.to_owned(), text: text.to_owned() };
        match self.put_in(&[id.to_owned()], &input).await {
            Err(EditError::NotOpen(_)) => {}
            done => return done,
        }
        let ended = self.shared.store.incident(id).await?;
        let mut ended = ended.ok_or_else(|| EditError::not_found("incident", id))?;
        let now = self.shared.clock.now();
        ended.comment(by, text, now);
        self.draft.keep(&ended, now);
        self.written().await?;
        Ok(ended)
    }

    /// Gives somebody's input to the machines of open incidents, and writes what follows: all of
    /// it or nothing. The first incident that took it.
    async fn put_in(&mut self, ids: &[String], input: &Input) -> Result<Incident, EditError> {
        let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let open = |(name, standing): (&String, &Standing)| {
            let incident = standing.incident.as_ref()?;
            wanted.contains(incident.id.as_str()).then(|| (name.clone(), standing.clone()))
        };
        let before: Vec<(String, Standing)> = self.standings.iter().filter_map(open).collect();
        let id = ids.first().map_or("", String::as_str);
        if before.is_empty() {
            return match self.shared.store.incident(id).await {
                Ok(Some(_)) => Err(EditError::NotOpen(id.to_owned())),
                Ok(None) => Err(EditError::not_found("incident", id)),
                Err(error) => Err(EditError::unavailable(&error)),
            };
        }
        self.written().await?;
        let alerting = self.alerting.clone();
        let now = self.shared.clock.now();
        let mut took = None;
        for (name, _) in &before {
            let monitor = self.monitor_of(name);
            if self.advance(&monitor, input, now) && took.is_none() {
                took = Some(name.clone());
            }
        }
        let took = took.ok_or_else(|| EditError::NotOpen(id.to_owned()))?;
        self.tell(now);
        if let Err(error) = self.written().await {
            self.draft = super::Draft::default();
            self.standings.extend(before);
            self.alerting = alerting;
            return Err(error);
        }
        let incident = self.standings.get(&took).and_then(|standing| standing.incident.clone());
        incident.ok_or_else(|| EditError::NotOpen(id.to_owned()))
    }

    /// Writes the draft, which has to work.
    async fn written(&mut self) -> Result<(), EditError> {
        self.write().await;
        match self.shared.health.get().storage {
            Some(trouble) => Err(EditError::Unavailable(trouble)),
            None => Ok(()),
        }
    }

    pub(super) async fn silence(&mut self, silence: Silence) -> Result<(), EditError> {
        let now = self.shared.clock.now();
        self.stored.silences.retain(|known| known.until > now);
        if self.stored.silences.len() >= SILENCES_MAX {
            let text = format!("there are {SILENCES_MAX} silences already; end some of them");
            return Err(EditError::Unavailable(text));
        }
        self.shared.store.put_silence(&silence, now).await?;
        self.stored.silences.push(silence);
        self.restock(&[]);
        Ok(())
    }

    pub(super) async fn end_silence(&mut self, id: &str) -> Result<(), EditError> {
        if !self.stored.silences.iter().any(|silence| silence.id == id) {
            return Err(EditError::not_found("silence", id));
        }
        self.shared.store.end_silence(id).await?;
        self.stored.silences.retain(|silence| silence.id != id);
        self.restock(&[]);
        Ok(())
    }
}

/// What was remembered when the server stopped.
pub(super) async fn load(store: &crate::store::Store) -> Result<Alerting, StoreError> {
    let rows = store.alerting().await?;
    Alerting::load(rows).map_err(|error| StoreError::Unreadable {
        what: "the state of an alert",
        detail: error.to_string(),
    })
}
