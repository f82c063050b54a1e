//! The tables that a stanza names, with their IDs.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;

use log::warn;

use super::outcome::Failure;
use crate::marks::{AllotError, Allotted};
use crate::netlink::Kernel;
use crate::record::Takeover;
use crate::routing::{Mark, State, TableId, TableName};
use crate::stanza::{
    wanted_state, Connmark, Notice, Observed, OptionError, Stanza, Table, TableIds,
};
use crate::tables::{rt_tables_line, KnownNames, Registry, RegistryError};

/// The tables of a stanza, and which of their names are new.
#[derive(Debug, Default)]
pub struct StanzaTables {
    ids: TableIds,
    new: Vec<TableName>,
}

impl StanzaTables {
    /// The IDs of a stanza's tables, registered now where a name is new. What is wrong with the
    /// files is logged.
    /// Errors: a table has no ID that may be used.
    pub fn registered(stanza: &Stanza, kernel: &mut Kernel) -> Result<Self, Failure> {
        let registry = Registry::below(Path::new("/"));
        let mut new = Vec::new();
        let ids = TableIds::of(stanza, |name, fixed| {
            let registered = registry.id(name, fixed, |id| kernel.is_occupied(id));
            let registered = registered.map_err(|source| failure(stanza, name, source))?;
            for warning in &registered.warnings {
                warn!("{}: {warning}", stanza.interface);
            }
            if registered.new {
                new.push(name.clone());
            }
            Ok::<_, Failure>(registered.id)
        })?;
        Ok(Self { ids, new })
    }

    /// The IDs that are recorded: nothing is looked up.
    pub fn recorded(ids: TableIds) -> Self {
        let new = Vec::new();
        Self { ids, new }
    }

    /// The IDs that a stanza's tables have or would get, with nothing registered. What a run for
    /// one stanza would register, `names` has from then on.
    /// Errors: a table has no ID that may be used.
    pub fn foreseen(
        stanza: &Stanza,
        names: &mut KnownNames,
        mut occupied: impl FnMut(TableId) -> bool,
    ) -> Result<Self, Failure> {
        let mut new = Vec::new();
        let ids = TableIds::of(stanza, |name, fixed| {
            let foreseen = names.id(name, fixed, &mut occupied);
            let foreseen = foreseen.map_err(|source| failure(stanza, name, source))?;
            if foreseen.new {
                new.push(name.clone());
            }
            Ok::<_, Failure>(foreseen.id)
        })?;
        Ok(Self { ids, new })
    }

    /// Those that are recorded, or else foreseen, with the mark that the table has or would get.
    /// Errors: a table has no ID that may be used, or no mark.
    pub fn known(
        stanza: &Stanza,
        takeover: &Takeover,
        names: &mut KnownNames,
        allotted: &mut Allotted,
        occupied: impl FnMut(TableId) -> bool,
    ) -> Result<Self, Failure> {
        let recorded = takeover.seen().and_then(|part| part.table_ids(stanza));
        let tables = match recorded {
            Some(ids) => Self::recorded(ids),
            None => Self::foreseen(stanza, names, occupied)?,
        };
        tables.marked(stanza, |table, name| allotted.read_once().mark(table, name))
    }

    /// The same with the mark that the stanza asks for; `allot` says which one its table has.
    /// Errors: there is none left.
    pub fn marked(
        self,
        stanza: &Stanza,
        allot: impl FnOnce(TableId, Option<&TableName>) -> Result<Mark, AllotError>,
    ) -> Result<Self, Failure> {
        let mark = match (stanza.connmark, self.own()) {
            (Connmark::No, _) | (_, None) => return Ok(self),
            (Connmark::Given(mark), _) => mark,
            (Connmark::Auto, Some((table, name))) => allot(table, name)?,
        };
        let ids = self.ids.with_mark(Some(mark));
        Ok(Self { ids, ..self })
    }

    /// That mark, where the stanza asks for one.
    pub fn mark(&self) -> Option<Mark> {
        self.ids.mark()
    }

    /// The names and their IDs.
    pub fn named(&self) -> &[(TableName, TableId)] {
        self.ids.named()
    }

    /// The lines that a run would append to register the names that are new.
    pub fn new_lines(&self) -> Vec<String> {
        let named = self.ids.named().iter();
        let new = named.filter(|(name, _)| self.new.contains(name));
        new.map(|(name, id)| rt_tables_line(*id, name)).collect()
    }

    /// The stanza's own table, and its name if it has one.
    pub fn own(&self) -> Option<(TableId, Option<&TableName>)> {
        let id = self.ids.own()?;
        let name = self.ids.named().iter().find(|(_, other)| *other == id);
        Some((id, name.map(|(name, _)| name)))
    }

    /// The IDs that a stanza's tables have, or would most likely have had.
    pub fn likely(stanza: &Stanza) -> Self {
        let registry = Registry::below(Path::new("/"));
        let likely = |name: &TableName, fixed| Ok::<_, Infallible>(registry.likely_id(name, fixed));
        let Ok(ids) = TableIds::of(stanza, likely);
        let new = Vec::new();
        let likely = Self { ids, new };
        let allot = |table, name: Option<&TableName>| Allotted::read().mark(table, name);
        likely.marked(stanza, allot).unwrap_or_default()
    }

    /// The names beside the stanza's own that are new and that no route of it fills: slips, most
    /// likely.
    pub fn new_and_empty(&self, wanted: &State) -> Vec<&TableName> {
        let filled = |id| wanted.routes().iter().any(|route| route.table == id);
        let empty = |name: &&TableName| {
            let id = self.ids.of_name(name);
            id != self.ids.own() && id.is_some_and(|id| !filled(id))
        };
        self.new.iter().filter(empty).collect()
    }

    /// What the stanza asks for.
    /// Errors: options that what was found shows to be wrong.
    pub fn wanted(
        &self,
        stanza: &Stanza,
        found: &Observed,
    ) -> Result<(State, Vec<Notice>), Vec<OptionError>> {
        wanted_state(stanza, &self.ids, found)
    }
}

/// An error of the registry beside the option that led to it.
fn failure(stanza: &Stanza, name: &TableName, source: RegistryError) -> Failure {
    let id = match &stanza.table {
        Some(Table::Named(own, Some(id))) if own == name => Some(id),
        _ => None,
    };
    match (&source, id) {
        (RegistryError::OtherId { .. } | RegistryError::IdTaken { .. }, Some(id)) => {
            Failure::Table {
                option: "policy-table-id",
                value: id.written.clone(),
                source,
            }
        }
        _ => Failure::Table {
            option: "policy-table",
            value: name.to_string(),
            source,
        },
    }
}

/// The tables as the summary of a run begins with them; nothing where there are none.
impl fmt::Display for StanzaTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.ids.own().filter(|_| self.ids.named().is_empty()) {
            return write!(f, "table {id}: ");
        }
        for (place, (name, id)) in self.ids.named().iter().enumerate() {
            let lead = if place == 0 { "table " } else { ", " };
            let new = if self.new.contains(name) { ", new" } else { "" };
            write!(f, "{lead}{name} ({id}{new})")?;
        }
        f.write_str(if self.ids.named().is_empty() {
            ""
        } else {
            ": "
        })
    }
}
