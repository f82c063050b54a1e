//! stanza

mod options;
mod gateway;
mod stanza;
mod parse;
mod wanted;

pub(crate) use options::OptionFault;
pub use options::{OptionError, OPTIONS};
pub use parse::on_error;
pub(crate) use stanza::{OnError, Source, PRIORITY};
pub use stanza::{Stanza, Table};
pub(crate) use wanted::Notice;
pub use wanted::{of_stanza as wanted_state, Observed, TableIds};
