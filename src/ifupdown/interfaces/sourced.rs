//! An interfaces(5) file with all that it sources, as ifupdown reads it: the stanzas in force, in
//! order, with their places. Reads files, nothing else.
//!
//! Measured on ifupdown 0.8.41 and 0.8.44: a sourced file is read where its line stands. A fault in
//! the main file makes all of it unreadable; one in a sourced file ends that file only. A file is
//! read once under one name. A missing sourced file or folder is skipped in silence; one that
//! cannot be read is told, and skipped. `inherits` finds the first stanza above of that name (and
//! family, where it says one). `template` is no keyword. Without a `loopback` stanza there is one
//! for `lo`, which has no options and is not in this list. Patterns (`auto /eth*`) select
//! interfaces, they never name stanzas. `ifquery --list` prints `lo` and the names behind `auto`,
//! and exits with 1 at one without a stanza; `ifquery NAME` prints the options of all stanzas of a
//! name run together, after what `definition.rs` does to them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::definition::Definition;
use super::fault::{FaultKind, FileFault};
use super::line::LogicalLine;
use super::parts::{Block, BlockKind, IfaceStanza, OptionLine, SourceLine, Text};
use super::paths::{is_missing, names, read_sourced, sourced};
use crate::ifupdown::{Caller, HookCall};

/// The file that ifupdown reads if it is told no other.
pub const FILE: &str = "/etc/network/interfaces";

/// How many files may stand above one that is sourced. ifupdown sets no limit: a file that
/// sources itself as `./x` is read until no more files can be opened (measured).
const DEPTH: usize = 100;

/// The main file, or one that is sourced.
#[derive(Debug, Clone)]
pub struct InterfacesFile {
    /// Its path, as ifupdown spells it.
    pub path: PathBuf,
    /// What it says. The faults have those of `inherits` among them.
    pub text: Text,
    /// The line, of those of the text, at which ifupdown stops reading it.
    pub stop: Option<usize>,
}

/// A stanza where it stands among all files, with what it inherits.
#[derive(Debug, Clone)]
pub struct StanzaInForce {
    /// Which of the files.
    pub file: usize,
    /// Which of that file's blocks.
    pub block: usize,
    /// Whether ifupdown reads as far; a fault of the main file does not count here.
    pub reached: bool,
    /// Which of all stanzas it inherits from, in the order of [`Interfaces::written`].
    pub parent: Option<usize>,
    pub definition: Definition,
}

/// The whole configuration.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// Whose dialect the files were read in.
    pub caller: Caller,
    /// The files, in the order in which they begin to be read; the main one is the first.
    pub files: Vec<InterfacesFile>,
    /// The files that could not be read, and why; the main one may be among them.
    pub unread: Vec<(PathBuf, io::Error)>,
    stanzas: Vec<StanzaInForce>,
    /// The first of the stanzas of each name, and of each name and family.
    firsts: HashMap<(String, Option<String>), usize>,
    /// The files that were read, by their spelling: two paths that differ in a `./` are equal to
    /// the standard library.
    seen: HashSet<OsString>,
}

impl Interfaces {
    /// Reads a file and all that it sources as Debian's ifupdown does. It never fails; see `unread`
    /// and [`Interfaces::refused`].
    pub fn read(path: &Path) -> Self {
        Self::read_as(path, Caller::Ifupdown)
    }

    /// Reads a file and all that it sources as one of the three does.
    pub fn read_as(path: &Path, caller: Caller) -> Self {
        let mut interfaces = Self {
            caller,
            ..Self::default()
        };
        interfaces.file(path, 0);
        interfaces
    }

    /// The calls of a hook that bring an interface up, as the stanzas in force of its name say them.
    pub fn calls(&self, interface: &str) -> Vec<HookCall> {
        let own = self.stanzas_with_hooks();
        let own = own.get(interface).into_iter().flatten();
        own.flat_map(|stanza| stanza.definition.calls(interface))
            .collect()
    }

    /// The fault of the main file for which ifupdown reads nothing.
    pub fn refused(&self) -> Option<(&InterfacesFile, &FileFault)> {
        let main = self.files.first()?;
        let mut faults = main.text.faults.iter();
        Some((main, faults.find(|fault| fault.kind.stops())?))
    }

