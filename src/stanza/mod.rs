//! The policy-* options of one stanza: what they say, what is wrong with them, and the routes and
//! rules that they stand for.
//!
//! - `fault.rs`: each thing that can be wrong with an option, in the words of the administrator.
//! - `options.rs`: the options there are; reading their values out of a call.
//! - `address.rs`: the address that the stanza gives its interface.
//! - `stanza.rs`: a stanza in which all is well, and how its `policy-rule` and `policy-route`
//!   lines are read.
//! - `gateway.rs`: `policy-gateway`, and what `first` is.
//! - `parse.rs`: from a call to a stanza, or to all that is wrong with it.
//! - `table_ids.rs`: the number of each table that the stanza names.
//! - `last_resort.rs`: a default route that drops packets, beside `policy-mode main`.
//! - `observed.rs`: what had to be asked of the interface, and which router stays where none is known.
//! - `connmark.rs`: the rules of `policy-connmark`, and how they are known again.
//! - `wanted.rs`: the policy, on one page. From a stanza, the numbers of its tables and what was
//!   observed of its interface to routes and rules.
//! - `remark.rs`: what this host makes of them though all are in place.
//!
//! Pure: no file is read here and nothing is asked of the kernel. Names of tables get their
//! numbers from `tables`, addresses and routers are observed by `converge`.

mod fault;
mod options;
mod address;
mod stanza;
mod gateway;
mod parse;
mod table_ids;
mod last_resort;
mod observed;
mod connmark;
mod wanted;
mod remark;

pub(crate) use address::own_address;
pub(crate) use connmark::MarkedWay;
pub use fault::OptionError;
pub(crate) use fault::OptionFault;
pub(crate) use last_resort::refuses_by_rules;
pub use observed::Observed;
pub use options::OPTIONS;
pub(crate) use parse::keep;
pub use parse::on_error;
pub(crate) use remark::{cut_off, is_confined, may_ask, remarks, unserved, Remark};
pub(crate) use stanza::{Connmark, Keep, Mode, OnError, Source, PRIORITY};
pub use stanza::{Stanza, Table};
pub use table_ids::TableIds;
pub use wanted::wanted_state;
pub(crate) use wanted::Notice;
