//! The form of a channel, made of what each kind says of its own settings; a secret is never
//! shown, and stays when nothing is typed.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

use super::Web;
use super::channels::icon;
use super::dress::{Trouble, page, page_with};
use super::forms::{Fields, channel_value};
use super::frame::{Flash, Frame, Visit};
use crate::app::{ChannelEntry, EditError, Origin};
use crate::channel::{ChannelKind, Field, KINDS, Kind, Shape};
use crate::config::{self, Problem};

#[derive(Template)]
#[template(path = "channel_form.html")]
struct FormPage {
    frame: Frame,
    title: &'static str,
    about: String,
    icon: &'static str,
    /// Where the form goes.
    action: String,
    /// The name, as typed; fixed when it is changed.
    name: String,
    slug: &'static str,
    exists: bool,
    inputs: Vec<Input>,
    terms: TermsForm,
    problems: Vec<Problem>,
}

/// How it is used, whatever its kind.
#[derive(Clone, Debug, Default)]
struct TermsForm {
    rate: String,
    fallback: String,
    fallback_after: String,
    /// Channels that may stand in, and whether it is the one.
    others: Vec<(String, bool)>,
    /// What is wrong with each of these.
    rate_problem: Option<String>,
    fallback_problem: Option<String>,
    after_problem: Option<String>,
}

impl TermsForm {
    /// With the texts that `get` has, and what is wrong with them taken out of `problems`.
    fn new(
        web: &Web,
        own: &str,
        get: impl Fn(&str) -> String,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut problem = |key: &str| {
            let at = problems.iter().position(|problem| problem.key == key)?;
            Some(told(&problems.remove(at)))
        };
        let fallback = get("fallback");
        let channels = web.app.channels();
        let others = channels.iter().map(|entry| entry.channel.name.clone());
        let others = others.filter(|name| name != own);
        Self {
            others: others.map(|name| (name.clone(), name == fallback)).collect(),
            rate: get("rate"),
            fallback_after: get("fallback_after"),
            fallback,
            rate_problem: problem("rate"),
            fallback_problem: problem("fallback"),
            after_problem: problem("fallback_after"),
        }
    }

    /// Something stands in it already.
    fn is_used(&self) -> bool {
        let problem = [&self.rate_problem, &self.fallback_problem, &self.after_problem];
        !self.rate.is_empty()
            || !self.fallback.is_empty()
            || problem.iter().any(|problem| problem.is_some())
    }
}

/// A problem on one line.
fn told(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{}: {hint}", problem.message),
        None => problem.message.clone(),
    }
}

/// One setting in a form.
#[derive(Clone, Debug)]
struct Input {
    key: &'static str,
    label: String,
    about: String,
    example: &'static str,
    required: bool,
    value: String,
    /// A secret is there already and stays when nothing is typed.
    kept: bool,
    shape: Shape,
    problem: Option<String>,
}

impl Input {
    /// What kind of element it becomes.
    fn element(&self) -> &'static str {
        match self.shape {
            Shape::Text | Shape::Address => "text",
            Shape::Secret => "secret",
            Shape::Long | Shape::List => "area",
            Shape::LongSecret | Shape::Map => "secret-area",
            Shape::Number(..) => "number",
            Shape::Flag | Shape::Choice(_) => "choice",
        }
    }

    fn choices(&self) -> Vec<(&'static str, bool)> {
        let words: &[&'static str] = match self.shape {
            Shape::Choice(words) => words,
            _ => &["true", "false"],
        };
        words.iter().map(|word| (*word, *word == self.value)).collect()
    }

    fn limits(&self) -> (u64, u64) {
        match self.shape {
            Shape::Number(min, max) => (min, max),
            _ => (0, 0),
        }
    }

    /// An example that could be mistaken for a value is none.
    fn placeholder(&self) -> &'static str {
        if self.example.starts_with("${") { "" } else { self.example }
    }
}

