//! Bringing the kernel to what stanzas ask for, and finding out how far it is from that: what the
//! hooks and the commands `apply`, `flush`, `status` and `plan` have in common.
//!
//! - `outcome.rs`: what became of a run, and the errors that it can end in.
//! - `line.rs`: where routes that lead to one destination belong.
//! - `existing.rs`: what the kernel's "File exists" means, which may be false.
//! - `occupants.rs`: what stands where routes and rules are wanted.
//! - `drift.rs`: how each route and rule that is wanted stands, and the steps that mend it.
//! - `order.rs`: which rules of equal priority stand in another order than ifup gives them.
//! - `reorder.rs`: giving them that order.
//! - `remove.rs`: taking out what is meant and nothing else, since the kernel may take another one.
//! - `put_in.rs`: putting in what is wanted, all of it or nothing.
//! - `renamed_device.rs`: routes whose device has another name now.
//! - `patience.rs`: how long is waited for what the kernel does not know yet.
//! - `observe.rs`: the addresses and the default route that a stanza leaves to the kernel to know.
//! - `share.rs`: which addresses `policy-source all` leaves to others; `table_ids.rs`: IDs of tables.
//! - `intent.rs`: what a stanza asks for, as the record has it; what it waits for.
//! - `settle.rs`: one part of a record and what the kernel has of it brought to what it shall be.
//! - `stanza.rs`: the story of a stanza: up and down; `addition.rs`: what is cut off from it.
//! - `marking.rs`: how the marks of connections stand; `stanza_status.rs`: how one stanza stands;
//!   `in_front.rs`: copies in front of VPN software.
//! - `device.rs`: the stanzas of a device brought in step, one after another.
//! - `seen.rs`: what a survey has seen of the kernel, for all stanzas at once.
//! - `unnoted.rs`: what is up and not noted; `orphans.rs`: what is left and belongs to nothing up.
//! - `go_back.rs`: bringing a device back to what its record had, as far as that can be done.
//! - `survey.rs`: how the stanzas of a device stand; changes nothing.
//! - `recorded.rs`: a device held to what its record says; `among_devices.rs`: devices in file order.
//! - `snapshot.rs`: what is in force at a moment, and the way back to it; `former.rs`: that of lines.
//!
//! `line.rs`, `existing.rs`, `drift.rs` and `order.rs` only decide; none opens a file or prints.

mod outcome;
mod line;
mod existing;
mod occupants;
mod drift;
mod order;
mod reorder;
mod remove;
mod put_in;
mod renamed_device;
mod patience;
mod observe;
mod share;
mod table_ids;
mod intent;
mod settle;
mod addition;
mod stanza;
mod marking;
mod stanza_status;
mod in_front;
mod device;
mod seen;
mod unnoted;
mod orphans;
mod go_back;
mod survey;
mod recorded;
mod among_devices;
mod former;
mod snapshot;

pub(crate) use addition::{Addition, CutOffLooks};
pub(crate) use among_devices::put_in_file_order;
pub(crate) use device::{DeviceRun, Done, Leftovers};
pub(crate) use drift::{Condition, Item};
pub(crate) use former::{why_left, ByHand, Former, Wanted};
pub(crate) use in_front::put_in_front;
pub(crate) use marking::{told_chains, Marking};
pub use orphans::{find_orphans, remove_orphans, OrphanError, Orphans, Why};
pub use outcome::StepError;
pub(crate) use outcome::{routes_and_rules, Failure, Removal, Waiting};
pub(crate) use patience::Patience;
pub use put_in::{put_in, Known};
pub(crate) use recorded::RecordedDevice;
pub(crate) use remove::take_out;
pub(crate) use snapshot::Snapshot;
pub(crate) use stanza::{down, has_previous, tell, up};
pub(crate) use stanza_status::{LeftToDo, StanzaStatus};
pub(crate) use survey::View;
pub(crate) use unnoted::{count_unnoted, of_records, of_stanzas};
