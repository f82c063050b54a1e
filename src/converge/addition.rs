//! What goes into the summary of a stanza besides what was done: the networks that `policy-mode
//! strict` cuts off. A command has looked at all of the kernel by then; a hook asks for little more
//! than the addresses of the other devices, and only where there is something to cut off.

use log::debug;

use crate::netlink::{Kernel, KernelError};
use crate::routing::{State, Surroundings, TableId};
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
            Self::CutOff => look(kernel, stanza, state, table),
            Self::CutOffOf(around) => Ok(cut_off(stanza, state, table, around, kernel)),
        };
        remark
            .unwrap_or_else(|error| {
                debug!("{}: {}", stanza.interface, chain(&error));
                None
            })
            .map(|remark| format!("{remark}; {}", remark.hint()))
    }
}

/// What a stanza's packets do not get to.
fn look(
    kernel: &mut Kernel,
    stanza: &Stanza,
    state: &State,
    table: TableId,
) -> Result<Option<Remark>, KernelError> {
    let mut around = Surroundings::default();
    around.links.addresses = kernel.addresses_beside(&stanza.interface.device(), stanza.family)?;
    kernel.note_on_link(&mut around.links, stanza.family)?;
    Ok(cut_off(stanza, state, table, &around, kernel))
}
