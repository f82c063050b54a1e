//! What goes to the kernel and comes back: messages of rtnetlink, and the socket that carries them.
//!
//! - `message.rs`: requests and replies as bytes, a refusal in the kernel's words, and how single
//!   values stand in attributes.
//! - `address.rs`, `route.rs`, `rule.rs`: one object each as a message, both ways. An IPv6 route of
//!   several ways, a table beyond 255 or a rule's attribute without a word are found here.
//! - `link.rs`: the names and the group of a device, its VRF, and whether it is up.
//! - `devices.rs`: the numbers and names of devices.
//! - `advice.rs`: what an administrator can do about a refusal.
//! - `kernel.rs`: [`Kernel`], the open socket: carries out steps, takes dumps, asks.
//! - `dump.rs`: its methods that list what the kernel has.
//! - `look_around.rs`: what others have that decides what becomes of our packets.
//! - `filter.rs`: which changes of routes the kernel tells of at all.
//! - `heard.rs`: the changes that it tells of, as values.
//! - `nft_watch.rs`: hearing whether a table of nft(8) changes.
//! - `watch.rs`: waiting until devices, addresses, routes or rules change, and hearing what did.
//!
//! The objects are those of `routing/`. Nothing here decides: what "File exists" is to mean, or
//! whose a rule is, is for those who call. The only things opened are sockets of netlink.

mod message;
mod address;
mod link;
mod route;
mod rule;
mod devices;
mod advice;
mod kernel;
mod dump;
mod look_around;
mod filter;
mod heard;
mod nft_watch;
mod watch;

pub use address::decode as decode_address;
pub(crate) use address::{Assigned, Standing};
pub(crate) use advice::advice;
pub(crate) use heard::{Heard, HeardRoute};
pub(crate) use kernel::KernelError;
pub use kernel::{Answer, Kernel};
pub(crate) use look_around::Extent;
pub use message::{replies, request, Reply, WireError};
pub(crate) use nft_watch::NftWatch;
pub use route::{decode as decode_route, encode as encode_route, encode_dump as encode_route_dump};
pub use rule::{decode as decode_rule, encode as encode_rule, encode_dump as encode_rule_dump};
pub(crate) use watch::Watch;

// For messages that only `explain/` sends.
pub(crate) use message::{
    address, address_bytes, family_number, nested, number, short, Attributes, Refusal,
};
