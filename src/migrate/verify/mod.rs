//! migrate/verify

pub mod lookups;
pub mod compare;
pub mod machine;
pub mod namespaces;
