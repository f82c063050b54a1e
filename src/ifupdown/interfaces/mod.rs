//! ifupdown/interfaces

pub mod line;
pub mod methods;
pub mod fault;
pub mod parts;
pub mod selection;
pub mod definition;
pub mod wordexp;
pub mod sourced;