    /// The blocks of all files, in the order in which they are read.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.files.iter().flat_map(|file| &file.text.blocks)
    }

    /// The stanzas in force, in order.
    pub fn stanzas(&self) -> impl Iterator<Item = &StanzaInForce> {
        let refused = self.refused().is_some();
        let stanzas = self.stanzas.iter();
        stanzas.filter(move |stanza| stanza.reached && !refused)
    }

    /// The stanzas in force that ifup and ifdown run hooks for, by logical name; those of one name
    /// in the order in which `ifup` brings them up. `no-scripts` takes patterns of fnmatch(3) and
    /// compares them with the logical name, not the interface's (measured).
    pub fn stanzas_with_hooks(&self) -> HashMap<&str, Vec<&StanzaInForce>> {
        self.stanzas_by_hooks(true)
    }

    /// The stanzas in force that ifup and ifdown run no hooks for, in the same way.
    pub fn stanzas_without_hooks(&self) -> HashMap<&str, Vec<&StanzaInForce>> {
        self.stanzas_by_hooks(false)
    }

    fn stanzas_by_hooks(&self, wanted: bool) -> HashMap<&str, Vec<&StanzaInForce>> {
        let quiet: Vec<&str> = self.selected("no-scripts").collect();
        let mut found: HashMap<&str, Vec<&StanzaInForce>> = HashMap::new();
        for stanza in self.stanzas() {
            let name = stanza.definition.name.as_str();
            let has_hooks = !quiet.iter().any(|pattern| fits(pattern, name));
            if has_hooks == wanted {
                found.entry(name).or_default().push(stanza);
            }
        }
        found
    }

    /// The names and patterns behind a keyword: `auto`, `allow-hotplug`, `no-scripts` …
    pub fn selected<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let read = self.files.iter().flat_map(|file| {
            let stop = file.stop.unwrap_or(usize::MAX);
            let blocks = file.text.blocks.iter();
            blocks.filter(move |block| block.lines.start < stop)
        });
        let names = read.filter_map(move |block| match &block.kind {
            BlockKind::Selection(word, names) if word == keyword => Some(names),
            _ => None,
        });
        names.flatten().map(String::as_str)
    }

    /// All stanzas, also those that a fault above keeps from being read.
    pub fn written(&self) -> impl Iterator<Item = &StanzaInForce> {
        self.stanzas.iter()
    }

    /// A stanza as its file has it.
    pub fn stanza(&self, stanza: &StanzaInForce) -> Option<&IfaceStanza> {
        self.files.get(stanza.file)?.text.stanza(stanza.block)
    }

    fn file(&mut self, path: &Path, depth: usize) {
        if self.seen.contains(path.as_os_str()) {
            return;
        }
        if depth > DEPTH {
            let error = io::Error::other("the file sources itself under ever new names");
            self.unread.push((path.to_owned(), error));
            return;
        }
        self.seen.insert(path.as_os_str().to_owned());
        let read = if depth == 0 {
            // The caller chose it, perhaps as `<(…)`.
            std::fs::read(path)
        } else {
            read_sourced(path)
        };
        match read {
            Ok(bytes) => self.text(path, Text::read(bytes), depth),
            Err(error) => self.unread.push((path.to_owned(), error)),
        }
    }

    fn text(&mut self, path: &Path, mut text: Text, depth: usize) {
        // Its place comes before those of the files that it sources.
        let file = self.files.len();
        self.files.push(InterfacesFile {
            path: path.to_owned(),
            text: Text::default(),
            stop: None,
        });
        let mut orphans = Vec::new();
        let mut stop = stops(&text.faults).next();
        for (index, block) in text.blocks.iter().enumerate() {
            let start = block.lines.start;
            let reached = stop.is_none_or(|stop| start < stop);
            match &block.kind {
                BlockKind::Stanza(stanza) => {
                    let parent = match self.parent(stanza) {
                        Ok(parent) => parent,
                        Err(kind) => {
                            let line = text.lines.get(start);
                            orphans.extend(line.map(|line| orphan(start, line, kind)));
                            stop = Some(stop.map_or(start, |stop| stop.min(start)));
                            continue;
                        }
                    };
                    // A fault in the middle of a stanza ends a sourced file there.
                    let own = stanza.options.iter().filter(|option| {
                        !reached || file == 0 || stop.is_none_or(|stop| option.line < stop)
                    });
                    let inherited = parent.and_then(|parent| self.stanzas.get(parent));
                    let inherited = inherited.map(|parent| &parent.definition);
                    let definition = define(self.caller, stanza, inherited, own);
                    self.note_first(&definition);
                    self.stanzas.push(StanzaInForce {
                        file,
                        block: index,
                        reached,
                        parent,
                        definition,
                    });
                }
                BlockKind::Source(source) if reached => self.source(path, source, depth),
                _ => {}
            }
        }
        text.faults.extend(orphans);
        text.faults.sort_by_key(|fault| fault.line);
        if let Some(file) = self.files.get_mut(file) {
            file.text = text;
            file.stop = stop;
        }
    }

    fn parent(&self, stanza: &IfaceStanza) -> Result<Option<usize>, FaultKind> {
        let Some(name) = &stanza.inherits else {
            return Ok(None);
        };
        let parent = self.firsts.get(&(name.clone(), stanza.family.clone()));
        let unknown = || FaultKind::UnknownParent { name: name.clone() };
        parent.copied().map(Some).ok_or_else(unknown)
    }

    /// Notes the stanza that comes next, for those that inherit from it.
    fn note_first(&mut self, next: &Definition) {
        for family in [None, Some(next.family.clone())] {
            let place = self.stanzas.len();
            self.firsts
                .entry((next.name.clone(), family))
                .or_insert(place);
        }
    }

    fn source(&mut self, path: &Path, source: &SourceLine, depth: usize) {
        for found in sourced(path, &source.pattern) {
            if source.directory {
                let listed = names(&found).unwrap_or_else(|error| {
                    if error.kind() == io::ErrorKind::PermissionDenied {
                        self.unread.push((found.clone(), error));
                    }
                    Vec::new()
                });
                for name in listed {
                    let mut path = found.clone().into_os_string();
                    path.push("/");
                    path.push(name);
                    self.file(Path::new(&path), depth + 1);
                }
            } else if !is_missing(&found) {
                self.file(&found, depth + 1);
            }
        }
    }
}

