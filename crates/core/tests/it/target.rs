//! What people type, and what it means.

use proptest::prelude::*;
use whydown_core::target::{Host, PortSource, Scheme, Target, TargetError};

fn parse(text: &str) -> Target {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> String {
    text.parse::<Target>().expect_err(text).to_string()
}

#[test]
fn bare_names_and_ports_are_understood() {
    for (text, canonical) in [
        ("example.com", "https://example.com/"),
        ("Example.COM.", "https://example.com/"),
        ("example.com:8443", "https://example.com:8443/"),
        ("example.com:80", "http://example.com/"),
        ("example.com:22", "ssh://example.com"),
        ("example.com:5432", "postgres://example.com"),
        ("example.com:7777", "tcp://example.com:7777"),
        ("192.0.2.1", "https://192.0.2.1/"),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080/"),
        ("2001:db8::1", "https://[2001:db8::1]/"),
        ("http://example.com?q=1#top", "http://example.com/?q=1"),
        ("HTTPS://example.com:443/a", "https://example.com/a"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("postgresql://db", "postgres://db"),
        ("dns://example.com", "dns://example.com"),
        ("dns://example.com?type=mx", "dns://example.com?type=MX"),
        ("icmp://example.com", "icmp://example.com"),
        ("udp://example.com:53", "udp://example.com:53"),
        (" https://example.com ", "https://example.com/"),
    ] {
        assert_eq!(parse(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn every_scheme_parses_and_is_printed_as_it_was_written() {
    for scheme in Scheme::ALL {
        let port =
            if scheme.default_port().is_none() && scheme != Scheme::Icmp { ":7" } else { "" };
        let slash = if scheme.is_http() { "/" } else { "" };
        let text = format!("{scheme}://example.com{port}{slash}");
        let target = parse(&text);
        assert_eq!(target.scheme, scheme);
        assert_eq!(target.to_string(), text);
    }
}

#[test]
fn the_port_says_where_it_came_from() {
    assert_eq!(parse("https://example.com").port_source, PortSource::Default);
    assert_eq!(parse("https://example.com:443").port_source, PortSource::Given);
    assert_eq!(parse("icmp://example.com").port_source, PortSource::None);
    assert_eq!(parse("icmp://example.com").port, 0);
}

#[test]
fn addresses_are_hosts() {
    assert_eq!(parse("tcp://[::1]:5").host, Host::Ip("::1".parse().unwrap()));
    assert_eq!(parse("tcp://[::1]:5").authority(), "[::1]:5");
}

#[test]
fn errors_name_the_value_and_what_would_be_valid() {
    for (text, part) in [
        ("", "the target is empty"),
        ("https://", "names no host"),
        ("https://example.com:0", "\"0\" is not a port; a port is a number from 1 to 65535"),
        ("https://example.com:65536", "\"65536\" is not a port"),
        ("https://example.com:", "\"\" is not a port"),
        ("https://example.com:+80", "\"+80\" is not a port"),
        ("htps://example.com", "unknown scheme \"htps\""),
        ("htps://example.com", "did you mean https://?"),
        ("gopher://example.com", "known are https, http, tcp"),
        ("tcp://example.com", "tcp:// needs a port; write for example tcp://example.com:5432"),
        ("icmp://example.com:7", "icmp:// has no ports"),
        ("https://user:secret@example.com", "must not contain a user name or password"),
        ("https://exa mple.com", "contains a blank"),
        ("ssh://example.com/path", "ssh:// has no path"),
        ("dns://example.com?type=HINFO", "\"HINFO\" is not a record type"),
        ("https://a..b", "two dots in a row"),
        ("https://[::1", "is not a valid host name or address"),
    ] {
        let message = error(text);
        assert!(message.contains(part), "{text}: {message}");
    }
    assert!(!error("https://user:secret@example.com").contains("secret"));
    assert_eq!("x".repeat(3_000).parse::<Target>(), Err(TargetError::TooLong(3_000)));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<Target>();
    }

    #[test]
    fn what_is_printed_is_read_back(
        scheme in proptest::sample::select(Scheme::ALL.to_vec()),
        host in "[a-z][a-z0-9-]{0,20}[a-z0-9](\\.[a-z]{2,5}){0,2}",
        port in 1_u16..,
    ) {
        let port = if scheme == Scheme::Icmp { String::new() } else { format!(":{port}") };
        if let Ok(target) = format!("{scheme}://{host}{port}").parse::<Target>() {
            let again: Target = target.to_string().parse().unwrap();
            prop_assert_eq!(again.to_string(), target.to_string());
            prop_assert_eq!((again.host, again.port), (target.host, target.port));
        }
    }
}
