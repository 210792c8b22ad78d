//! `whydown explain`: from a pasted error text to its meaning.

use std::io::Read as _;
use std::process::ExitCode;

use whydown_core::explain::{explain, list};

use super::{print, print_json};
use crate::cli::Explain;
use crate::show::diagnosis::Options;
use crate::show::explanation;

/// Text read from standard input at most, in bytes.
const INPUT_MAX_BYTES: u64 = 1 << 20;

pub(crate) fn run(flags: &Explain) -> anyhow::Result<ExitCode> {
    if flags.list {
        let list = list();
        if flags.json {
            print_json(&list)?;
        } else {
            print(&explanation::list(&list))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let text = match flags.text.as_slice() {
        [dash] if dash == "-" => {
            let mut bytes = Vec::new();
            std::io::stdin().take(INPUT_MAX_BYTES).read_to_end(&mut bytes)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        words => words.join(" "),
    };
    let explanation = explain(&text);
    if flags.json {
        print_json(&explanation)?;
    } else {
        print(&explanation::text(&explanation, Options { all: flags.all }))?;
    }
    Ok(if explanation.recognised() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
