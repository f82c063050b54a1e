//! The interfaces file as `migrate` would have it: which line gives way to which option, and why
//! others stay.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::lines::{
    all_host_bits, scripted_stanza, why_not_run, CommandLine, HostBits, OtherLines, ScriptedStanza,
    WhyItStays, WhyNotRun,
};
use super::replay::{Fate, TakingOut};
use super::rewrite::{Change, Rewriting};
use super::search::{migrate, Migration};
use super::verify::{is_tried, is_tried_stanza, trial_text, Machine};
use crate::ifupdown::interfaces::{IfaceStanza, Interfaces, Phase, Text};
use crate::routing::syntax::TableNames;
use crate::routing::Object;

/// Something about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRemark<Reason> {
    /// The file.
    pub path: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// Why it stays, or why a trial does not run it.
    pub reason: Reason,
}

/// A configuration, and what becomes of it.
pub struct Draft<'a> {
    interfaces: &'a Interfaces,
    /// In the order in which `ifup -a` brings them up.
    stanzas: Vec<ScriptedStanza>,
    migration: Migration,
    /// Why a trial does not run lines, for those of each stanza.
    not_run: Vec<Vec<Option<WhyNotRun>>>,
}

impl<'a> Draft<'a> {
    /// Drafts what becomes of a configuration. `names` knows the tables that lines name.
    pub fn of(interfaces: &'a Interfaces, names: TableNames<'_>) -> Self {
        let others = OtherLines::of(interfaces);
        let stanzas = interfaces.stanzas();
        let stanzas = stanzas.filter_map(|defined| scripted_stanza(interfaces, defined, &others));
        let stanzas = as_brought_up(interfaces, stanzas.collect());
        let not_run = stanzas.iter().map(|stanza| {
            let lines = stanza.lines.iter();
            let why = |line: &CommandLine| why_not_run(&line.command, &stanza.variables, names);
            lines.map(why).collect()
        });
        Self {
            not_run: not_run.collect(),
            migration: migrate(&stanzas, names),
            interfaces,
            stanzas,
        }
    }

    /// The stanzas.
    pub fn stanzas(&self) -> &[ScriptedStanza] {
        &self.stanzas
    }

    /// Each file with its changes, in the order in which they are read.
    pub fn files(&self) -> Vec<(&Path, Rewriting)> {
        let mut by_file: HashMap<usize, Vec<Change>> = HashMap::new();
        for (s, stanza) in self.stanzas.iter().enumerate() {
            let changes = by_file.entry(stanza.file).or_default();
            changes.push(self.change(s, stanza));
        }
        let files = self.interfaces.files.iter().enumerate();
        let rewritten = files.map(|(at, file)| {
            let changes = by_file.get(&at).map_or(&[][..], Vec::as_slice);
            (file.path.as_path(), Rewriting::of(&file.text, changes))
        });
        rewritten.collect()
    }

    /// The lines that stay although they are about routes or rules, in the order of the files.
    pub fn remarks(&self) -> Vec<LineRemark<WhyItStays>> {
        self.remarks_of(&self.migration.fates, |fate| match fate {
            Fate::Stays(reason) => Some(reason.clone()),
            Fate::Replaced | Fate::Other => None,
        })
    }

