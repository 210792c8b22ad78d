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
