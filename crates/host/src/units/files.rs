//! Unit files, systemd.unit(5): which program a unit starts, with which words, on which sockets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files;

/// Where units are, the strongest first (systemd.unit(5), "Unit File Load Path").
const DIRECTORIES: [&str; 8] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];
/// Unit files read.
const FILES_MAX: usize = 4_096;

/// A unit file with its drop-ins, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitFile {
    /// `nginx.service`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Key, value and place of each line.
    entries: Vec<(String, String, String)>,
}

/// All services and sockets.
pub(super) fn all() -> Vec<UnitFile> {
    let mut found: BTreeMap<String, UnitFile> = BTreeMap::new();
    for directory in DIRECTORIES {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let kind = Path::new(name).extension().and_then(|kind| kind.to_str());
            let wanted = matches!(kind, Some("service" | "socket")) && !name.contains("@.");
            if !wanted || found.contains_key(name) || found.len() >= FILES_MAX {
                continue;
            }
            // Aliases are links to the unit that is meant; a masked unit leads to /dev/null.
            let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            if real.file_name() == path.file_name() {
                found.insert(name.to_owned(), UnitFile::read(name, path.clone()));
            }
        }
    }
    found.into_values().collect()
}

impl UnitFile {
    fn read(name: &str, path: PathBuf) -> Self {
        let mut unit = Self { name: name.to_owned(), path, entries: Vec::new() };
        unit.add(&unit.path.clone());
        for directory in DIRECTORIES.iter().rev() {
            let drop_ins = Path::new(directory).join(format!("{name}.d/*.conf"));
            for path in files::matching(&drop_ins) {
                unit.add(&path);
            }
        }
        unit
    }

    fn add(&mut self, path: &Path) {
        let text = files::read(path).unwrap_or_default();
        for (at, line) in text.replace("\\\n", " ").lines().enumerate() {
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';']))
            else {
                continue;
            };
            let place = format!("{}:{}", path.display(), at + 1);
            let (key, value) = (key.trim(), value.trim());
            // An empty assignment takes back what was said before.
            if value.is_empty() {
                self.entries.retain(|(known, ..)| known != key);
            } else {
                self.entries.push((key.to_owned(), value.to_owned(), place));
            }
        }
    }

    /// Values of a key, with their places.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_key = self.entries.iter().filter(move |(known, ..)| known == key);
        of_key.map(|(_, value, place)| (value.as_str(), place.as_str()))
    }

    /// The commands that it starts its service with.
    pub(crate) fn commands(&self) -> Vec<Vec<String>> {
        self.values("ExecStart").map(|(value, _)| words(value)).collect()
    }

    /// Where the file says that the unit serves this port.
    pub(super) fn mentions(&self, port: u16) -> Option<String> {
        let number = port.to_string();
        let says =
            |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == number);
        for key in ["ListenStream", "ListenDatagram"] {
            let on = |value: &str| value.rsplit(':').next() == Some(&number);
            if let Some((_, place)) = self.values(key).find(|(value, _)| on(value)) {
                return Some(place.to_owned());
            }
        }
        for key in ["ExecStart", "Environment"] {
            if let Some((_, place)) = self.values(key).find(|(value, _)| says(value)) {
                return Some(place.to_owned());
            }
        }
        None
    }

    /// Files that its commands and its environment name.
    pub(super) fn configuration(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self
            .values("EnvironmentFile")
            .map(|(value, _)| PathBuf::from(value.trim_start_matches('-')))
            .collect();
        for command in self.commands() {
            paths.extend(super::arguments(&[command]));
        }
        // What a program writes itself is no configuration.
        let written = ["log", "pid", "sock", "lock"];
        paths.retain(|path| {
            let kind = path.extension().and_then(|kind| kind.to_str());
            !kind.is_some_and(|kind| written.contains(&kind))
        });
        paths
    }

    /// The service that a socket unit starts.
    pub(super) fn service(&self) -> String {
        if !self.name.ends_with(".socket") {
            return self.name.clone();
        }
        let named = self.values("Service").next().map(|(value, _)| value.to_owned());
        named.unwrap_or_else(|| self.name.replace(".socket", ".service"))
    }
}

/// Words of a command line, systemd.service(5); the prefixes of the program are left out.
pub(super) fn words(command: &str) -> Vec<String> {
    let command = command.trim_start_matches(['@', '-', ':', '+', '!']);
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            (c, Some(end)) if c == end => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            (c, _) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> UnitFile {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.service");
        std::fs::write(&path, text).unwrap();
        UnitFile::read("shop.service", path)
    }

    #[test]
    fn a_unit_says_its_commands_and_its_port() {
        let shop = unit(
            "[Service]\nExecStart=/bin/old\nExecStart=\nExecStart=-/usr/bin/app --bind \\\n \
             '0.0.0.0:8080' \"a b\"\n# Environment=PORT=1\nEnvironment=PORT=9090\n",
        );
        assert_eq!(shop.commands(), [["/usr/bin/app", "--bind", "0.0.0.0:8080", "a b"]]);
        assert!(shop.mentions(8_080).is_some() && shop.mentions(9_090).is_some());
        assert_eq!((shop.mentions(808), shop.mentions(1)), (None, None));
        let socket = unit("[Socket]\nListenStream=[::]:22\n");
        assert!(socket.mentions(22).is_some());
    }
}
