//! The names of routing tables: which ID a name has, and an ID for a new one.
//!
//! - `rt_tables.rs`: the lines of `rt_tables` and of the drop-ins beside it, read as `ip` reads
//!   them (`Tables`, or in one quick go for one name, `Glance`); the line that registers a name,
//!   and the ID that a new one gets.
//! - `append.rs`: adding a line to a file that others write, too.
//! - `files.rs`: which files there are: `/etc/iproute2/rt_tables`, the drop-ins in `rt_tables.d`
//!   with ours among them, the vendor's in `/usr`; and which of them a new name goes to.
//! - `registry.rs`: an ID for a name, registered if it is new (`Registry`), or only what would be
//!   registered (`KnownNames`).
//!
//! Files are opened here, below a root that tests set, and no others than those of names and the
//! lock on them. The kernel is not asked: whether it has something under an ID, the caller says.

mod rt_tables;
mod append;
mod files;
mod registry;

pub(crate) use append::{lacks_newline, missing_folder};
pub(crate) use registry::{next_free_id, KnownNames};
pub use registry::{Registered, Registry, RegistryError};
pub use rt_tables::{derived_id, rt_tables_line, Glance, Tables};
