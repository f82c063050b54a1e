//! The IDs that names of routing tables have, and new ones for new names.
//!
//! A file is only ever appended to, one line in one write, so that no line of anybody's can be
//! lost, and under a lock, so that no two runs of ours register one name or ID twice. A known name
//! costs reading; a new one a write and an fsync(2).

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::append::Target;
use super::files::{NameFiles, NAMES};
use super::rt_tables::{derived_id, rt_tables_line, Glance, Tables, LARGEST_NAMED};
use crate::routing::{TableId, TableName, WordError};
use crate::system::{permission_hint, Lock};

/// Why a name has no ID that may be used.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The file gives the name one ID and the stanza another.
    #[error("table {name} has ID {registered} already, in {}; expected that, or no ID", .file.display())]
    OtherId {
        name: TableName,
        registered: TableId,
        file: PathBuf,
    },
    /// The ID that the stanza gives has another name.
    #[error("ID {id} belongs to table {owner}; expected an ID that no other table has")]
    IdTaken { id: TableId, owner: String },
    /// The file gives the name an ID of the kernel's own tables.
    #[error("{}: {source}", .file.display())]
    Reserved { file: PathBuf, source: WordError },
}

/// The ID of a table, and what the administrator should know of how it was found.
#[derive(Debug)]
pub struct Registered {
    pub id: TableId,
    /// Whether the name is new.
    pub new: bool,
    /// What is wrong with the files, though an ID was found.
    pub warnings: Vec<String>,
}

/// What the files say of a name.
enum LookedUp<'a> {
    Known(TableId),
    /// Nothing; what they say of other names.
    New(Glance<'a>),
}

/// The files below a root directory, and the lock on them.
pub struct Registry {
    files: NameFiles,
    lock: PathBuf,
}

const LOCK: &str = "run/policy-table-names.lock";

impl Registry {
    /// The files below `root`; `/` outside of tests.
    pub fn below(root: &Path) -> Self {
        Self {
            files: NameFiles::below(root),
            lock: root.join(LOCK),
        }
    }

    /// The ID of a named table: the registered one, or a new one that is registered now, `fixed`
    /// where the stanza gives it. `occupied` says whether the kernel has something of others
    /// under an ID; it is asked for new names only.
    /// Errors: the files and the stanza contradict each other. Files that cannot be read or
    /// written are warnings: the ID alone is enough to route.
    pub fn id(
        &self,
        name: &TableName,
        fixed: Option<TableId>,
        mut occupied: impl FnMut(TableId) -> bool,
    ) -> Result<Registered, RegistryError> {
        let mut warnings = Vec::new();
        let (id, new) = match self.look_up(name, fixed, &mut warnings)? {
            LookedUp::Known(id) => (id, false),
            LookedUp::New(glance) => {
                self.register(name, fixed, glance, &mut occupied, &mut warnings)?
            }
        };
        Ok(Registered { id, new, warnings })
    }

