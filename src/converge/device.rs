//! A device brought in step with the file: its stanzas and those of its aliases, one after another in
//! the order of the file; then what none of them takes over of the record goes.

use super::outcome::{Failure, Outcome};
use super::patience::Patience;
use super::settle::{nothing_of, settle};
use super::stanza::{self, apply, remarks, warn_of, Addition, Beside};
use super::stanza_status::{LeftToDo, StanzaStatus};
use crate::ifupdown::HookCall;
use crate::netlink::Kernel;
use crate::record::{Store, Takeover};
use crate::routing::{InterfaceName, State};

/// A device that is to be brought in step.
pub struct DeviceRun<'a> {
    pub device: &'a InterfaceName,
    /// The calls of its stanzas, in the order of the file.
    pub calls: &'a [HookCall],
    /// How a survey found them, in that order; none where nobody has looked. What is as it should be
    /// is left alone.
    pub surveyed: &'a [StanzaStatus],
    /// How long is waited for what a stanza needs.
    pub patience: Patience,
    /// What else goes into the summary of a stanza.
    pub add: Option<&'a Addition<'a>>,
}

/// What became of a stanza: a summary if it says or had anything.
pub type Done = Result<Option<String>, Failure>;

impl DeviceRun<'_> {
    /// Brings the device in step, and tells of each stanza by its name what became of it. Returns
    /// whether anything was not as it should be.
    pub fn bring_in_step(&self, mut tell: impl FnMut(&str, Done)) -> bool {
        let (takeovers, left) = Takeover::of_all(self.calls, &Store::peek(self.device));
        // The stanzas' rules of equal priority stand in the order of the file.
        let mut before = State::default();
        let mut acted = false;
        for (place, (call, takeover)) in self.calls.iter().zip(takeovers).enumerate() {
            let surveyed = self.surveyed.get(place);
            let settled = surveyed.filter(|status| status.left_to_do == LeftToDo::Nothing);
            if let Some(status) = settled {
                before.extend(status.in_place().objects());
                tell(&named(call), self.found(status));
                continue;
            }
            acted = true;
            let beside = Beside {
                calls: self.calls,
                before: Some(&before),
                add: self.add,
                patience: self.patience,
            };
            let done = apply(call, &takeover, &beside);
            if self.calls.len() > 1 {
                let record = Store::peek(self.device);
                before.extend(record.of_stanza(&takeover.heading).objects());
            }
            tell(&named(call), done);
        }
        for takeover in left {
            if !takeover.stays(self.calls) {
                acted = true;
                self.take_out(&takeover, &mut tell);
            }
        }
        acted
    }

    /// What there is to say of a stanza that is as it should be.
    fn found(&self, status: &StanzaStatus) -> Done {
        if let Some(waiting) = status.waiting() {
            return Err(waiting.clone().into());
        }
        let Some((stanza, wanted)) = &status.policy else {
            return Ok(None);
        };
        let in_force = Outcome {
            in_force: status.in_place(),
            ..Outcome::default()
        };
        let mut summary = vec![stanza::sum_up(&status.tables, &in_force)];
        summary.extend(remarks(stanza, &status.notices));
        if let Some(add) = self.add {
            let table = status.tables.own().map(|(id, _)| id);
            summary.extend(add(stanza, wanted, table));
        }
        Ok(Some(summary.join("; ")))
    }

    /// Takes out what a part of the record has that no stanza takes over.
    fn take_out(&self, takeover: &Takeover, tell: &mut impl FnMut(&str, Done)) {
        let nothing = nothing_of(takeover);
        let kernel = Kernel::open().map_err(Failure::from);
        let settled =
            kernel.and_then(|mut kernel| settle(&mut kernel, self.device, takeover, &nothing));
        match settled {
            Ok(outcome) => {
                warn_of(self.device, &outcome.warnings);
                let removed = format!("{} removed", outcome.removed);
                tell(&takeover.heading.to_string(), Ok(Some(removed)));
            }
            Err(failure) => tell(self.device.as_str(), Err(failure)),
        }
    }
}

/// An interface with the family: it may have stanzas of both.
fn named(call: &HookCall) -> String {
    match call.family {
        Some(family) => format!("{} {family}", call.interface),
        None => call.interface.clone(),
    }
}
