//! Examines a whole interfaces(5) file: what is wrong in each stanza, between stanzas, and with
//! them on this host. Reads only.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;

use super::between_stanzas::clashes;
use super::commands::leftovers;
use super::dialects::by_dialect;
use super::finding::{Code, Finding, Span};
use super::origin::{Taken, Written};
use super::stanza::{of_errors, CheckedStanza, Ids, Policy};
use super::this_host::ThisHost;
use crate::ifupdown::interfaces::{FaultKind, Interfaces, Selection, StanzaInForce};
use crate::ifupdown::HookCall;
use crate::routing::{InterfaceName, TableId, TableName};
use crate::stanza::{own_address, Stanza, Table, OPTIONS};
use crate::system::arp_is_strict;
use crate::text::{did_you_mean, nearest, Shown};

/// All that is found in a file, in its order; what is of no place comes last. Without a host the
/// file alone is looked at.
pub fn examine(interfaces: &Interfaces, host: Option<&mut ThisHost>) -> Vec<Finding> {
    examine_beside(interfaces, host, false)
}

/// The same, with what the web interface of Proxmox would make of the file, where that may write it.
pub fn examine_beside(
    interfaces: &Interfaces,
    mut host: Option<&mut ThisHost>,
    web_interface: bool,
) -> Vec<Finding> {
    let mut findings = of_files(interfaces);
    findings.extend(by_dialect(interfaces, web_interface));
    let selection = Selection::of(interfaces.blocks());
    let mut refused = HashSet::new();
    let understood = understood(interfaces, &selection, &mut findings, &mut refused);
    let policies = understood.iter().filter_map(|one| one.policy.as_ref());
    let mut ids = Ids::beside(policies);
    findings.extend(name_tables(&understood, &mut ids, host.as_deref_mut()));
    let (mut stanzas, mut models) = (Vec::new(), Vec::new());
    for one in understood {
        let address = own_address(&one.call);
        let is_used = one.stanza.reached && !selection.is_model(&one.stanza.definition.name);
        match one.checked(&ids) {
            Ok(stanza) => {
                findings.extend(stanza.notices());
                findings.extend(stanza.beside_vpns());
                // Those that are never up do nothing to others.
                if is_used {
                    stanzas.push(stanza);
                } else {
                    models.push(stanza);
                }
            }
            Err(errors) => {
                findings.extend(errors);
                refused.extend(address.map(|own| own.address));
            }
        }
    }
    // What several inherit is of interest beside options, and where there are none.
    let mut taken = [Taken::new(), Taken::new()];
    let [with, without] = &mut taken;
    findings.extend(leftovers(&stanzas, |stanza| {
        let taken = if stanza.policy.is_some() {
            &mut *with
        } else {
            &mut *without
        };
        stanza.written.options_beyond(taken)
    }));
    // Those that inherit from them are among these, or models themselves.
    findings.extend(leftovers(&models, |stanza| stanza.written.own()));
    findings.extend(without_hooks(interfaces, &stanzas));
    let arp_is_set = |device: &InterfaceName| host.is_some() && arp_is_strict(device);
    findings.extend(clashes(&stanzas, &arp_is_set));
    if let Some(host) = host {
        findings.extend(host.findings(&stanzas, &refused));
    }
    sorted(findings, interfaces)
}

/// Stanzas with options for which ifupdown runs no hooks.
fn without_hooks(interfaces: &Interfaces, stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let quiet = interfaces.stanzas_without_hooks();
    let concerned = stanzas.iter().filter(|stanza| {
        stanza.policy.is_some() && quiet.contains_key(stanza.definition.name.as_str())
    });
    let finding = |stanza: &CheckedStanza<'_>| {
        let names = ["policy-table", "policy-rule", "policy-route"];
        let place = stanza.written.of_first(&names);
        let text = format!(
            "no-scripts keeps ifupdown from running hooks for {}: its policy-* options do nothing",
            stanza.interface
        );
        Finding::at(Code::NoScripts, place, text).hint("take its name out of the no-scripts line")
    };
    concerned.map(finding).collect()
}

/// A stanza whose options are understood, before its tables have IDs.
struct Understood<'a> {
    stanza: &'a StanzaInForce,
    written: Rc<Written<'a>>,
    interface: InterfaceName,
    call: HookCall,
    policy: Option<Stanza>,
}

impl<'a> Understood<'a> {
    /// The stanza with the routes and rules that it asks for.
    /// Errors: what is wrong with these.
    fn checked(self, ids: &Ids) -> Result<CheckedStanza<'a>, Vec<Finding>> {
        let address = own_address(&self.call);
        let policy = self.policy.map(|stanza| Policy::of(stanza, ids));
        let policy = policy.transpose();
        let policy = policy.map_err(|errors| of_errors(&self.written, &errors))?;
        Ok(CheckedStanza {
            written: self.written,
            definition: &self.stanza.definition,
            interface: self.interface,
            call: self.call,
            address,
            policy,
        })
    }
}

