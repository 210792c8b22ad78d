//! Any target, checked now: the same verdict as an incident's page gives, without a monitor.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use whydown_core::target::Target;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::forms::Fields;
use super::frame::{Frame, Visit};
use super::view::verdict::{Verdict, verdict};

#[derive(Template)]
#[template(path = "diagnose.html")]
struct DiagnosePage {
    frame: Frame,
    target: String,
    problem: Option<String>,
    verdict: Option<Verdict>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    target: String,
}

/// `GET /diagnose`: only the form; looking at an address must not send packets anywhere.
pub(super) async fn form(
    State(web): State<Web>,
    visit: Visit,
    Query(Ask { target }): Query<Ask>,
) -> Result<Response, Trouble> {
    let frame = visit.frame(&web, "Diagnose", "diagnose");
    page(&DiagnosePage { frame, target, problem: None, verdict: None })
}

/// `POST /diagnose`
pub(super) async fn diagnose(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let typed = fields.get("target").to_owned();
    let mut frame = visit.frame(&web, "Diagnose", "diagnose");
    let target: Target = match typed.parse() {
        Ok(target) => target,
        Err(error) => {
            let problem = Some(error.to_string());
            let template = DiagnosePage { frame, target: typed, problem, verdict: None };
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &template);
        }
    };
    let Ok(_place) = web.diagnoses.try_acquire() else {
        return Err(Trouble::Unavailable(
            "Too many targets are being diagnosed at this moment. Try again in a few seconds."
                .to_owned(),
        ));
    };
    let diagnosis = web.app.diagnose(&target).await;
    frame.title = format!("Diagnosis of {}", target.authority());
    let verdict = Some(verdict(&diagnosis));
    page(&DiagnosePage { frame, target: typed, problem: None, verdict })
}
