//! system

pub mod lock;
pub mod privileges;
pub mod journal;
pub mod networkd;
