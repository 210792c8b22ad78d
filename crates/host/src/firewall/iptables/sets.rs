//! `ipset save` (ipset(8)): sets of addresses and networks. Other kinds are known to be unread.

use std::collections::HashMap;

use super::super::rules::{Element, Set};
use super::matches::address;

/// All sets by name.
pub(in super::super) fn sets(text: &str) -> HashMap<String, Set> {
    let mut sets: HashMap<String, Set> = HashMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["create", name, kind, ..] => {
                let unread = !matches!(*kind, "hash:ip" | "hash:net" | "bitmap:ip");
                sets.insert((*name).to_owned(), Set { elements: Vec::new(), unread });
            }
            ["add", name, entry, options @ ..] => {
                let Some(set) = sets.get_mut(*name) else { continue };
                match address(entry).filter(|_| !options.contains(&"nomatch")) {
                    Some(pattern) => set.elements.push(Element::of(vec![pattern])),
                    None => set.unread = true,
                }
            }
            _ => {}
        }
    }
    sets
}
