//! A device held to what its record says was asked for. The file that the stanzas are in is not
//! read: it may be half edited.
//!
//! No lock is held while all is looked at. So each part is changed only if it is still as it was seen:
//! an `ifdown` in between has taken it away, and nothing comes back.

use super::addition::Addition;
use super::outcome::{Failure, Waiting};
use super::patience::Patience;
use super::seen::{RulesByPriority, SurveyedDevice};
use super::settle::settle;
use super::stanza::{apply, Beside};
use super::stanza_status::{note_marking, LeftToDo, StanzaStatus};
use super::survey::View;
use crate::ifupdown::HookCall;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Part, Record, Takeover};
use crate::routing::{InterfaceName, State};

/// A device, and what its record has.
pub struct RecordedDevice<'a> {
    pub device: &'a InterfaceName,
    pub record: &'a Record,
}

impl RecordedDevice<'_> {
    /// The calls that the stanzas were, as far as they are recorded.
    fn calls(&self) -> Vec<HookCall> {
        let parts = self.record.parts().iter();
        parts.filter_map(Part::call).collect()
    }

    /// How the parts stand, in their order, each as it says what was asked for; of one that does not,
    /// that is what it put in. Behind them, how the copies stand that they need in front of VPN
    /// software: what the record has of copies is no stanza's, and stands there.
    pub fn survey(&self, view: &mut View) -> Vec<StanzaStatus> {
        let same = |state| view.kernel.devices().same_in(state);
        let record = self.record.clone().with_states(same);
        let calls = self.calls();
        let mut device = SurveyedDevice {
            name: self.device,
            calls: &calls,
            record: record.clone(),
            before: State::default(),
        };
        let mut in_order = RulesByPriority::new();
        let mut found = Vec::new();
        for (seen, part) in self.record.parts().iter().zip(record.parts()) {
            if part.heading.is_of_copies() {
                found.push(StanzaStatus::new(part.heading.clone()));
                continue;
            }
            let takeover = Takeover::of_part(seen);
            found.push(match part.whole_call() {
                Some(call) => view.stanza(&mut device, &record, &call, &takeover, &mut in_order),
                None => self.held_to_its_state(view, part, &takeover, &device),
            });
        }
        note_marking(&mut found, view.marks.look(&record, &device.record));
        let copies = view.copies(&found, &device);
        found.extend(copies);
        found
    }

    /// How a part stands of which only what it put in is known.
    fn held_to_its_state(
        &self,
        view: &mut View,
        part: &Part,
        takeover: &Takeover,
        device: &SurveyedDevice<'_>,
    ) -> StanzaStatus {
        let mut status = StanzaStatus::new(part.heading.clone());
        status.recorded = true;
        status.left_to_do = LeftToDo::Nothing;
        let mut look = || -> Result<Option<Waiting>, KernelError> {
            status.items = view.held_against(device, takeover, &part.state)?;
            Ok(match view.kernel.is_admin_up(self.device)? {
                Some(true) => None,
                Some(false) => Some(Waiting::Link(self.device.clone())),
                None => Some(Waiting::Device(self.device.clone())),
            })
        };
        status.failure = match look() {
            Ok(waiting) => waiting.map(Failure::from),
            Err(error) => Some(error.into()),
        };
        status.keeps = status.waiting().is_some();
        view.seen.foresee(status.steps());
        status
    }

    /// Brings one part in step, behind what those before it have in force.
    /// Errors: as of [`apply`]; or another run has changed the part since it was seen.
    pub fn mend(&self, part: &Part, before: &State) -> Result<(), Failure> {
        self.mend_among(part, before, &State::default())
    }

    /// The same, with its routes in front of those that come `later`.
    pub fn mend_among(&self, part: &Part, before: &State, later: &State) -> Result<(), Failure> {
        let takeover = Takeover::of_part(part);
        let Some(call) = part.whole_call() else {
            let mut kernel = Kernel::open()?;
            settle(&mut kernel, self.device, &takeover, part)?;
            return Ok(());
        };
        let beside = Beside {
            calls: &self.calls(),
            before: Some(before),
            later,
            add: Addition::Nothing,
            patience: Patience::NONE,
        };
        apply(&call, &takeover, &beside)?;
        Ok(())
    }
}