/// What stands in the form's fields.
enum Typed<'a> {
    Nothing,
    /// A submitted form; secrets are typed again.
    Form(&'a Fields),
    /// The settings in force, without secrets.
    Settings(&'a Value),
}

fn inputs(kind: &Kind, typed: &Typed<'_>, exists: bool, problems: &mut Vec<Problem>) -> Vec<Input> {
    let mut inputs = Vec::new();
    for field in kind.fields {
        let at = format!("{}.{}", kind.word, field.key);
        let (mine, others): (Vec<Problem>, Vec<Problem>) =
            std::mem::take(problems).into_iter().partition(|problem| problem.key.starts_with(&at));
        *problems = others;
        inputs.push(Input {
            key: field.key,
            label: label(field.key),
            about: field.about(),
            example: field.example,
            required: field.required,
            value: value(field, typed),
            kept: exists && is_secret(field),
            shape: field.shape,
            problem: mine.first().map(told),
        });
    }
    inputs
}

fn is_secret(field: &Field) -> bool {
    matches!(field.shape, Shape::Secret | Shape::LongSecret | Shape::Map)
}

fn value(field: &Field, typed: &Typed<'_>) -> String {
    match typed {
        Typed::Nothing => String::new(),
        Typed::Form(_) if is_secret(field) => String::new(),
        Typed::Form(form) => form.get(field.key).to_owned(),
        Typed::Settings(_) if is_secret(field) => String::new(),
        Typed::Settings(settings) => match &settings[field.key] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                let texts = items.iter().map(|item| item.as_str().unwrap_or_default());
                texts.collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        },
    }
}

/// A key for people: `api_base` is "API base".
fn label(key: &str) -> String {
    let mut words: Vec<String> = key.split('_').map(str::to_owned).collect();
    for word in &mut words {
        match word.as_str() {
            "api" | "url" | "id" | "smtp" | "tls" => *word = word.to_uppercase(),
            "argv" => "Program and arguments".clone_into(word),
            _ => {}
        }
    }
    let label = words.join(" ");
    let mut chars = label.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn kind(slug: &str) -> Result<&'static Kind, Trouble> {
    KINDS.iter().find(|kind| kind.slug == slug).ok_or(Trouble::NotFound("kind of channel"))
}

fn form_page(web: &Web, visit: &Visit, kind: &'static Kind) -> FormPage {
    FormPage {
        frame: visit.frame(web, format!("Add: {}", kind.title), "channels"),
        title: kind.title,
        about: kind.about(),
        icon: icon(kind),
        action: "/channels".to_owned(),
        name: String::new(),
        slug: kind.slug,
        exists: false,
        inputs: Vec::new(),
        terms: TermsForm::new(web, "", |_| String::new(), &mut Vec::new()),
        problems: Vec::new(),
    }
}

/// `GET /new-channel/{kind}`
pub(super) async fn new(
    State(web): State<Web>,
    visit: Visit,
    Path(slug): Path<String>,
) -> Result<Response, Trouble> {
    let kind = kind(&slug)?;
    let mut form = form_page(&web, &visit, kind);
    form.inputs = inputs(kind, &Typed::Nothing, false, &mut Vec::new());
    page(&form)
}

/// The form again, with what is wrong beside each field.
fn again(
    web: &Web,
    mut form: FormPage,
    kind: &'static Kind,
    fields: &Fields,
    error: EditError,
) -> Result<Response, Trouble> {
    let (status, mut problems) = match error {
        EditError::Invalid(problems) => (StatusCode::UNPROCESSABLE_ENTITY, problems),
        error @ EditError::NameTaken { .. } => {
            let message = error.to_string();
            let problem = Problem { key: "name".to_owned(), message, hint: None, place: None };
            (StatusCode::CONFLICT, vec![problem])
        }
        error => return Err(error.into()),
    };
    form.frame.flash = Some(Flash::bad(if form.exists {
        "The channel was not changed."
    } else {
        "The channel was not created."
    }));
    form.inputs = inputs(kind, &Typed::Form(fields), form.exists, &mut problems);
    let typed = |key: &str| fields.get(key).to_owned();
    form.terms = TermsForm::new(web, &form.name, typed, &mut problems);
    form.problems = problems;
    page_with(status, &form)
}

