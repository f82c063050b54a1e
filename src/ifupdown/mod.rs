//! What ifupdown tells: no other folder knows the contract of ifupdown, ifupdown-ng or ifupdown2.
//!
//! - `caller.rs`: which of the three it is;
//! - `call.rs`: the environment of a hook, read into one call: who calls it, when, and with which
//!   options; also by which folder a hook was called;
//! - `ifstate.rs`: which interfaces are up, as ifup notes it in `/run`;
//! - `interfaces/`: interfaces(5) and all that it sources, for those who are told nothing of a stanza,
//!   or not enough;
//! - `interface_call.rs`: a hook's call for all stanzas of an interface, which the file tells apart.
//!
//! Options are passed on as they stand: `stanza/` says what is wrong with them. Opens no
//! netlink socket and writes no file. `call.rs` reads none either, since every hook of every interface
//! goes through it; the environment comes from its caller, so that tests and `interfaces/` can make
//! one up.

mod caller;
mod call;
mod ifstate;
pub mod interfaces;
mod interface_call;

pub use call::{Direction, HookCall};
pub use caller::Caller;
pub(crate) use ifstate::{Ifstate, UpInterface};
pub(crate) use interface_call::{FileCalls, InterfaceCall};
