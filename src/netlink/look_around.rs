//! What others have that decides what becomes of a stanza's packets, asked of the kernel at once.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use neli::consts::rtnl::{Rta, Rtm};
use nix::errno::Errno;

use super::address::{self, Assigned, Standing};
use super::kernel::{Kernel, KernelError};
use super::message::{nested, number};
use super::route;
use crate::routing::{Family, InterfaceAddress, InterfaceName, Surroundings, WIDEST};

impl Kernel {
    /// Adds to rules that are noted already what they look up, and the addresses of all devices.
    pub fn look_around(&mut self, around: &mut Surroundings) -> Result<(), KernelError> {
        for (family, table) in around.tables() {
            // Of the hundred thousand routes that there may be, a few are read.
            let routes = self.list_routes(family, table, None, |kernel, payload| match payload
                .get(DESTINATION_LENGTH)
            {
                Some(length) if *length <= WIDEST => {
                    route::decode(payload, |index| kernel.device(index))
                }
                _ => Ok(None),
            })?;
            let routes: Vec<_> = routes
                .into_iter()
                .filter(|route| route.table == table)
                .collect();
            around.note_routes(family, table, &routes);
        }
        around.down = self.devices_down()?;
        for family in Family::ALL {
            self.filter_dumps()?;
            let what = format!("{} addresses", family.name());
            let encode = || address::encode_dump(family, 0);
            let found = self.dump_of(family, &what, Rtm::Getaddr, encode, |_, payload| {
                address::decode_any(payload)
            });
            let found = match found {
                Err(KernelError::Dump { refusal, .. }) if is_unknown(refusal.errno) => Vec::new(),
                found => found?,
            };
            // Of a family that it does not know a kernel may list what it has of others.
            let of_family = |(_, assigned): &(u32, Assigned)| assigned.address.family() == family;
            for (index, assigned) in found.into_iter().filter(of_family) {
                let device = self.device(index);
                if let Some(device) = device.filter(|_| assigned.standing == Standing::Usable) {
                    let label = assigned.label.and_then(|label| label.parse().ok());
                    if let Some(alias) = label.filter(|label| *label != device) {
                        let key = (device.clone(), assigned.address.address);
                        around.labels.insert(key, alias);
                    }
                    let of_device = around.addresses.entry(device).or_default();
                    of_device.push(assigned.address);
                }
            }
        }
        Ok(())
    }

    /// The usable addresses of a family that devices other than one have; of hundreds the first ones.
    pub fn addresses_beside(
        &mut self,
        device: &InterfaceName,
        family: Family,
    ) -> Result<BTreeMap<InterfaceName, Vec<InterfaceAddress>>, KernelError> {
        let own = self.index(device)?;
        let what = format!("{} addresses", family.name());
        let read = Cell::new(0);
        let encode = || {
            read.set(0);
            address::encode_dump(family, 0)
        };
        let found = self.dump_of(family, &what, Rtm::Getaddr, encode, |_, payload| {
            // Most hosts have no other than that of lo, which is of the host alone.
            let is_of_use = payload.get(SCOPE) == Some(&UNIVERSE)
                && payload.get(INDEX..INDEX + 4).and_then(number) != own;
            if !is_of_use || read.get() == MOST {
                return Ok(None);
            }
            read.set(read.get() + 1);
            address::decode_any(payload)
        })?;
        let mut beside: BTreeMap<InterfaceName, Vec<InterfaceAddress>> = BTreeMap::new();
        for (index, assigned) in found {
            let device = self.device(index);
            if let Some(device) = device.filter(|_| assigned.standing == Standing::Usable) {
                beside.entry(device).or_default().push(assigned.address);
            }
        }
        Ok(beside)
    }

    /// The device by which a packet that this host sends leaves now; `None` where there is no way, or
    /// the kernel does not say.
    pub fn leaves_by(&mut self, from: IpAddr, to: IpAddr) -> Option<InterfaceName> {
        let question = route::encode_question(from, to).ok()?;
        let answer = self.ask("a way", Rtm::Getroute, question, |_, payload| {
            let mut attributes = nested(payload.get(ROUTE_HEADER..).unwrap_or_default());
            let out = attributes.find(|(kind, _)| *kind == u16::from(Rta::Oif));
            Ok(out.and_then(|(_, index)| number(index)))
        });
        self.device(answer.ok()??)
    }
}

/// Bytes of a `struct rtmsg`.
const ROUTE_HEADER: usize = 12;

/// Where `ifa_scope` and `ifa_index` stand in a message about an address.
const SCOPE: usize = 3;
const INDEX: usize = 4;
/// `RT_SCOPE_UNIVERSE`.
const UNIVERSE: u8 = 0;

/// How many addresses a hook reads on a host of thousands.
const MOST: usize = 64;

/// What a kernel says of a family that it was booted without.
fn is_unknown(errno: Errno) -> bool {
    matches!(errno, Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)
}

/// Where `rtm_dst_len` stands in a message about a route.
const DESTINATION_LENGTH: usize = 1;
