//! The interfaces file as `migrate` would have it: which line gives way to which option, and why
//! others stay.

use std::path::{Path, PathBuf};

use super::lines::{
    scripted_stanza, why_not_run, CommandLine, ScriptedStanza, WhyItStays, WhyNotRun,
};
use super::replay::Fate;
use super::rewrite::{Change, Rewriting};
use super::search::{migrate, Migration};
use super::verify::trial_text;
use crate::ifupdown::interfaces::{IfaceStanza, Interfaces, Text};
use crate::routing::syntax::TableNames;

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
    stanzas: Vec<ScriptedStanza>,
    migration: Migration,
    /// Why a trial does not run lines, for those of each stanza.
    not_run: Vec<Vec<Option<WhyNotRun>>>,
}

impl<'a> Draft<'a> {
    /// Drafts what becomes of a configuration. `names` knows the tables that lines name.
    pub fn of(interfaces: &'a Interfaces, names: TableNames<'_>) -> Self {
        let stanzas = interfaces.stanzas();
        let stanzas = stanzas.filter_map(|defined| scripted_stanza(interfaces, defined));
        let stanzas: Vec<ScriptedStanza> = stanzas.collect();
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
        let files = self.interfaces.files.iter().enumerate();
        let rewritten = files.map(|(at, file)| {
            let stanzas = self.stanzas.iter().enumerate();
            let here = stanzas.filter(|(_, stanza)| stanza.file == at);
            let changes: Vec<Change> = here.map(|(s, stanza)| self.change(s, stanza)).collect();
            (file.path.as_path(), Rewriting::of(&file.text, &changes))
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

    /// The lines that a trial does not run, in the order of the files.
    pub fn not_run(&self) -> Vec<LineRemark<WhyNotRun>> {
        self.remarks_of(&self.not_run, Clone::clone)
    }

    /// What there is to be said of lines, from what is known of those of each stanza.
    fn remarks_of<T, R>(
        &self,
        known: &[Vec<T>],
        reason: impl Fn(&T) -> Option<R>,
    ) -> Vec<LineRemark<R>> {
        let mut remarks = Vec::new();
        for (stanza, known) in self.stanzas.iter().zip(known) {
            let Some(file) = self.interfaces.files.get(stanza.file) else {
                continue;
            };
            for (line, known) in stanza.lines.iter().zip(known) {
                remarks.extend(reason(known).map(|reason| LineRemark {
                    path: file.path.clone(),
                    line: line.number,
                    reason,
                }));
            }
        }
        remarks
    }

    /// All stanzas in one text for a trial, as they are or as they are to be.
    pub fn for_trial(&self, after: bool) -> Vec<u8> {
        let stanzas = self.stanzas.iter().enumerate().filter_map(|(s, stanza)| {
            let (text, written) = self.written(stanza)?;
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
        let mut all = self.interfaces.stanzas();
        let defined = all.find(|other| (other.file, other.block) == (stanza.file, stanza.block))?;
        let text = &self.interfaces.files.get(stanza.file)?.text;
        Some((text, self.interfaces.stanza(defined)?))
    }
}
