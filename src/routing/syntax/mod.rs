//! routing/syntax

mod words;
mod numbers;
mod nexthop;
mod metrics;
mod route;
mod rule;

pub(crate) use numbers::{dsfield, ip_protocol, ip_protocol_name};
pub use route::{read as read_route, Unsaid as UnsaidInRoute};
pub use rule::read as read_rule;
pub(crate) use rule::Given as SaidInRule;
pub use words::LineError;
pub(crate) use words::{abbreviates, TableNames, Words};
