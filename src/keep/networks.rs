//! Networks of other interfaces that come while the keeper runs and that `policy-mode strict` cuts
//! off, as that of Docker long after `ifup`: each is named once to a stanza that does not get there.
//! One that flaps is heard of once, too.

use std::collections::{BTreeMap, BTreeSet};

use log::{debug, info};

use super::interests::{Confined, Interests};
use super::judgement::Look;
use super::repair::is_kept;
use crate::converge::CutOffLooks;
use crate::netlink::{Heard, KernelError, Standing};
use crate::record::{Part, Store};
use crate::routing::{InterfaceName, Prefix};
use crate::stanza::Stanza;
use crate::system::is_enabled;

/// How many are noted, of those heard of and of those that a stanza does not get to.
const MOST: usize = 256;

/// What is known of them.
#[derive(Debug, Default)]
pub struct Networks {
    /// Those of the addresses that were heard of.
    heard: BTreeSet<Prefix>,
    /// Those that the administrator was told of, by stanza.
    told: BTreeMap<Confined, BTreeSet<Prefix>>,
}

impl Networks {
    /// Notes a change; returns whether it brings a network that was not heard of before, where a
    /// stanza may not get there.
    pub fn is_new(&mut self, heard: &Heard) -> bool {
        let Heard::Address { assigned, .. } = heard else {
            return false;
        };
        let is_of_matter = assigned.standing == Standing::Usable && !self.told.is_empty();
        is_of_matter && self.heard.len() < MOST && self.heard.insert(assigned.address.network())
    }

    /// These have records, and no others.
    pub fn keep(&mut self, devices: &BTreeSet<InterfaceName>) {
        let has_record = |interface: &InterfaceName| devices.contains(&interface.device());
        self.told.retain(|(interface, _), _| has_record(interface));
    }

    /// Whether one of these stanzas was never looked at.
    fn lacks(&self, stanzas: &[Confined]) -> bool {
        stanzas.iter().any(|it| !self.told.contains_key(it))
    }

    /// Looks at what stanzas do not get to, and names what nobody was told of: of all, where a network
    /// has come or all is looked at; else of what is new. What is there when a stanza is looked at for
    /// the first time, `ifup` has named.
    pub fn look(
        &mut self,
        look: &Look,
        interests: &Interests,
        is_paused: &dyn Fn(&InterfaceName) -> bool,
    ) {
        let all = look.full || look.network;
        if !all && look.devices.is_empty() {
            return;
        }
        let meant = interests.confined().filter(|(device, stanzas)| {
            let is_new = || self.lacks(stanzas) && look.devices.contains(device);
            (all || is_new()) && !is_paused(device)
        });
        let devices: Vec<InterfaceName> = meant.map(|(device, _)| device.clone()).collect();
        if devices.is_empty() || !is_enabled() {
            return;
        }
        match CutOffLooks::open() {
            Ok(mut looks) => devices.iter().for_each(|it| self.look_at(it, &mut looks)),
            Err(error) => debug!("{error}"),
        }
    }

    fn look_at(&mut self, device: &InterfaceName, looks: &mut CutOffLooks) {
        let mut told: BTreeMap<Confined, BTreeSet<Prefix>> = BTreeMap::new();
        for part in Store::peek(device).parts().iter().filter(|it| is_kept(it)) {
            let Some(stanza) = part.call().and_then(|call| Stanza::parse(&call).ok()?) else {
                continue;
            };
            if !stanza.may_cut_off() {
                continue;
            }
            let key = (stanza.interface.clone(), stanza.family);
            let before = self.told.get(&key);
            let is_first = before.is_none();
            let known = told.get(&key).or(before).cloned().unwrap_or_default();
            match name(part, &stanza, known, is_first, looks) {
                Ok(known) => {
                    told.insert(key, known);
                }
                Err(error) => debug!("{}: {error}", stanza.interface),
            }
        }
        self.told.extend(told);
    }
}

/// Names what a stanza does not get to, unless it is looked at for the first time; returns all that
/// the administrator knows of.
fn name(
    part: &Part,
    stanza: &Stanza,
    mut told: BTreeSet<Prefix>,
    is_first: bool,
    looks: &mut CutOffLooks,
) -> Result<BTreeSet<Prefix>, KernelError> {
    while told.len() < MOST {
        let Some((networks, line)) = looks.at(part, stanza, &told)? else {
            break;
        };
        told.extend(networks);
        if !is_first {
            info!("{}: {line}", stanza.interface);
            break;
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::netlink::Assigned;
    use crate::routing::{Family, InterfaceAddress};

    fn address(number: u16, standing: Standing) -> Heard {
        let [high, low] = number.to_be_bytes();
        let address = InterfaceAddress::new([10, high, low, 1].into(), 24).unwrap();
        let label = None;
        let assigned = Assigned {
            address,
            label,
            standing,
        };
        Heard::Address { index: 9, assigned }
    }

    #[test]
    fn a_network_is_heard_of_once_and_only_where_a_stanza_may_not_get_there() {
        let eth1: InterfaceName = "eth1".parse().unwrap();
        let mut networks = Networks::default();
        assert!(!networks.is_new(&address(0, Standing::Usable)));
        let key = (eth1.clone(), Family::Inet);
        assert!(networks.lacks(from_ref(&key)));
        networks.told.insert(key.clone(), BTreeSet::new());
        assert!(!networks.lacks(from_ref(&key)));
        assert!(!networks.is_new(&address(0, Standing::Tentative)));
        assert!(networks.is_new(&address(0, Standing::Usable)));
        assert!(!networks.is_new(&address(0, Standing::Usable)));
        // However many come, there is an end.
        let new = (0..1000).filter(|n| networks.is_new(&address(*n, Standing::Usable)));
        assert_eq!(new.count(), MOST - 1);
        networks.keep(&BTreeSet::from([eth1]));
        assert_eq!(networks.told.len(), 1);
        networks.keep(&BTreeSet::new());
        assert!(networks.told.is_empty());
    }
}
