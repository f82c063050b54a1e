//! check

mod finding;
mod origin;
mod stanza;
mod rule_order;
mod between_stanzas;
mod examine;
mod this_host;

pub use examine::{examine, Nowhere};
pub(crate) use finding::{summary, Finding};
pub use finding::{Code, Severity};
pub(crate) use this_host::ThisHost;
