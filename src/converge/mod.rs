//! converge

mod existing;
mod drift;
mod outcome;
mod remove;
mod put_in;
mod orphans;
mod error;
mod observe;
mod table_ids;
mod settle;
mod renamed_device;
mod stanza;
mod survey;
mod snapshot;

pub(crate) use drift::{Condition, Item};
pub(crate) use error::Failure;
pub use orphans::{find as find_orphans, remove as remove_orphans, Orphans, Why};
pub(crate) use outcome::Outcome;
pub use outcome::StepError;
pub(crate) use put_in::down as take_out_state;
pub use put_in::up as put_in_state;
pub(crate) use settle::settle;
pub(crate) use snapshot::Snapshot;
pub(crate) use stanza::{down, tell, up};
pub(crate) use survey::{StanzaStatus, View};
