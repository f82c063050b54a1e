//! What was put in, device by device, kept in `/run/policy-table`: `ifdown` goes by it, since the
//! file may say something else by then.
//!
//! - `heading.rs`: what a part of a record belongs to, in one line: a stanza, by its interface,
//!   family, method, and address or table, and of stanzas alike in that by the options.
//! - `record.rs`: the record of a device as text, part by part, and what of it can still be read
//!   where it is damaged.
//! - `takeover.rs`: which parts today's stanzas take over, where they were edited since.
//! - `store.rs`: the files, the lock on them, and what other devices' records claim.
//! - `device_record.rs`: a device's record, locked for one run. Where nothing can be written, the
//!   run goes on without.
//!
//! The first three know no files; only `store.rs` opens any. Nothing here asks the kernel: a record
//! says what was put in, and whether that is still there is for `converge/` to find out.

mod heading;
mod record;
mod takeover;
mod store;
mod device_record;

pub(crate) use device_record::DeviceRecord;
pub use heading::Heading;
pub(crate) use record::Part;
pub use record::Record;
pub(crate) use store::{Store, FOLDER};
pub(crate) use takeover::Takeover;