fn stops(faults: &[FileFault]) -> impl Iterator<Item = usize> + '_ {
    let stops = faults.iter().filter(|fault| fault.kind.stops());
    stops.map(|fault| fault.line)
}

/// The fault of a stanza without its parent, at the parent's name.
fn orphan(index: usize, line: &LogicalLine, kind: FaultKind) -> FileFault {
    let words = line.words(0).skip_while(|(_, word)| word != "inherits");
    let at = words.skip(1).map(|(at, _)| at).next().unwrap_or_default();
    FileFault {
        line: index,
        number: line.last,
        place: line.place(at),
        kind,
    }
}

fn define<'a>(
    caller: Caller,
    stanza: &IfaceStanza,
    parent: Option<&Definition>,
    own: impl Iterator<Item = &'a OptionLine>,
) -> Definition {
    let inherited = |own: &Option<String>, of: fn(&Definition) -> &String| {
        let own = own.as_ref().or_else(|| parent.map(of));
        own.cloned().unwrap_or_default()
    };
    let family = inherited(&stanza.family, |parent| &parent.family);
    let method = inherited(&stanza.method, |parent| &parent.method);
    Definition::new(caller, &stanza.name, &family, &method, parent, own)
}

/// Whether a name fits a pattern of fnmatch(3).
fn fits(pattern: &str, name: &str) -> bool {
    let mut single = String::new();
    for c in pattern.chars() {
        if c != '*' || !single.ends_with('*') {
            single.push(c);
        }
    }
    glob::Pattern::new(&single).is_ok_and(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_fnmatch() {
        for (pattern, name) in [
            ("eth*", "eth0"),
            ("**", ".x"),
            ("[e]th?", "eth/"),
            ("[!a]", "b"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("eth", "eth0"),
            ("eth?", "eth"),
            ("/eth*", "eth0"),
            ("[e", "e"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
