//! What goes into the summary of a stanza besides what was done: the networks that `policy-mode
//! strict` cuts off; and those that come later. A command has looked at all of the kernel by then; a
//! hook and the keeper ask for little more than the addresses of the other devices, and only where
//! there is something to cut off.

use std::collections::BTreeSet;

use log::debug;

use crate::netlink::{Extent, Kernel, KernelError};
use crate::record::Part;
use crate::routing::{Family, InterfaceName, Links, Prefix, State, Surroundings, TableId};
use crate::stanza::{cut_off, is_confined, may_ask, Remark, Stanza};
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
            Self::CutOff => look(kernel, stanza, state, table),
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
    /// The families whose networks are in it.
    asked: BTreeSet<Family>,
}

impl CutOffLooks {
    /// Errors: the kernel could not be asked.
    pub fn open() -> Result<Self, KernelError> {
        Ok(Self {
            kernel: Kernel::open()?,
            around: Surroundings::default(),
            asked: BTreeSet::new(),
        })
    }

    /// What the stanza of a part does not get to of networks that nobody was told of, of many the first
    /// ones, and the line that says so.
    /// Errors: the kernel did not say.
    pub fn at(
        &mut self,
        part: &Part,
        stanza: &Stanza,
        told: impl Iterator<Item = Prefix>,
    ) -> Result<Option<(Vec<Prefix>, String)>, KernelError> {
        let table = part.table_ids(stanza).and_then(|ids| ids.own());
        let Some(table) = table.filter(|table| is_confined(stanza, &part.state, *table)) else {
            return Ok(None);
        };
        let Self {
            kernel,
            around,
            asked,
        } = self;
        if !asked.contains(&stanza.family) {
            note_networks(
                kernel,
                &mut around.links,
                None,
                stanza.family,
                Extent::OF_ALL,
            )?;
            asked.insert(stanza.family);
        }
        around.links.told = told.collect();
        let remark = cut_off(stanza, &part.state, table, around, kernel);
        let Some(Remark::CutOff(networks)) = &remark else {
            return Ok(None);
        };
        let networks = networks.iter().map(|(network, _)| *network).collect();
        Ok(remark.map(|remark| (networks, line(&remark))))
    }

    /// All networks that there are, where nobody could be asked about each.
    pub fn unasked(mut self) -> Option<BTreeSet<Prefix>> {
        if may_ask(&self.around.links) {
            return None;
        }
        self.around.links.told.clear();
        let links = &self.around.links;
        let all = Family::ALL
            .into_iter()
            .flat_map(|family| links.networks(family));
        Some(all.map(|(network, _)| network).collect())
    }
}

/// How a remark stands behind something else.
fn line(remark: &Remark) -> String {
    format!("{remark}; {}", remark.hint())
}

/// What a stanza's packets do not get to.
fn look(
    kernel: &mut Kernel,
    stanza: &Stanza,
    state: &State,
    table: TableId,
) -> Result<Option<Remark>, KernelError> {
    let mut around = Surroundings::default();
    let device = stanza.interface.device();
    note_networks(
        kernel,
        &mut around.links,
        Some(&device),
        stanza.family,
        Extent::OF_ONE,
    )?;
    Ok(cut_off(stanza, state, table, &around, kernel))
}

/// Notes what networks of a family devices have on their links, but for one of them.
fn note_networks(
    kernel: &mut Kernel,
    links: &mut Links,
    beside: Option<&InterfaceName>,
    family: Family,
    extent: Extent,
) -> Result<(), KernelError> {
    for (device, addresses) in kernel.addresses_beside(beside, family, extent)? {
        links.addresses.entry(device).or_default().extend(addresses);
    }
    kernel.note_on_link(links, family, extent)
}
