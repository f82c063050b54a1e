//! Bringing a device back to what its record had, as far as that can be done: piece by piece. What
//! has become impossible meanwhile, as a route by a link that went down, keeps nothing else from
//! coming back.

use super::observe::router;
use super::outcome::{Outcome, StepError};
use super::put_in::{put_in, Known};
use super::remove::take_out;
use crate::ifupdown::HookCall;
use crate::marks::{load_marks, DeviceMarks};
use crate::netlink::Kernel;
use crate::record::{DeviceRecord, Heading, Part, Record};
use crate::routing::{InterfaceName, State};

/// What came of putting in what could be.
#[derive(Debug, Default)]
pub struct PutBack {
    pub outcome: Outcome,
    /// Why something could not be.
    pub errors: Vec<StepError>,
}

impl PutBack {
    fn add(&mut self, outcome: Outcome) {
        let all = &mut self.outcome;
        all.in_force.extend(outcome.in_force.objects());
        all.already.extend(outcome.already.objects());
        all.behind.extend(outcome.behind.objects());
        all.warnings.extend(outcome.warnings);
    }
}

/// Puts in what is wanted, all at once or else each by itself, and takes nothing out.
pub fn put_in_each(kernel: &mut Kernel, wanted: &State, known: &Known<'_>) -> PutBack {
    let known = Known {
        claimed: &known.claimed.with(known.previous),
        line: None,
        ..*known
    };
    let mut done = PutBack::default();
    match put_in(kernel, wanted, &known) {
        Ok(outcome) => done.add(outcome),
        Err(_) => {
            for object in wanted.objects() {
                match put_in(kernel, &[object].into_iter().collect(), &known) {
                    Ok(outcome) => done.add(outcome),
                    Err(undone) => {
                        done.outcome.in_force.extend(undone.stuck.objects());
                        done.errors.extend(undone.errors);
                    }
                }
            }
        }
    }
    done
}

/// What the stanzas that are up ask for. What the keeper repairs or notes of them meanwhile is not
/// what somebody did.
pub fn asked(record: &Record) -> Vec<(&Heading, Option<HookCall>)> {
    let parts = record.parts().iter().filter(|part| !part.is_leaving);
    parts.map(|part| (&part.heading, part.call())).collect()
}

/// A record with what its device had before, too: what is noted while it goes back.
fn with_former(mut record: Record, former: &[Part]) -> Record {
    for part in former {
        let state = record.of_stanza(&part.heading).with(&part.state);
        record.set(&part.heading, state);
    }
    record
}

/// Brings a device, and its record, back to the parts that it had, unless it is not as the change
/// `left` it any more: it has been brought up or down meanwhile, which stands, and `None` is
/// returned. What was there comes back before what is new leaves.
pub fn go_back(
    kernel: &mut Kernel,
    device: &InterfaceName,
    former: &[Part],
    left: &Record,
) -> Option<PutBack> {
    // Locked from here on.
    let mut record = DeviceRecord::open(device);
    if record.is_written() {
        // Another run may have begun to go back, and have been killed.
        let begun = with_former(left.clone(), former);
        let gone_back = former
            .iter()
            .cloned()
            .fold(Record::default(), |mut all, part| {
                all.put(part);
                all
            });
        let known = [left, &begun, &gone_back].map(asked);
        if !known.contains(&asked(&record.noted)) {
            return None;
        }
    } else {
        record.noted = left.clone();
    }
    let marked = DeviceMarks::devices(&record.noted);
    let now = std::mem::take(&mut record.noted);
    let now = now.with_states(|state| kernel.devices().same_in(state));
    let current = now.state();
    let others = record.still_shared(&current);
    record.replace(with_former(now.clone(), former));
    let known = Known {
        previous: &current,
        claimed: &others,
        shared: &record.shared.clone(),
        line: None,
    };
    let mut whole = PutBack::default();
    let mut then = Record::default();
    for part in former {
        let done = put_in_each(kernel, &part.state, &known);
        let state = done.outcome.in_force.clone();
        // A router that has no route yet is known when it can have one again.
        let had = router(&part.state, device);
        let had = had.filter(|route| !state.routes().contains(route));
        let router = part.router.clone().or(had);
        let part = Part {
            router,
            state,
            ..part.clone()
        };
        then.replace(|_| false, part);
        whole.errors.extend(done.errors);
        whole.add(done.outcome);
    }
    let in_force = &whole.outcome.in_force;
    let removal = take_out(kernel, &current.without(in_force).without(&others));
    for part in now.parts() {
        let stuck = part.state.only(&removal.stuck);
        if then.has(&part.heading) {
            let state = then.of_stanza(&part.heading);
            then.set(&part.heading, state.with(&stuck));
        } else {
            then.leave(&part.heading, stuck);
        }
    }
    record.replace(then);
    let already = whole.outcome.already.without(&current).without(&others);
    record.share(&already, &whole.outcome.behind);
    if let Err(error) = load_marks(&marked, &record.noted) {
        whole.outcome.warnings.push(error.to_string());
    }
    record.close();
    whole.outcome.add_removal(removal);
    Some(whole)
}
