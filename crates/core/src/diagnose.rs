//! From evidence to a verdict.
//!
//! Every failure brings a few possible causes with a starting weight (`priors`). Every finding
//! multiplies the weights of the causes that it makes more or less likely; absence of evidence
//! multiplies nothing. What remains, shared out to one, is the confidence. `unknown` takes part
//! like any cause, so that weak evidence gives a weak verdict.

mod case;
mod client;
mod connect;
mod dns;
mod facts;
mod http;
mod inside;
mod path;
mod priors;
mod seen;
mod service;
mod spread;
mod summary;
mod tls;

use std::time::Duration;

use crate::advice;
use crate::cause::{Cause, Side};
use crate::diagnosis::{AddressVerdict, Diagnosis, Fact, RankedCause, SCHEMA};
use crate::evidence::Evidence;
use crate::failure::Stage;
use crate::observation::State;
use crate::scope::{Location, Scope, ScopeKind, correlate};
use crate::target::Target;

use case::Case;

/// Causes less likely than this are not worth a reader's time.
const CONFIDENCE_MIN: f64 = 0.03;
/// No outside evidence makes anything certain.
const CONFIDENCE_MAX: f64 = 0.99;
/// Causes listed at most.
const CAUSES_MAX: usize = 5;

/// One fact and what it does to the causes' weights.
struct Finding {
    stage: Stage,
    fact: String,
    source: &'static str,
    /// Likelihood ratios: below 1 speaks against the cause, 1 and above for it. Exactly 1 is said
    /// of a cause that the others are measured by: what speaks against them is its support.
    ratios: &'static [(Cause, f64)],
}

/// Looks at a case and says what it found, if anything.
type Rule = fn(&Case<'_>) -> Option<Finding>;

const RULES: [&[Rule]; 10] = [
    dns::RULES,
    connect::RULES,
    service::RULES,
    tls::RULES,
    http::RULES,
    client::RULES,
    spread::RULES,
    inside::RULES[0],
    inside::RULES[1],
    inside::RULES[2],
];

/// The verdict on `target` that the evidence supports. Never fails: without evidence the
/// verdict is `inconclusive`.
#[must_use]
pub fn diagnose(target: &Target, evidence: &Evidence) -> Diagnosis {
    let case = Case::new(target, evidence);
    let mut facts = facts::of(&case);
    let findings: Vec<Finding> =
        RULES.iter().flat_map(|rules| rules.iter().filter_map(|rule| rule(&case))).collect();
    let causes = rank(&case, &findings, &mut facts);
    let state = state(&case, &causes);
    let stage = case.failure.map(|failure| {
        causes.first().map_or(failure.stage(), |cause| path::stage(cause.code, failure))
    });
    let mut diagnosis = Diagnosis {
        schema: SCHEMA.to_owned(),
        target: target.into(),
        state,
        failure: case.failure,
        stage,
        scope: scope(&case, state),
        summary: String::new(),
        path: path::draw(&case, state, stage),
        addresses: addresses(&case),
        seen_as: seen::seen(&case),
        evidence: facts,
        happenings: inside::happenings(&case),
        elapsed: elapsed(evidence),
        causes,
    };
    diagnosis.summary = summary::sentence(&case, &diagnosis);
    if let Some(told) = told_inside(&diagnosis, &findings) {
        diagnosis.summary += &format!(" {told}.");
    }
    diagnosis
}

/// Shares the weights out and keeps what is worth listing, the most likely first.
fn rank(case: &Case<'_>, findings: &[Finding], facts: &mut Vec<Fact>) -> Vec<RankedCause> {
    let mut weights: Vec<(Cause, f64)> = match case.failure {
        Some(failure) => priors::of(failure, case).to_vec(),
        None => Vec::new(),
    };
    let first = facts.len();
    for finding in findings {
        for (cause, ratio) in finding.ratios {
            match weights.iter_mut().find(|(known, _)| known == cause) {
                Some((_, weight)) => *weight *= ratio,
                // A cause that only this finding suggests starts as unlikely as any other.
                None if *ratio > 1.0 => weights.push((*cause, priors::UNSUGGESTED * ratio)),
                None => {}
            }
        }
        facts.push(Fact {
            id: format!("e{}", facts.len() + 1),
            stage: finding.stage,
            fact: finding.fact.clone(),
            source: finding.source.to_owned(),
        });
    }
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights.sort_by(|a, b| b.1.total_cmp(&a.1));
    weights
        .into_iter()
        .map(|(cause, weight)| (cause, (weight / total).min(CONFIDENCE_MAX)))
        .filter(|(_, confidence)| *confidence >= CONFIDENCE_MIN)
        .take(CAUSES_MAX)
        .map(|(code, confidence)| RankedCause {
            code,
            side: side(case, code),
            confidence: (confidence * 100.0).round() / 100.0,
            because: because(code, findings, first, facts),
            confirm: advice::confirm(code, case.target),
            fix: inside::fix(case, code)
                .into_iter()
                .chain(advice::fix(code, case.target))
                .collect(),
        })
        .collect()
}

/// The facts that speak for a cause: what the rules found, and the failing attempt itself.
fn because(code: Cause, findings: &[Finding], first: usize, facts: &[Fact]) -> Vec<String> {
    let supports = |finding: &Finding| finding.ratios.iter().any(|(c, r)| *c == code && *r >= 1.0);
    let mut ids: Vec<String> = facts
        .iter()
        .take(first)
        .filter(|fact| fact.source.starts_with(facts::FAILING))
        .map(|fact| fact.id.clone())
        .collect();
    let found = findings.iter().zip(&facts[first..]).filter(|(finding, _)| supports(finding));
    ids.extend(found.map(|(_, fact)| fact.id.clone()));
    ids
}

/// What the machine itself says that speaks most for the first cause.
fn told_inside(diagnosis: &Diagnosis, findings: &[Finding]) -> Option<String> {
    let first = diagnosis.causes.first()?.code;
    let support = |finding: &Finding| {
        let of_first = |(code, ratio): &(Cause, f64)| (*code == first).then_some(*ratio);
        finding.ratios.iter().find_map(of_first).filter(|ratio| *ratio >= 1.0)
    };
    let told = findings.iter().filter(|finding| finding.source.starts_with(inside::INSIDE));
    let told = told.filter_map(|finding| Some((support(finding)?, finding)));
    told.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, finding)| finding.fact.clone())
}

