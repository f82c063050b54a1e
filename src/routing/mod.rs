//! routing

mod address;
mod table;
mod route;
mod rule;
mod state;
mod step;
pub mod syntax;

pub use address::{parse_length, Family, InterfaceAddress, InterfaceName, Prefix, PROTOCOL};
pub(crate) use address::{parse_number, WordError};
pub use route::{Hop, Route, Scope};
pub(crate) use route::{Kind, Metrics};
pub(crate) use rule::Ports;
pub use rule::{Action, Rule};
pub use state::{Object, State};
pub use step::Step;
pub(crate) use step::Verb;
pub use table::{TableId, TableName};
