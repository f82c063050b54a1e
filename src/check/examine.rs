//! Examines a whole interfaces(5) file: what is wrong in each stanza, between stanzas, and with
//! them on this host. Reads only.

use std::collections::{HashMap, HashSet};

use super::between_stanzas::clashes;
use super::finding::{Code, Finding, Span};
use super::origin::{Written, WrittenOption};
use super::stanza::{of_error, CheckedStanza, Ids, Policy};
use crate::ifupdown::interfaces::{FaultKind, Interfaces, Selection, StanzaInForce};
use crate::ifupdown::HookCall;
use crate::routing::{InterfaceName, TableId, TableName};
use crate::stanza::{own_address, Stanza, Table, OPTIONS};
use crate::text::{did_you_mean, nearest, Shown};

/// What is to be known of the host, where it is asked.
pub trait Surroundings {
    /// The ID that a table's name has or would get; `None` where only the file is asked.
    /// Errors: what the files of names have against it.
    fn id(&mut self, name: &TableName, fixed: Option<TableId>) -> Result<Option<TableId>, String>;
    /// Whether ARP on a device has been told to keep to its own addresses.
    fn arp_is_set(&self, device: &InterfaceName) -> bool;
    /// What the host makes of the stanzas.
    fn findings(&mut self, subjects: &[CheckedStanza<'_>]) -> Result<Vec<Finding>, String>;
}

/// The file alone.
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn id(&mut self, _: &TableName, _: Option<TableId>) -> Result<Option<TableId>, String> {
        Ok(None)
    }

    fn arp_is_set(&self, _: &InterfaceName) -> bool {
        false
    }

    fn findings(&mut self, _: &[CheckedStanza<'_>]) -> Result<Vec<Finding>, String> {
        Ok(Vec::new())
    }
}

/// All that is found in a file, in its order; what is of no place comes last.
pub fn examine(
    interfaces: &Interfaces,
    surroundings: &mut dyn Surroundings,
) -> Result<Vec<Finding>, String> {
    let mut findings = of_files(interfaces);
    let mut judged = Vec::new();
    let usage = Selection::of(interfaces.blocks());
    for defined in interfaces.written() {
        let Some(origin) = origin(interfaces, defined) else {
            continue;
        };
        findings.extend(misspelt(&origin));
        let Some((interface, call)) = call(&usage, defined) else {
            continue;
        };
        match Stanza::judge(&call) {
            Ok(stanza) => judged.push((defined, origin, interface, call, stanza)),
            Err(errors) => findings.extend(errors.iter().map(|error| of_error(&origin, error))),
        }
    }
    let stanzas = judged.iter();
    let stanzas = stanzas.filter_map(|(_, origin, _, _, stanza)| Some((origin, stanza.as_ref()?)));
    let stanzas: Vec<(&Written<'_>, &Stanza)> = stanzas.collect();
    let mut ids = Ids::beside(stanzas.iter().map(|(_, stanza)| *stanza));
    findings.extend(name_tables(&stanzas, &mut ids, surroundings));
    let mut subjects = Vec::new();
    for (defined, origin, interface, call, stanza) in judged {
        let address = own_address(&call);
        let policy = match stanza.map(|stanza| Policy::of(stanza, &ids)).transpose() {
            Ok(policy) => policy,
            Err(errors) => {
                findings.extend(errors.iter().map(|error| of_error(&origin, error)));
                continue;
            }
        };
        let subject = CheckedStanza {
            origin,
            definition: &defined.definition,
            interface,
            call,
            address,
            policy,
        };
        findings.extend(subject.notices());
        findings.extend(subject.leftovers());
        if defined.reached && !usage.is_model(&defined.definition.name) {
            subjects.push(subject);
        }
    }
    let arp_is_set = |device: &InterfaceName| surroundings.arp_is_set(device);
    findings.extend(clashes(&subjects, &arp_is_set));
    findings.extend(surroundings.findings(&subjects)?);
    Ok(sorted(findings, interfaces))
}

/// By place; each once, though several stanzas may inherit it.
fn sorted(mut findings: Vec<Finding>, interfaces: &Interfaces) -> Vec<Finding> {
    let files = interfaces.files.iter().enumerate();
    let files: HashMap<_, usize> = files.map(|(n, file)| (file.path.clone(), n)).collect();
    findings.sort_by_cached_key(|finding| {
        let place = finding.place.as_ref();
        let place = place.map(|place| (files.get(&place.path).copied(), place.line, place.column));
        (place.is_none(), place, finding.code)
    });
    findings.dedup();
    findings
}

fn of_files(interfaces: &Interfaces) -> Vec<Finding> {
    let unread = interfaces.unread.iter().map(|(path, error)| {
        let path = path.to_string_lossy();
        Finding::new(
            Code::Unread,
            format!("cannot read {}: {error}", Shown(&path)),
        )
    });
    let mut findings: Vec<Finding> = unread.collect();
    for file in &interfaces.files {
        for fault in &file.text.faults {
            let Some(line) = file.text.lines.get(fault.line) else {
                continue;
            };
            let code = if fault.kind.stops() {
                Code::Refused
            } else {
                Code::Ignored
            };
            let place = Span::of_word(&file.path, line, fault.place);
            let finding = Finding::at(code, place, fault.kind.to_string());
            findings.push(match &fault.kind {
                FaultKind::Misplaced { word } => match nearest(word, &KEYWORDS) {
                    Some(near) => finding.hint(did_you_mean(&near)),
                    None => finding.hint("an option stands below its iface line"),
                },
                _ => finding,
            });
        }
    }
    findings
}

const KEYWORDS: [&str; 5] = ["iface", "auto", "source", "mapping", "allow-hotplug"];

/// Where a stanza and what it inherits is written.
fn origin<'a>(interfaces: &'a Interfaces, defined: &'a StanzaInForce) -> Option<Written<'a>> {
    let mut chain = vec![defined];
    let mut above = defined.parent;
    while let Some(parent) = above.and_then(|parent| interfaces.written().nth(parent)) {
        chain.push(parent);
        above = parent.parent;
    }
    let (mut options, mut inherited) = (Vec::new(), 0);
    for one in chain.into_iter().rev() {
        inherited = options.len();
        let file = interfaces.files.get(one.file)?;
        let stanza = interfaces.stanza(one)?;
        options.extend(stanza.options.iter().map(|option| WrittenOption {
            path: &file.path,
            text: &file.text,
            option,
        }));
    }
    let file = interfaces.files.get(defined.file)?;
    let block = file.text.blocks.get(defined.block)?;
    Some(Written {
        path: &file.path,
        head: file.text.lines.get(block.lines.start)?,
        options,
        inherited,
    })
}

/// Options that are ours but for a slip before the hyphen, and slips of `iface`: nobody else would
/// tell.
fn misspelt(origin: &Written<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for written in &origin.options {
        let name = written.option.name.as_str();
        let is_ours = name.to_lowercase().replace('_', "-").starts_with("policy-");
        let value = written.option.value.to_string_lossy();
        let near = if value.contains(" inet") {
            // Below a stanza it is taken for an option.
            nearest(name, &["iface"])
        } else if name.starts_with(['p', 'P']) && !is_ours {
            nearest(name, &OPTIONS)
        } else {
            None
        };
        if let Some(near) = near {
            let text = format!("{}: no option that anybody knows", Shown(name));
            findings.push(
                Finding::at(Code::UnknownOption, origin.of_name(name), text)
                    .hint(did_you_mean(&near)),
            );
        }
    }
    findings
}

/// The call of the hook for a stanza. A logical name may be longer than a device's.
fn call(usage: &Selection, defined: &StanzaInForce) -> Option<(InterfaceName, HookCall)> {
    let name = defined.definition.name.as_str();
    let stand_in = "logical0";
    let interface = match name.parse() {
        Ok(interface) => interface,
        Err(_) if usage.is_selected(name) => {
            // The name is the first error of all.
            return Some((stand_in.parse().ok()?, defined.definition.call(name)?));
        }
        Err(_) => return Some((stand_in.parse().ok()?, defined.definition.call(stand_in)?)),
    };
    Some((interface, defined.definition.call(name)?))
}

/// Gives the tables their IDs, and tells what the files of names have against them.
fn name_tables(
    stanzas: &[(&Written<'_>, &Stanza)],
    ids: &mut Ids,
    surroundings: &mut dyn Surroundings,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut given: HashMap<TableId, &TableName> = HashMap::new();
    let mut asked: HashSet<&TableName> = HashSet::new();
    // What stanzas say comes first: the others go by it.
    let is_fixed = |stanza: &Stanza| matches!(&stanza.table, Some(Table::Named(_, Some(_))));
    let all = stanzas.iter();
    let (fixed, free): (Vec<_>, Vec<_>) = all.partition(|(_, stanza)| is_fixed(stanza));
    for (origin, stanza) in fixed.into_iter().chain(free) {
        let own = match &stanza.table {
            Some(Table::Named(name, fixed)) => Some((name, fixed.as_ref().map(|fixed| fixed.id))),
            _ => None,
        };
        for (name, fixed) in own
            .into_iter()
            .chain(stanza.names_in_lines().map(|name| (name, None)))
        {
            let taken = fixed.is_some_and(|id| *given.entry(id).or_insert(name) != name);
            if taken || !asked.insert(name) {
                continue;
            }
            match surroundings.id(name, fixed) {
                Ok(Some(id)) => ids.set(name, id),
                Ok(None) => {}
                Err(text) => {
                    let options = ["policy-table-id", "policy-table"];
                    let options = if fixed.is_some() {
                        &options[..]
                    } else {
                        &options[1..]
                    };
                    findings.push(Finding::at(Code::TableId, origin.of_first(options), text));
                }
            }
        }
        ids.fill(stanza);
    }
    findings
}
