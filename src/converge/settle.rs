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
    takeover: &Takeover,
    wanted: &State,
) -> Result<Outcome, Failure> {
    let mut record = DeviceRecord::open(interface);
    let before = record.noted.of_stanza(&takeover.heading);
    let previous = takeover.previous(&record.noted);
    let claimed = takeover
        .others(&record.noted)
        .with(&record.still_shared(&previous));
    record.set(&takeover.heading, previous.with(wanted));
    match put_in::up(kernel, wanted, &previous, &claimed, &record.shared) {
        Ok(outcome) => {
            let mut now = record.noted.clone();
            takeover.set(&mut now, outcome.in_force.with(&outcome.stuck));
            record.replace(now);
            let already = outcome.already.without(&previous).without(&claimed);
            record.share(&already, &outcome.behind);
            record.close();
            Ok(outcome)
        }
        Err(failed) => {
            for object in failed.stuck.objects() {
                warn!("{interface}: \"{object}\" could not be taken out again; ifdown will");
            }
            record.set(&takeover.heading, before.with(&failed.stuck));
            Err(Failure::Steps(failed.errors))
        }
    }
}
