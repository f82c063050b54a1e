//! The lines of a stanza, as the file has them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;

use super::ifupdown_multi::{multi_commands, MULTI_PREFIX};
use super::meaning::{CommandLine, LineCommand, ScriptedStanza};
use super::why_it_stays::WhyItStays;
use crate::ifupdown::interfaces::{
    IfaceStanza, Interfaces, OptionLine, Phase, Selection, StanzaInForce,
};
use crate::ifupdown::HookCall;

/// What the other stanzas of all files mean for the lines of one.
pub struct OtherLines {
    /// The stanzas that others inherit from.
    parents: HashSet<String>,
    /// The stanzas that ifupdown runs no hooks for.
    quiet: HashSet<String>,
    /// What the names of stanzas stand for.
    selection: Selection,
    /// How many stanzas of a family have the options of ifupdown-multi.
    multi: HashMap<String, usize>,
}

impl OtherLines {
    /// Those of a configuration.
    pub fn of(interfaces: &Interfaces) -> Self {
        let stanzas = interfaces.written();
        let stanzas = stanzas.filter_map(|other| interfaces.stanza(other));
        let mut multi: HashMap<String, usize> = HashMap::new();
        for stanza in interfaces.stanzas() {
            let definition = &stanza.definition;
            if definition.option("multi_table").is_some() {
                *multi.entry(definition.family.clone()).or_default() += 1;
            }
        }
        Self {
            selection: Selection::of(interfaces.blocks()),
            quiet: interfaces
                .stanzas_without_hooks()
                .into_keys()
                .map(str::to_owned)
                .collect(),
            parents: stanzas
                .flat_map(|other| other.parents().map(str::to_owned))
                .collect(),
            multi,
        }
    }
}

/// A stanza and its lines; `None` where it is no IP.
pub fn scripted_stanza(
    interfaces: &Interfaces,
    defined: &StanzaInForce,
    others: &OtherLines,
) -> Option<ScriptedStanza> {
    let stanza = interfaces.stanza(defined)?;
    let definition = &defined.definition;
    let inherits = stanza.parents().next().is_some() || others.parents.contains(&definition.name);
    let mut calls = if inherits {
        definition.calls_for_addresses(&definition.name)
    } else {
        definition.calls(&definition.name)
    };
    let is_range = stanza.name.contains('[') && stanza.name != definition.name;
    let is_several = is_range || calls.len() > 1;
    let call = calls.drain(..).next()?;
    call.family?;
    let stays = if inherits {
        Some(WhyItStays::Inherits)
    } else if is_several {
        Some(WhyItStays::Several)
    } else if others.quiet.contains(&definition.name) {
        Some(WhyItStays::NoHooks)
    } else if call.options.is_empty() {
        None
    } else {
        Some(WhyItStays::HasOptions)
    };
    let lines = stanza.options.iter().filter_map(command_line);
    let multi = multi_line(others, defined, stanza, &call);
    let lines: Vec<CommandLine> = lines.chain(multi).collect();
    let variables = if lines.is_empty() {
        Vec::new()
    } else {
        definition.variables(&definition.name)
    };
    // These two differ from line to line.
    let variables = variables.into_iter();
    let variables = variables.filter(|(name, _)| name != "MODE" && name != "PHASE");
    Some(ScriptedStanza {
        file: defined.file,
        block: defined.block,
        place: 0,
        variables: variables
            .map(|(name, value)| (text(&name), text(&value)))
            .collect(),
        lines,
        stays,
        is_mapped: others.selection.may_be_mapped(&definition.name),
        call,
    })
}

fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

fn command_line(option: &OptionLine) -> Option<CommandLine> {
    Some(CommandLine {
        number: option.number,
        text_lines: vec![option.line],
        phase: Phase::of(&option.name)?,
        command: LineCommand::Shell(text(&option.value)),
        stays: None,
    })
}

/// What the options of ifupdown-multi do, as a line in the place of the first.
fn multi_line(
    others: &OtherLines,
    defined: &StanzaInForce,
    stanza: &IfaceStanza,
    call: &HookCall,
) -> Option<CommandLine> {
    let definition = &defined.definition;
    let options = stanza.options.iter();
    let options = options.filter(|option| option.name.starts_with(MULTI_PREFIX));
    let first = options.clone().next()?;
    definition.option("multi_table")?;
    let same = others.multi.get(&definition.family).copied();
    let value = |name: &str| definition.option(name).map(text);
    let (command, stays) = multi_commands(call, same == Some(1), value);
    Some(CommandLine {
        number: first.number,
        text_lines: options.map(|option| option.line).collect(),
        phase: Phase::Up,
        command,
        stays,
    })
}
