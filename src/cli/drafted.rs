//! The interfaces file as `migrate` drafts it anew, and what its lines have put in on this host.

use std::cell::RefCell;
use std::path::Path;

use super::command::Trouble;
use super::running::Running;
use crate::converge::ByHand;
use crate::ifupdown::interfaces::Interfaces;
use crate::ifupdown::{Caller, UpInterface};
use crate::migrate::Draft;
use crate::routing::{InterfaceName, Object, TableId};
use crate::tables::Registry;

/// The configuration, if ifupdown reads all of it.
pub fn read(path: &Path, caller: Caller) -> Result<Interfaces, Trouble> {
    let interfaces = Interfaces::read_as(path, caller);
    if let Some(path) = interfaces.templated.first() {
        return Err(Trouble::Failed(format!(
            "{} is a template, which ifupdown2 makes another file of: not read",
            path.display()
        )));
    }
    if let Some((path, error)) = interfaces.unread.first() {
        return Err(Trouble::Failed(format!(
            "cannot read {}: {error}",
            path.display()
        )));
    }
    // What ifupdown does not read as far would be rewritten on a guess.
    for file in &interfaces.files {
        if let Some(fault) = file.text.faults.iter().find(|fault| fault.stops) {
            let place = format!("{}:{}", file.path.display(), fault.place.0);
            return Err(Trouble::Failed(format!("{place}: {}", fault.kind)));
        }
    }
    Ok(interfaces)
}

/// The IDs of tables by their names. A name in no file has the ID that it would be registered under;
/// nothing is registered here.
pub fn table_names() -> impl Fn(&str) -> Option<TableId> {
    let names = RefCell::new(Registry::below(Path::new("/")).names());
    move |name: &str| {
        let id = names.borrow_mut().id(&name.parse().ok()?, None, |_| false);
        id.ok().map(|registered| registered.id)
    }
}

/// What hand-written lines have put in that options take the place of. Lines of a stanza that a mapping
/// has given to interfaces of other names have put it in for each of those that are up.
/// Errors: what is up cannot be told.
pub fn by_hand(draft: &Draft<'_>) -> Result<Vec<ByHand>, Trouble> {
    let up = Running::up_now()?;
    let known = draft.put_in_by_lines().into_iter();
    let known = known.flat_map(|(stanza, object, has_priority)| {
        let interfaces = interfaces_of(stanza, &up).into_iter();
        interfaces.map(move |interface| ByHand {
            object: on_device(object.clone(), stanza, &interface),
            interface,
            has_priority,
        })
    });
    Ok(known.collect())
}

/// The interfaces that a stanza is up for; the one of its name where it is up for none.
pub fn interfaces_of(stanza: &str, up: &[UpInterface]) -> Vec<InterfaceName> {
    let of_it = up.iter().filter(|up| up.logical() == stanza);
    let mut interfaces: Vec<InterfaceName> = of_it.map(|up| up.interface.clone()).collect();
    if interfaces.is_empty() {
        interfaces.extend(stanza.parse().ok());
    }
    interfaces
}

/// What a stanza's lines have put in, where its name stands for an interface's.
fn on_device(mut object: Object, stanza: &str, interface: &InterfaceName) -> Object {
    let (Ok(written), device) = (stanza.parse::<InterfaceName>(), interface.device()) else {
        return object;
    };
    let written = written.device();
    let named: Vec<&mut InterfaceName> = match &mut object {
        Object::Route(route) => {
            let hops = route.hops.iter_mut();
            hops.filter_map(|hop| hop.device.as_mut()).collect()
        }
        Object::Rule(rule) => [rule.iif.as_mut(), rule.oif.as_mut()]
            .into_iter()
            .flatten()
            .collect(),
    };
    for name in named.into_iter().filter(|name| **name == written) {
        *name = device.clone();
    }
    object
}
