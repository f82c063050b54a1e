//! Bringing a stanza's policy routing up, and an interface's down. What hooks and commands have in
//! common. Strict on the way up, generous on the way down.

use log::{error, warn};

use super::error::Failure;
use super::outcome::Outcome;
use super::settle::settle;
use super::table_ids::NamedTables;
use super::{observe, put_in, renamed_device};
use crate::ifupdown::HookCall;
use crate::netlink::Kernel;
use crate::record::{DeviceRecord, Heading, Store, Takeover};
use crate::routing::{InterfaceName, State};
use crate::stanza::{Notice, Stanza};
use crate::text::chain;

/// Puts a stanza's routing in, in the place of what it takes over; the summary says what was
/// done, if there was anything to do.
/// Errors: nothing of the stanza is half done: all is as it was.
pub fn up(call: &HookCall, takeover: Takeover) -> Result<Option<String>, Failure> {
    let Some(stanza) = Stanza::judge(call).map_err(Failure::Options)? else {
        return withdraw(call, takeover);
    };
    let mut kernel = Kernel::open()?;
    let found = observe::of_stanza(&mut kernel, &stanza)?;
    observe::require_address(&stanza, &found, observe::LONGEST)?;
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
    let outcome = settle(&mut kernel, &stanza.interface, &takeover, &wanted)?;
    report(&stanza.interface, &outcome);
    summary.insert(0, sum_up(&tables, &outcome));
    Ok(Some(summary.join("; ")))
}

/// Takes out what a stanza put in that has no options any more.
fn withdraw(call: &HookCall, takeover: Takeover) -> Result<Option<String>, Failure> {
    let Ok(interface) = call.interface.parse::<InterfaceName>() else {
        return Ok(None);
    };
    let record = Store::peek(&interface.device());
    let takeover = takeover.with_any_options(&record);
    if takeover.previous(&record).is_empty() {
        return Ok(None);
    }
    let outcome = settle(
        &mut Kernel::open()?,
        &interface,
        &takeover,
        &State::default(),
    )?;
    report(&interface, &outcome);
    Ok(Some(sum_up(&NamedTables::default(), &outcome)))
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

/// Tells why an interface's policy routing is not in force, a line for each cause.
pub fn tell(interface: &str, failure: &Failure) {
    for line in failure.lines() {
        error!("{interface}: {line}");
    }
}

/// Takes an interface's routing out, by the record or else by the stanza.
pub fn down(call: &HookCall, interface: &InterfaceName) -> Result<Outcome, Failure> {
    let mut record = DeviceRecord::open(interface);
    let (going, staying) = std::mem::take(&mut record.noted).split(interface);
    let mut kernel = Kernel::open()?;
    let mut objects = going.state();
    let mut claimed = record.still_shared(&objects);
    if going.is_empty() || !going.damaged.is_empty() {
        let guessed = by_stanza(call, &mut kernel);
        // Which of these another device put in, no run of this stanza may have found out.
        claimed = claimed.with(&record.claimed_elsewhere(&guessed));
        objects = objects.with(&guessed);
    }
    let objects = objects.without(&staying.state()).without(&claimed);
    record.noted = staying;
    if !objects.is_empty() {
        let mut outcome = put_in::down(&mut kernel, &objects);
        match renamed_device::routes(&mut kernel, &interface.device(), &outcome.gone) {
            Ok(renamed) => outcome.add_removal(put_in::down(&mut kernel, &renamed)),
            Err(error) => outcome.warnings.push(chain(&error)),
        }
        report(interface, &outcome);
        record.unshare(&objects.without(&outcome.stuck));
        record.noted.set(&Heading::of(call), outcome.stuck.clone());
        record.write();
        if record.is_written() {
            return Ok(outcome);
        }
        // What cannot be written now may not have been when the interface came up: the record is
        // of before that, if there is one.
        let rest = by_stanza(call, &mut kernel)
            .without(&objects)
            .without(&record.noted.state());
        let rest = rest.without(&record.claimed_elsewhere(&rest));
        let more = put_in::down(&mut kernel, &rest);
        report(interface, &more);
        outcome.add_removal(more);
        return Ok(outcome);
    }
    if !going.is_empty() {
        record.write();
    }
    Ok(Outcome::default())
}

/// What the stanza as it stands now would have put in. Errors in it are no matter here.
fn by_stanza(call: &HookCall, kernel: &mut Kernel) -> State {
    let Ok(Some(stanza)) = Stanza::judge(call) else {
        return State::default();
    };
    let found = observe::at_once(kernel, &stanza).unwrap_or_default();
    let wanted = NamedTables::likely(&stanza).wanted(&stanza, &found);
    wanted.map(|(state, _)| state).unwrap_or_default()
}
