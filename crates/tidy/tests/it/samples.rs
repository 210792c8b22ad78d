//! Each rule is proven on a bad sample, which it finds at the right line, and on a good one that
//! looks alike. What would be a breach of this very tree is split by `concat!`.

use whydown_tidy::{BUILT, RULES, Tree};

/// What a rule says of one file in a tree of otherwise no files.
struct Sample {
    rule: &'static str,
    path: &'static str,
    bad: &'static str,
    /// Line of the finding, and words of its message.
    says: (usize, &'static str),
    good: &'static str,
}

const SAMPLES: &[Sample] = &[
    Sample {
        rule: "files_say_what_they_are",
        path: "crates/core/src/scope.rs",
        bad: "use std::fmt;\n//! Too late.\n",
        says: (1, "opens without `//!`"),
        good: "//! Where it fails.\n//!\n//! ```\n//! 1\n//! 2\n//! 3\n//! 4\n//! 5\n//! ```\n",
    },
    Sample {
        rule: "files_say_what_they_are",
        path: "crates/core/src/scope.rs",
        bad: "//! 1\n//! 2\n//! 3\n//! 4\n//! 5\n//! 6\n//! 7\n",
        says: (1, "7 lines"),
        good: "//! 1\n//! 2\n//!\n//! 3\n//! 4\n//! 5\n//! 6\n",
    },
    Sample {
        rule: "each_crate_has_one_test_binary",
        path: "crates/core/Cargo.toml",
        bad: "[package]\nname = \"whydown-core\"\n",
        says: (1, "autotests"),
        good: "[package]\nautotests = false\n",
    },
    Sample {
        rule: "names_say_something",
        path: "crates/core/src/scope.rs",
        bad: "//! x\nstruct Metadata;\nstruct PortInfo { port: u16 }\n",
        says: (3, "`PortInfo`"),
        good: "//! x\n// struct PortInfo\nstruct Metadata;\nstruct DataDirectory;\nfn info() {}\n",
    },
    Sample {
        rule: "names_say_something",
        path: "crates/core/src/scope.rs",
        bad: "//! x\nmod http_helpers;\n",
        says: (2, "`http_helpers`"),
        good: "//! x\nmod http;\n",
    },
    Sample {
        rule: "no_test_is_ignored",
        path: "crates/core/tests/it/scope.rs",
        bad: "//! x\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n",
        says: (3, "ignored"),
        good: "//! x\n#[test]\nfn ignore() { let s = \"#[ignore]\"; }\n",
    },
    Sample {
        rule: "nothing_is_unfinished",
        path: "crates/core/src/scope.rs",
        bad: "//! x\nfn a() {\n    todo!(\"later\")\n}\n",
        says: (3, "`todo!`"),
        good: "//! x\n// todo!()\nfn a() -> &'static str { \"todo!()\" }\n",
    },
    Sample {
        rule: "exceptions_have_reasons",
        path: "crates/core/src/scope.rs",
        bad: "//! x\n#[allow(\n    dead_code\n)]\nfn a() {}\n",
        says: (2, "without reason"),
        good: "//! x\n#[expect(dead_code, reason = \"for [2]\")]\nfn a() { x.expect(\"y\") }\n",
    },
    Sample {
        rule: "exceptions_have_reasons",
        path: "crates/core/src/scope.rs",
        bad: "#![expect(clippy::unwrap_used)]\n",
        says: (1, "without reason"),
        good: "#![expect(clippy::unwrap_used, reason = \"a test\")]\n",
    },
    Sample {
        rule: "nothing_expects_outside_tests",
        path: "crates/core/src/scope.rs",
        bad: "//! x\n#[cfg(test)]\nmod tests { fn a() {} }\n\
              fn b() {\n    c()\n        .expect(\"d\")\n}\n",
        says: (6, "`.expect(`"),
        good: "//! x\n// a.expect(b)\n#[cfg(test)]\n\
               mod tests { fn a() { if b { c().expect(\"d\") } } }\n",
    },
    Sample {
        rule: "sql_has_no_clock",
        path: "crates/server/migrations/0001_start.sql",
        bad: "-- now() is not used\nCREATE TABLE t (at BIGINT DEFAULT CURRENT_TIMESTAMP);\n",
        says: (2, "`current_timestamp`"),
        good: "CREATE TABLE t (at BIGINT NOT NULL); -- never now()\n",
    },
    Sample {
        rule: "dependencies_point_left",
        path: "crates/probe/Cargo.toml",
        bad: "[package]\nname = \"whydown-probe\"\n[dependencies]\n\
              whydown-server.workspace = true\n",
        says: (4, "whydown-probe depends on whydown-server"),
        good: "[package]\nname = \"whydown-probe\"\n[dependencies]\n\
               whydown-host.workspace = true\n",
    },
    Sample {
        rule: "dependencies_point_left",
        path: "crates/lab/Cargo.toml",
        bad: "[package]\nname = \"whydown-lab\"\n[dependencies]\nwhydown-core.workspace = true\n",
        says: (4, "know nothing of the product"),
        good: "[package]\nname = \"whydown-lab\"\n[dependencies]\nnix.workspace = true\n",
    },
    Sample {
        rule: "test_crates_stay_in_tests",
        path: "crates/host/Cargo.toml",
        bad: "[package]\nname = \"whydown-host\"\n[target.'cfg(unix)'.dependencies]\n\
              whydown-lab.workspace = true\n",
        says: (4, "[dev-dependencies]"),
        good: "[package]\nname = \"whydown-host\"\n[dev-dependencies]\n\
               whydown-lab.workspace = true\n",
    },
    Sample {
        rule: "core_is_pure",
        path: "crates/core/Cargo.toml",
        bad: "[package]\nname = \"whydown-core\"\n[dependencies]\nt = { package = \"tokio\" }\n",
        says: (1, "core uses tokio"),
        good: "[package]\nname = \"whydown-core\"\n[dependencies]\nurl = \"2\"\n\
               [dev-dependencies]\nproptest = \"1\"\n",
    },
    Sample {
        rule: "lints_are_the_workspaces",
        path: "crates/core/Cargo.toml",
        bad: "[package]\nname = \"whydown-core\"\n[lints]\nworkspace = false\n",
        says: (1, "lints"),
        good: "[package]\nname = \"whydown-core\"\n[lints]\nworkspace = true\n",
    },
    Sample {
        rule: "sources_are_crates_io",
        path: "Cargo.lock",
        bad: "version = 4\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n\
              source = \"git+https://example.com/serde#abc\"\n",
        says: (3, "serde comes from git+https"),
        good: "version = 4\n[[package]]\nname = \"whydown\"\nversion = \"0.1.0\"\n[[package]]\n\
               name = \"serde\"\nversion = \"1.0.0\"\n\
               source = \"registry+https://github.com/rust-lang/crates.io-index\"\n",
    },
    Sample {
        rule: "no_secret_is_kept",
        path: "docs/configuration.md",
        bad: concat!("# A\n\nsecret: wh", "sec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw1aB3\n"),
        says: (3, "secret"),
        good: "# A\n\nsecret: whsec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, or ghp_…\n",
    },
    Sample {
        rule: "no_secret_is_kept",
        path: "crates/lab/key.pem",
        bad: concat!(
            "-----BEGIN ",
            "PRIVATE KEY-----\n",
            "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgx0aB\n"
        ),
        says: (2, "secret"),
        good: "-----BEGIN PRIVATE KEY-----\n…\n",
    },
    Sample {
        rule: "no_machine_is_named",
        path: "README.md",
        bad: concat!("# whydown\ncd /wo", "rk/whydown\n"),
        says: (2, "only one machine has"),
        good: "# whydown\nsee docs/network/paths.md\n",
    },
    Sample {
        rule: "tests_are_not_retried",
        path: ".config/nextest.toml",
        bad: "[profile.default]\nfail-fast = false\n\
              [[profile.ci.overrides]]\nfilter = 'all()'\nretries = 2\n",
        says: (5, "retries"),
        good: "[profile.default]\nretries = 0\n",
    },
];

#[test]
fn every_rule_finds_its_bad_sample_and_lets_the_good_one_pass() {
    for sample in SAMPLES {
        let bad = find(sample.rule, &[(sample.path, sample.bad)]);
        let (line, words) = sample.says;
        assert_eq!(bad.len(), 1, "{}: {bad:?}", sample.rule);
        let place = format!("{}:{line}: ", sample.path);
        assert!(bad[0].starts_with(&place) && bad[0].contains(words), "{}: {bad:?}", sample.rule);
        let good = find(sample.rule, &[(sample.path, sample.good)]);
        assert!(good.is_empty(), "{}: {good:?}", sample.rule);
    }
}

#[test]
fn no_rule_is_without_a_sample() {
    let source = include_str!("samples.rs");
    for rule in RULES {
        let name = format!("\"{}\"", rule.name);
        assert!(source.contains(&name), "{} has no sample; add one above", rule.name);
    }
}

#[test]
fn a_mod_file_and_a_deep_one_are_found_by_their_paths() {
    let found = find("modules_are_files", &[("crates/core/src/dns/mod.rs", "")]);
    assert_eq!(
        found,
        ["crates/core/src/dns/mod.rs:1: a `mod.rs`; move it to `crates/core/src/dns.rs`"]
    );
    let deep = [("crates/core/src/a/b/c.rs", ""), ("crates/core/src/a/b/c/d.rs", "")];
    let found = find("modules_are_shallow", &deep);
    assert_eq!(
        found,
        ["crates/core/src/a/b/c/d.rs:1: 4 levels below src, at most 3; move it up or merge it"]
    );
    let binary = [("crates/core/tests/it/main.rs", ""), ("crates/core/tests/more.rs", "")];
    let found = find("each_crate_has_one_test_binary", &binary);
    assert!(found.len() == 1 && found[0].starts_with("crates/core/tests/more.rs:1:"), "{found:?}");
    let found = find("names_say_something", &[("crates/core/src/util.rs", "//! x\n")]);
    assert!(found.len() == 1 && found[0].contains("`util`"), "{found:?}");
}

#[test]
fn lengths_are_counted_without_tests_and_files_without_mercy() {
    let path = "crates/core/src/scope.rs";
    let code = "fn a() {}\n".repeat(600);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
    assert!(find("files_are_short", &[(path, &(code.clone() + &tests))]).is_empty());
    let found = find("files_are_short", &[(path, &(code + "fn b() {}\n"))]);
    assert!(found.len() == 1 && found[0].contains("601 lines"), "{found:?}");

    let letters = format!("//! x\n//! {}\n", "é".repeat(96));
    assert!(find("lines_are_short", &[(path, &letters)]).is_empty(), "letters, not bytes, count");
    let found = find("lines_are_short", &[(path, &letters.replacen("//! é", "//! éé", 1))]);
    assert_eq!(found, [format!("{path}:2: 101 characters, at most 100; break it")]);
    let quoted = format!("//! x\nconst A: &str = \"\n{}\n\";\n", "a".repeat(101));
    assert!(find("lines_are_short", &[(path, &quoted)]).is_empty(), "a quoted line is kept");

    assert!(find("readme_is_short", &[("README.md", &"a\n".repeat(150))]).is_empty());
    assert_eq!(find("readme_is_short", &[("README.md", &"a\n".repeat(151))]).len(), 1);
    assert_eq!(find("readme_is_short", &[]).len(), 1);

    assert!(find("files_are_small", &[("a.png", &"a".repeat(1 << 20))]).is_empty());
    assert_eq!(find("files_are_small", &[("a.png", &"a".repeat((1 << 20) + 1))]).len(), 1);
}

#[test]
fn a_link_leads_to_a_file_and_to_a_heading() {
    let docs = |text: &str| {
        let files = [
            ("docs/README.md", text),
            ("docs/api.md", "# The API\n<a id=\"tcp.refused\"></a>\n## `GET /healthz`, a word\n"),
            ("LICENSE-MIT", "…"),
        ];
        find("links_lead_somewhere", &files)
    };
    for good in [
        "[a](api.md) [b](../LICENSE-MIT) [c](./api.md#the-api) [d](https://example.com/x)",
        "[a](api.md#get-healthz-a-word), [b](api.md#tcp.refused)",
        "# Here\n[a](#here) and `[no](link)`\n```\n[no](link)\n```\n[dir](..)",
    ] {
        assert!(docs(good).is_empty(), "{:?}", docs(good));
    }
    for (bad, line) in [
        ("\n[a](nothing.md)", 2),
        ("[a](api.md#nothing)", 1),
        ("<img src=\"nothing.png\">", 1),
        ("\n\n[a]: nothing.md", 3),
        ("[a](/docs/../../api.md)", 1),
    ] {
        let found = docs(bad);
        let place = format!("docs/README.md:{line}: ");
        assert!(found.len() == 1 && found[0].starts_with(&place), "{bad}: {found:?}");
    }
}

#[test]
fn the_lists_of_deny_toml_decide_on_crates_and_licences() {
    let deny = "[licenses]\nallow = [\"MIT\", \"Apache-2.0\"]\n\
                exceptions = [{ crate = \"roots\", allow = [\"CDLA-Permissive-2.0\"] }]\n\
                [bans]\ndeny = [{ crate = \"ring\", reason = \"one provider\" }]\n";
    let bans =
        |built: &str| find("banned_crates_are_absent", &[("deny.toml", deny), (BUILT, built)]);
    assert_eq!(
        bans("string v1.0.0|MIT\nring v0.17.14|MIT\nring v0.17.14|MIT (*)\n"),
        ["Cargo.lock:1: ring is banned (one provider); ask `cargo tree -i ring` why"]
    );
    assert!(bans("string v1.0.0|MIT\n").is_empty());
    assert_eq!(find("banned_crates_are_absent", &[]).len(), 1, "no list must not mean no bans");

    let licences =
        |built: &str| find("licences_are_allowed", &[("deny.toml", deny), (BUILT, built)]);
    assert!(licences("a v1.0.0 (proc-macro)|MIT OR GPL-3.0-only (*)\n").is_empty());
    assert!(licences("roots v1.0.0|CDLA-Permissive-2.0\n").is_empty());
    assert_eq!(
        licences("a v1.0.0|CDLA-Permissive-2.0\n"),
        ["Cargo.lock:1: a is under `CDLA-Permissive-2.0`, which deny.toml does not allow"]
    );
    assert_eq!(licences("a v1.0.0|\n").len(), 1);
    assert_eq!(licences("").len(), 1, "no answer must not mean no licences");
}

#[test]
fn a_program_of_the_lab_comes_from_a_package_that_check_installs() {
    let lab = "const PACKAGES: [(&str, &str); 2] = [\n    (\"ip\", \"iproute2\"),\n    \
               (\"nft\", \"nftables\"),\n];\nconst X: (&str, &str) = (\"a\", \"b\");\n";
    let find_in = |check: &str| {
        find("packages_are_installed", &[("crates/lab/src/fail.rs", lab), ("check", check)])
    };
    assert!(find_in("packages=(\n  nftables iproute2\n)\n").is_empty());
    let found = find_in("packages=(iproute2)\n# nftables\n");
    assert_eq!(
        found,
        ["crates/lab/src/fail.rs:3: nftables is not in the list of `./check`; add it there"]
    );
}

/// The findings of one rule, as people read them.
fn find(rule: &str, files: &[(&str, &str)]) -> Vec<String> {
    let rule = RULES.iter().find(|known| known.name == rule);
    let rule = rule.unwrap_or_else(|| panic!("no such rule"));
    (rule.find)(&Tree::of(files)).iter().map(ToString::to_string).collect()
}
