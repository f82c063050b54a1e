//! The names of routing tables on disk: `rt_tables`, and the drop-ins beside it. Floor 2.
//!
//! A file is only ever appended to, one line in one write, so that no line of anybody's can be
//! lost, and under a lock, so that no two runs of ours register one name or ID twice. A known name costs reading; a new one a write and an fsync(2).

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use thiserror::Error;

use crate::append::Target;
use crate::lock::{self, Lock};
use crate::net::WordError;
use crate::privileges::hint;
use crate::table::{TableId, TableName};
use crate::tables::{derived_id, line, Tables, LARGEST_NAMED};

/// Why a name has no ID that may be used.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The file gives the name one ID and the stanza another.
    #[error("table {name} has ID {registered} already, in {}; expected that, or no ID", .file.display())]
    OtherId {
        /// The name.
        name: TableName,
        /// Its ID in the file.
        registered: TableId,
        /// The file.
        file: PathBuf,
    },
    /// The ID that the stanza gives has another name.
    #[error("ID {id} belongs to table {owner}; expected an ID that no other table has")]
    IdTaken {
        /// The ID.
        id: TableId,
        /// The name it has.
        owner: String,
    },
    /// The file gives the name an ID of the kernel's own tables.
    #[error("{}: {source}", .file.display())]
    Reserved {
        /// The file.
        file: PathBuf,
        /// What is wrong with the ID.
        #[source]
        source: WordError,
    },
}

/// The ID of a table, and what the administrator should know of how it was found.
#[derive(Debug)]
pub struct Registered {
    /// The table's ID.
    pub id: TableId,
    /// Whether the name is new.
    pub new: bool,
    /// What is wrong with the files, though an ID was found.
    pub warnings: Vec<String>,
}

/// Where the files are, below a root directory.
pub struct Registry {
    root: PathBuf,
}

const NAMES: &str = "etc/iproute2/rt_tables";
const DROP_INS: &str = "etc/iproute2/rt_tables.d";
const LOCK: &str = "run/policy-table-names.lock";
const OUR_DROP_IN: &str = "etc/iproute2/rt_tables.d/policy-table.conf";
/// Where iproute2 looks when there is no file in `/etc`: since 6.5, and before 6.7 or so.
const VENDOR_NAMES: [&str; 2] = ["usr/share/iproute2/rt_tables", "usr/lib/iproute2/rt_tables"];
const VENDOR_DROP_INS: [&str; 2] = [
    "usr/share/iproute2/rt_tables.d",
    "usr/lib/iproute2/rt_tables.d",
];

impl Registry {
    /// The files below `root`; `/` outside of tests.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The ID of a named table: the registered one, or a new one that is registered now, `fixed`
    /// where the stanza gives it. `occupied` says whether the kernel has something of others
    /// under an ID; it is asked for new names only.
    ///
    /// # Errors
    /// The files and the stanza contradict each other. Files that cannot be read or written are
    /// warnings: the ID alone is enough to route.
    pub fn id(
        &self,
        name: &TableName,
        fixed: Option<TableId>,
        mut occupied: impl FnMut(TableId) -> bool,
    ) -> Result<Registered, RegistryError> {
        let mut warnings = Vec::new();
        let tables = self.read(&mut warnings);
        let (id, new) = match known(&tables, name, fixed, &mut warnings)? {
            Some(id) => (id, false),
            None => self.register(name, fixed, &tables, &mut occupied, &mut warnings)?,
        };
        Ok(Registered { id, new, warnings })
    }

