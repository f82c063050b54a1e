//! record

mod heading;
mod record;
mod takeover;
mod store;
mod device_record;

pub(crate) use device_record::DeviceRecord;
pub use heading::Heading;
pub(crate) use record::Part;
pub use record::Record;
pub(crate) use store::{Store, FOLDER};
pub(crate) use takeover::Takeover;
