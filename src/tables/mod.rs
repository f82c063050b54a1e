//! tables

mod rt_tables;
mod append;
mod files;
mod registry;

pub(crate) use append::{lacks_newline, missing_folder};
pub(crate) use registry::{next_free_id, KnownNames};
pub use registry::{Registered, Registry, RegistryError};
pub use rt_tables::{derived_id, line as rt_tables_line, Glance, Tables};