    /// The ID of a name that is not known, and whether it is new still: another run may be
    /// quicker, with this name or with the ID.
    fn register(
        &self,
        name: &TableName,
        fixed: Option<TableId>,
        tables: &Tables,
        occupied: &mut impl FnMut(TableId) -> bool,
        warnings: &mut Vec<String>,
    ) -> Result<(TableId, bool), RegistryError> {
        if let Some(id) = fixed.filter(|id| *id > LARGEST_NAMED) {
            warnings.push(format!(
                "table {name} is not registered: ip cannot name IDs above {LARGEST_NAMED}; \
                 going on with ID {id} alone"
            ));
            return Ok((choose(tables, name, fixed, occupied)?, true));
        }
        let (locked, target) = match self.open_target() {
            Ok(opened) => opened,
            Err((path, error)) => {
                warnings.push(not_registered(name, &path, &error));
                return Ok((choose(tables, name, fixed, occupied)?, true));
            }
        };
        warnings.clear();
        if let Err(error) = &locked {
            warnings.push(format!("no lock on table names: {error}; going on without"));
        }
        let tables = self.read(warnings);
        if let Some(id) = known(&tables, name, fixed, warnings)? {
            return Ok((id, false));
        }
        let id = choose(&tables, name, fixed, occupied)?;
        if let Err(error) = target.append(&line(id, name)) {
            warnings.push(not_registered(name, &target.path, &error));
        }
        Ok((id, true))
    }

    /// The names as they stand now, for a run that asks for many and registers none.
    #[must_use]
    pub fn names(&self) -> Names {
        let mut warnings = Vec::new();
        Names {
            tables: self.read(&mut warnings),
            target: self.target(),
            warnings,
        }
    }

    /// The ID that a name has, or would most likely have had: for taking out what a run that
    /// left no record put in.
    #[must_use]
    pub fn likely_id(&self, name: &TableName, fixed: Option<TableId>) -> TableId {
        let registered = self.read(&mut Vec::new()).id(name);
        registered.or(fixed).unwrap_or_else(|| derived_id(name))
    }

    /// All names, in the order in which `ip` reads the files (measured on iproute2 6.15; 6.1
    /// does not look in `/usr`, where Debian 12 has nothing).
    fn read(&self, warnings: &mut Vec<String>) -> Tables {
        let mut tables = Tables::default();
        let mut add = |path: &Path| match read_file(path) {
            Ok(text) => {
                for number in tables.add(path, &text) {
                    warnings.push(format!(
                        "{}:{number}: not a table ID and a name; ip stops reading there",
                        path.display()
                    ));
                }
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                warnings.push(format!("cannot read {}: {error}", path.display()));
                true
            }
        };
        let _ = add(&self.root.join(NAMES))
            || VENDOR_NAMES.iter().any(|path| add(&self.root.join(path)));
        let own = self.root.join(DROP_INS);
        for folder in VENDOR_DROP_INS {
            for path in drop_ins(&self.root.join(folder)) {
                let shadowed = path
                    .file_name()
                    .is_some_and(|name| own.join(name).symlink_metadata().is_ok());
                if !shadowed {
                    add(&path);
                }
            }
        }
        for path in drop_ins(&own) {
            add(&path);
        }
        tables
    }

    /// The file that new names go to. `rt_tables` where there is one; else, or where the
    /// administrator has made it, our drop-in: an `rt_tables` of ours would shadow the vendor's.
    fn target(&self) -> PathBuf {
        let drop_in = self.root.join(OUR_DROP_IN);
        let names = self.root.join(NAMES);
        // A file that cannot be looked at is there, and will say what is wrong with it.
        if names.try_exists().unwrap_or(true) && !drop_in.exists() {
            names
        } else {
            drop_in
        }
    }

    /// The file that new names go to, and the lock that keeps other runs of ours from it. Where
    /// there can be none, the file is still worth writing to: a line is one write.
    fn open_target(&self) -> Result<(io::Result<Lock>, Target), (PathBuf, io::Error)> {
        let locked = lock::exclusive(&self.root.join(LOCK));
        let path = self.target();
        match locked {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err((path, error)),
            locked => match Target::open(&path) {
                Ok(target) => Ok((locked, target)),
                Err(error) => Err((path, error)),
            },
        }
    }
}

