//! system

mod lock;
mod privileges;
mod journal;
mod networkd;
mod devices;

pub(crate) use devices::names as device_names;
pub(crate) use journal::{start as start_journal, NAME};
pub(crate) use lock::{exclusive as lock_exclusively, Lock};
pub(crate) use networkd::Host;
pub(crate) use privileges::{hint as permission_hint, keep_net_admin, NotPermitted};
