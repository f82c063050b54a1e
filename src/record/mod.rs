//! record

pub mod record;
pub mod takeover;
pub mod store;
pub mod device_record;
