//! Every failure and cause is explained, and every command fits the target it is made for.

use whydown_core::advice;
use whydown_core::cause::{Cause, Side};
use whydown_core::diagnosis::Instruction;
use whydown_core::failure::Failure;
use whydown_core::target::{Scheme, Target};

/// Most steps shown for one cause and purpose.
const STEPS_MAX: usize = 8;

fn target(text: &str) -> Target {
    text.parse().expect("a valid target")
}

fn targets() -> Vec<Target> {
    [
        "https://example.com/",
        "http://shop.example.com:8080/a?b=c&d={e}",
        "https://[2001:db8::5]:8443/",
        "ssh://build.example.com",
        "postgres://192.0.2.7",
        "mysql://db.example.com",
        "redis://cache.example.com:6380",
        "smtp://mail.example.com",
        "minecraft://play.example.com",
        "tcp://192.0.2.9:7777",
        "tls://example.com:853",
        "udp://example.com:514",
        "icmp://example.com",
        "dns://example.com",
    ]
    .map(target)
    .to_vec()
}

fn steps(cause: Cause, target: &Target) -> Vec<Instruction> {
    let mut all = advice::confirm(cause, target);
    all.extend(advice::fix(cause, target));
    all
}

#[test]
fn every_failure_is_explained() {
    for failure in Failure::ALL {
        assert!(!advice::title(*failure).is_empty(), "{failure}: title");
        assert!(!advice::predicate(*failure).is_empty(), "{failure}: predicate");
        assert!(advice::explanation(*failure).len() > 40, "{failure}: explanation");
        assert!(!advice::timing(*failure).is_empty(), "{failure}: timing");
        assert!(!advice::usual_causes(*failure).is_empty(), "{failure}: causes");
        for other in advice::look_alikes(*failure) {
            assert!(other.failure != *failure, "{failure} is its own look-alike");
            assert!(other.difference.ends_with('.'), "{failure}: {}", other.difference);
        }
    }
}

#[test]
fn every_cause_is_explained_and_has_steps_for_every_target() {
    for cause in Cause::ALL {
        assert!(!advice::cause_title(*cause).is_empty(), "{cause}: title");
        assert!(advice::cause_explanation(*cause).len() > 40, "{cause}: explanation");
        assert!(advice::told_apart(*cause).len() > 20, "{cause}: told apart");
        for target in targets() {
            let sentence = advice::sentence(*cause, &target);
            assert!(!sentence.is_empty() && !sentence.ends_with('.'), "{cause}: {sentence}");
            let act = advice::act(*cause, cause.side(), &target);
            assert!(act.ends_with('.') && act.starts_with(char::is_uppercase), "{cause}: {act}");
            let (confirm, fix) = (advice::confirm(*cause, &target), advice::fix(*cause, &target));
            assert!(!fix.is_empty(), "{cause} of {target}: nothing to do");
            assert!(
                confirm.len() <= STEPS_MAX,
                "{cause} of {target}: {} to confirm",
                confirm.len()
            );
            assert!(fix.len() <= STEPS_MAX, "{cause} of {target}: {} to fix", fix.len());
        }
    }
}

#[test]
fn steps_are_filled_in_and_say_where_they_run() {
    let placeholders = [
        "{host",
        "{port",
        "{url",
        "{authority",
        "{unit",
        "{service",
        "{check",
        "{listen",
        "{owner",
        "{proto",
        "{letter",
        "{origin",
    ];
    for cause in Cause::ALL {
        for target in targets() {
            for step in steps(*cause, &target) {
                let command = step.command.clone().unwrap_or_default();
                let both = format!("{}\n{command}", step.text);
                for placeholder in placeholders {
                    assert!(!both.contains(placeholder), "{cause} of {target}: {both}");
                }
                let on = ["server", "client", "router", "dns", "browser"];
                assert!(on.contains(&step.on.as_str()), "{cause}: on {}", step.on);
                let os = ["linux", "windows", "macos", "any"];
                assert!(os.contains(&step.os.as_str()), "{cause}: os {}", step.os);
                assert!(!step.text.is_empty(), "{cause}: {command}");
            }
        }
    }
}

#[test]
fn commands_name_the_users_own_host_and_port() {
    let all = steps(Cause::ServiceNotListening, &target("https://example.com/"));
    let commands: Vec<&str> = all.iter().filter_map(|step| step.command.as_deref()).collect();
    assert!(commands[0].ends_with("ss -tlnp 'sport = :443'"), "{commands:?}");
    assert!(commands.contains(&"nc -vz -w 5 example.com 443"), "{commands:?}");
    assert!(commands.contains(&"Test-NetConnection -ComputerName example.com -Port 443"));
    assert!(commands.contains(&"sudo systemctl enable --now nginx"), "{commands:?}");
}

#[test]
fn the_service_follows_from_scheme_and_port() {
    let unit = |text: &str| {
        let steps = advice::fix(Cause::ServiceNotListening, &target(text));
        steps[0].command.clone().unwrap()
    };
    assert!(unit("ssh://example.com").ends_with(" ssh"));
    assert!(unit("tcp://example.com:5432").ends_with(" postgresql"));
    assert!(unit("postgres://example.com:6000").ends_with(" postgresql"));
    assert!(unit("smtp://example.com").ends_with(" postfix"));
    assert!(unit("tcp://example.com:7777").ends_with(" SERVICE"));
}

#[test]
fn the_verdicts_sentence_reads_as_in_the_design() {
    let target = target("https://example.com/");
    let cause = Cause::ServiceNotListening;
    let summary = format!(
        "{}: {}. {}",
        advice::headline(Failure::TcpRefused, &target),
        advice::sentence(cause, &target),
        advice::act(cause, Side::Owner, &target),
    );
    assert_eq!(
        summary,
        "example.com:443 refuses connections: nothing listens on the port. \
         The website owner has to start the service."
    );
}

#[test]
fn causes_that_change_sides_name_the_side_that_acts() {
    let target = target("http://example.com/");
    let owner = advice::act(Cause::ServiceWrongPort, Side::Owner, &target);
    let visitor = advice::act(Cause::ServiceWrongPort, Side::Visitor, &target);
    assert!(owner.starts_with("The website owner"));
    assert_ne!(owner, visitor);
}

#[test]
fn hostile_targets_cannot_leave_their_quotes() {
    for scheme in [Scheme::Http, Scheme::Tcp] {
        let path = if scheme == Scheme::Http { "/'$(touch${IFS}x)'" } else { "" };
        let target = target(&format!("{scheme}://$(id).example.com:80{path}"));
        for cause in Cause::ALL {
            for step in steps(*cause, &target) {
                let command = step.command.unwrap_or_default();
                assert!(outside_quotes(&command).find("$(id)").is_none(), "{command}");
                assert!(outside_quotes(&command).find("$(touch").is_none(), "{command}");
            }
        }
    }
}

/// What of a command stands outside single quotes.
fn outside_quotes(command: &str) -> String {
    command.replace(r"\'", "").split('\'').step_by(2).collect()
}
