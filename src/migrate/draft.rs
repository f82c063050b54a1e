//! The interfaces file as `migrate` would have it: which line gives way to which option, and why
//! others stay. Reads what `interfaces` has read, writes nothing.

use std::path::{Path, PathBuf};

use super::lines::{multi_line, CommandLine, ScriptedStanza, WhyItStays, MULTI_PREFIX};
use super::replay::Fate;
use super::rewrite::{Change, Rewriting};
use crate::ifupdown::interfaces::{
    about, About, IfaceStanza, Interfaces, OptionLine, Phase, StanzaInForce,
};
use crate::migrate::search::{migrate, Migration};
use crate::routing::syntax::TableNames;

/// A stanza's place in its file, and which lines of the file its lines are.
struct InFile {
    file: usize,
    block: usize,
    lines: Vec<Vec<usize>>,
}

/// A line that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub path: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// Why it stays.
    pub reason: WhyItStays,
}

/// The whole draft.
pub struct Draft<'a> {
    interfaces: &'a Interfaces,
    stanzas: Vec<ScriptedStanza>,
    origins: Vec<InFile>,
    migration: Migration,
}

impl<'a> Draft<'a> {
    /// Drafts what becomes of a configuration. `names` knows the tables that lines name.
    pub fn of(interfaces: &'a Interfaces, names: TableNames<'_>) -> Self {
        let (mut stanzas, mut origins) = (Vec::new(), Vec::new());
        for defined in interfaces.stanzas() {
            if let Some((stanza, origin)) = hand_stanza(interfaces, defined) {
                stanzas.push(stanza);
                origins.push(origin);
            }
        }
        let migration = migrate(&stanzas, names);
        Self {
            interfaces,
            stanzas,
            origins,
            migration,
        }
    }

    /// The change of a stanza.
    fn change(&self, s: usize) -> Change {
        let fates = self.migration.fates.get(s).into_iter().flatten();
        let lines = self.origins.get(s).map(|origin| &origin.lines);
        let lines = fates.zip(lines.into_iter().flatten());
        let replaced = lines.filter(|(fate, _)| **fate == Fate::Replaced);
        Change {
            lines: replaced.flat_map(|(_, lines)| lines.clone()).collect(),
            options: self.migration.options.get(s).cloned().unwrap_or_default(),
        }
    }

    /// Each file with its changes, in the order in which they are read.
    pub fn files(&self) -> Vec<(&Path, Rewriting)> {
        let files = self.interfaces.files.iter().enumerate();
        let rewritten = files.map(|(at, file)| {
            let here = self.origins.iter().enumerate();
            let here = here.filter(|(_, origin)| origin.file == at);
            let changes: Vec<Change> = here.map(|(s, _)| self.change(s)).collect();
            (file.path.as_path(), Rewriting::of(&file.text, &changes))
        });
        rewritten.collect()
    }

    /// The lines that stay although they are about routes or rules, in the order of the files.
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for ((stanza, fates), origin) in self
            .stanzas
            .iter()
            .zip(&self.migration.fates)
            .zip(&self.origins)
        {
            for (line, fate) in stanza.lines.iter().zip(fates) {
                let (Fate::Stays(reason), Some(file)) =
                    (fate, self.interfaces.files.get(origin.file))
                else {
                    continue;
                };
                remarks.push(Remark {
                    path: file.path.clone(),
                    line: line.number,
                    reason: reason.clone(),
                });
            }
        }
        remarks
    }

    /// All stanzas in one text, before or after, for a trial: without what is about neither
    /// addresses nor routing, and with addresses that come from elsewhere left out.
    pub fn for_trial(&self, after: bool) -> Vec<u8> {
        let mut text = Vec::new();
        for (s, origin) in self.origins.iter().enumerate() {
            let Some(file) = self.interfaces.files.get(origin.file) else {
                continue;
            };
            let Some(stanza) = stanza_of(self.interfaces, origin) else {
                continue;
            };
            text.extend(header(stanza).into_bytes());
            let change = if after {
                self.change(s)
            } else {
                Change::default()
            };
            for option in stanza.options.iter().filter(|option| is_for_trial(option)) {
                if change.lines.iter().min() == Some(&option.line) {
                    for (name, value) in &change.options {
                        text.extend(format!("    {name} {value}\n").into_bytes());
                    }
                }
                if !change.lines.contains(&option.line) {
                    let raw = file
                        .text
                        .lines
                        .get(option.line)
                        .map(|line| line.raw.as_slice());
                    text.extend(raw.unwrap_or_default());
                    if text.last() != Some(&b'\n') {
                        text.push(b'\n');
                    }
                }
            }
        }
        text
    }

    /// The stanzas.
    pub fn stanzas(&self) -> &[ScriptedStanza] {
        &self.stanzas
    }
}

