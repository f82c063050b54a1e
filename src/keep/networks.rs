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
use crate::text::counted;

/// How many are noted of those heard of between two looks, and how many lines a stanza gets.
const MOST: usize = 256;

/// How many are noted of those that a stanza does not get to.
const TOLD: usize = 1024;

/// How many lines a look makes: a host may have a thousand stanzas.
const LINES: usize = 8;

/// What is known of them.
#[derive(Debug, Default)]
pub struct Networks {
    /// Those of the addresses that were heard of.
    heard: BTreeSet<Prefix>,
    /// What the administrator was told, by stanza.
    told: BTreeMap<Confined, Told>,
    /// Those that were there when the kernel could not be asked about each: they are new to nobody.
    unasked: BTreeSet<Prefix>,
}

/// What the administrator was told of a stanza.
#[derive(Debug, Clone, Default)]
struct Told {
    networks: BTreeSet<Prefix>,
    /// How many lines named some of these.
    lines: usize,
}

impl Networks {
    /// Whether there is a stanza that may not get to one.
    pub fn matter(&self) -> bool {
        !self.told.is_empty()
    }

    /// Notes a change; returns whether it brings a network that was not heard of before, where a
    /// stanza may not get there.
    pub fn is_new(&mut self, heard: &Heard) -> bool {
        let Heard::Address { assigned, .. } = heard else {
            return false;
        };
        let is_of_matter = assigned.standing == Standing::Usable && self.matter();
        is_of_matter && self.heard.len() < MOST && self.heard.insert(assigned.address.network())
    }

    /// These have records, and no others.
    pub fn keep(&mut self, devices: &BTreeSet<InterfaceName>) {
        let has_record = |interface: &InterfaceName| devices.contains(&interface.device());
        self.told.retain(|(interface, _), _| has_record(interface));
        if self.told.is_empty() {
            self.unasked.clear();
        }
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
        if look.full || all && self.heard.len() >= MOST {
            self.heard.clear();
        }
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
        let mut looks = match CutOffLooks::open() {
            Ok(looks) => looks,
            Err(error) => return debug!("{error}"),
        };
        let mut lines = Vec::new();
        for device in &devices {
            self.look_at(device, &mut looks, &mut lines);
        }
        if let Some(unasked) = looks.unasked() {
            self.unasked = unasked;
        }
        for line in shown(lines) {
            info!("{line}");
        }
    }

    /// Adds a line for each stanza of a device that does not get to what nobody was told of.
    fn look_at(
        &mut self,
        device: &InterfaceName,
        looks: &mut CutOffLooks,
        lines: &mut Vec<String>,
    ) {
        let mut first = BTreeSet::new();
        for part in Store::peek(device).parts().iter().filter(|it| is_kept(it)) {
            let Some(stanza) = part.call().and_then(|call| Stanza::parse(&call).ok()?) else {
                continue;
            };
            if !stanza.may_cut_off() {
                continue;
            }
            let key = (stanza.interface.clone(), stanza.family);
            // There may be several of a family.
            if !self.told.contains_key(&key) {
                first.insert(key.clone());
            }
            let told = self.told.get(&key).cloned().unwrap_or_default();
            let is_first = first.contains(&key);
            match self.name(part, &stanza, told, is_first, looks) {
                Ok((told, line)) => {
                    lines.extend(line.map(|line| format!("{}: {line}", stanza.interface)));
                    self.told.insert(key, told);
                }
                Err(error) => debug!("{}: {error}", stanza.interface),
            }
        }
    }

    /// The line that names what a stanza does not get to, unless it is looked at for the first time,
    /// with all that the administrator knows of then: those that the line calls others, too, which
    /// would stand before what comes next.
    fn name(
        &self,
        part: &Part,
        stanza: &Stanza,
        mut told: Told,
        is_first: bool,
        looks: &mut CutOffLooks,
    ) -> Result<(Told, Option<String>), KernelError> {
        let mut named = None;
        while told.lines < MOST && told.networks.len() < TOLD {
            let known = told.networks.iter().chain(&self.unasked).copied();
            let Some((networks, line)) = looks.at(part, stanza, known)? else {
                break;
            };
            told.networks.extend(networks);
            named = named.or((!is_first).then_some(line));
        }
        told.lines += usize::from(named.is_some());
        Ok((told, named))
    }
}

/// The first of some lines, and how many more there are.
fn shown(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    let stanzas = counted(more, "more stanza", "more stanzas");
    let rest = format!(
        "policy-mode strict of {stanzas} cuts off networks that have come; policy-table status \
         names them"
    );
    lines.extend((more > 0).then_some(rest));
    lines
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
        networks.told.insert(key.clone(), Told::default());
        assert!(!networks.lacks(from_ref(&key)));
        assert!(!networks.is_new(&address(0, Standing::Tentative)));
        assert!(networks.is_new(&address(0, Standing::Usable)));
        assert!(!networks.is_new(&address(0, Standing::Usable)));
        // However many come, there is an end.
        let new = (0..1000).filter(|n| networks.is_new(&address(*n, Standing::Usable)));
        assert_eq!(new.count(), MOST - 1);
        // But it hears again once it has looked for them.
        let look = Look {
            network: true,
            ..Look::default()
        };
        networks.look(&look, &Interests::default(), &|_| false);
        assert!(networks.is_new(&address(1000, Standing::Usable)));
        networks.keep(&BTreeSet::from([eth1]));
        assert_eq!(networks.told.len(), 1);
        networks.keep(&BTreeSet::new());
        assert!(networks.told.is_empty());
    }

    #[test]
    fn a_thousand_stanzas_make_nine_lines() {
        let lines = |count: usize| shown(vec!["a line".to_owned(); count]);
        assert_eq!(lines(LINES), ["a line"; LINES]);
        assert_eq!(lines(1000).len(), LINES + 1);
        let last = lines(1000).pop().unwrap();
        assert!(last.starts_with("policy-mode strict of 992 more stanzas cuts off"));
    }
}
