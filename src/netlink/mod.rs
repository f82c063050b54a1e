//! netlink

mod message;
mod address;
mod route;
mod rule;
mod advice;
mod kernel;
mod dump;
mod watch;

pub use address::decode as decode_address;
pub(crate) use address::{Assigned, Standing};
pub(crate) use advice::hint;
pub(crate) use kernel::KernelError;
pub use kernel::{explain, Answer, Kernel};
pub(crate) use message::{
    address, attribute, family_number, named, nested, number, octets, short, Refusal,
};
pub use message::{replies, request, Reply, WireError};
pub use route::{decode as decode_route, encode as encode_route, encode_dump as encode_route_dump};
pub use rule::{decode as decode_rule, encode as encode_rule, encode_dump as encode_rule_dump};
pub(crate) use watch::Watch;
