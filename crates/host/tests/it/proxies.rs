//! Proxy variables, by curl's rules.

use whydown_core::target::Target;
use whydown_host::proxy::{choose, parse};

/// The proxy chosen for a target with these variables.
fn chosen(target: &str, variables: &[(&str, &str)]) -> Option<(String, String)> {
    let target: Target = target.parse().unwrap();
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    choose(&target, variable).map(|(proxy, name)| (proxy.authority(), name))
}

fn some(authority: &str, name: &str) -> Option<(String, String)> {
    Some((authority.to_owned(), name.to_owned()))
}

#[test]
fn the_variable_of_the_scheme_wins_over_the_general_one() {
    let variables = [("http_proxy", "http://a:3128"), ("ALL_PROXY", "b")];
    assert_eq!(chosen("http://x.test", &variables), some("a:3128", "http_proxy"));
    assert_eq!(chosen("https://x.test", &variables), some("b:1080", "ALL_PROXY"));
    assert_eq!(chosen("tcp://x.test:22", &variables), None);
    // A CGI client can set HTTP_PROXY by sending a "Proxy" header.
    assert_eq!(chosen("http://x.test", &[("HTTP_PROXY", "http://a:1")]), None);
    assert_eq!(chosen("https://x.test", &[("HTTPS_PROXY", "a:1")]), some("a:1", "HTTPS_PROXY"));
}

#[test]
fn exceptions_go_by_suffix_address_and_block() {
    let with = |target: &str, exceptions: &str| {
        chosen(target, &[("all_proxy", "p:1"), ("no_proxy", exceptions)]).is_some()
    };
    assert!(!with("http://x.test", "*"));
    assert!(!with("http://a.x.test", "other.test, .x.test"));
    assert!(!with("http://x.test", "x.test"));
    assert!(with("http://ax.test", "x.test"), "only whole labels");
    assert!(!with("http://192.0.2.7", "192.0.2.0/24"));
    assert!(with("http://192.0.3.7", "192.0.2.0/24"));
    assert!(!with("http://[2001:db8::1]", "2001:db8::/32"));
    assert!(with("http://192.0.2.7", ""));
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    let proxy = parse("http://user:p%40ss@proxy.test:3128/path").unwrap();
    assert_eq!(proxy.credentials.as_deref(), Some("user:p@ss"));
    assert_eq!(format!("{proxy:?}"), "http://proxy.test:3128");
    assert_eq!(parse("[2001:db8::1]:80").unwrap().authority(), "[2001:db8::1]:80");
    assert_eq!(parse("https://p").unwrap().port, 443);
    for broken in ["", "http://", "http://p:0", "http://p:99999", "http://[::1"] {
        assert_eq!(parse(broken), None, "{broken}");
    }
}
