//! Bringing one stanza's part of a record, and of the kernel, to what is wanted. The hook does it
//! for the stanza that comes up, `apply` for those that are up.

use log::warn;

use super::error::Failure;
use super::outcome::Outcome;
use super::put_in;
use crate::netlink::Kernel;
use crate::record::{DeviceRecord, Takeover};
use crate::routing::{InterfaceName, State};

/// Converges with the record written ahead: whatever interrupts the run, what it put in is known.
/// Errors: the kernel refused; all is as it was.
pub fn settle(
    kernel: &mut Kernel,
    interface: &InterfaceName,
    heir: &Takeover,
    wanted: &State,
) -> Result<Outcome, Failure> {
    let mut book = DeviceRecord::open(interface);
    let before = book.record.of_stanza(&heir.heading);
    let previous = heir.previous(&book.record);
    let claimed = heir
        .others(&book.record)
        .with(&book.claimed_elsewhere(&previous));
    book.set(&heir.heading, previous.with(wanted));
    match put_in::up(kernel, wanted, &previous, &claimed, &book.shared) {
        Ok(outcome) => {
            let mut record = book.record.clone();
            record.set(&heir.heading, outcome.in_force.with(&outcome.stuck));
            for part in &heir.superseded {
                record.set(part, State::default());
            }
            book.replace(record);
            let already = outcome.already.without(&previous).without(&claimed);
            book.share(&already, &outcome.behind);
            book.close();
            Ok(outcome)
        }
        Err(failed) => {
            for object in failed.stuck.objects() {
                warn!("{interface}: \"{object}\" could not be taken out again; ifdown will");
            }
            book.set(&heir.heading, before.with(&failed.stuck));
            Err(Failure::Steps(failed.errors))
        }
    }
}