    /// The names of stanzas whose lines become options, each with the commands that take out what its
    /// lines have put in.
    pub fn taking_out(&self) -> Vec<(&str, Vec<&TakingOut>)> {
        let mut all: Vec<(&str, Vec<&TakingOut>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let stanzas = self.stanzas.iter().zip(&self.migration.taking_out);
        for (stanza, commands) in stanzas.filter(|(_, commands)| !commands.is_empty()) {
            let name = stanza.call.interface.as_str();
            let place = *places.entry(name).or_insert(all.len());
            match all.get_mut(place) {
                Some((_, known)) => known.extend(commands),
                None => all.push((name, commands.iter().collect())),
            }
        }
        all
    }

    /// What the lines have put in that options take the place of: the interface of each, the route
    /// or rule, and whether a rule has the priority that it says or one that the kernel chooses.
    pub fn put_in_by_lines(&self) -> Vec<(&str, &Object, bool)> {
        let left = self.migration.left.iter().filter_map(|left| {
            let stanza = self.stanzas.get(left.stanza)?;
            let interface = stanza.call.interface.as_str();
            Some((interface, &left.object, left.has_priority))
        });
        left.collect()
    }

    /// The prefixes with host bits of lines that become options, in the order of the files.
    pub fn notes(&self) -> Vec<LineRemark<HostBits>> {
        let bits = self.stanzas.iter().map(|stanza| {
            let lines = stanza.lines.iter();
            let up = lines.map(|line| Some(line).filter(|line| line.phase.is_up()));
            let words = up.map(|line| line.map_or_else(Vec::new, |line| line.command.words()));
            let bits = words.map(|words| all_host_bits(words.into_iter()));
            bits.collect::<Vec<_>>()
        });
        let replaced = self.migration.fates.iter().zip(bits).map(|(fates, bits)| {
            let bits = fates.iter().zip(bits);
            let bits = bits.map(|(fate, bits)| match fate {
                Fate::Replaced => bits.into_iter().next(),
                Fate::Stays(_) | Fate::Other => None,
            });
            bits.collect::<Vec<_>>()
        });
        self.remarks_of(&replaced.collect::<Vec<_>>(), Clone::clone)
    }

    /// The lines that a trial does not run, and the options that it does not have, in the order of
    /// the files.
    pub fn not_run(&self) -> Vec<LineRemark<WhyNotRun>> {
        let mut all = self.remarks_of(&self.not_run, Clone::clone);
        for stanza in &self.stanzas {
            let Some((file, (_, written))) = self
                .interfaces
                .files
                .get(stanza.file)
                .zip(self.written(stanza))
            else {
                continue;
            };
            let remark = |line, reason| LineRemark {
                path: file.path.clone(),
                line,
                reason,
            };
            if !is_tried_stanza(written) {
                let first = written.options.first().map_or(0, |option| option.number);
                all.push(remark(first, WhyNotRun::Name));
            }
            let options = written.options.iter();
            let options = options.filter(|option| Phase::of(&option.name).is_none());
            let left_out = options.filter(|option| !is_tried(option));
            all.extend(
                left_out.map(|option| remark(option.number, WhyNotRun::Value(option.name.clone()))),
            );
        }
        let files = self.interfaces.files.iter().enumerate();
        let files: HashMap<&Path, usize> =
            files.map(|(at, file)| (file.path.as_path(), at)).collect();
        all.sort_by_key(|remark| (files.get(remark.path.as_path()).copied(), remark.line));
        all
    }

    /// The path of a file, by its place among all.
    pub fn path(&self, file: usize) -> Option<&Path> {
        let file = self.interfaces.files.get(file);
        file.map(|file| file.path.as_path())
    }

    /// The machine that the stanzas are tried on, whose hooks lead to a program.
    pub fn machine(&self, program: PathBuf) -> Machine {
        let is_tried = |stanza: &&ScriptedStanza| {
            let written = self.written(stanza);
            written.is_some_and(|(_, written)| is_tried_stanza(written))
        };
        let tried: Vec<ScriptedStanza> = self.stanzas.iter().filter(is_tried).cloned().collect();
        Machine::for_stanzas(&tried, program)
    }

    /// What there is to be said of lines, from what is known of those of each stanza.
    fn remarks_of<T, R>(
        &self,
        known: &[Vec<T>],
        reason: impl Fn(&T) -> Option<R>,
    ) -> Vec<LineRemark<R>> {
        let mut remarks: Vec<(usize, LineRemark<R>)> = Vec::new();
        for (stanza, known) in self.stanzas.iter().zip(known) {
            let Some(file) = self.interfaces.files.get(stanza.file) else {
                continue;
            };
            for (line, known) in stanza.lines.iter().zip(known) {
                remarks.extend(reason(known).map(|reason| {
                    let remark = LineRemark {
                        path: file.path.clone(),
                        line: line.number,
                        reason,
                    };
                    (stanza.file, remark)
                }));
            }
        }
        remarks.sort_by_key(|(file, remark)| (*file, remark.line));
        remarks.into_iter().map(|(_, remark)| remark).collect()
    }

    /// All stanzas in one text for a trial, as they are or as they are to be.
    pub fn for_trial(&self, after: bool) -> Vec<u8> {
        let mut in_files: Vec<(usize, &ScriptedStanza)> = self.stanzas.iter().enumerate().collect();
        // As they are read: one may inherit from another above.
        in_files.sort_by_key(|(_, stanza)| stanza.place);
        let stanzas = in_files.into_iter().filter_map(|(s, stanza)| {
            let (text, written) = self.written(stanza)?;
            if !is_tried_stanza(written) {
                return None;
            }
            let change = if after {
                self.change(s, stanza)
            } else {
                Change::default()
            };
            Some(trial_text(written, text, &change, |at| self.runs(s, at)))
        });
        stanzas.collect::<Vec<_>>().concat()
    }

    /// Whether a trial runs a line of a stanza's file.
    fn runs(&self, s: usize, at: usize) -> bool {
        let stanzas = self.stanzas.get(s).zip(self.not_run.get(s));
        let lines = stanzas.map(|(stanza, why)| stanza.lines.iter().zip(why));
        let mut lines = lines.into_iter().flatten();
        lines.any(|(line, why)| why.is_none() && line.text_lines.contains(&at))
    }

    /// The change of a stanza, by its place among all.
    fn change(&self, s: usize, stanza: &ScriptedStanza) -> Change {
        let fates = self.migration.fates.get(s).into_iter().flatten();
        let replaced = fates.zip(&stanza.lines);
        let replaced = replaced.filter(|(fate, _)| **fate == Fate::Replaced);
        Change {
            lines: replaced
                .flat_map(|(_, line)| line.text_lines.clone())
                .collect(),
            options: self.migration.options.get(s).cloned().unwrap_or_default(),
        }
    }

    /// A stanza as its file has it, and the file's text.
    fn written(&self, stanza: &ScriptedStanza) -> Option<(&Text, &IfaceStanza)> {
        let text = &self.interfaces.files.get(stanza.file)?.text;
        Some((text, text.stanza(stanza.block)?))
    }
}

/// The stanzas in the order in which `ifup -a` brings them up: as the names stand behind `auto`,
/// all of a name together; then those that something else brings up, as they are read.
fn as_brought_up(interfaces: &Interfaces, mut stanzas: Vec<ScriptedStanza>) -> Vec<ScriptedStanza> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for name in interfaces.selected("auto") {
        let next = places.len();
        places.entry(name.to_owned()).or_insert(next);
    }
    let behind = places.len();
    for (at, stanza) in stanzas.iter_mut().enumerate() {
        stanza.place = at;
        let name = stanza.call.interface.clone();
        places.entry(name).or_insert(behind + at);
    }
    stanzas.sort_by_key(|stanza| places.get(&stanza.call.interface).copied());
    stanzas
}
