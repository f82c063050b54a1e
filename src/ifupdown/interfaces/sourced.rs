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
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::continued::is_template;
use super::definition::{listed, Definition};
use super::fault::{FaultKind, FileFault};
use super::iface_stanza::{IfaceStanza, OptionLine};
use super::line::LogicalLine;
use super::models::Models;
use super::names::names_of_ifupdown2;
use super::parts::{Block, BlockKind, SourceLine, Text};
use super::paths::{is_missing, names, read_interfaces, sourced, too_deep, DEPTH};
use crate::ifupdown::Caller;

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
    /// Whether it has no options of its own.
    says_nothing: bool,
    /// Which of all stanzas it inherits from, in the order of [`Interfaces::written`]; in the place
    /// of one that says nothing itself, those that this inherits from.
    pub parents: Vec<usize>,
    pub definition: Definition,
}

/// The whole configuration.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// Whose dialect the files were read in.
    pub caller: Caller,
    /// The files, in the order in which they begin to be read; the main one is the first.
    pub files: Vec<InterfacesFile>,
    /// How they are read: of which file which of its blocks come next. A file goes on behind what it
    /// sources.
    runs: Vec<(usize, Range<usize>)>,
    /// The files that could not be read, and why; the main one may be among them.
    pub unread: Vec<(PathBuf, io::Error)>,
    /// The files that ifupdown2 makes others of by templates; what these say is not known here.
    pub templated: Vec<PathBuf>,
    /// What stands in these.
    of_templates: String,
    stanzas: Vec<StanzaInForce>,
    /// Which of them another one inherits from.
    inherited: HashSet<usize>,
    /// The first of the stanzas of each name, and of each name and family.
    firsts: HashMap<(String, Option<String>), usize>,
    /// What there is to inherit from on ifupdown-ng.
    models: Models,
    /// The files that were read, by their spelling: two paths that differ in a `./` are equal to
    /// the standard library.
    seen: HashSet<OsString>,
    /// Whether files source one another too deep.
    is_too_deep: bool,
    /// What is read in the place of files, by their spelling.
    instead: HashMap<OsString, Vec<u8>>,
}

impl Interfaces {
    /// Reads a file and all that it sources as Debian's ifupdown does. It never fails; see `unread`
    /// and [`Interfaces::refused`].
    pub fn read(path: &Path) -> Self {
        Self::read_as(path, Caller::Ifupdown)
    }

    /// Reads a file and all that it sources as one of the three does.
    pub fn read_as(path: &Path, caller: Caller) -> Self {
        let mut interfaces = Self::of_caller(caller);
        interfaces.file(path, 0);
        interfaces
    }

    /// As [`Interfaces::read_as`], as if some files, as ifupdown spells their paths, held something
    /// else.
    pub fn read_instead(path: &Path, caller: Caller, instead: HashMap<OsString, Vec<u8>>) -> Self {
        let mut interfaces = Self::of_caller(caller);
        interfaces.instead = instead;
        interfaces.file(path, 0);
        interfaces
    }

    fn of_caller(caller: Caller) -> Self {
        Self {
            caller,
            ..Self::default()
        }
    }

    /// Reads what stands in `bytes` as if it stood in a file.
    pub fn of(path: &Path, bytes: &[u8], caller: Caller) -> Self {
        let mut interfaces = Self::of_caller(caller);
        interfaces.seen.insert(path.as_os_str().to_owned());
        interfaces.bytes(path, bytes, 0);
        interfaces
    }

    /// The fault for which nothing is read: of the main file, or with ifupdown2 of any.
    pub fn refused(&self) -> Option<(&InterfacesFile, &FileFault)> {
        let count = match self.caller {
            Caller::Ifupdown2 => self.files.len(),
            _ => 1,
        };
        self.files.iter().take(count).find_map(|file| {
            let mut faults = file.text.faults.iter();
            Some((file, faults.find(|fault| fault.stops)?))
        })
    }

