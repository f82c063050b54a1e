//! `policy-table flush`: takes out everything of ours. Floor 3.

use std::io::Write;

use log::warn;

use crate::bring;
use crate::command::{Arguments, Command, Trouble, Verdict, Which, ALL, INTERFACES};
use crate::converge;
use crate::environment::Call;
use crate::error::Failure;
use crate::journal;
use crate::kernel::Kernel;
use crate::net::InterfaceName;
use crate::outcome::Outcome;
use crate::privileges;
use crate::running::Running;
use crate::state::State;
use crate::store::{Store, FOLDER};

/// The command.
pub const COMMAND: Command = Command {
    name: "flush",
    operands: "INTERFACE... | --all",
    summary: "take out what was put in",
    about: "\
Takes out the routes and rules that were put in for the interfaces, which stay
up; with --all, every route and rule that bears the protocol of policy-table.
Table names stay registered. ifup --force, or policy-table apply, puts them
in again.",
    options: &[ALL, INTERFACES],
    example: "policy-table flush eth1",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let which = arguments.named_or_all()?;
    journal::start(false);
    privileges::keep_net_admin()?;
    match which {
        Which::All => {
            let outcome = flush_all()?;
            writeln!(out, "{} routes and rules removed", outcome.removed)?;
            Ok(verdict(&outcome))
        }
        Which::Named(interfaces) => {
            let mut worst = Verdict::Good;
            let file = arguments.value(INTERFACES.long);
            for interface in interfaces {
                match bring::down(&call(&interface, file), &interface) {
                    Ok(outcome) => {
                        writeln!(
                            out,
                            "{interface}: {} routes and rules removed",
                            outcome.removed
                        )?;
                        worst = worst.max(verdict(&outcome));
                    }
                    Err(failure) => {
                        bring::tell(interface.as_str(), &failure);
                        worst = Verdict::Bad;
                    }
                }
            }
            Ok(worst)
        }
    }
}

/// What could not be removed has been told.
fn verdict(outcome: &Outcome) -> Verdict {
    if outcome.stuck.is_empty() {
        Verdict::Good
    } else {
        Verdict::Bad
    }
}

/// The stanza to go by if the record is lost; the record alone will do where there is none.
fn call(interface: &InterfaceName, file: Option<&str>) -> Call {
    let name = interface.to_string();
    let running = Running::read(file);
    let calls = running.map(|running| running.stanzas(interface));
    let call = calls.ok().and_then(|calls| calls.into_iter().next());
    call.unwrap_or_else(|| Call {
        interface: name,
        ..Call::default()
    })
}

/// Takes out what bears our protocol, and empties the records.
fn flush_all() -> Result<Outcome, Failure> {
    let store = Store::open();
    let mut kernel = Kernel::open()?;
    let mut all = Outcome::default();
    loop {
        // A rule can be there several times, and goes once at a time.
        let ours: State = kernel.ours()?.into_iter().collect();
        let outcome = converge::down(&mut kernel, &ours);
        all.removed += outcome.removed;
        if outcome.removed == 0 {
            for warning in &outcome.warnings {
                warn!("{warning}");
            }
            all.stuck = outcome.stuck;
            break;
        }
    }
    match store {
        Ok(store) if all.stuck.is_empty() => {
            if let Err(error) = store.clear() {
                warn!("cannot empty {FOLDER}: {error}");
            }
        }
        Ok(_) => {}
        Err(error) => warn!("cannot empty {FOLDER}: {error}"),
    }
    Ok(all)
}
