//! What `ifup` and `ifdown` set off: the story of a run, told in the words of the rooms below.
//! Floor 3. Strict on the way up, generous on the way down.

use std::ffi::OsString;
use std::process::ExitCode;

use log::{debug, error, info, warn};

use crate::book::Book;
use crate::converge;
use crate::desired::Notice;
use crate::environment::{Call, Direction};
use crate::error::Failure;
use crate::facts;
use crate::journal;
use crate::judge::on_error;
use crate::kernel::Kernel;
use crate::line::Shown;
use crate::naming::NamedTables;
use crate::net::InterfaceName;
use crate::outcome::Outcome;
use crate::record::{heading, heading_of_all};
use crate::settle::settle;
use crate::stanza::{OnError, Stanza};
use crate::state::State;
use crate::store::Store;
use crate::succession::Heir;

/// Runs as a hook of the folder it was called from.
pub fn run(
    direction: Direction,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    match Call::read(direction, environment) {
        None => ExitCode::SUCCESS,
        Some(call) if direction == Direction::Up => up(&call),
        Some(call) => {
            down(&call);
            ExitCode::SUCCESS
        }
    }
}

fn up(call: &Call) -> ExitCode {
    // Of a stanza without options there is nothing to do, unless it had some when it came up.
    if call.options.is_empty() && !has_record(call) {
        return ExitCode::SUCCESS;
    }
    journal::start(call.verbose);
    let interface = Shown(&call.interface);
    match bring_up(call) {
        Ok(summary) => {
            if let Some(summary) = summary {
                info!("{interface}: {summary}");
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            for line in failure.lines() {
                error!("{interface}: {line}");
            }
            let failing = on_error(call) == OnError::Fail;
            error!("{interface}: {}", consequence(call, failing));
            if failing {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
    }
}

fn has_record(call: &Call) -> bool {
    let interface = call.interface.parse::<InterfaceName>();
    interface.is_ok_and(|interface| Store::has(&interface.device()))
}

/// What the failure means for the interface, and the way out of it.
fn consequence(call: &Call, failing: bool) -> String {
    let interface = Shown(&call.interface);
    let device = call.interface.parse::<InterfaceName>();
    let mapped = !call.logical.is_empty() && call.logical != call.interface;
    let name = if mapped && device.is_ok() {
        format!("{interface}={}", Shown(&call.logical))
    } else {
        interface.to_string()
    };
    let before = device.is_ok_and(|interface| {
        let record = Store::peek(&interface.device());
        !record.of_stanza(&heading(call)).is_empty()
    });
    let state = if before {
        "stays as an earlier ifup left it"
    } else {
        "is not in force"
    };
    if failing {
        format!(
            "policy routing {state} and ifup fails (policy-on-error fail); correct the cause, \
             then run: ifdown --force {name}; ifup {name}"
        )
    } else {
        format!(
            "policy routing {state}, the interface itself is up; correct the cause, then run: \
             ifup --force --ignore-errors {name}"
        )
    }
}

/// All of an interface's coming up; the summary says what was done.
fn bring_up(call: &Call) -> Result<Option<String>, Failure> {
    let Some(stanza) = Stanza::judge(call).map_err(Failure::Options)? else {
        return withdraw(call);
    };
    let mut kernel = Kernel::open()?;
    let found = facts::of_stanza(&mut kernel, &stanza)?;
    facts::require_address(&stanza, &found)?;
    let tables = NamedTables::registered(&stanza, &mut kernel)?;
    let (wanted, notices) = tables.wanted(&stanza, &found).map_err(Failure::Options)?;
    for name in tables.new_and_empty(&wanted) {
        warn!(
            "{}: table {name} is new, and no route goes into it here: is the name right?",
            stanza.interface
        );
    }
    let mut summary = Vec::new();
    for notice in &notices {
        match notice {
            Notice::NoDefault(..) | Notice::NoNetwork(_) => warn!("{}: {notice}", stanza.interface),
            // The lease named a router, which main has no room for.
            Notice::Guessed(_) if stanza.method == "dhcp" => warn!(
                "{}: {notice}; beside another default route dhcp needs a metric",
                stanza.interface
            ),
            Notice::Guessed(_) | Notice::Onlink(..) => summary.push(notice.to_string()),
        }
    }
    let outcome = settle(
        &mut kernel,
        &stanza.interface,
        &Heir::alone(heading(call)),
        &wanted,
    )?;
    report(&stanza.interface, &outcome);
    summary.insert(0, sum_up(&tables, &outcome));
    Ok(Some(summary.join("; ")))
}

/// Takes out what a stanza put in that has no options any more.
fn withdraw(call: &Call) -> Result<Option<String>, Failure> {
    let Ok(interface) = call.interface.parse() else {
        return Ok(None);
    };
    let headings = Book::open(&interface)
        .record
        .headings(&heading_of_all(call));
    let mut summary = None;
    for heading in headings {
        let nothing = State::default();
        let outcome = settle(
            &mut Kernel::open()?,
            &interface,
            &Heir::alone(heading),
            &nothing,
        )?;
        report(&interface, &outcome);
        summary = Some(sum_up(&NamedTables::default(), &outcome));
    }
    Ok(summary)
}

fn sum_up(tables: &NamedTables, outcome: &Outcome) -> String {
    format!(
        "{tables}{} routes and {} rules in force, {} added, {} removed",
        outcome.in_force.routes().len(),
        outcome.in_force.rules().len(),
        outcome.added,
        outcome.removed
    )
}

fn report(interface: &InterfaceName, outcome: &Outcome) {
    for warning in &outcome.warnings {
        warn!("{interface}: {warning}");
    }
}

fn down(call: &Call) {
    let Ok(interface) = call.interface.parse::<InterfaceName>() else {
        return;
    };
    if call.options.is_empty() && !has_record(call) {
        return;
    }
    journal::start(call.verbose);
    match take_down(call, &interface) {
        Ok(0) => debug!("{interface}: nothing of ours was left"),
        Ok(removed) => info!("{interface}: {removed} routes and rules removed"),
        Err(error) => error!("{interface}: {}", error.lines().join("; ")),
    }
}

/// Takes an interface's routing out, by the record or else by the stanza; returns how many
/// objects that were.
fn take_down(call: &Call, interface: &InterfaceName) -> Result<usize, Failure> {
    let mut book = Book::open(interface);
    let (going, staying) = std::mem::take(&mut book.record).split(interface);
    let mut kernel = Kernel::open()?;
    let mut objects = going.state();
    if going.is_empty() || !going.damaged.is_empty() {
        objects = objects.with(&by_stanza(call, &mut kernel));
    }
    let objects = objects
        .without(&staying.state())
        .without(&book.claimed_elsewhere(&objects));
    book.record = staying;
    if !objects.is_empty() {
        let outcome = converge::down(&mut kernel, &objects);
        report(interface, &outcome);
        book.unshare(&objects.without(&outcome.stuck));
        book.record.set(&heading(call), outcome.stuck);
        book.write();
        return Ok(outcome.removed);
    }
    if !going.is_empty() {
        book.write();
    }
    Ok(0)
}

/// What the stanza as it stands now would have put in. Errors in it are no matter here.
fn by_stanza(call: &Call, kernel: &mut Kernel) -> State {
    let Ok(Some(stanza)) = Stanza::judge(call) else {
        return State::default();
    };
    let found = facts::at_once(kernel, &stanza).unwrap_or_default();
    let wanted = NamedTables::likely(&stanza).wanted(&stanza, &found);
    wanted.map(|(state, _)| state).unwrap_or_default()
}