fn side(case: &Case<'_>, code: Cause) -> Side {
    match code {
        // Seen from inside, a port that has moved is the owner's to put right.
        Cause::ServiceWrongPort if case.evidence.inside.is_some() => code.side(),
        // A port or protocol that the visitor wrote is the visitor's to correct.
        Cause::ServiceWrongPort | Cause::ServiceWrongProtocol if case.port_is_unusual() => {
            Side::Visitor
        }
        _ => code.side(),
    }
}

fn state(case: &Case<'_>, causes: &[RankedCause]) -> State {
    let own_side = case.failure.is_some_and(crate::failure::Failure::is_own_fault)
        || (case.failure.is_some() && causes.first().is_some_and(|cause| cause.code.is_own_side()));
    if own_side { State::Inconclusive } else { case.state }
}

fn scope(case: &Case<'_>, state: State) -> Scope {
    let here = |observation: &crate::observation::Observation| {
        let seen = [(Location::local(), observation.clone())];
        correlate(&seen)
    };
    let mut scope = match (&case.evidence.scope, case.observation) {
        (Some(scope), _) => scope.clone(),
        (None, Some(observation)) => here(observation),
        (None, None) => correlate(&[]),
    };
    if state == State::Inconclusive {
        scope.kind = ScopeKind::Inconclusive;
    } else if case.alternates() && scope.kind == ScopeKind::Local {
        scope.kind = ScopeKind::Flapping;
    }
    scope
}

/// One per address, in the order tried: the newest failure counts, else the newest attempt.
fn addresses(case: &Case<'_>) -> Vec<AddressVerdict> {
    let mut verdicts: Vec<AddressVerdict> = Vec::new();
    for attempt in case.evidence.observations.iter().flat_map(|seen| &seen.attempts) {
        let verdict =
            AddressVerdict { ip: attempt.ip, failure: attempt.failure, elapsed: attempt.elapsed };
        match verdicts.iter_mut().find(|known| known.ip == attempt.ip) {
            Some(known) if attempt.failure.is_some() || known.failure.is_none() => {
                *known = verdict;
            }
            Some(_) => {}
            None => verdicts.push(verdict),
        }
    }
    verdicts
}

/// From the start of the first check to the end of the last.
fn elapsed(evidence: &Evidence) -> Duration {
    let Some(first) = evidence.observations.first() else { return Duration::ZERO };
    let end = |seen: &crate::observation::Observation| {
        Duration::try_from(seen.at.duration_since(first.at)).unwrap_or_default() + seen.elapsed
    };
    evidence.observations.iter().map(end).max().unwrap_or_default()
}
