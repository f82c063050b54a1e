//! ifupdown

mod call;
mod ifstate;
pub mod interfaces;

pub use call::{Direction, HookCall};
pub(crate) use ifstate::{Ifstate, Up};
