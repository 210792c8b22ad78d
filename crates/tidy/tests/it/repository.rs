//! The rules, applied to this repository.

use whydown_tidy::{RULES, Tree};

#[test]
fn the_repository_keeps_every_rule() {
    let tree = Tree::of_repository().unwrap_or_else(|error| panic!("{error}"));
    let findings: Vec<String> = RULES
        .iter()
        .flat_map(|rule| {
            (rule.find)(&tree).into_iter().map(|finding| format!("{finding} [{}]", rule.name))
        })
        .collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
