//! What a stanza asks for, as the record will have it, and the note of it where it has to wait.

use std::time::{SystemTime, UNIX_EPOCH};

use super::observe;
use super::outcome::{Failure, Waiting};
use super::table_ids::StanzaTables;
use crate::ifupdown::HookCall;
use crate::marks::{self, Allotted};
use crate::netlink::Kernel;
use crate::record::{DeviceRecord, Part, Record, Takeover, Wait};
use crate::routing::InterfaceName;
use crate::stanza::{Notice, Stanza};

/// What a stanza asks for, with the numbers of its tables, and what the record will have of it.
pub struct Intent<'a> {
    pub stanza: &'a Stanza,
    pub tables: StanzaTables,
    pub part: Part,
}

impl<'a> Intent<'a> {
    /// Registers the tables that have no number yet, and that there are marks: whatever the stanza waits
    /// for, who puts it in force then need not. The keeper may not write there.
    /// Errors: a table has no number that may be used.
    pub fn of(
        call: &HookCall,
        stanza: &'a Stanza,
        takeover: &Takeover,
        kernel: &mut Kernel,
    ) -> Result<Self, Failure> {
        let recorded = takeover.seen().and_then(|part| part.table_ids(stanza));
        let tables = match recorded {
            Some(ids) => StanzaTables::recorded(ids),
            None => StanzaTables::registered(stanza, kernel)?,
        };
        let tables = tables.marked(stanza, Allotted::noted)?;
        if tables.mark().is_some() {
            marks::note();
        }
        let part = Part::of(takeover.heading.clone(), call).with_tables(tables.named());
        Ok(Self {
            stanza,
            tables,
            part,
        })
    }
}

/// What a record notes of a stanza that waits; if it did so before, since then.
pub fn wait(waiting: &Waiting, before: Option<&Part>) -> Wait {
    let what = waiting.lack();
    let before = before.and_then(|part| part.waiting);
    let same = before.filter(|before| before.what == what);
    same.unwrap_or_else(|| Wait {
        what,
        since: seconds_of_clock(),
    })
}

/// What a record has of a stanza that waits, and keeps what it has in force.
pub fn part_that_waits(
    asked: Part,
    interface: &InterfaceName,
    takeover: &Takeover,
    record: &Record,
    waiting: &Waiting,
) -> Part {
    Part {
        waiting: Some(wait(waiting, takeover.part(record))),
        router: observe::router(&takeover.known(record), interface),
        state: takeover.previous(record),
        ..asked
    }
}

/// Notes that a stanza waits. What it has in force stays as it is; so does the record where that is of
/// another address, which the interface may still have.
pub fn note_waiting(intent: &Intent<'_>, takeover: &Takeover, waiting: &Waiting) {
    let interface = &intent.stanza.interface;
    let mut record = DeviceRecord::open(interface);
    if !takeover.is_current(&record.noted) {
        return;
    }
    if !takeover.is_of_other_address(&record.noted) {
        let part = intent.part.clone();
        let part = part_that_waits(part, interface, takeover, &record.noted, waiting);
        let mut now = record.noted.clone();
        takeover.set(&mut now, part);
        record.replace(now);
    }
    record.close();
}

/// What the record notes of a stanza that keeps a router, of which main has none.
pub fn no_default_since(notices: &[Notice], takeover: &Takeover, record: &Record) -> Option<u64> {
    if !notices.iter().any(Notice::is_of_kept_router) {
        return None;
    }
    let before = takeover.part(record).and_then(|part| part.no_default_since);
    before.or_else(|| Some(seconds_of_clock()))
}

/// What the host's clock says, in seconds.
fn seconds_of_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
