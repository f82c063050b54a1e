//! Which addresses of an interface a stanza that asks the kernel for them leaves to other stanzas of
//! the device: those that these name; with `policy-source all` also what they have rules on, or will
//! have.

use std::net::IpAddr;

use super::observe::at_once;
use crate::ifupdown::HookCall;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Heading, Part, Record, Takeover};
use crate::routing::{InterfaceAddress, Prefix, Rule, State};
use crate::stanza::{Observed, Source, Stanza};

/// Whether some of what was found may be another stanza's.
pub fn may_share(stanza: &Stanza, found: &Observed) -> bool {
    stanza.asks_all() || stanza.asks_address() && found.addresses.len() > 1
}

/// Leaves to the other stanzas the addresses that these name. At a fresh start they come later, as
/// that of an alias beside a lease does, and are not there to be found.
fn leave_named(
    found: &mut Observed,
    stanza: &Stanza,
    takeover: &Takeover,
    record: &Record,
    calls: &[HookCall],
) {
    let others = takeover.without(record.clone());
    let kept = others.parts().iter();
    let kept = kept.filter(|part| is_kept(&part.heading, calls));
    let recorded = kept.filter_map(Part::call);
    let named = recorded.chain(calls.iter().cloned()).filter_map(|call| {
        let other = Stanza::parse(&call).ok()??;
        let address = other.address.filter(|_| other.derives())?;
        (other != *stanza).then_some(address.address)
    });
    let named: Vec<IpAddr> = named.collect();
    let is_own = |own: &InterfaceAddress| !named.contains(&own.address);
    // Where it would have none, who comes first has found them all.
    if found.addresses.iter().any(is_own) {
        found.addresses.retain(is_own);
    }
}

/// Leaves to the other stanzas what is theirs: what those that are up have in the record, and what
/// those in the file name or would find, of which a hook knows none.
/// Errors: the kernel could not be asked.
pub fn leave_to_others(
    kernel: &mut Kernel,
    found: &mut Observed,
    stanza: &Stanza,
    takeover: &Takeover,
    record: &Record,
    calls: &[HookCall],
) -> Result<(), KernelError> {
    if !stanza.asks_all() {
        leave_named(found, stanza, takeover, record, calls);
        return Ok(());
    }
    let others = takeover.without(record.clone());
    let kept = others.headings().filter(|part| is_kept(part, calls));
    let mut taken: Vec<Prefix> = kept
        .flat_map(|part| derived_from(&others.of_stanza(part)))
        .collect();
    for call in calls {
        let Ok(Some(other)) = Stanza::parse(call) else {
            continue;
        };
        if !other.derives() || other == *stanza {
            continue;
        }
        // One that names no address may have nothing in force yet: this one comes first in the file.
        let own = match other.address {
            Some(own) => vec![own],
            None if other.asks_all() => continue,
            None => at_once(kernel, &other)?.addresses,
        };
        taken.extend(own.into_iter().filter_map(|own| match other.source {
            Source::None => None,
            Source::Subnet => Some(own.network()),
            Source::Address | Source::All => Some(Prefix::host(own.address)),
        }));
    }
    let is_taken = |own: &InterfaceAddress| taken.iter().any(|by| by.contains(own.address));
    let is_own = |own: &InterfaceAddress| stanza.address == Some(*own);
    found.addresses.retain(|own| is_own(own) || !is_taken(own));
    Ok(())
}

/// Whether a part of the record will still be there: its interface has no stanza in the file, as
/// far as that is known, or one that takes it over and has options.
fn is_kept(part: &Heading, calls: &[HookCall]) -> bool {
    let mut of_interface = calls
        .iter()
        .filter(|call| call.interface == part.interface())
        .peekable();
    of_interface.peek().is_none()
        || of_interface.any(|call| {
            let heading = Heading::of(call);
            !call.options.is_empty() && (*part == heading || part.may_pass_to(&heading))
        })
}

/// The addresses and networks that rules were derived from; these come in pairs.
fn derived_from(state: &State) -> Vec<Prefix> {
    let rules = state.rules();
    let derived = rules.iter().filter_map(|rule| {
        let is_counterpart = |other: &Rule| {
            let of = |rule: &Rule| (rule.priority, rule.action);
            other.to == rule.from && other.from.is_none() && of(other) == of(rule)
        };
        rule.from.filter(|_| rules.iter().any(is_counterpart))
    });
    derived.collect()
}
