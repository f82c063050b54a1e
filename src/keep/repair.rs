//! One look at a device, by its record, and the repair of what is lost.

use std::collections::BTreeSet;
use std::slice::from_ref;

use super::interests::KeptRecord;
use super::judgement::LookResult;
use super::telling::{Mending, Statement};
use crate::converge::{
    put_in_front, Condition, Failure, Item, LeftToDo, RecordedDevice, StanzaStatus, View, Waiting,
};
use crate::netlink::{Kernel, KernelError};
use crate::record::{Heading, Part, Record, Store};
use crate::routing::{InterfaceName, Object, State, Step, TableId, Verb};
use crate::stanza::{keep, Keep, Stanza};

/// What a look at a device came to.
#[derive(Debug)]
pub struct Looked {
    pub finding: LookResult,
    /// What was put in and taken out, a line each.
    pub mended: Vec<(Mending, String)>,
    /// What stands for longer.
    pub stands: BTreeSet<Statement>,
    /// Whether something is not there that a part waits for.
    pub waits: bool,
    /// Whether something cannot be in force whatever comes.
    pub is_in_trouble: bool,
}

impl Looked {
    fn state(&mut self, is_warning: bool, text: String) {
        self.stands.insert(Statement { is_warning, text });
    }
}

/// What the record of a device has that decides whom a change concerns.
pub fn recorded(record: &Record) -> KeptRecord {
    let mut recorded = KeptRecord {
        state: record.state(),
        has_marks: record.parts().iter().any(Part::asks_for_marks),
        has_copies: record.headings().any(Heading::is_of_copies),
        ..KeptRecord::default()
    };
    for part in record.parts() {
        let routes = part.state.routes().iter().map(|route| route.table);
        recorded.tables.extend(routes);
        recorded.tables.extend(part.tables());
        let stanza = part.call().map(|call| Stanza::parse(&call));
        if let Some(Ok(Some(stanza))) = stanza {
            recorded.asks_gateway |= stanza.asks_gateway();
            if is_kept(part) && stanza.may_cut_off() {
                recorded.confined.push((stanza.interface, stanza.family));
            }
        }
    }
    // Main is everybody's; of it only the default routes matter.
    recorded.tables.remove(&TableId::MAIN);
    recorded
}

/// Whether the keeper has anything to do with a part.
pub fn is_kept(part: &Part) -> bool {
    !part.is_leaving
        && !part.heading.is_of_copies()
        && part.call().is_none_or(|call| keep(&call) != Keep::No)
}

/// Looks at devices, one after another.
pub struct Looks {
    /// Whether it puts back what is lost; where it does not it only says so.
    acts: bool,
    /// The kernel as it is, for as long as nothing was found amiss: there may be thousands of devices.
    view: Option<View>,
    /// Why the records cannot be locked: not to be waited for at each device.
    locked_out: Option<String>,
}

impl Looks {
    pub fn new(acts: bool) -> Self {
        Self {
            acts,
            view: None,
            locked_out: None,
        }
    }

    /// Looks at a device, and puts back what it has lost.
    pub fn at(&mut self, device: &InterfaceName) -> Looked {
        let mut seen = Looked {
            finding: LookResult::Settled,
            mended: Vec::new(),
            stands: BTreeSet::new(),
            waits: false,
            is_in_trouble: false,
        };
        let looked = self.survey(device).and_then(|(record, found)| {
            let recorded = RecordedDevice {
                device,
                record: &record,
            };
            let is_to_do = |status| is_to_mend(status) || is_to_note(status);
            if self.acts && found.iter().any(is_to_do) {
                if let Some(why) = self.locked_out() {
                    seen.state(true, format!("what is lost cannot be put back now: {why}"));
                    seen.finding = LookResult::Unknown;
                    return Ok(());
                }
            }
            look(&recorded, &found, self.acts, &mut seen)
        });
        if let Err(error) = looked {
            log::debug!("{device}: {error}");
            seen.finding = LookResult::Unknown;
        }
        seen
    }

    /// Why nothing can be done now: without the lock nobody knows what an `ifdown` takes out.
    fn locked_out(&mut self) -> Option<&str> {
        if self.locked_out.is_none() {
            self.locked_out = Store::can_be_locked().err().map(|error| error.to_string());
        }
        self.locked_out.as_deref()
    }

    /// How the parts of a device's record stand. What is amiss is seen in a fresh view: somebody may
    /// have put it right since the last one.
    fn survey(
        &mut self,
        device: &InterfaceName,
    ) -> Result<(Record, Vec<StanzaStatus>), KernelError> {
        let is_settled = |status: &StanzaStatus| {
            !status.is_to_be_changed() && !matches!(status.failure, Some(Failure::Kernel(_)))
        };
        loop {
            let known = self.view.take();
            let is_fresh = known.is_none();
            let record = Store::peek(device);
            let mut view = match known {
                Some(view) => view,
                None => View::open_for_apply()?,
            };
            let recorded = RecordedDevice {
                device,
                record: &record,
            };
            let found = recorded.survey(&mut view);
            let all_settled = found.iter().all(is_settled);
            if all_settled {
                self.view = Some(view);
            }
            if all_settled || is_fresh {
                return Ok((record, found));
            }
        }
    }
}