    /// The ID that a name has. Of files in which all is well one quick reading tells it; others are
    /// read as a whole, to say what is wrong.
    fn look_up<'a>(
        &self,
        name: &'a TableName,
        fixed: Option<TableId>,
        warnings: &mut Vec<String>,
    ) -> Result<LookedUp<'a>, RegistryError> {
        let mut glance = self.files.glance(name);
        let plain = |id: &TableId| {
            TableId::of_policy(id.number()).is_ok() && fixed.is_none_or(|fixed| fixed == *id)
        };
        if let Some(id) = glance.known().filter(plain) {
            return Ok(LookedUp::Known(id));
        }
        if glance.is_new() {
            return Ok(LookedUp::New(glance));
        }
        let tables = self.files.read(warnings);
        let known = known_id(&tables, name, fixed, warnings)?;
        glance.learn(&tables);
        Ok(known.map_or(LookedUp::New(glance), LookedUp::Known))
    }

    /// The ID of a name that is not known, and whether it is new still: another run may be
    /// quicker, with this name or with the ID.
    fn register<'a>(
        &self,
        name: &'a TableName,
        fixed: Option<TableId>,
        glance: Glance<'a>,
        occupied: &mut impl FnMut(TableId) -> bool,
        warnings: &mut Vec<String>,
    ) -> Result<(TableId, bool), RegistryError> {
        if let Some(id) = fixed.filter(|id| *id > LARGEST_NAMED) {
            warnings.push(format!(
                "table {name} is not registered: ip cannot name IDs above {LARGEST_NAMED}; \
                 going on with ID {id} alone"
            ));
            return Ok((self.new_id(name, fixed, &glance, occupied)?, true));
        }
        let (locked, target) = match self.open_target() {
            Ok(opened) => opened,
            Err((path, error)) => {
                warnings.push(not_registered(name, &path, &error));
                return Ok((self.new_id(name, fixed, &glance, occupied)?, true));
            }
        };
        // What other runs of ours do to the files is to append there.
        let looked_up = if target.length().ok() == glance.length(&target.path) {
            LookedUp::New(glance)
        } else {
            warnings.clear();
            self.look_up(name, fixed, warnings)?
        };
        if let Err(error) = &locked {
            warnings.push(format!("no lock on table names: {error}; going on without"));
        }
        let glance = match looked_up {
            LookedUp::Known(id) => return Ok((id, false)),
            LookedUp::New(glance) => glance,
        };
        let id = self.new_id(name, fixed, &glance, occupied)?;
        if let Err(error) = target.append(&rt_tables_line(id, name)) {
            warnings.push(not_registered(name, &target.path, &error));
        }
        Ok((id, true))
    }

    /// The ID of a new name.
    fn new_id(
        &self,
        name: &TableName,
        fixed: Option<TableId>,
        glance: &Glance<'_>,
        occupied: &mut impl FnMut(TableId) -> bool,
    ) -> Result<TableId, RegistryError> {
        let chosen = free_id(name, fixed, |id| glance.has(id), occupied);
        chosen.map_err(|id| taken(id, &self.files.read(&mut Vec::new())))
    }

    /// The names as they stand now, for a run that asks for many and registers none.
    pub fn names(&self) -> KnownNames {
        let mut warnings = Vec::new();
        KnownNames {
            tables: self.files.read(&mut warnings),
            target: self.files.target(),
            warnings,
        }
    }

    /// The ID that a name has, or would most likely have had: for taking out what a run that
    /// left no record put in.
    pub fn likely_id(&self, name: &TableName, fixed: Option<TableId>) -> TableId {
        let registered = self.files.read(&mut Vec::new()).id(name);
        registered.or(fixed).unwrap_or_else(|| derived_id(name))
    }

    /// The file that new names go to, and the lock that keeps other runs of ours from it. Where
    /// there can be none, the file is still worth writing to: a line is one write.
    fn open_target(&self) -> Result<(io::Result<Lock>, Target), (PathBuf, io::Error)> {
        let locked = Lock::exclusive(&self.lock);
        let path = self.files.target();
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
pub struct KnownNames {
    tables: Tables,
    /// The file that a new name would be written to.
    pub target: PathBuf,
    /// What is wrong with the files.
    pub warnings: Vec<String>,
}

impl KnownNames {
    /// The ID of a named table: the registered one, or the one that `Registry::id` would
    /// register; nothing is written.
    /// Errors: the files and the stanza contradict each other.
    pub fn id(
        &mut self,
        name: &TableName,
        fixed: Option<TableId>,
        mut occupied: impl FnMut(TableId) -> bool,
    ) -> Result<Registered, RegistryError> {
        let mut warnings = Vec::new();
        if let Some(id) = known_id(&self.tables, name, fixed, &mut warnings)? {
            return Ok(Registered {
                id,
                new: false,
                warnings,
            });
        }
        let named = |id| self.tables.names(id).next().is_some();
        let chosen = free_id(name, fixed, named, &mut occupied);
        let id = chosen.map_err(|id| taken(id, &self.tables))?;
        // A larger one would not be registered.
        if id <= LARGEST_NAMED {
            self.tables.add_name(&self.target, id, name);
        }
        Ok(Registered {
            id,
            new: true,
            warnings,
        })
    }

    /// The name that `ip` prints for an ID.
    pub fn name(&self, id: TableId) -> Option<&str> {
        self.tables.names(id).last()
    }
}

/// The ID that a name has already.
fn known_id(
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
    TableId::of_policy(registered.number()).map_err(|source| RegistryError::Reserved {
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
        let (file, others) = (file(), tables.file(name, other));
        let ids = match others.filter(|others| *others != file) {
            None => format!("IDs {registered} and {other} in {}", file.display()),
            Some(others) => format!(
                "ID {registered} in {} and ID {other} in {}",
                file.display(),
                others.display()
            ),
        };
        warnings.push(format!(
            "table {name} has {ids}; taking {registered} as ip does"
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

/// The ID of a new name; as an error, the one it should have and that is `named` already.
fn free_id(
    name: &TableName,
    fixed: Option<TableId>,
    named: impl Fn(TableId) -> bool,
    occupied: &mut impl FnMut(TableId) -> bool,
) -> Result<TableId, TableId> {
    if let Some(id) = fixed {
        return if named(id) { Err(id) } else { Ok(id) };
    }
    Ok(next_free_id(name, |id| named(id) || occupied(id)))
}

/// The ID that a new name gets: the one derived from it, or the next one upward that is not taken.
pub fn next_free_id(name: &TableName, mut taken: impl FnMut(TableId) -> bool) -> TableId {
    let mut id = derived_id(name);
    while taken(id) {
        id = TableId::numbered(id.number() + 1);
    }
    id
}

fn taken(id: TableId, tables: &Tables) -> RegistryError {
    let owner = tables.names(id).next().unwrap_or_default().to_owned();
    RegistryError::IdTaken { id, owner }
}

fn not_registered(name: &TableName, path: &Path, error: &io::Error) -> String {
    format!(
        "table {name} is not registered in {}: {error}{}; going on with its ID alone",
        path.display(),
        permission_hint(error)
    )
}
