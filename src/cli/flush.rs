//! `policy-table flush`: takes out what was put in, by record, or by the protocol that it bears.

use std::io::Write;

use log::warn;

use super::command::{
    say, Arguments, Command, Trouble, Verdict, WhichInterfaces, ALL, AS, INTERFACES,
};
use super::running::{names_in_records, Running};
use crate::converge;
use crate::converge::{routes_and_rules, take_out, Failure, Removal};
use crate::ifupdown::HookCall;
use crate::marks::remove_all;
use crate::netlink::Kernel;
use crate::record::{Store, FOLDER};
use crate::routing::{InterfaceName, State};
use crate::system::{keep_net_admin, start_logging};

pub const COMMAND: Command = Command {
    name: "flush",
    operands: "INTERFACE... | --all",
    summary: "take out what was put in",
    about: "\
Takes out the routes and rules that were put in for the interfaces, which stay
up; with --all, every route and rule that bears the protocol of policy-table.
Table names stay registered. policy-table apply puts them in again.",
    options: &[ALL, AS, INTERFACES],
    example: "policy-table flush eth1",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let which = arguments.named_or_all()?;
    start_logging(false);
    keep_net_admin()?;
    match which {
        WhichInterfaces::All => {
            let outcome = flush_all()?;
            writeln!(out, "{} removed", routes_and_rules(outcome.removed))?;
            Ok(verdict(&outcome))
        }
        WhichInterfaces::Named(interfaces) => {
            let running = match arguments.value(INTERFACES.long) {
                None => Running::read(None, arguments.said_caller()?).ok(),
                named => Some(Running::read(named, arguments.said_caller()?)?),
            };
            let mut worst = Verdict::Good;
            let mut said = Vec::new();
            for interface in interfaces {
                match flush(&interface, running.as_ref()) {
                    Ok(outcome) => {
                        let removed = routes_and_rules(outcome.removed);
                        writeln!(said, "{interface}: {removed} removed")?;
                        worst = worst.max(verdict(&outcome));
                    }
                    Err(failure) => {
                        converge::tell(interface.as_str(), &failure);
                        worst = Verdict::Bad;
                    }
                }
            }
            say(out, &said)?;
            Ok(worst)
        }
    }
}

/// Takes out what an interface has. Where its record is lost, each of its stanzas tells a part of it.
fn flush(interface: &InterfaceName, running: Option<&Running>) -> Result<Removal, Failure> {
    let mut all = Removal::default();
    for name in names_in_records(interface) {
        for call in calls(&name, running) {
            all.add(converge::down(&call, &name)?);
        }
    }
    Ok(all)
}

/// How it went. What could not be removed has been told already.
fn verdict(outcome: &Removal) -> Verdict {
    if outcome.stuck.is_empty() {
        Verdict::Good
    } else {
        Verdict::Bad
    }
}

/// The stanzas to go by if the record is lost. Where there are none, the interface's name alone finds
/// the record.
fn calls(interface: &InterfaceName, running: Option<&Running>) -> Vec<HookCall> {
    let mut calls = running.map_or_else(Vec::new, |running| running.stanzas(interface));
    if calls.is_empty() {
        calls.push(HookCall {
            interface: interface.to_string(),
            ..HookCall::default()
        });
    }
    calls
}

/// Takes out what bears our protocol, and empties the records.
fn flush_all() -> Result<Removal, Failure> {
    let store = Store::open();
    let mut kernel = Kernel::open()?;
    let ours: State = kernel.ours()?.into_iter().collect();
    let outcome = take_out(&mut kernel, &ours);
    for warning in &outcome.warnings {
        warn!("{warning}");
    }
    if let Err(error) = remove_all() {
        warn!("{error}");
    }
    match store {
        Ok(store) if outcome.stuck.is_empty() => {
            if let Err(error) = store.clear() {
                warn!("cannot empty {FOLDER}: {error}");
            }
        }
        Ok(_) => {}
        Err(error) => warn!("cannot empty {FOLDER}: {error}"),
    }
    Ok(outcome)
}
