//! Links between documents. Addresses on the web are not asked: a test needs no network.

use crate::finding::Finding;
use crate::tree::{File, Tree};

/// Every relative link leads to a file of the repository, and to a heading that is there.
pub(super) fn links_lead_somewhere(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in prose(&file.text) {
            for link in links(&line) {
                if let Some(message) = fault(tree, file, &link) {
                    findings.push(Finding::new(&file.path, number, message));
                }
            }
        }
    }
    findings
}

fn fault(tree: &Tree, file: &File, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
    if !path.is_empty() && !tree.has(&path) {
        return Some(format!("the link `{link}` leads to `{path}`, which isn't there"));
    }
    let target = tree.file(&path)?;
    let has_anchor = anchor.is_empty() || anchors(&target.text).any(|name| name == anchor);
    (!has_anchor).then(|| format!("the link `{link}`: `{path}` has no heading `#{anchor}`"))
}

/// The lines outside of code blocks, without inline code.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_block = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if !is_block {
            // Every other piece between back ticks is code.
            let kept: Vec<&str> = line.split('`').step_by(2).collect();
            lines.push((index + 1, kept.join("`")));
        }
    }
    lines
}

/// Targets of `[text](target "title")`, `[name]: target`, `src="target"` and `href="target"`.
fn links(line: &str) -> Vec<String> {
    let after = |open: &str, close: &[char]| -> Vec<String> {
        line.match_indices(open)
            .filter_map(|(at, _)| line[at + open.len()..].split(close).next())
            .map(str::to_owned)
            .collect()
    };
    let mut links = after("](", &[')', ' ']);
    links.extend(after("src=\"", &['"']));
    links.extend(after("href=\"", &['"']));
    if line.starts_with('[') {
        links.extend(after("]: ", &[' ']).into_iter().take(1));
    }
    links
}

/// A path relative to a file, from the root of the repository.
fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// A document's anchors: those of its headings, as GitHub and Forgejo make them, and those that
/// stand in it as `<a id="…">`.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let named = text.lines().filter_map(|line| line.strip_prefix("<a id=\"")?.split('"').next());
    let of_heading = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
        title.chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    headings.map(of_heading).chain(named.map(str::to_owned))
}
