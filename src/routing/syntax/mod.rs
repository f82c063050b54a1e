//! routing/syntax

pub mod words;
pub mod numbers;
pub mod nexthop;
pub mod metrics;
pub mod route;
pub mod rule;