/// `POST /channels`
pub(super) async fn create(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let kind = kind(fields.get("kind"))?;
    let made = match config::channel(&channel_value(kind, &fields)) {
        Ok(channel) => web.app.create_channel(channel).await,
        Err(problems) => Err(EditError::Invalid(problems)),
    };
    match made {
        Ok(_) => Ok(Redirect::to("/channels?done=created").into_response()),
        Err(error) => {
            let mut form = form_page(&web, &visit, kind);
            fields.get("name").clone_into(&mut form.name);
            again(&web, form, kind, &fields, error)
        }
    }
}

fn found(web: &Web, name: &str) -> Result<ChannelEntry, Trouble> {
    let channels = web.app.channels();
    let entry = channels.iter().find(|entry| entry.channel.name == name);
    entry.cloned().ok_or(Trouble::NotFound("channel"))
}

fn edit_page(web: &Web, visit: &Visit, name: &str, of: &ChannelKind) -> FormPage {
    let kind = of.kind();
    FormPage {
        frame: visit.frame(web, format!("Change {name}"), "channels"),
        action: format!("/channels/{}/edit", crate::notify::reply::segment(name)),
        name: name.to_owned(),
        exists: true,
        ..form_page(web, visit, kind)
    }
}

/// `GET /channels/{name}/edit`
pub(super) async fn edit(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let entry = found(&web, &name)?;
    if entry.origin == Origin::File {
        let error = EditError::read_only("channel", &name, web.app.roster().file());
        return Err(error.into());
    }
    let mut form = edit_page(&web, &visit, &name, &entry.channel.kind);
    let kind = entry.channel.kind.kind();
    let shown = entry.channel.to_shown();
    form.inputs = inputs(kind, &Typed::Settings(&shown[kind.word]), true, &mut Vec::new());
    let set = |key: &str| match &shown[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    form.terms = TermsForm::new(&web, &name, set, &mut Vec::new());
    page(&form)
}

/// `POST /channels/{name}/edit`
pub(super) async fn update(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let entry = found(&web, &name)?;
    let kind = entry.channel.kind.kind();
    let mut value = channel_value(kind, &fields);
    keep_secrets(kind, &mut value, &entry, &fields);
    match web.app.update_channel(&name, value).await {
        Ok(_) => Ok(Redirect::to("/channels?done=saved").into_response()),
        Err(error) => {
            let form = edit_page(&web, &visit, &name, &entry.channel.kind);
            again(&web, form, kind, &fields, error)
        }
    }
}

/// A secret that was not typed again keeps what it was, unless it shall be forgotten.
fn keep_secrets(kind: &Kind, value: &mut Value, entry: &ChannelEntry, fields: &Fields) {
    let shown = entry.channel.to_shown();
    let Value::Object(settings) = &mut value[kind.word] else { return };
    for field in kind.fields.iter().filter(|field| is_secret(field)) {
        let forget = !fields.get(&format!("forget-{}", field.key)).is_empty();
        if !forget && !settings.contains_key(field.key) && !shown[kind.word][field.key].is_null() {
            settings.insert(field.key.to_owned(), shown[kind.word][field.key].clone());
        }
    }
}

/// The channel form as the JSON that configuration and API check.
pub(super) fn settings_of(kind: &Kind, fields: &Fields) -> Map<String, Value> {
    let mut settings = Map::new();
    for field in kind.fields {
        let typed = match field.shape {
            Shape::Secret | Shape::LongSecret => fields.exact(field.key),
            _ => fields.get(field.key).to_owned(),
        };
        if typed.is_empty() {
            continue;
        }
        let value = match field.shape {
            Shape::List => fields.lines(field.key).into(),
            Shape::Map => headers(&fields.lines(field.key)),
            Shape::Flag => match typed.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                _ => typed.into(),
            },
            _ => typed.into(),
        };
        settings.insert(field.key.to_owned(), value);
    }
    settings
}

/// Lines of `Name: value`.
fn headers(lines: &[String]) -> Value {
    let pair = |line: &String| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.trim().to_owned(), Value::from(value.trim()))
    };
    Value::Object(lines.iter().map(pair).collect())
}
