//! record

mod record;
mod takeover;
mod store;
mod device_record;

pub(crate) use device_record::DeviceRecord;
pub use record::{heading, Record};
pub(crate) use record::{heading_of_all, Section};
pub(crate) use store::{Store, FOLDER};
pub(crate) use takeover::{stays, succession, Takeover};
