//! What stands between a probe and its server: somebody who would like to be the server, and a
//! forward proxy that is the only way out.

use whydown_lab::{Answer, Behaviour, Ca, Flavour, Lab, Peer, Proxy, Receiver, Side, until};

use super::{PATIENCE, wait_live};
use crate::outage::Server;
use crate::places::Probe;

const CONFIG: &str = "local_probe: false
monitors:
  - { name: shop, target: \"http://10.99.2.10/\", interval: 1s }
";

#[test]
fn another_certificate_than_the_token_names_is_told_nothing() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let middle = lab.add_host("middle", Side::Server, 42);
    let _page = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let server = Server::start_open(&home, CONFIG);
    let ca = Ca::new();
    let identity = ca.identity(Flavour::SelfSigned, &["10.99.2.42", "10.99.2.40"]);
    let impostor = Receiver::start_tls(&middle, 8088, &identity);
    let token = server.add_location(&["--name", "fra1"]);
    let (right, wrong) = (server.link_url(), "https://10.99.2.42:8088".to_owned());
    let refuses = |probe: &Probe| {
        until(PATIENCE, "the probe to notice", || {
            let said = "not the certificate that the token was made for";
            probe.output().contains(said).then_some(())
        });
        let heard = impostor.requests();
        assert!(heard.is_empty(), "the impostor was told {heard:?}");
    };

    // When it enrols: the token is not given away, and still works with the right one.
    let mut probe = Probe::of(&lab.client(), wrong.clone(), token, Default::default());
    refuses(&probe);
    probe.kill();
    probe.server = right.clone();
    probe.start_again();
    server.wait_state("shop", "up");

    // When it comes back: its key is not given away either.
    probe.kill();
    probe.server = wrong;
    probe.start_again();
    refuses(&probe);
    probe.kill();
    probe.server = right;
    probe.start_again();
    wait_live(&server, "fra1");
}

#[test]
fn a_probe_whose_only_way_out_is_a_forward_proxy_enrols_and_reports() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let gate = lab.add_host("gate", Side::Client, 50);
    let receiver = Receiver::start(&home, 0);
    let page = || Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let proxy = || Peer::start(&gate, 3128, Behaviour::Proxy(Proxy::Works));
    let (shop, through) = (page(), proxy());
    let channels = format!(
        "channels:\n  - {{ name: ops, webhook: {{ url: \"{}\" }} }}\n{CONFIG}",
        receiver.url("/")
    );
    let server = Server::start_open(&home, &channels);
    lab.client().nft(
        "add table inet office\n\
         add chain inet office out { type filter hook output priority 0; }\n\
         add rule inet office out tcp dport 8088 drop\n",
    );
    let token = server.add_location(&["--name", "fra1"]);
    let wrapper = ["env", "https_proxy=http://10.99.1.50:3128"].map(str::to_owned).to_vec();
    let probe = Probe::with_token(&server, &lab.client(), token, wrapper);
    server.wait_state("shop", "up");
    assert!(through.accepted() > 0, "it came another way: {}", probe.output());

    // The proxy is started again while the shop fails.
    drop(through);
    let _through = proxy();
    drop(shop);
    let opened = until(PATIENCE, format!("an alert: {}", probe.output()), || {
        receiver.requests().into_iter().find(|r| r.json()["event"] == "incident.opened")
    });
    let places = &opened.json()["diagnosis"]["scope"]["places"];
    assert_eq!(places["failing"], serde_json::json!(["fra1"]));
    let _shop = page();
    server.wait_state("shop", "up");
}
