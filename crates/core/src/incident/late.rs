//! What is learnt after somebody was told: for whom it fails, shown at once and told seldom.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Effect, Incident, MomentKind, Policy, Standing, set_state};
use crate::cause::Cause;
use crate::diagnosis::Diagnosis;
use crate::inquiry::CORRECTION;
use crate::observation::State;
use crate::scope::{Scope, ScopeKind};

/// A verdict in few words: for whom, and why. Where either changes somebody may have to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gist {
    /// For whom it fails.
    pub scope: ScopeKind,
    /// The likeliest cause.
    pub cause: Option<Cause>,
}

impl Gist {
    pub(super) fn of(diagnosis: &Diagnosis) -> Self {
        let cause = diagnosis.causes.first().map(|cause| cause.code);
        Self { scope: diagnosis.scope.kind, cause }
    }
}

impl Incident {
    pub(super) fn gist_told(&self) -> Gist {
        self.told.unwrap_or_else(|| Gist::of(&self.diagnosis))
    }

    /// Some places that failed are fine by now.
    fn is_recovering(&self, scope: &Scope) -> bool {
        let known = &self.diagnosis.scope.places.failing;
        known.iter().any(|name| !scope.places.failing.contains(name))
    }

    /// Another verdict, which is told.
    pub(super) fn retell(&mut self, diagnosis: &Diagnosis, now: Timestamp) -> Effect {
        self.sequence += 1;
        self.told_at = now;
        self.told = None;
        self.revise(diagnosis);
        self.note(now, MomentKind::Changed, diagnosis.summary.clone());
        Effect::Updated(Box::new(self.clone()))
    }

    /// The same failure for others. That the first words were wrong about whom is told at once;
    /// whatever comes later is shown, and told as seldom as other updates. While it recovers its
    /// kind stays what it was.
    pub(super) fn rescope(
        &mut self,
        policy: &Policy,
        diagnosis: &Diagnosis,
        now: Timestamp,
    ) -> Option<Effect> {
        let scope = &diagnosis.scope;
        let told = self.gist_told();
        if told.scope != scope.kind {
            if self.is_recovering(scope) {
                return None;
            }
            let after = |time| self.told_at.checked_add(time).unwrap_or(Timestamp::MAX);
            let wrong_at_first = self.sequence == 1 && now < after(CORRECTION);
            if wrong_at_first || now >= after(policy.update_gap) {
                return Some(self.retell(diagnosis, now));
            }
        }
        if self.diagnosis.scope.kind == scope.kind {
            self.widen(scope);
        } else {
            self.told = Some(told);
            self.revise(diagnosis);
        }
        Some(Effect::Noted(Box::new(self.clone())))
    }

    /// Puts another verdict in force.
    pub(super) fn revise(&mut self, diagnosis: &Diagnosis) {
        let before = std::mem::replace(&mut self.diagnosis, Arc::new(diagnosis.clone()));
        self.keep_peak(before.scope.clone());
    }

    /// The same verdict, seen from other places.
    fn widen(&mut self, scope: &Scope) {
        let before = self.diagnosis.scope.clone();
        Arc::make_mut(&mut self.diagnosis).widen(scope);
        self.keep_peak(before);
    }

    /// What it was at its widest is told when it is over.
    fn keep_peak(&mut self, before: Scope) {
        let widest = match self.peak.take() {
            Some(peak) if peak.failing >= before.failing => peak,
            _ => before,
        };
        self.peak = (widest.failing > self.diagnosis.scope.failing).then_some(widest);
    }
}

/// Those who were asked have answered since it was told, or won't.
pub(super) fn correct(
    policy: &Policy,
    standing: &mut Standing,
    diagnosis: &Diagnosis,
    now: Timestamp,
) -> Vec<Effect> {
    let Some(incident) = &mut standing.incident else { return Vec::new() };
    let told = matches!(diagnosis.state, State::Down | State::Degraded);
    let scope = &diagnosis.scope;
    let moved = incident.diagnosis.scope.places != scope.places;
    if !told || !moved || incident.is_recovering(scope) {
        return Vec::new();
    }
    // Who was asked and says so needs no further proof.
    for (name, place) in standing.places.iter_mut() {
        if scope.places.failing.iter().any(|failing| failing == name) {
            place.held = None;
        }
    }
    let effect = incident.rescope(policy, diagnosis, now);
    if let Some(Effect::Updated(_)) = &effect {
        set_state(standing, diagnosis.state, now);
    }
    effect.into_iter().collect()
}

/// A place is fine again while others are not: pages show it, nobody is told of that alone.
pub(super) fn leave(standing: &mut Standing, scope: &Scope) -> Vec<Effect> {
    let Some(incident) = &mut standing.incident else { return Vec::new() };
    if scope.failing == 0 || incident.diagnosis.scope.places == scope.places {
        return Vec::new();
    }
    incident.told = Some(incident.gist_told());
    incident.widen(scope);
    vec![Effect::Noted(Box::new(incident.clone()))]
}
