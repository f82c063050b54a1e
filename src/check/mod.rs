//! check

pub mod finding;
pub mod origin;
pub mod stanza;
pub mod rule_order;
pub mod between_stanzas;
pub mod examine;
pub mod this_host;
