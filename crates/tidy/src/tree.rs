//! The files that rules look at, and the only place of this crate that reads anything.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::blank::blank;

/// Where a [`Tree`] keeps what cargo builds, as if it were a file: `NAME vVERSION|LICENCE` a line.
///
/// Not `Cargo.lock`, which also lists what optional features that nobody asks for would need.
pub const BUILT: &str = "target/built.txt";

/// One file.
#[derive(Clone, Debug)]
pub struct File {
    /// Path from the root of the repository.
    pub path: String,
    /// Its text; empty for a file that isn't UTF-8.
    pub text: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// Its text as [`blank`] leaves it; empty unless it is Rust.
    code: String,
}

impl File {
    fn new(path: &str, text: String, bytes: usize) -> Self {
        let code = if path.ends_with(".rs") { blank(&text) } else { String::new() };
        Self { path: path.to_owned(), text, bytes, code }
    }

    /// Its lines, counted from one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of it is tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// A Rust file's code: comments and the contents of literals are spaces, lines stay lines.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// The part of its path below `crates/NAME/src/`.
    pub(crate) fn below_src(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        rest.strip_prefix("src/").filter(|_| !name.is_empty())
    }
}

/// The files of the repository, or of a sample.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// A tree of paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File::new(path, (*text).to_owned(), text.len());
        Self { files: files.iter().map(file).collect() }
    }

    /// This repository: what git tracks or would track, and what cargo knows of its dependencies.
    ///
    /// # Errors
    /// Why git or cargo would not tell, or which file can't be read.
    pub fn of_repository() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        // Whoever owns the clone: a container's root often doesn't.
        let list = [
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ];
        let list = output("git", &list, &root)?;
        let mut files = Vec::new();
        // A file that was deleted but not yet committed is still listed.
        for path in list.split('\0').filter(|path| root.join(path).is_file()) {
            let bytes = fs::read(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
            let size = bytes.len();
            let text = String::from_utf8(bytes).unwrap_or_default();
            files.push(File::new(path, text, size));
        }
        // One platform: the others' crates are not on this disk, and cargo may not fetch them here.
        let tree = ["tree", "--workspace", "--offline", "--locked", "--prefix=none"];
        let what = ["--target=host-tuple", "--edges=normal,build,dev", "--format={p}|{l}"];
        let text = output(env!("CARGO"), &[&tree[..], &what].concat(), &root)?;
        let size = text.len();
        files.push(File::new(BUILT, text, size));
        Ok(Self { files })
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The file with this path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a file or directory with this path is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.iter().any(|file| {
            file.path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Every Rust file.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.is_rust())
    }
}

fn output(program: &str, arguments: &[&str], directory: &Path) -> Result<String, String> {
    let what = format!("{program} {}", arguments.join(" "));
    let result = Command::new(program).args(arguments).current_dir(directory).output();
    let output = result.map_err(|error| format!("cannot run `{what}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{what}` failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("`{what}`: {error}"))
}
