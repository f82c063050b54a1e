//! netlink

pub mod message;
pub mod address;
pub mod route;
pub mod rule;
pub mod advice;
pub mod kernel;
pub mod dump;
pub mod watch;
