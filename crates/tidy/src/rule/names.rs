//! Names that say nothing.

use std::path::Path;

use super::rust::words;
use crate::finding::Finding;
use crate::tree::{File, Tree};

/// The last word of no name: each says "something to do with".
const EMPTY_WORDS: [&str; 10] =
    ["manager", "handler", "helper", "helpers", "util", "utils", "common", "data", "info", "misc"];

/// Names that keep such a word, with the reason.
const EXCEPTIONS: [(&str, &str); 1] =
    [("Data", "the group of flags that choose the data directory is called like the flag, --data")];

/// Files, modules and types are named by the concept they hold.
pub(super) fn names_say_something(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(names_of_file).collect()
}

fn names_of_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |line: usize, name: &str| {
        let is_exception = EXCEPTIONS.iter().any(|(exception, _)| *exception == name);
        let last = last_word(name);
        if EMPTY_WORDS.contains(&last.as_str()) && !is_exception {
            let message = format!("`{name}`: \"{last}\" says nothing; name what it holds or does");
            findings.push(Finding::new(&file.path, line, message));
        }
    };
    let below = file.below_src().unwrap_or_else(|| file.path.rsplit('/').next().unwrap_or(""));
    for part in &Path::new(below).with_extension("") {
        check(1, &part.to_string_lossy());
    }
    for (number, line) in file.code().lines().enumerate() {
        let words: Vec<&str> = words(line).collect();
        for pair in words.windows(2) {
            if matches!(pair[0], "struct" | "enum" | "union" | "trait" | "type" | "mod") {
                check(number + 1, pair[1]);
            }
        }
    }
    findings
}

/// `helper` of `HttpHelper` and `http_helper`.
fn last_word(name: &str) -> String {
    let snake = name.rsplit('_').next().unwrap_or(name);
    let start = snake.rfind(char::is_uppercase).unwrap_or(0);
    snake[start..].to_lowercase()
}
