//! Verdicts on any target, from here or from other places.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use whydown_core::diagnose::diagnose as judge;
use whydown_core::evidence::Evidence;
use whydown_core::scope::{Location, Sight, scope_of};
use whydown_core::target::Target;

use super::caller::Caller;
use super::input::Object;
use super::problem::Problem;
use crate::access::Scope;
use crate::app::Answers;
use crate::web::Web;

/// Places named in one request at most.
const FROM_MAX: usize = 100;

/// `POST /diagnose`
pub(super) async fn diagnose(
    State(web): State<Web>,
    caller: Caller,
    object: Object,
) -> Result<Response, Problem> {
    // Not for `read`: it makes this server send packets to wherever the caller wants.
    caller.may(Scope::Write)?;
    let fields = object.only(&["target", "from"])?;
    let target = match fields.get("target") {
        Some(Value::String(target)) => target,
        Some(_) => return Err(Problem::field("target", "is not a text")),
        None => return Err(Problem::field("target", "is missing")),
    };
    let target: Target =
        target.parse().map_err(|error| Problem::field("target", format!("{error}")))?;
    let Ok(place) = web.diagnoses.clone().try_acquire_owned() else {
        let detail = "too many targets are being diagnosed; try again in a few seconds";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
    };
    let Some(from) = fields.get("from") else {
        return Ok(Json(web.app.diagnose(&target).await).into_response());
    };
    let from = selectors(from)?;
    let answers = web.app.diagnose_from(&target, &from);
    if answers.asked.is_empty() {
        return Err(Problem::field("from", "no place with a live probe is meant by it"));
    }
    let talk = Talk { answers, target, heard: Vec::new(), ended: false, begun: false };
    let lines = stream::unfold((talk, place), |(mut talk, place)| async {
        let value = talk.next().await?;
        let line = format!("{value}\n");
        Some((Ok::<_, Infallible>(Bytes::from(line)), (talk, place)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines.boxed())).into_response())
}

/// `"all"`, or a list of locations' names and labels.
fn selectors(value: &Value) -> Result<Vec<whydown_core::scope::Selector>, Problem> {
    let bad = || {
        let text = "is neither \"all\" nor a list of locations such as [\"fra1\", \"region:eu\"]";
        Problem::field("from", text)
    };
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) if (1..=FROM_MAX).contains(&items.len()) => {
            items.iter().map(|item| item.as_str().ok_or_else(bad)).collect::<Result<_, _>>()?
        }
        _ => return Err(bad()),
    };
    if texts.contains(&"all") {
        return Ok(Vec::new());
    }
    let parse =
        |text: &str| text.parse().map_err(|error| Problem::field("from", format!("{error}")));
    texts.into_iter().map(parse).collect()
}

/// Results as they arrive, and at last what they mean together.
struct Talk {
    answers: Answers,
    target: Target,
    heard: Vec<(String, Evidence)>,
    ended: bool,
    begun: bool,
}

impl Talk {
    async fn next(&mut self) -> Option<Value> {
        if !self.begun {
            self.begun = true;
            let asked: Vec<&str> = self.answers.asked.iter().map(|one| one.name.as_str()).collect();
            return Some(json!({ "asked": asked }));
        }
        if self.ended {
            return None;
        }
        match self.answers.next().await {
            Some((location, evidence)) => {
                let diagnosis = judge(&self.target, &evidence);
                let line = json!({ "location": location, "diagnosis": diagnosis });
                self.heard.push((location, evidence));
                Some(line)
            }
            None => {
                self.ended = true;
                Some(self.together())
            }
        }
    }

    /// The verdict of all places: that of the place that knows most, with the scope of all.
    fn together(&mut self) -> Value {
        let mut heard: BTreeMap<String, Evidence> =
            std::mem::take(&mut self.heard).into_iter().collect();
        let sights = self.answers.asked.iter().map(|location: &Location| {
            let Some(evidence) = heard.get(&location.name) else {
                return Sight::silent(location.clone());
            };
            let state = judge(&self.target, evidence).state;
            match evidence.observations.last() {
                Some(seen) => Sight { state, ..Sight::of(location.clone(), seen) },
                None => Sight::silent(location.clone()),
            }
        });
        let scope = scope_of(&sights.collect::<Vec<_>>());
        let witness = scope.places.failing.first().or(scope.places.fine.first());
        let evidence = witness.and_then(|name| heard.remove(name));
        let diagnosis = evidence.map(|mut evidence| {
            evidence.scope = Some(scope.clone());
            judge(&self.target, &evidence)
        });
        json!({ "scope": scope, "diagnosis": diagnosis })
    }
}
