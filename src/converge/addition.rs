//! What goes into the summary of a stanza besides what was done: the networks that `policy-mode
//! strict` cuts off; and those that come later. A command has looked at all of the kernel by then; a
//! hook and the keeper ask for little more than the addresses of the other devices, and only where
//! there is something to cut off.

use std::collections::BTreeSet;

use log::debug;

use crate::netlink::{Kernel, KernelError};
use crate::record::Part;
use crate::routing::{Prefix, State, Surroundings, TableId};
use crate::stanza::{cut_off, is_confined, Remark, Stanza};
use crate::text::chain;

/// What is added to the summary of a stanza.
#[derive(Clone, Copy)]
pub enum Addition<'a> {
    Nothing,
    /// What is cut off, for which nobody has looked around yet.
    CutOff,
    /// What is cut off of that.
    CutOffOf(&'a Surroundings),
}

impl Addition<'_> {
    /// What there is to add of a stanza, what it asks for, and its own table; nothing where the kernel
    /// does not say, since all is in force.
    pub(super) fn of(
        self,
        kernel: &mut Kernel,
        stanza: &Stanza,
        state: &State,
        table: Option<TableId>,
    ) -> Option<String> {
        let table = table.filter(|table| is_confined(stanza, state, *table))?;
        let remark = match self {
            Self::Nothing => return None,
            Self::CutOff => look(kernel, &mut Surroundings::default(), stanza, state, table),
            Self::CutOffOf(around) => Ok(cut_off(stanza, state, table, around, kernel)),
        };
        remark
            .unwrap_or_else(|error| {
                debug!("{}: {}", stanza.interface, chain(&error));
                None
            })
            .map(|remark| line(&remark))
    }
}

/// Looks at parts of records, one after another, for what has come since they were put in.
pub struct CutOffLooks {
    kernel: Kernel,
    /// What has been asked for one part needs not be asked for another.
    around: Surroundings,
}

impl CutOffLooks {
    /// Errors: the kernel could not be asked.
    pub fn open() -> Result<Self, KernelError> {
        Ok(Self {
            kernel: Kernel::open()?,
            around: Surroundings::default(),
        })
    }

    /// What the stanza of a part does not get to of networks that nobody was `told` of, and the line
    /// that says so.
    /// Errors: the kernel did not say.
    pub fn at(
        &mut self,
        part: &Part,
        stanza: &Stanza,
        told: &BTreeSet<Prefix>,
    ) -> Result<Option<(Vec<Prefix>, String)>, KernelError> {
        let table = part.table_ids(stanza).and_then(|ids| ids.own());
        let Some(table) = table.filter(|table| is_confined(stanza, &part.state, *table)) else {
            return Ok(None);
        };
        self.around.links.told.clone_from(told);
        let Self { kernel, around } = self;
        let remark = look(kernel, around, stanza, &part.state, table)?;
        let Some(Remark::CutOff(networks)) = &remark else {
            return Ok(None);
        };
        let networks = networks.iter().map(|(network, _)| *network).collect();
        Ok(remark.map(|remark| (networks, line(&remark))))
    }
}

/// How a remark stands behind something else.
fn line(remark: &Remark) -> String {
    format!("{remark}; {}", remark.hint())
}

/// What a stanza's packets do not get to.
fn look(
    kernel: &mut Kernel,
    around: &mut Surroundings,
    stanza: &Stanza,
    state: &State,
    table: TableId,
) -> Result<Option<Remark>, KernelError> {
    around.links.addresses = kernel.addresses_beside(&stanza.interface.device(), stanza.family)?;
    around.links.on_link.clear();
    kernel.note_on_link(&mut around.links, stanza.family)?;
    Ok(cut_off(stanza, state, table, around, kernel))
}
