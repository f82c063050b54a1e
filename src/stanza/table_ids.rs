//! The tables that a stanza names, by number.

use super::stanza::{Stanza, Table, TableRef};
use crate::routing::{Mark, TableId, TableName};

/// The number of each table that a stanza names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableIds {
    own: Option<TableId>,
    named: Vec<(TableName, TableId)>,
    mark: Option<Mark>,
}

impl TableIds {
    /// Asks for the number of each name, its own first; `id` is told the one that
    /// `policy-table-id` says.
    pub fn of<E>(
        stanza: &Stanza,
        mut id: impl FnMut(&TableName, Option<TableId>) -> Result<TableId, E>,
    ) -> Result<Self, E> {
        let mut ids = Self::default();
        match &stanza.table {
            None => {}
            Some(Table::Id(id)) => ids.own = Some(*id),
            Some(Table::Named(name, fixed)) => {
                let own = id(name, fixed.as_ref().map(|fixed| fixed.id))?;
                ids.own = Some(own);
                ids.named.push((name.clone(), own));
            }
        }
        for name in stanza.names_in_lines() {
            if ids.of_name(name).is_none() {
                ids.named.push((name.clone(), id(name, None)?));
            }
        }
        Ok(ids)
    }

    /// The same with the mark of connections that the stanza's own table answers.
    pub fn with_mark(self, mark: Option<Mark>) -> Self {
        Self { mark, ..self }
    }

    /// That mark, where the stanza asks for one.
    pub fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// The stanza's own table.
    pub fn own(&self) -> Option<TableId> {
        self.own
    }

    /// The names and their numbers, its own first.
    pub fn named(&self) -> &[(TableName, TableId)] {
        &self.named
    }

    /// The number that a name has.
    pub fn of_name(&self, name: &TableName) -> Option<TableId> {
        let known = self.named.iter().find(|(other, _)| other == name);
        known.map(|(_, id)| *id)
    }

    /// The number of the table that a line means.
    pub fn of_ref(&self, table: &TableRef) -> Option<TableId> {
        match table {
            TableRef::Own => self.own,
            TableRef::Id(id) => Some(*id),
            TableRef::Named(name) => self.of_name(name),
        }
    }
}
