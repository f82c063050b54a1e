//! How `ip` spells routes and rules, both ways. A line is the one spelling of an object: options,
//! records, plans, the log and error texts all use it.
//!
//! - `words.rs`: a line word by word, and the error that names the word as it was written.
//! - `numbers.rs`: numbers that have names: protocols, scopes, kinds of routes, DSCPs.
//! - `metrics.rs`: `mtu`, `advmss` and the rest of `RTAX_*`.
//! - `nexthop.rs`: one way of a route, in a line or behind `nexthop`.
//! - `judged.rs`: what the kernel refuses or ignores in any rule or route of a family.
//! - `route.rs`: a route's line, written and read; reading one that leaves something to its stanza.
//! - `effect.rs`: what a rule does, alone.
//! - `rule.rs`: the same as `route.rs` for a rule, and its selectors alone.
//!
//! What a line says of its table can stay a name until the name has a number: a reader is told
//! what stands for a name.
//!
//! Nothing here reads the files of names: a hook opens no file that it does not need.

mod words;
mod numbers;
mod nexthop;
mod metrics;
mod judged;
mod route;
mod effect;
mod rule;

pub(crate) use metrics::{RTAX_CC_ALGO, RTAX_LOCK};
pub(crate) use numbers::{dsfield, ip_protocol, ip_protocol_name, route_kind_name};
pub(crate) use route::ListedRoute;
pub use route::{read_route, RouteDefaults};
pub use rule::read_rule;
pub(crate) use rule::Given;
pub use words::LineError;
pub(crate) use words::{abbreviates, TableNames, Words};