/// The names in all files, and those that a run would register.
#[derive(Debug)]
pub struct Names {
    tables: Tables,
    /// The file that a new name would be written to.
    pub target: PathBuf,
    /// What is wrong with the files.
    pub warnings: Vec<String>,
}

impl Names {
    /// The ID of a named table: the registered one, or the one that `Registry::id` would
    /// register; nothing is written.
    ///
    /// # Errors
    /// The files and the stanza contradict each other.
    pub fn id(
        &mut self,
        name: &TableName,
        fixed: Option<TableId>,
        mut occupied: impl FnMut(TableId) -> bool,
    ) -> Result<Registered, RegistryError> {
        let mut warnings = Vec::new();
        let known = known(&self.tables, name, fixed, &mut warnings)?;
        let id = match known {
            Some(id) => id,
            None => choose(&self.tables, name, fixed, &mut occupied)?,
        };
        if known.is_none() {
            let line = line(id, name);
            self.tables.add(&self.target, line.as_bytes());
        }
        Ok(Registered {
            id,
            new: known.is_none(),
            warnings,
        })
    }

    /// The name that `ip` prints for an ID.
    #[must_use]
    pub fn name(&self, id: TableId) -> Option<&str> {
        self.tables.names(id).last()
    }
}

/// The ID a name has already.
fn known(
    tables: &Tables,
    name: &TableName,
    fixed: Option<TableId>,
    warnings: &mut Vec<String>,
) -> Result<Option<TableId>, RegistryError> {
    let Some(registered) = tables.id(name) else {
        return Ok(None);
    };
    let file = || {
        tables
            .file(name, registered)
            .unwrap_or(Path::new(NAMES))
            .to_owned()
    };
    TableId::of_policy(registered.0).map_err(|source| RegistryError::Reserved {
        file: file(),
        source,
    })?;
    if fixed.is_some_and(|fixed| fixed != registered) {
        return Err(RegistryError::OtherId {
            name: name.clone(),
            registered,
            file: file(),
        });
    }
    if let Some(other) = tables.ids(name).find(|id| *id != registered) {
        warnings.push(format!(
            "table {name} has IDs {registered} and {other} in {}; taking {registered} as ip does",
            file().display()
        ));
    }
    if let Some(other) = tables
        .names(registered)
        .find(|other| *other != name.as_str())
    {
        warnings.push(format!(
            "tables {name} and {other} are one: both have ID {registered}"
        ));
    }
    Ok(Some(registered))
}

/// A file's text. Opening a pipe must not wait for somebody to write into it.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    // The usual file in one go; an unknown length would be felt for in steps from 32 bytes on.
    let mut text = Vec::with_capacity(USUAL);
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Most that is read of a file, in bytes; a line for each of 4,000 tables is a hundredth of it.
const LONGEST: u64 = 16 << 20;

/// A file of so many bytes, or one with some hundred names, is read at once.
const USUAL: usize = 4 << 10;

/// The drop-ins of a folder that `ip` reads.
fn drop_ins(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    // A hidden file has no extension to Path, nor is it one to ip.
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "conf")
    });
    paths.retain(|path| {
        path.file_name()
            .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    });
    paths.sort();
    paths
}

/// The ID of a new name.
fn choose(
    tables: &Tables,
    name: &TableName,
    fixed: Option<TableId>,
    occupied: &mut impl FnMut(TableId) -> bool,
) -> Result<TableId, RegistryError> {
    if let Some(id) = fixed {
        return match tables.names(id).next() {
            Some(owner) => Err(RegistryError::IdTaken {
                id,
                owner: owner.to_owned(),
            }),
            None => Ok(id),
        };
    }
    let mut id = derived_id(name);
    while tables.names(id).next().is_some() || occupied(id) {
        id = TableId(id.0 + 1);
    }
    Ok(id)
}

fn not_registered(name: &TableName, path: &Path, error: &io::Error) -> String {
    format!(
        "table {name} is not registered in {}: {error}{}; going on with its ID alone",
        path.display(),
        hint(error)
    )
}
