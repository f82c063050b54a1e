//! What was put in, device by device, kept in `/run/policy-table`: `ifdown` goes by it, since the
//! file may say something else by then.
//!
//! - `heading.rs`: what a part of a record belongs to, in one line: a stanza, by its interface,
//!   family, method, and address or table, and of stanzas alike in that by the options.
//! - `escape.rs`: texts from outside in its lines.
//! - `recorded_call.rs`: the hook's call that a stanza was, as a line.
//! - `part.rs`: a stanza's part: the call ([`Part::call`] gives it back, [`Part::table_ids`] the numbers
//!   of its tables, so that what it asks for is derived without the file), its routes and rules, and
//!   what it waits for. A part without a call is 0.1.0's.
//! - `record.rs`: the record of a device as text, part by part, and what of it can still be read
//!   where it is damaged.
//! - `takeover.rs`: which parts today's stanzas take over, where they were edited since.
//! - `store.rs`: the files, the lock on them, and what other devices' records claim.
//! - `device_record.rs`: a device's record, locked for one run. Where nothing can be written, the
//!   run goes on without.
//! - `keeper.rs`: how the hooks know that the keeper runs ([`RunningKeeper::announce`]).
//!
//! Only these three touch files. Nothing here asks the kernel: a record says what was put in, and
//! whether that is still there is for `converge/` to find out.

mod heading;
mod escape;
mod recorded_call;
mod part;
mod record;
mod takeover;
mod store;
mod device_record;
mod keeper;

pub(crate) use device_record::DeviceRecord;
pub use heading::Heading;
pub(crate) use keeper::keeper_is_running;
pub use keeper::RunningKeeper;
pub use part::{Lack, Part, Wait};
pub use record::{ObjectLines, Record};
pub(crate) use store::{Store, FOLDER};
pub(crate) use takeover::Takeover;
