//! stanza

mod options;
mod gateway;
mod stanza;
mod table_ids;
mod parse;
mod wanted;

pub(crate) use options::OptionFault;
pub use options::{OptionError, OPTIONS};
pub use parse::on_error;
pub(crate) use parse::own_address;
pub(crate) use stanza::{OnError, Source, PRIORITY};
pub use stanza::{Stanza, Table};
pub use table_ids::TableIds;
pub(crate) use wanted::Notice;
pub use wanted::{wanted as wanted_state, Observed};
