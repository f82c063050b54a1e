//! Bringing the kernel to what one part of a record shall have, and the record with it.

use log::warn;

use super::line::RouteOrder;
use super::observe;
use super::outcome::{Failure, Outcome};
use super::put_in::{put_in, Known};
use super::reorder::put_in_order;
use crate::marks::{load_marks, DeviceMarks};
use crate::netlink::Kernel;
use crate::record::{DeviceRecord, Part, Takeover};
use crate::routing::{InterfaceName, State};
use crate::text::chain;

/// Where the rules of a stanza stand among those of their priority.
pub enum Order<'a> {
    /// Where they happen to.
    AsIs,
    /// In the order of the stanza, but for those that other stanzas have, too: where those belong,
    /// the file says.
    Own,
    /// In the order of the stanza, behind the rules of the stanzas `before` it in the file; and its
    /// routes behind theirs, and in front of those that come `later`.
    Behind { before: &'a State, later: &'a State },
}

/// The part of a stanza that asks for nothing any more. What cannot be taken out is left in it.
pub fn nothing_of(takeover: &Takeover) -> Part {
    Part::leaving(takeover.heading.clone(), State::default())
}

/// Brings the kernel to what a stanza's `part` has, and the record to it, in the place of what is
/// taken over. The record is written ahead: whatever interrupts the run, what it put in is known.
/// Errors: the kernel refused; all is as it was.
pub fn settle(
    kernel: &mut Kernel,
    interface: &InterfaceName,
    takeover: &Takeover,
    part: &Part,
) -> Result<Outcome, Failure> {
    settle_with(kernel, interface, takeover, part, &Order::AsIs)
}

/// As [`settle`], with the rules in an order; of a stanza that waits its router is noted for when
/// it waits no more.
pub fn settle_with(
    kernel: &mut Kernel,
    interface: &InterfaceName,
    takeover: &Takeover,
    part: &Part,
    order: &Order<'_>,
) -> Result<Outcome, Failure> {
    let mut record = DeviceRecord::open(interface);
    if !takeover.is_current(&record.noted) {
        return Err(Failure::Overtaken);
    }
    // A device has one name in a run, whichever of its names the stanza and the record have.
    let renamed = kernel.devices().renamed_in(&part.state);
    let wanted = renamed.as_ref().unwrap_or(&part.state);
    record.noted =
        std::mem::take(&mut record.noted).with_states(|state| kernel.devices().same_in(state));
    let marked = DeviceMarks::devices(&record.noted);
    let was_there = record.noted.has(&takeover.heading);
    let before = record.noted.part(&takeover.heading);
    let previous = takeover.previous(&record.noted);
    let known = || observe::router(&takeover.known(&record.noted), interface);
    let noted = part.router.clone();
    let router = part.waiting.and_then(|_| noted.or_else(known));
    let with = |state| Part {
        router: router.clone(),
        ..part.with_state(state)
    };
    let claimed = takeover
        .others(&record.noted)
        .with(&record.still_shared(&previous));
    record.put(with(previous.with(wanted)));
    let line = match order {
        Order::Behind { before, later } => {
            let others = takeover.others(&record.noted);
            Some(RouteOrder::new(before, &others.with(later)))
        }
        Order::AsIs | Order::Own => None,
    };
    let known = Known {
        previous: &previous,
        claimed: &claimed,
        shared: &record.shared,
        line,
    };
    match put_in(kernel, wanted, &known) {
        Ok(mut outcome) => {
            // One that this run put in stands behind all others; only among those that were there
            // already can there be one too far in front.
            if !outcome.already.rules().is_empty() {
                let in_order = match order {
                    Order::AsIs => State::default(),
                    Order::Own => outcome.in_force.without(&takeover.others(&record.noted)),
                    Order::Behind { before, .. } => before.with(&outcome.in_force),
                };
                keep_order(kernel, &in_order, &mut outcome, &record);
            }
            let there = outcome.in_force.with(&outcome.stuck);
            // Of the only stanza of a device that was noted before, as a rule.
            if !record.noted.is_only(&takeover.heading, &there) {
                let mut now = record.noted.clone();
                takeover.set(&mut now, with(there));
                record.replace(now);
            }
            let parts = record.noted.parts().iter();
            let rest = parts.filter(|of| of.heading != takeover.heading && of.takes_the_rest());
            outcome.rest.extend(rest.cloned());
            let gone = previous
                .without(&outcome.in_force)
                .without(&outcome.stuck)
                .without(&claimed);
            record.unshare(&gone);
            let already = outcome.already.without(&previous).without(&claimed);
            record.share(&already, &outcome.behind);
            outcome.unmarked = load_marks(&marked, &record.noted).err();
            record.close();
            Ok(outcome)
        }
        Err(undone) => {
            for object in undone.stuck.objects() {
                warn!("{interface}: \"{object}\" could not be taken out again; ifdown will");
            }
            let state = before.state.with(&undone.stuck);
            // Of a stanza that was not there before it is what ifdown has to take out.
            let is_leaving = before.is_leaving || !was_there;
            record.put(Part {
                is_leaving,
                state,
                ..before
            });
            Err(Failure::Steps(undone.errors))
        }
    }
}

/// Gives rules that are in force now their order. Where that fails they are still in force.
fn keep_order(kernel: &mut Kernel, in_order: &State, outcome: &mut Outcome, record: &DeviceRecord) {
    let elsewhere = |rules: &State| record.still_shared(rules);
    match put_in_order(kernel, in_order.rules(), elsewhere) {
        Ok(moved) => outcome.moved += moved,
        Err(error) => outcome.warnings.push(format!(
            "rules of equal priority are not in the order of the file: {}",
            chain(&error)
        )),
    }
}
