//! The words of policy routing, valid from birth: what ip-address(8), ip-route(8) and ip-rule(8)
//! speak of. Everything else is built of these.
//!
//! - `address.rs`: families, addresses, prefixes, interface names; the protocol number of ours.
//! - `table.rs`: the number of a table, and a name that can stand in `rt_tables`.
//! - `route.rs`: a route and its ways, IPv6 routes of several ways included.
//! - `rule.rs`: a rule; whether two rules are the same, whether one packet can match both, and
//!   whether their order matters.
//! - `syntax/`: how `ip` spells all that, both ways.
//! - `once.rs`: a list of things that are there once, and found at once.
//! - `state.rs`: routes and rules together, each once, in the order in which they are put in.
//! - `step.rs`: one request to the kernel, and what a state is after it.
//! - `links.rs`: what is on the links of this host.
//! - `surroundings.rs`: what rules and addresses of others make of ours: which of their rules a
//!   packet's walk ends at before it comes to one of ours.
//! - `copies.rs`: which of ours have to stand once more in front of such a rule.
//!
//! Equality is identity: two routes or rules are equal where they agree in all that the kernel
//! knows of them, who put them in included.
//!
//! Pure, and without an opinion: nothing here knows of stanzas, files, the socket, or which
//! routes anybody wants.

mod address;
mod table;
mod route;
mod rule;
mod mark;
pub mod syntax;
mod once;
mod state;
mod step;
mod links;
mod surroundings;
mod copies;

pub use address::{parse_length, Family, InterfaceAddress, InterfaceName, Prefix, PROTOCOL};
pub(crate) use address::{parse_number, WordError};
pub use copies::NoCopy;
pub(crate) use copies::{copies, Copies};
pub(crate) use links::{Links, Reach};
pub use mark::Mark;
pub(crate) use mark::MarkError;
pub use route::{Hop, Route, Scope};
pub(crate) use route::{Kind, Metrics, RoutePlace};
pub(crate) use rule::Ports;
pub use rule::{Action, Rule};
pub use state::{Object, State};
pub use step::Step;
pub(crate) use step::Verb;
pub(crate) use surroundings::{is_inside, takes_all_of, Surroundings, WIDEST};
pub use table::{TableId, TableName};
