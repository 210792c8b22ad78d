//! The list of all rules. A rule is a name, and a function that finds every breach in a tree.

mod banned;
mod docs;
mod layout;
mod leak;
mod licence;
mod manifest;
mod names;
mod rust;
mod size;
mod supply;
mod tools;

use crate::finding::Finding;
use crate::tree::Tree;

/// One rule of the house.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, as samples call it.
    pub name: &'static str,
    /// Every breach of it in a tree.
    pub find: fn(&Tree) -> Vec<Finding>,
}

macro_rules! rules {
    ($($module:ident :: $function:ident),* $(,)?) => {
        &[$(Rule { name: stringify!($function), find: $module::$function }),*]
    };
}

/// Every rule.
pub const RULES: &[Rule] = rules![
    layout::modules_are_files,
    layout::modules_are_shallow,
    layout::files_say_what_they_are,
    layout::each_crate_has_one_test_binary,
    size::files_are_short,
    size::lines_are_short,
    size::readme_is_short,
    size::files_are_small,
    names::names_say_something,
    banned::no_test_is_ignored,
    banned::nothing_is_unfinished,
    banned::exceptions_have_reasons,
    banned::nothing_expects_outside_tests,
    banned::sql_has_no_clock,
    docs::links_lead_somewhere,
    manifest::dependencies_point_left,
    manifest::test_crates_stay_in_tests,
    manifest::core_is_pure,
    manifest::lints_are_the_workspaces,
    supply::sources_are_crates_io,
    supply::banned_crates_are_absent,
    supply::licences_are_allowed,
    leak::no_secret_is_kept,
    leak::no_machine_is_named,
    tools::packages_are_installed,
    tools::tests_are_not_retried,
];
