//! migrate/lines

pub mod shell;
pub mod ip_command;
pub mod meaning;
pub mod ifupdown_multi;
