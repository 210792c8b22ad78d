//! Instructions as a page shows them: by the machine they are for, and where that machine may
//! run several systems, with a tab for each.

use whydown_core::diagnosis::Instruction;

/// Instructions shown of one cause, at most.
const STEPS_MAX: usize = 40;
/// Systems that get a tab; the style sheet knows as many.
const TABS_MAX: usize = 6;

/// What to do on one kind of machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `On the server`.
    pub(crate) title: String,
    /// Unique on the page: names the radio buttons of the tabs.
    pub(crate) id: String,
    /// One per system; a single one is shown without tabs.
    pub(crate) tabs: Vec<Tab>,
}

/// What to do on one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tab {
    /// Counted from 1.
    pub(crate) number: usize,
    /// `Linux`.
    pub(crate) title: String,
    /// In the order to be done.
    pub(crate) steps: Vec<Step>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What and why.
    pub(crate) text: String,
    /// To be pasted.
    pub(crate) command: Option<String>,
}

impl Step {
    /// The text in pieces; what stands between backticks is code.
    pub(crate) fn pieces(&self) -> Vec<(&str, bool)> {
        let closed = self.text.matches('`').count().is_multiple_of(2);
        if !closed {
            return vec![(&self.text, false)];
        }
        self.text.split('`').enumerate().map(|(i, piece)| (piece, i % 2 == 1)).collect()
    }
}

/// Groups instructions; `id` makes the tabs of this group unique on the page.
pub(crate) fn places(instructions: &[Instruction], id: &str) -> Vec<Place> {
    let instructions = &instructions[..instructions.len().min(STEPS_MAX)];
    let mut machines: Vec<&str> = Vec::new();
    for instruction in instructions {
        if !machines.contains(&instruction.on.as_str()) {
            machines.push(&instruction.on);
        }
    }
    let place = |(i, on): (usize, &str)| {
        let here: Vec<&Instruction> = instructions.iter().filter(|step| step.on == on).collect();
        Place { title: machine(on), id: format!("{id}-{i}"), tabs: tabs(&here) }
    };
    machines.into_iter().enumerate().map(place).collect()
}

fn tabs(here: &[&Instruction]) -> Vec<Tab> {
    let mut systems: Vec<&str> = Vec::new();
    for instruction in here {
        let os = instruction.os.as_str();
        if os != "any" && !systems.contains(&os) && systems.len() < TABS_MAX {
            systems.push(os);
        }
    }
    if systems.is_empty() {
        systems.push("any");
    }
    let tab = |(i, os): (usize, &str)| Tab {
        number: i + 1,
        title: system(os).to_owned(),
        steps: here
            .iter()
            .filter(|step| step.os == os || step.os == "any")
            .map(|step| Step { text: step.text.clone(), command: step.command.clone() })
            .collect(),
    };
    systems.into_iter().enumerate().map(tab).collect()
}

fn machine(on: &str) -> String {
    match on {
        "server" => "On the server".to_owned(),
        "client" => "On your machine".to_owned(),
        "router" => "On the router".to_owned(),
        "dns" => "Where the zone is kept".to_owned(),
        "browser" => "In the browser".to_owned(),
        other => format!("On the {other}"),
    }
}

fn system(os: &str) -> &str {
    match os {
        "linux" => "Linux",
        "windows" => "Windows",
        "macos" => "macOS",
        "any" => "Any system",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(on: &str, os: &str, text: &str) -> Instruction {
        Instruction { on: on.into(), os: os.into(), text: text.into(), command: None }
    }

    #[test]
    fn backticks_make_code() {
        let step = |text: &str| Step { text: text.to_owned(), command: None };
        assert_eq!(step("a `b` c").pieces(), [("a ", false), ("b", true), (" c", false)]);
        assert_eq!(step("an odd ` one").pieces(), [("an odd ` one", false)]);
    }

    #[test]
    fn every_system_gets_its_own_steps_and_the_common_ones_in_order() {
        let places = places(
            &[
                step("server", "linux", "a"),
                step("client", "linux", "b"),
                step("client", "any", "c"),
                step("client", "windows", "d"),
            ],
            "fix-1",
        );
        assert_eq!(places.len(), 2);
        assert_eq!(places[0].tabs.len(), 1);
        let client = &places[1];
        assert_eq!((client.title.as_str(), client.id.as_str()), ("On your machine", "fix-1-1"));
        let texts = |tab: &Tab| tab.steps.iter().map(|s| s.text.clone()).collect::<String>();
        assert_eq!(client.tabs.iter().map(texts).collect::<Vec<_>>(), ["bc", "cd"]);
    }
}
