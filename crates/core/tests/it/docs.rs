//! The generated guides in docs/ are those that the tables give.

use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "a test may read and write the repository's docs")]
fn compare(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, generated).expect("docs/ can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let same = committed.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        committed == generated,
        "docs/{name} differs from the tables from line {} on; regenerate it with \
         UPDATE_DOCS=1 cargo nextest run --workspace docs_",
        same + 1
    );
}

#[test]
fn docs_causes_md_is_what_the_tables_give() {
    compare("causes.md", &whydown_core::advice::causes_markdown());
}

#[test]
fn docs_errors_md_is_what_the_tables_give() {
    compare("errors.md", &whydown_core::explain::errors_markdown());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may read the repository's docs")]
fn docs_count_right() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let failures = whydown_core::failure::Failure::ALL.len();
    let causes = whydown_core::cause::Cause::ALL.len();
    let counts = format!("{failures} failures, {causes} causes");
    assert!(readme.contains(&counts), "README.md does not say \"{counts}\"");
}

/// Words in back ticks that look like a code, such as `tcp.refused`, in everything people read.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test may read the repository's docs")]
fn docs_name_only_codes_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let causes = whydown_core::cause::Cause::ALL.iter().map(|cause| cause.code());
    let failures = whydown_core::failure::Failure::ALL.iter().map(|failure| failure.code());
    let known: Vec<&str> = causes.chain(failures).collect();
    let families: Vec<&str> = known.iter().filter_map(|code| code.split('.').next()).collect();
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let mut files: Vec<_> = docs.map(|entry| entry.unwrap().path()).collect();
    files.extend(["README.md", "ARCHITECTURE.md"].map(|name| root.join(name)));
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "md")) {
        let text = std::fs::read_to_string(file).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let Some((family, rest)) = word.split_once('.') else { continue };
            let is_code = families.contains(&family)
                && !rest.is_empty()
                && !["md", "rs", "toml"].contains(&rest) // `tls.rs` is a file
                && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if is_code && !known.contains(&word) {
                wrong.push(format!("{}: `{word}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "no such failure or cause: {wrong:#?}");
}
