//! A real nginx is stopped and started: who hears what, and when.

use std::time::Duration;

use jiff::Timestamp;
use whydown_lab::{Exim, Lab, Nginx, Receiver, Smtp};

use super::{Server, arrival, millis_between, time};

#[test]
fn a_stopped_nginx_is_told_within_a_second_and_a_half_and_its_return_once() {
    let lab = Lab::new();
    let nginx = Nginx::start(&lab.server(), r#"server { listen 80; return 200 "hello"; }"#);
    let receiver = Receiver::start(&lab.client(), 0);
    let exim = Exim::start(&lab.client(), 2525, &Smtp::default());
    let config = format!(
        "monitors:
  - name: shop
    target: http://10.99.2.10/
    interval: 1s
    notify: [ops, mail]
channels:
  - name: ops
    webhook: {{ url: \"{}\" }}
  - name: mail
    email: {{ smtp: \"smtp://127.0.0.1:{}\", from: whydown@example.com, to: [ops@example.com] }}
",
        receiver.url("/hook"),
        exim.port()
    );
    let server = Server::start(&lab.client(), &config);
    server.wait_state("shop", "up");

    nginx.stop();
    let request = receiver.wait_for(1, Duration::from_secs(10)).remove(0);
    let mail = exim.wait_for(1, Duration::from_secs(10)).remove(0);
    let body = request.json();
    assert_eq!(body["schema"], "whydown.notice/1");
    assert_eq!(body["event"], "incident.opened");
    let diagnosis = &body["diagnosis"];
    assert_eq!(diagnosis["failure"], "tcp.refused");
    assert_eq!(diagnosis["stage"], "server");
    let cause = &diagnosis["causes"][0];
    assert_eq!(
        (&cause["code"], &cause["side"]),
        (&"service.not_listening".into(), &"owner".into())
    );
    let fix = cause["fix"][0]["text"].as_str().unwrap();
    assert!(mail.subject().contains("shop is down: tcp.refused"), "{}", mail.subject());
    let text = mail.text("text/plain");
    for part in ["tcp.refused at stage server", "service.not_listening", "owner"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!fix.is_empty() && text.contains(&fix[..fix.len().min(20)]), "{fix:?} in {text}");

    let first = time(&body["incident"]["started_at"]);
    let webhook_ms = millis_between(first, arrival(&request));
    let mail_ms = millis_between(first, Timestamp::try_from(mail.delivered).unwrap());
    println!("first failing check → webhook {webhook_ms} ms, mail {mail_ms} ms");
    assert!((0..1_500).contains(&webhook_ms), "webhook after {webhook_ms} ms\n{}", server.output());
    assert!((0..1_500).contains(&mail_ms), "mail after {mail_ms} ms\n{}", server.output());

    nginx.start_again();
    let requests = receiver.wait_for(2, Duration::from_secs(15));
    let mails = exim.wait_for(2, Duration::from_secs(10));
    let resolved = requests[1].json();
    assert_eq!(resolved["event"], "incident.resolved");
    assert_eq!(resolved["incident"]["id"], body["incident"]["id"]);
    let lasted = resolved["incident"]["duration_ms"].as_f64().unwrap();
    let end = time(&resolved["incident"]["resolved_at"]);
    assert!((lasted - millis_between(first, end) as f64).abs() < 2.0, "{lasted} ms");
    assert!(mails[1].subject().contains("shop is up again after"), "{}", mails[1].subject());

    server.wait_state("shop", "up");
    let incident = server.get(&format!("/incidents/{}", body["incident"]["id"].as_str().unwrap()));
    assert_eq!(incident["phase"], "resolved");
    assert_eq!(incident["notices"].as_array().unwrap().len(), 4);
    assert_eq!(receiver.requests().len(), 2, "each message once");
    assert_eq!(exim.mail().len(), 2, "each message once");
}
