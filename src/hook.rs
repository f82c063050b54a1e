//! What `ifup` and `ifdown` set off: the story of a run, told in the words of the rooms below.
//! Floor 3. Strict on the way up, generous on the way down.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use log::{debug, error, info, warn};

use crate::book::Book;
use crate::converge::{self, Outcome};
use crate::desired::{self, Found, Notice, TableIds};
use crate::environment::{Call, Direction};
use crate::error::Failure;
use crate::facts;
use crate::journal;
use crate::kernel::Kernel;
use crate::line::Shown;
use crate::net::{InterfaceName, TableId, TableName};
use crate::options::{Fault, OptionError};
use crate::record::heading;
use crate::registry::Registry;
use crate::stanza::{on_error, OnError, Source, Stanza, Table};
use crate::state::State;
use crate::store::Store;

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
    if call.options.is_empty() {
        return ExitCode::SUCCESS;
    }
    journal::start(call.verbose);
    let interface = Shown(&call.interface);
    match bring_up(call) {
        Ok(summary) => {
            info!("{interface}: {summary}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            for line in failure.lines() {
                error!("{interface}: {line}");
            }
            let failing = on_error(call) == OnError::Fail;
            error!("{interface}: {}", not_in_force(call, failing));
            if failing {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
    }
}

/// What the failure means for the interface, and the way out of it.
fn not_in_force(call: &Call, failing: bool) -> String {
    let interface = Shown(&call.interface);
    if failing {
        format!(
            "policy routing is not in force and ifup fails (policy-on-error fail); correct the \
             cause, then run: ifdown --force {interface}; ifup {interface}"
        )
    } else {
        format!(
            "policy routing is not in force, the interface itself is up; correct the cause, \
             then run: ifup --force --ignore-errors {interface}"
        )
    }
}

/// All of an interface's coming up; the summary says what was done.
fn bring_up(call: &Call) -> Result<String, Failure> {
    let Some(stanza) = Stanza::judge(call).map_err(Failure::Options)? else {
        return Ok("nothing to do".to_owned());
    };
    let mut kernel = Kernel::open()?;
    let found = facts::of_stanza(&mut kernel, &stanza)?;
    if stanza.asks_address() && found.addresses.is_empty() && stanza.source != Source::None {
        return Err(no_address(&stanza));
    }
    let tables = register(&stanza, &mut kernel)?;
    let (wanted, notices) = wanted(&stanza, &tables, &found).map_err(Failure::Options)?;
    for notice in &notices {
        match notice {
            Notice::NoDefault(..) => warn!("{}: {notice}", stanza.interface),
            Notice::Guessed(_) | Notice::Onlink(..) => info!("{}: {notice}", stanza.interface),
        }
    }
    let outcome = converge_recorded(&mut kernel, call, &stanza.interface, &wanted)?;
    report(&stanza.interface, &outcome);
    Ok(format!(
        "{}{} routes and {} rules in force, {} added, {} removed",
        stanza
            .table
            .as_ref()
            .zip(tables.own)
            .map(in_table)
            .unwrap_or_default(),
        outcome.in_force.routes().len(),
        outcome.in_force.rules().len(),
        outcome.added,
        outcome.removed
    ))
}

fn no_address(stanza: &Stanza) -> Failure {
    let fault = Fault::NoAddressYet {
        interface: stanza.interface.clone(),
        family: stanza.family,
        seconds: facts::LONGEST.as_secs(),
    };
    let table = stanza.table.as_ref().map(ToString::to_string);
    Failure::Options(vec![OptionError::new(
        "policy-table",
        table.as_deref(),
        fault,
    )])
}

fn in_table((table, id): (&Table, TableId)) -> String {
    match table {
        Table::Id(id) => format!("table {id}: "),
        Table::Named(name, _) => format!("table {name} ({id}): "),
    }
}

fn report(interface: &InterfaceName, outcome: &Outcome) {
    for warning in &outcome.warnings {
        warn!("{interface}: {warning}");
    }
}

/// The tables of a stanza with their IDs.
struct Tables {
    own: Option<TableId>,
    named: Vec<(TableName, TableId)>,
}

/// What the stanza asks for with its tables known by ID.
fn wanted(
    stanza: &Stanza,
    tables: &Tables,
    found: &Found,
) -> Result<(State, Vec<Notice>), Vec<OptionError>> {
    let names = |text: &str| {
        let known = tables.named.iter().find(|(name, _)| name.as_str() == text);
        known.map(|(_, id)| *id)
    };
    desired::of_stanza(
        stanza,
        &TableIds {
            own: tables.own,
            names: &names,
        },
        found,
    )
}

impl Tables {
    /// Finds the ID of every table that a stanza names.
    fn of<E>(
        stanza: &Stanza,
        mut id: impl FnMut(&TableName, Option<TableId>) -> Result<TableId, E>,
    ) -> Result<Self, E> {
        let mut named = Vec::new();
        let own = match &stanza.table {
            None => None,
            Some(Table::Id(id)) => Some(*id),
            Some(Table::Named(name, fixed)) => {
                let own = id(name, *fixed)?;
                named.push((name.clone(), own));
                Some(own)
            }
        };
        for name in &stanza.names {
            if !named.iter().any(|(known, _)| known == name) {
                named.push((name.clone(), id(name, None)?));
            }
        }
        Ok(Self { own, named })
    }
}

/// The IDs of the stanza's tables, registered where a name is new.
fn register(stanza: &Stanza, kernel: &mut Kernel) -> Result<Tables, Failure> {
    let interface = &stanza.interface;
    let registry = Registry::below(Path::new("/"));
    Tables::of(stanza, |name, fixed| {
        let registered = registry
            .id(name, fixed, |id| kernel.is_occupied(id))
            .map_err(|source| Failure::Table {
                name: name.to_string(),
                source,
            })?;
        for warning in &registered.warnings {
            warn!("{interface}: {warning}");
        }
        if registered.new {
            info!(
                "{interface}: table {name} is new and has ID {}",
                registered.id
            );
        }
        Ok(registered.id)
    })
}

/// Converges with the record written ahead: whatever interrupts the run, what it put in is known.
fn converge_recorded(
    kernel: &mut Kernel,
    call: &Call,
    interface: &InterfaceName,
    wanted: &State,
) -> Result<Outcome, Failure> {
    let mut book = Book::open(interface);
    let stanza = heading(call);
    let previous = book.record.of_stanza(&stanza);
    let claimed = book
        .record
        .of_others(&stanza)
        .with(&book.claimed_elsewhere(&previous));
    book.set(&stanza, previous.with(wanted));
    match converge::up(kernel, wanted, &previous, &claimed) {
        Ok(outcome) => {
            book.set(&stanza, outcome.in_force.with(&outcome.stuck));
            book.share(&outcome.already.without(&previous).without(&claimed));
            Ok(outcome)
        }
        Err(errors) => {
            book.set(&stanza, previous);
            Err(Failure::Steps(errors))
        }
    }
}

fn down(call: &Call) {
    let Ok(interface) = call.interface.parse::<InterfaceName>() else {
        return;
    };
    if call.options.is_empty() && !Store::has(&interface.device()) {
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
    let registry = Registry::below(Path::new("/"));
    let likely = |name: &TableName, fixed| Ok::<_, Infallible>(registry.likely_id(name, fixed));
    let Ok(tables) = Tables::of(&stanza, likely);
    let found = facts::at_once(kernel, &stanza).unwrap_or_default();
    wanted(&stanza, &tables, &found)
        .map(|(state, _)| state)
        .unwrap_or_default()
}
