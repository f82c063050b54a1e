//! ifupdown

pub mod call;
pub mod ifstate;
pub mod interfaces;
