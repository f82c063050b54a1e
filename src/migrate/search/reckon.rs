//! What `ifup` would put in for options. They go from their text to routes and rules as they do
//! when a hook is called, so that nothing else here has to know what an option means.

use std::ffi::OsString;

use super::option_value::NewOption;
use crate::ifupdown::HookCall;
use crate::routing::syntax::TableNames;
use crate::routing::{State, TableName};
use crate::stanza::{wanted_state, Notice, Observed, Stanza, TableIds};

/// What `ifup` would put in for options of a stanza; `None` where they are in error, or only the
/// running interface could tell.
pub fn reckon(call: &HookCall, options: &[NewOption], names: TableNames<'_>) -> Option<State> {
    let call = HookCall {
        options: as_in_call(options),
        ..call.clone()
    };
    let stanza = Stanza::parse(&call).ok()??;
    if stanza.asks_address() || stanza.asks_all() || stanza.asks_gateway() {
        return None;
    }
    let known = |name: &TableName, _| names(name.as_str()).ok_or(());
    let tables = TableIds::of(&stanza, known).ok()?;
    let observed = Observed {
        addresses: stanza.address.into_iter().collect(),
        ..Observed::default()
    };
    let (state, notices) = wanted_state(&stanza, &tables, &observed).ok()?;
    // A router that is only guessed may be another one day.
    let is_certain = |notice: &Notice| matches!(notice, Notice::Onlink(..));
    notices.iter().all(is_certain).then_some(state)
}

/// Options as a hook is told them: those of one name together, each on a line.
fn as_in_call(options: &[NewOption]) -> Vec<(String, OsString)> {
    let mut told: Vec<(String, OsString)> = Vec::new();
    for NewOption { name, value } in options {
        match told.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => {
                values.push("\n");
                values.push(value);
            }
            None => told.push(((*name).to_owned(), value.into())),
        }
    }
    told.sort();
    told
}