    /// The blocks of all files, in the order in which they are read.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks_of_files().map(|(_, block)| block)
    }

    /// The same, each with its file.
    pub fn blocks_of_files(&self) -> impl Iterator<Item = (&InterfacesFile, &Block)> {
        self.runs.iter().flat_map(|(file, run)| {
            let file = self.files.get(*file);
            file.into_iter().flat_map(|file| {
                let blocks = file.text.blocks.get(run.clone()).unwrap_or_default();
                blocks.iter().map(move |block| (file, block))
            })
        })
    }

    /// The stanzas in force, in order.
    pub fn stanzas(&self) -> impl Iterator<Item = &StanzaInForce> {
        let refused = self.refused().is_some();
        let stanzas = self.stanzas.iter();
        stanzas.filter(move |stanza| stanza.reached && !refused)
    }

    /// Whether templates may have stanzas of an interface: they name it, or there are templates and no
    /// stanza of it was read. What such an interface shall have is not known here.
    pub fn may_be_templated(&self, interface: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || "_.-".contains(c);
        let mut words = self.of_templates.split(|c| !is_part(c));
        let has_stanza = || {
            let mut stanzas = self.stanzas.iter();
            stanzas.any(|stanza| stanza.definition.name == interface)
        };
        !self.templated.is_empty() && (words.any(|word| word == interface) || !has_stanza())
    }

    /// All stanzas, also those that a fault above keeps from being read.
    pub fn written(&self) -> impl Iterator<Item = &StanzaInForce> {
        self.stanzas.iter()
    }

    /// Whether another stanza inherits from one, by its place among all.
    pub fn is_inherited(&self, place: usize) -> bool {
        self.inherited.contains(&place)
    }

    /// A stanza as its file has it.
    pub fn stanza(&self, stanza: &StanzaInForce) -> Option<&IfaceStanza> {
        self.files.get(stanza.file)?.text.stanza(stanza.block)
    }

    fn file(&mut self, path: &Path, depth: usize) {
        if self.seen.contains(path.as_os_str()) {
            return;
        }
        self.seen.insert(path.as_os_str().to_owned());
        if depth > DEPTH {
            // Told once: each of thousands of files may lead to all of them.
            if !self.is_too_deep {
                self.is_too_deep = true;
                self.unread.push((path.to_owned(), too_deep()));
            }
            return;
        }
        let instead = self.instead.remove(path.as_os_str());
        let read = instead.map_or_else(|| read_interfaces(path, depth == 0), Ok);
        match read {
            Ok(bytes) => self.bytes(path, &bytes, depth),
            Err(error) => self.unread.push((path.to_owned(), error)),
        }
    }

    fn bytes(&mut self, path: &Path, bytes: &[u8], depth: usize) {
        if self.caller == Caller::Ifupdown2 && is_template(bytes) {
            self.templated.push(path.to_owned());
            self.of_templates += &String::from_utf8_lossy(bytes);
            self.of_templates.push('\n');
        } else {
            self.text(path, Text::read_as(bytes, self.caller), depth);
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
        let mut late = Vec::new();
        let mut unread = 0;
        let mut stop = stops(&text.faults).next();
        for (index, block) in text.blocks.iter().enumerate() {
            let start = block.lines.start;
            let reached = stop.is_none_or(|stop| start < stop);
            match &block.kind {
                BlockKind::Stanza(stanza) => {
                    // A fault in the middle of a stanza ends a sourced file there.
                    let own = stanza.options.iter().filter(|option| {
                        !reached || file == 0 || stop.is_none_or(|stop| option.line < stop)
                    });
                    match self.defined(stanza, own) {
                        Ok(defined) => {
                            for (parents, definition) in defined {
                                self.note(&definition);
                                let parents = self.that_say_something(&parents);
                                self.stanzas.push(StanzaInForce {
                                    file,
                                    block: index,
                                    reached,
                                    says_nothing: stanza.options.is_empty(),
                                    parents,
                                    definition,
                                });
                            }
                        }
                        Err(kind) => {
                            let line = text.lines.get(start);
                            let fault = line.map(|line| self.late(start, line, kind));
                            if fault.as_ref().is_some_and(|fault| fault.stops) {
                                stop = Some(stop.map_or(start, |stop| stop.min(start)));
                            }
                            late.extend(fault);
                        }
                    }
                }
                BlockKind::Source(source) if reached => {
                    let next = index + 1;
                    self.runs.push((file, unread..next));
                    unread = next;
                    self.source(path, source, depth);
                }
                _ => {}
            }
        }
        self.runs.push((file, unread..text.blocks.len()));
        text.faults.extend(late);
        text.faults.sort_by_key(|fault| fault.line);
        if let Some(file) = self.files.get_mut(file) {
            file.text = text;
            file.stop = stop;
        }
    }

    /// The logical interfaces that a stanza defines, each with those that it inherits from.
    fn defined<'a>(
        &self,
        stanza: &IfaceStanza,
        own: impl Iterator<Item = &'a OptionLine> + Clone,
    ) -> Result<Vec<(Vec<usize>, Definition)>, FaultKind> {
        let said = |said: &Option<String>| said.clone().unwrap_or_default();
        let (family, method) = (said(&stanza.family), said(&stanza.method));
        let head = (family.as_str(), method.as_str());
        match self.caller {
            Caller::Ifupdown => {
                let parent = self.parent(stanza)?;
                let inherited = parent.and_then(|parent| self.stanzas.get(parent));
                let inherited = inherited.map(|parent| &parent.definition);
                let definition = Definition::debians(stanza, inherited, own);
                Ok(vec![(parent.into_iter().collect(), definition)])
            }
            Caller::Ifupdown2 => {
                let names = names_of_ifupdown2(&stanza.name)?;
                let options = listed(own);
                let define =
                    |name: String| Definition::shared(self.caller, &name, head, options.clone());
                Ok(names
                    .into_iter()
                    .map(|name| (Vec::new(), define(name)))
                    .collect())
            }
            Caller::IfupdownNg => {
                let (parents, options) = self.models.options(stanza, own);
                let definition = Definition::shared(self.caller, &stanza.name, head, options);
                Ok(vec![(parents, definition)])
            }
        }
    }

    /// Notes that stanzas are inherited from, and gives those to look at for what they say: a long
    /// line of them may say little.
    fn that_say_something(&mut self, parents: &[usize]) -> Vec<usize> {
        self.inherited.extend(parents);
        let each = parents.iter().flat_map(|parent| {
            let silent = self.stanzas.get(*parent);
            let silent = silent.filter(|parent| parent.says_nothing);
            silent.map_or_else(|| vec![*parent], |silent| silent.parents.clone())
        });
        each.collect()
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
    fn note(&mut self, next: &Definition) {
        let place = self.stanzas.len();
        match self.caller {
            Caller::Ifupdown => {
                for family in [None, Some(next.family.clone())] {
                    let key = (next.name.clone(), family);
                    self.firsts.entry(key).or_insert(place);
                }
            }
            Caller::Ifupdown2 => {}
            Caller::IfupdownNg => self.models.note(place, next),
        }
    }

    /// A fault of an `iface` line that shows when the files above it are read.
    fn late(&self, index: usize, line: &LogicalLine, kind: FaultKind) -> FileFault {
        // At the parent's name, or its own.
        let words = line.words(0).skip_while(|(_, word)| word != "inherits");
        let parent = words.skip(1).map(|(at, _)| at).next();
        let own = || line.words(0).nth(1).map(|(at, _)| at);
        FileFault {
            line: index,
            number: line.last,
            place: line.place(parent.or_else(own).unwrap_or_default()),
            stops: kind.stops(self.caller),
            kind,
        }
    }

    fn source(&mut self, path: &Path, source: &SourceLine, depth: usize) {
        for found in sourced(path, &source.pattern, self.caller) {
            if source.directory {
                let listed = names(&found, self.caller).unwrap_or_else(|error| {
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
            } else if !is_missing(&found) || self.caller == Caller::IfupdownNg {
                // ifupdown-ng reads nothing at all where one is missing.
                self.file(&found, depth + 1);
            }
        }
    }
}

fn stops(faults: &[FileFault]) -> impl Iterator<Item = usize> + '_ {
    let stops = faults.iter().filter(|fault| fault.stops);
    stops.map(|fault| fault.line)
}
