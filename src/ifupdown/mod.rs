//! ifupdown

mod call;
mod ifstate;
pub mod interfaces;

pub use call::{Call, Direction};
pub(crate) use ifstate::{Ifstate, Up};
