//! routing

pub mod address;
pub mod table;
pub mod route;
pub mod rule;
pub mod state;
pub mod step;
pub mod syntax;