fn stanza_of<'a>(interfaces: &'a Interfaces, origin: &InFile) -> Option<&'a IfaceStanza> {
    let mut defined = interfaces.stanzas();
    let found =
        defined.find(|defined| (defined.file, defined.block) == (origin.file, origin.block));
    interfaces.stanza(found?)
}

/// The methods that need nobody else to bring an interface up.
const ALONE: [&str; 3] = ["static", "manual", "loopback"];

/// Whether a trial can take a stanza as it is.
pub fn is_alone(method: &str) -> bool {
    ALONE.contains(&method)
}

fn header(stanza: &IfaceStanza) -> String {
    let mut header = format!("iface {}", stanza.name);
    for word in [&stanza.family, &stanza.method].into_iter().flatten() {
        let others = ["inet", "inet6", "can", "ipx", "meta"];
        let kept = is_alone(word) || others.contains(&word.as_str());
        header += if kept { " " } else { " manual" };
        header += if kept { word } else { "" };
    }
    if let Some(parent) = &stanza.inherits {
        header += " inherits ";
        header += parent;
    }
    header + "\n"
}

/// Commands about something else than interfaces, addresses and routes have no place in a trial.
fn is_for_trial(option: &OptionLine) -> bool {
    if Phase::of(&option.name).is_none() {
        return true;
    }
    let text = option.value.to_string_lossy();
    let first = text.split_whitespace().next().unwrap_or_default();
    about(&text) != About::default() || first.rsplit('/').next() == Some("ip")
}

/// A stanza and its lines; `None` where it is no IP.
fn hand_stanza(
    interfaces: &Interfaces,
    defined: &StanzaInForce,
) -> Option<(ScriptedStanza, InFile)> {
    let stanza = interfaces.stanza(defined)?;
    let definition = &defined.definition;
    let call = definition.call(&definition.name)?;
    call.family?;
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let variables = definition.variables(&definition.name).into_iter();
    // These two differ from line to line.
    let variables = variables.filter(|(name, _)| name != "MODE" && name != "PHASE");
    let inherited = interfaces.written().any(|other| {
        let other = interfaces.stanza(other);
        other.is_some_and(|other| other.inherits.as_deref() == Some(&definition.name))
    });
    let bound = if stanza.inherits.is_some() || inherited {
        Some("stanzas inherit from one another here, and a line may stand for several")
    } else if !call.options.is_empty() {
        Some("the stanza has policy-* options already")
    } else {
        None
    };
    let mut hand = ScriptedStanza {
        variables: variables
            .map(|(name, value)| (text(&name), text(&value)))
            .collect(),
        bound: bound.map(WhyItStays::Bound),
        lines: Vec::new(),
        call,
    };
    let mut lines = Vec::new();
    for option in &stanza.options {
        if let Some(phase) = Phase::of(&option.name) {
            lines.push(vec![option.line]);
            hand.lines.push(CommandLine {
                number: option.number,
                phase,
                text: text(&option.value),
                stays: None,
            });
        }
    }
    let multi: Vec<&OptionLine> = stanza
        .options
        .iter()
        .filter(|option| option.name.starts_with(MULTI_PREFIX))
        .collect();
    if let (Some(first), Some(_)) = (multi.first(), definition.option("multi_table")) {
        let same = interfaces.stanzas().filter(|other| {
            other.definition.family == definition.family
                && other.definition.option("multi_table").is_some()
        });
        let value = |name: &str| definition.option(name).map(text);
        hand.lines.push(multi_line(
            &hand.call,
            first.number,
            same.count() == 1,
            value,
        ));
        lines.push(multi.iter().map(|option| option.line).collect());
    }
    let origin = InFile {
        file: defined.file,
        block: defined.block,
        lines,
    };
    Some((hand, origin))
}
