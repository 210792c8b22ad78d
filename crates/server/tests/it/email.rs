//! Mail through a real Exim: plain, STARTTLS, TLS from the start, accounts, threads and refusals.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use whydown_lab::{Ca, Doorman, Exim, Flavour, Host, Smtp};
use whydown_server::config;
use whydown_server::serve::{Running, Surroundings};
use whydown_server::store::{DeliveryState, IncidentFilter};

use crate::support::{
    PATIENCE, around, config as configuration, eventually, fine, monitor, refused, scratch,
};

struct Setup {
    running: Running,
    _dir: tempfile::TempDir,
}

async fn server(email: &Value, ca: Option<&Ca>) -> Setup {
    let dir = scratch();
    let channel = config::channel(&json!({ "name": "mail", "email": email })).unwrap();
    let file = configuration(dir.path(), &[monitor("shop", &["mail"])], &[channel]);
    let bundle = ca.map(|ca| CertificateDer::pem_file_iter(ca.bundle()).unwrap());
    let authorities = bundle.map(|bundle| bundle.map(Result::unwrap).collect());
    let around = Surroundings {
        authorities: authorities.unwrap_or_default(),
        attempt_timeout: Duration::from_secs(8),
        ..around()
    };
    Setup { running: Running::start_in(file, around).await.unwrap(), _dir: dir }
}

fn email(scheme: &str, exim: &Exim) -> Value {
    json!({
        "smtp": format!("{scheme}://localhost:{}", exim.port()),
        "from": "Whydown <whydown@example.com>",
        "to": ["ops@example.com", "On call <oncall@example.com>"],
    })
}

fn with_account(mut email: Value, password: &str) -> Value {
    email["username"] = "whydown".into();
    email["password"] = password.into();
    email
}

#[tokio::test(flavor = "multi_thread")]
async fn one_incident_is_one_thread_of_mails_as_text_and_html() {
    let exim = Exim::start(&Host::machine(), 0, &Smtp::default());
    let setup = server(&email("smtp", &exim), None).await;
    setup.running.report(refused("shop", 0)).await;
    exim.wait_for(2, PATIENCE);
    setup.running.report(fine("shop", 60)).await;
    // Exim writes one file per recipient.
    let mut mails = exim.wait_for(4, PATIENCE);
    let called = mails.iter().filter(|mail| mail.recipients == ["oncall@example.com"]).count();
    assert_eq!(called, 2);
    mails.retain(|mail| mail.recipients == ["ops@example.com"]);
    assert_eq!(mails[0].subject(), "shop is down: tcp.refused");
    assert_eq!(mails[1].subject(), "shop is up again after 1m");
    let text = mails[0].text("text/plain");
    assert!(text.contains("Failure   tcp.refused at stage server"), "{text}");
    let kinds: Vec<String> = mails[0].parts().into_iter().map(|part| part.kind).collect();
    assert_eq!(kinds, ["text/plain", "text/html"]);
    let html = mails[0].text("text/html");
    assert!(html.contains("service.not_listening") && html.contains("ss -tlnp"), "{html}");
    assert_eq!(mails[0].headers.get("auto-submitted"), Some("auto-generated"));
    println!("{}\n\n{text}\n{html}", mails[0].subject());
    let id = mails[0].headers.get("message-id").unwrap();
    assert!(id.ends_with("@example.com>"), "{id}");
    assert_eq!(mails[1].headers.get("references"), Some(id));
    assert_eq!(mails[1].headers.get("in-reply-to"), Some(id));
    assert_ne!(mails[1].headers.get("message-id"), Some(id));
    assert_eq!(mails[0].headers.get("references"), None);
    setup.running.stop().await;
    assert_eq!(exim.mail().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_servers_with_accounts_get_their_mail() {
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["localhost"]);
    let login = Smtp::default().login("whydown", "planted");
    for (scheme, smtp) in
        [("smtp", login.clone().starttls(&identity)), ("smtps", login.implicit_tls(&identity))]
    {
        let exim = Exim::start(&Host::machine(), 0, &smtp);
        let account = with_account(email(scheme, &exim), "planted");
        let setup = server(&account, Some(&ca)).await;
        setup.running.app().send_test("mail").await.unwrap();
        let mail = exim.wait_for(1, PATIENCE).remove(0);
        assert_eq!(mail.subject(), "whydown: test message");
        assert!(mail.text("text/plain").contains("Nothing is wrong."));
        setup.running.stop().await;
        assert!(exim.log().contains("X=TLS"), "{scheme}: {}", exim.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_an_unknown_authority_and_missing_tls_are_clear_errors() {
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["localhost"]);
    let exim = Exim::start(
        &Host::machine(),
        0,
        &Smtp::default().login("whydown", "right").starttls(&identity),
    );
    let wrong = with_account(email("smtp", &exim), "planted");
    let plain = Exim::start(&Host::machine(), 0, &Smtp::default());
    let needs_tls = with_account(email("smtp", &plain), "planted");
    for (email, ca, words) in [
        (&wrong, Some(&ca), "(535): Incorrect authentication data"),
        (&wrong, None, "invalid peer certificate: UnknownIssuer"),
        (&needs_tls, None, "STARTTLS"),
    ] {
        let setup = server(email, ca).await;
        let error = setup.running.app().send_test("mail").await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.starts_with("smtp://localhost:"), "{error}");
        assert!(!error.contains("planted"), "{error}");
        setup.running.stop().await;
    }
    assert!(exim.mail().is_empty() && plain.mail().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn greylisted_mail_comes_later_and_rejected_mail_waits_for_a_repair() {
    let exim = Exim::start(&Host::machine(), 0, &Smtp::default());
    exim.set_doorman(Doorman::Greylists);
    let setup = server(&email("smtp", &exim), None).await;
    setup.running.report(refused("shop", 0)).await;
    let store = setup.running.app().store();
    let told = async |attempts: u32| {
        eventually("an attempt", async || {
            let all = store.incidents(&IncidentFilter::default(), None, 1).await.unwrap();
            let told = store.notices_of(&all.first()?.id).await.unwrap();
            told.into_iter().find(|told| told.attempts >= attempts)
        })
        .await
    };
    let waiting = told(2).await;
    assert_eq!(waiting.state, DeliveryState::Waiting);
    assert!(waiting.last_error.unwrap().contains("451"));
    exim.set_doorman(Doorman::Accepts);
    exim.wait_for(1, PATIENCE);
    exim.set_doorman(Doorman::Rejects);
    let error = setup.running.app().send_test("mail").await.unwrap_err().to_string();
    assert!(error.contains("550"), "{error}");
    setup.running.stop().await;
    assert_eq!(exim.mail().len(), 2, "one per recipient");
}