fn look(
    recorded: &RecordedDevice<'_>,
    found: &[StanzaStatus],
    acts: bool,
    seen: &mut Looked,
) -> Result<(), KernelError> {
    let RecordedDevice { device, record } = recorded;
    let (parts, copies) = found.split_at(found.len().min(record.parts().len()));
    let mut before = State::default();
    for (part, status) in record.parts().iter().zip(parts) {
        before.extend(status.in_place().objects());
        if !is_kept(part) {
            continue;
        }
        note(status, seen);
        if !is_to_mend(status) {
            // The kernel is in step; the record says still that it waits, perhaps.
            if acts && is_to_note(status) {
                let _ = recorded.mend(part, &before);
            }
            continue;
        }
        let lost = lines(status, &part.state);
        if !acts {
            seen.mended.extend(lost);
            continue;
        }
        match recorded.mend(part, &before) {
            // What was taken out of one that waits is no failure.
            Ok(()) | Err(Failure::Waiting(_)) => {
                seen.mended.extend(lost);
                seen.finding = LookResult::Repaired;
            }
            Err(Failure::Overtaken) => seen.finding = LookResult::Unknown,
            Err(Failure::Kernel(error)) => return Err(error),
            Err(failure) => {
                for line in failure.lines() {
                    seen.state(true, line);
                }
                seen.finding = LookResult::Refused;
            }
        }
    }
    let to_copy = copies.iter().flat_map(StanzaStatus::steps);
    let to_copy: Vec<_> = to_copy
        .map(|step| (Mending::InFront, step.to_string()))
        .collect();
    if !acts || to_copy.is_empty() {
        seen.mended.extend(to_copy);
        return Ok(());
    }
    put_copies(device, seen)
}

/// Puts what the device's rules need in front of those of VPN software, and takes out what they need
/// no more.
fn put_copies(device: &InterfaceName, seen: &mut Looked) -> Result<(), KernelError> {
    for changed in put_in_front(&mut Kernel::open()?, from_ref(device))? {
        match changed.outcome {
            Ok(_) => {
                seen.mended
                    .push((Mending::InFront, changed.copies.to_string()));
                if seen.finding == LookResult::Settled {
                    seen.finding = LookResult::Repaired;
                }
            }
            Err(failure) => {
                for line in failure.lines() {
                    seen.state(true, line);
                }
                seen.finding = LookResult::Refused;
            }
        }
    }
    Ok(())
}

/// Whether something has to be done about a part.
fn is_to_mend(status: &StanzaStatus) -> bool {
    let is_blocked = |item: &Item| matches!(item.condition, Condition::Blocked(_));
    status.is_to_be_changed() && !status.items.iter().any(is_blocked)
}

/// Whether only the record says something else of a part than what is so.
fn is_to_note(status: &StanzaStatus) -> bool {
    let is_well = status.is_in_step() && status.reorder.is_empty();
    is_well && status.left_to_do == LeftToDo::Something
}

/// What is to be put in or taken out of a part that had put in a state.
fn lines(status: &StanzaStatus, before: &State) -> Vec<(Mending, String)> {
    let steps = status.steps();
    let is_put_in = |object: &Object| {
        let mut of_it = steps.iter().filter(|step| step.object == *object);
        of_it.any(|step| step.verb != Verb::Delete)
    };
    let mending = |step: &Step| {
        if before.contains(&step.object) && is_put_in(&step.object) {
            Mending::Lost
        } else {
            Mending::Changed
        }
    };
    let each = steps.iter().map(|step| (mending(step), step.to_string()));
    let to_nft = status
        .marking
        .as_ref()
        .filter(|_| status.nft_commands().is_some());
    let chains = to_nft.map(|marking| (Mending::Lost, marking.chains()));
    each.chain(chains).collect()
}

/// Notes what stands of a part.
fn note(status: &StanzaStatus, seen: &mut Looked) {
    if let Some(waiting) = status.waiting() {
        seen.waits = true;
        // An address that the file gives comes back by nobody but the administrator.
        let is_warning = matches!(waiting, Waiting::OwnAddress(..));
        seen.state(is_warning, waiting.to_string());
    }
    match &status.failure {
        Some(Failure::Kernel(_)) => seen.finding = LookResult::Unknown,
        _ => {
            for line in status.errors() {
                seen.is_in_trouble = true;
                seen.state(true, line);
            }
        }
    }
    for item in &status.items {
        if let Condition::Blocked(by) = &item.condition {
            let text = format!(
                "{} is not in force: {by} is in the way and not ours",
                item.object
            );
            seen.is_in_trouble = true;
            seen.state(true, text);
        }
    }
}