/// The stanzas whose options are understood; what is wrong with the others is added to the findings,
/// and their addresses to those of `refused` stanzas.
fn understood<'a>(
    interfaces: &'a Interfaces,
    selection: &Selection,
    findings: &mut Vec<Finding>,
    refused: &mut HashSet<IpAddr>,
) -> Vec<Understood<'a>> {
    let mut understood = Vec::new();
    for (place, stanza) in interfaces.written().enumerate() {
        let Some(written) = Written::of(interfaces, stanza).map(Rc::new) else {
            continue;
        };
        findings.extend(misspelt(&written));
        // What is wrong in a template shows in those that inherit it; it may be half a stanza.
        let as_written = interfaces.stanza(stanza);
        let is_half = interfaces.is_inherited(place) && !selection.is_used(&stanza.definition.name)
            || as_written.is_some_and(|stanza| stanza.is_template);
        if is_half {
            continue;
        }
        let Some((interface, calls)) = calls(selection, stanza) else {
            continue;
        };
        for call in calls {
            match Stanza::parse(&call) {
                Ok(policy) => understood.push(Understood {
                    stanza,
                    written: Rc::clone(&written),
                    interface: interface.clone(),
                    call,
                    policy,
                }),
                Err(errors) => {
                    findings.extend(of_errors(&written, &errors));
                    refused.extend(own_address(&call).map(|own| own.address));
                }
            }
        }
    }
    understood
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
            let code = if fault.stops {
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

/// Names that ifupdown takes for any other option, and this program for nobody's: slips of ours before
/// the hyphen, and slips of `iface`.
fn misspelt(written: &Written<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What is inherited is told of where it is written.
    for option in written.own().iter().map(|written| written.option) {
        let name = option.name.as_str();
        let is_ours = name.to_lowercase().replace('_', "-").starts_with("policy-");
        let value = option.value.to_string_lossy();
        let near = if value.contains(" inet") {
            // A misspelt `iface` line below another stanza is an option of that.
            nearest(name, &["iface"])
        } else if name.starts_with(['p', 'P']) && !is_ours {
            nearest(name, &OPTIONS)
        } else {
            None
        };
        if let Some(near) = near {
            let text = format!("{}: no option that anybody knows", Shown(name));
            findings.push(
                Finding::at(Code::UnknownOption, written.of_name(name), text)
                    .hint(did_you_mean(&near)),
            );
        }
    }
    findings
}

/// The calls of the hook for a stanza. A logical name may be longer than a device's.
fn calls(selection: &Selection, stanza: &StanzaInForce) -> Option<(InterfaceName, Vec<HookCall>)> {
    let name = stanza.definition.name.as_str();
    let stand_in = "logical0";
    match name.parse() {
        Ok(interface) => Some((interface, stanza.definition.calls(name))),
        // It is meant for an interface: that none can have this name is the first error of all.
        Err(_) if selection.is_selected(name) => {
            Some((stand_in.parse().ok()?, stanza.definition.calls(name)))
        }
        Err(_) => Some((stand_in.parse().ok()?, stanza.definition.calls(stand_in))),
    }
}

/// Gives the tables their IDs, and tells what the files of names have against them.
fn name_tables(
    understood: &[Understood<'_>],
    ids: &mut Ids,
    mut host: Option<&mut ThisHost>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut given: HashMap<TableId, &TableName> = HashMap::new();
    let mut asked: HashSet<&TableName> = HashSet::new();
    // Stanzas that fix an ID come first: the others with that name go by it.
    let is_fixed = |stanza: &Stanza| matches!(&stanza.table, Some(Table::Named(_, Some(_))));
    let all = understood
        .iter()
        .filter_map(|one| Some((&*one.written, one.policy.as_ref()?)));
    let (fixed, free): (Vec<_>, Vec<_>) = all.partition(|(_, stanza)| is_fixed(stanza));
    for (written, stanza) in fixed.into_iter().chain(free) {
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
            let Some(host) = host.as_deref_mut() else {
                continue;
            };
            match host.id(name, fixed) {
                Ok(id) => ids.set(name, id),
                Err(text) => {
                    let options = ["policy-table-id", "policy-table"];
                    let options = if fixed.is_some() {
                        &options[..]
                    } else {
                        &options[1..]
                    };
                    findings.push(Finding::at(Code::TableId, written.of_first(options), text));
                }
            }
        }
        ids.fill(stanza);
    }
    findings
}
