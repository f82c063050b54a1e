//! A device brought in step with the file: its stanzas and those of its aliases, one after another in
//! the order of the file; then what none of them takes over of the record goes.

use std::ffi::OsString;

use super::addition::Addition;
use super::outcome::{Failure, Outcome};
use super::patience::Patience;
use super::settle::{nothing_of, settle};
use super::stanza::{self, apply, remarks, warn_of, warn_unmarked, Beside};
use super::stanza_status::{LeftToDo, StanzaStatus};
use crate::ifupdown::HookCall;
use crate::netlink::Kernel;
use crate::record::{DeviceRecord, Heading, Record, Store, Takeover};
use crate::routing::{InterfaceName, State};
use crate::text::Shown;

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
    /// What goes of that which no stanza takes over.
    pub leftovers: Leftovers<'a>,
    /// What else goes into the summary of a stanza.
    pub add: Addition<'a>,
}

/// Parts of the record that no stanza takes over.
pub enum Leftovers<'a> {
    /// Those of an interface go that has a stanza; where there is none, nothing says what to do.
    WithStanza,
    /// Those of these interfaces go: it is known that there is no stanza.
    Of(&'a dyn Fn(&InterfaceName) -> bool),
}

/// What became of a stanza.
pub struct Done {
    /// Its interface and family, or what heads it in the record.
    pub name: String,
    /// A summary if it says or had anything.
    pub became: Result<Option<String>, Failure>,
    /// An option that it had, where it has none any more.
    pub had: Option<String>,
    /// Whether it has something in force: after a failure, what it had before.
    pub is_in_force: bool,
}

impl DeviceRun<'_> {
    /// Brings the device in step, and tells of each stanza by its name what became of it. Returns
    /// whether anything was not as it should be.
    pub fn bring_in_step(&self, mut tell: impl FnMut(Done)) -> bool {
        let record = Store::peek(self.device);
        let (takeovers, left) = Takeover::of_all(self.calls, &record);
        let headings: Vec<Heading> = takeovers.iter().map(|it| it.heading.clone()).collect();
        // The stanzas' rules of equal priority stand in the order of the file.
        let mut before = State::default();
        let mut acted = false;
        for (place, (call, takeover)) in self.calls.iter().zip(takeovers).enumerate() {
            let surveyed = self.surveyed.get(place);
            let settled = surveyed.filter(|status| status.left_to_do == LeftToDo::Nothing);
            if let Some(status) = settled {
                let in_place = status.in_place();
                tell(Done {
                    name: named(call),
                    became: self.found(status),
                    had: None,
                    is_in_force: !in_place.is_empty(),
                });
                before.extend(in_place.objects());
                continue;
            }
            acted = true;
            let beside = Beside {
                calls: self.calls,
                before: Some(&before),
                later: &State::default(),
                add: self.add,
                patience: self.patience,
            };
            let had = former_option(&takeover, &record).filter(|_| call.options.is_empty());
            let became = apply(call, &takeover, &beside);
            let now = Store::peek(self.device);
            tell(Done {
                name: named(call),
                became,
                had,
                is_in_force: takeover.has_previous(&now),
            });
            before.extend(now.of_stanza(&takeover.heading).objects());
        }
        self.note_order(&headings);
        for takeover in left.into_iter().filter(|takeover| self.goes(takeover)) {
            acted = true;
            tell(self.take_out(&takeover, &record));
        }
        acted
    }

    /// Notes the stanzas in the order of the file: whoever goes by the record alone, as the keeper,
    /// would give what is in force another one.
    fn note_order(&self, headings: &[Heading]) {
        let headings: Vec<&Heading> = headings.iter().collect();
        let now = Store::peek(self.device);
        if now.in_order(&headings) != now {
            let mut record = DeviceRecord::open(self.device);
            record.replace(record.noted.in_order(&headings));
        }
    }

    /// What there is to say of a stanza that is as it should be.
    fn found(&self, status: &StanzaStatus) -> Result<Option<String>, Failure> {
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
        let table = status.tables.own().map(|(id, _)| id);
        let further = self.add.of(&mut Kernel::open()?, stanza, wanted, table);
        summary.extend(further);
        Ok(Some(summary.join("; ")))
    }

    /// Takes out what a part of the record has that no stanza takes over.
    fn take_out(&self, takeover: &Takeover, record: &Record) -> Done {
        let nothing = nothing_of(takeover);
        let kernel = Kernel::open().map_err(Failure::from);
        let settled =
            kernel.and_then(|mut kernel| settle(&mut kernel, self.device, takeover, &nothing));
        if let Ok(outcome) = &settled {
            warn_of(self.device, &outcome.warnings);
            warn_unmarked(self.device, outcome.unmarked.as_ref());
        }
        Done {
            name: takeover.heading.to_string(),
            is_in_force: settled.is_err(),
            became: settled.map(|outcome| Some(format!("{} removed", outcome.removed))),
            had: former_option(takeover, record),
        }
    }

    /// Whether a part of the record goes that no stanza takes over.
    fn goes(&self, takeover: &Takeover) -> bool {
        match self.leftovers {
            Leftovers::WithStanza => !takeover.stays(self.calls),
            Leftovers::Of(goes) => {
                let interface = takeover.heading.interface().parse();
                interface.is_ok_and(|interface| goes(&interface))
            }
        }
    }
}

/// What a stanza had before: its table if it named one, or else the first of its options.
fn former_option(takeover: &Takeover, record: &Record) -> Option<String> {
    let mut options = takeover.former_options(record);
    let is_table = |(name, _): &&(String, OsString)| name == "policy-table";
    let found = options.find(is_table);
    let (name, value) = found.or_else(|| takeover.former_options(record).next())?;
    Some(format!("{name} {}", Shown(&value.to_string_lossy())))
}

/// An interface with the family: it may have stanzas of both.
fn named(call: &HookCall) -> String {
    match call.family {
        Some(family) => format!("{} {family}", call.interface),
        None => call.interface.clone(),
    }
}
