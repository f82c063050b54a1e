//! What the kernel has: rules, routes, addresses and devices. These are methods of `Kernel` that
//! know the objects, apart from `kernel.rs`, which knows how anything is asked for. They change
//! nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use neli::consts::rtnl::{Rtm, Rtprot};
use neli::rtnl::Rtmsg;
use nix::errno::Errno;

use super::address::Assigned;
use super::kernel::{Kernel, KernelError};
use super::message::{family_number, WireError};
use super::{address, link, route, rule};
use crate::routing::{Action, Family, InterfaceName, Kind, Object, Route, Rule, TableId, PROTOCOL};

impl Kernel {
    /// Whether the kernel has routes of others in a table, or rules of others that look it up.
    /// Not where it cannot be asked: that is no reason to refuse a name its ID.
    pub fn is_occupied(&mut self, table: TableId) -> bool {
        self.has_routes_of_others(table)
            || Family::ALL
                .into_iter()
                .any(|family| self.is_looked_up(family, table).unwrap_or_default())
    }

    /// Whether the kernel has routes of others in a table; not where it cannot be asked.
    pub fn has_routes_of_others(&mut self, table: TableId) -> bool {
        Family::ALL.into_iter().any(|family| {
            let routes = self.routes(family, table).unwrap_or_default();
            routes.iter().any(|route| route.protocol != PROTOCOL)
        })
    }

    /// Whether a rule of others looks a table up. Of the thousands there may be, those that do not
    /// have the table's number in them anywhere are not read.
    fn is_looked_up(&mut self, family: Family, table: TableId) -> Result<bool, KernelError> {
        let number = table.number().to_ne_bytes();
        let rules = self.list_rules(family, |payload| {
            // Attributes begin, and so does this one's value, at every fourth byte.
            if payload.chunks_exact(4).any(|chunk| chunk == number) {
                rule::decode(payload)
            } else {
                Ok(None)
            }
        })?;
        let by_others =
            |rule: &Rule| rule.action == Action::Lookup(table) && rule.protocol != PROTOCOL;
        Ok(rules.iter().any(by_others))
    }

    /// Takes a dump, again and again where a change overtakes it (`NLM_F_DUMP_INTR`).
    pub(crate) fn dump<T, P: neli::Size + neli::ToBytes>(
        &mut self,
        what: &str,
        kind: Rtm,
        encode: impl Fn() -> Result<P, WireError>,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Vec<T>, KernelError> {
        self.dump_first(|_| false, what, kind, encode, decode)
    }

    /// As [`Kernel::dump`], of one family. A kernel that has IPv6 switched off answers with what it
    /// has of IPv4 when it is asked for that of IPv6.
    pub(crate) fn dump_of<T, P: neli::Size + neli::ToBytes>(
        &mut self,
        family: Family,
        what: &str,
        kind: Rtm,
        encode: impl Fn() -> Result<P, WireError>,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Vec<T>, KernelError> {
        self.dump_first_of(|_| false, family, what, kind, encode, decode)
    }

    /// As [`Kernel::dump_first`], of one family.
    pub(crate) fn dump_first_of<T, P: neli::Size + neli::ToBytes>(
        &mut self,
        is_enough: impl Fn(&[T]) -> bool,
        family: Family,
        what: &str,
        kind: Rtm,
        encode: impl Fn() -> Result<P, WireError>,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Vec<T>, KernelError> {
        let own = u8::from(family_number(family));
        self.dump_first(is_enough, what, kind, encode, |kernel, payload| {
            // Each object's message begins with its family.
            if payload.first() == Some(&own) {
                decode(kernel, payload)
            } else {
                Ok(None)
            }
        })
    }

    /// All rules of a family; none where the kernel has none of that family at all.
    pub fn rules(&mut self, family: Family) -> Result<Vec<Rule>, KernelError> {
        match self.required_rules(family) {
            Err(KernelError::NoRules(_)) => Ok(Vec::new()),
            rules => rules,
        }
    }

    /// All rules of a family.
    /// Errors: the kernel has none of that family at all, not even its own; or as ever.
    pub fn required_rules(&mut self, family: Family) -> Result<Vec<Rule>, KernelError> {
        self.list_rules(family, rule::decode)
    }

    /// What `decode` makes of the rules of a family.
    fn list_rules(
        &mut self,
        family: Family,
        decode: impl Fn(&[u8]) -> Result<Option<Rule>, WireError>,
    ) -> Result<Vec<Rule>, KernelError> {
        let what = format!("{} rules", family.name());
        let dumped = self.dump_of(
            family,
            &what,
            Rtm::Getrule,
            || rule::encode_dump(family),
            |_, payload| decode(payload),
        );
        match dumped {
            Err(KernelError::Dump { refusal, .. }) if is_unknown(refusal.errno) => {
                Err(KernelError::NoRules(family))
            }
            dumped => dumped,
        }
    }

    /// The routes of one table; none where there is no such table.
    pub fn routes(&mut self, family: Family, table: TableId) -> Result<Vec<Route>, KernelError> {
        self.routes_by_index(family, table, None)
    }

    /// The routes of one table that leave by a device; none where there is no such device.
    pub fn routes_by(
        &mut self,
        family: Family,
        table: TableId,
        device: &InterfaceName,
    ) -> Result<Vec<Route>, KernelError> {
        match self.index(device)? {
            Some(index) => self.routes_by_index(family, table, Some(index)),
            None => Ok(Vec::new()),
        }
    }

    /// The routes of one table that are of a kind, of which there are few where others are many.
    pub fn routes_of_kind(
        &mut self,
        family: Family,
        table: TableId,
        kind: Kind,
    ) -> Result<Vec<Route>, KernelError> {
        let encode = || route::encode_dump_of(family, table, kind);
        let mut routes = self.list(family, table, encode, |kernel, payload| {
            route::decode(payload, |index| kernel.device(index))
        })?;
        routes.retain(|route| route.table == table && route.kind == kind);
        Ok(routes)
    }

    /// The routes of main by a device that commands have put in, `ip` by hand and wg-quick: among
    /// them is none of the hundred thousand that a routing daemon may have.
    pub(crate) fn routes_by_commands(
        &mut self,
        family: Family,
        device: &InterfaceName,
    ) -> Result<Vec<Route>, KernelError> {
        let Some(index) = self.index(device)? else {
            return Ok(Vec::new());
        };
        let encode = || route::encode_dump_by_commands(family, TableId::MAIN, index);
        let mut routes = self.list(family, TableId::MAIN, encode, |kernel, payload| {
            route::decode(payload, |index| kernel.device(index))
        })?;
        let leaves_by_it = |route: &Route| {
            let mut hops = route.hops.iter();
            hops.any(|hop| hop.device.as_ref() == Some(device))
        };
        routes.retain(|route| {
            let by_commands = route.protocol == u8::from(Rtprot::Boot);
            by_commands && route.table == TableId::MAIN && leaves_by_it(route)
        });
        Ok(routes)
    }

    /// The default routes of one table. Of the others, of which there may be a million, nothing is
    /// read but that.
    pub fn default_routes(
        &mut self,
        family: Family,
        table: TableId,
    ) -> Result<Vec<Route>, KernelError> {
        let mut routes = self.list_routes(family, table, None, |kernel, payload| {
            // Behind the family stands the length of the destination.
            match payload.get(1) {
                Some(0) => route::decode(payload, |index| kernel.device(index)),
                _ => Ok(None),
            }
        })?;
        routes.retain(|route| route.table == table);
        Ok(routes)
    }

    fn routes_by_index(
        &mut self,
        family: Family,
        table: TableId,
        index: Option<u32>,
    ) -> Result<Vec<Route>, KernelError> {
        let mut routes = self.list_routes(family, table, index, |kernel, payload| {
            route::decode(payload, |index| kernel.device(index))
        })?;
        routes.retain(|route| route.table == table);
        Ok(routes)
    }

    /// What `decode` makes of the routes of one table. Some kernels list those of others with
    /// them, whatever they are asked for.
    pub(crate) fn list_routes<T>(
        &mut self,
        family: Family,
        table: TableId,
        index: Option<u32>,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Vec<T>, KernelError> {
        let encode = || route::encode_dump(family, table, index);
        self.list(family, table, encode, decode)
    }

    fn list<T>(
        &mut self,
        family: Family,
        table: TableId,
        encode: impl Fn() -> Result<Rtmsg, WireError>,
        decode: impl Fn(&mut Self, &[u8]) -> Result<Option<T>, WireError>,
    ) -> Result<Vec<T>, KernelError> {
        // Without strict checking the kernel ignores the table and lists them all.
        self.filter_dumps()?;
        let what = format!("{} routes of table {table}", family.name());
        match self.dump_of(family, &what, Rtm::Getroute, encode, decode) {
            Err(KernelError::Dump { refusal, .. })
                if refusal.errno == Errno::ENOENT || is_unknown(refusal.errno) =>
            {
                Ok(Vec::new())
            }
            dumped => dumped,
        }
    }

    /// All rules and routes that bear our protocol, as often as the kernel has them. A route's
    /// several ways are one, as it lists them.
    pub fn ours(&mut self) -> Result<Vec<Object>, KernelError> {
        let mut objects = Vec::new();
        for family in Family::ALL {
            let routes = self.our_routes(family)?;
            objects.extend(routes.into_iter().map(Object::Route));
            objects.extend(self.rules(family)?.into_iter().map(Object::Rule));
        }
        objects.retain(|object| object.protocol() == PROTOCOL);
        Ok(objects)
    }

    /// The routes of a family that bear our protocol, in the same way.
    pub fn our_routes(&mut self, family: Family) -> Result<Vec<Route>, KernelError> {
        self.filter_dumps()?;
        let what = format!("{} routes of protocol {PROTOCOL}", family.name());
        let encode = || route::encode_dump_by(family, PROTOCOL);
        let routes = self.dump_of(family, &what, Rtm::Getroute, encode, |kernel, payload| {
            route::decode(payload, |index| kernel.device(index))
        });
        let mut routes = match routes {
            Err(KernelError::Dump { refusal, .. }) if is_unknown(refusal.errno) => Vec::new(),
            routes => routes?,
        };
        // A kernel that knows no filter lists all.
        routes.retain(|route| route.protocol == PROTOCOL);
        Ok(routes)
    }

    /// Whether there is a device of this name. Where that cannot be told, it counts as there.
    pub fn has_device(&mut self, device: &InterfaceName) -> bool {
        !matches!(self.index(device), Ok(None))
    }

    /// The addresses of a device; none where there is no such device.
    pub fn addresses(
        &mut self,
        device: &InterfaceName,
        family: Family,
    ) -> Result<Vec<Assigned>, KernelError> {
        let Some(index) = self.index(device)? else {
            return Ok(Vec::new());
        };
        self.filter_dumps()?;
        let what = format!("{} addresses of {device}", family.name());
        let encode = || address::encode_dump(family, index);
        let dumped = self.dump_of(family, &what, Rtm::Getaddr, encode, |_, payload| {
            address::decode(payload, index)
        });
        match dumped {
            Err(KernelError::Dump { refusal, .. }) if is_unknown(refusal.errno) => Ok(Vec::new()),
            dumped => dumped,
        }
    }

    /// Whether a device is up in the administrator's eyes, with or without a carrier; `None` where
    /// there is no such device.
    pub fn is_admin_up(&mut self, device: &InterfaceName) -> Result<Option<bool>, KernelError> {
        let Some(index) = self.index(device)? else {
            return Ok(None);
        };
        let what = format!("device {device}");
        let request = link::encode(index)?;
        match self.ask(&what, Rtm::Getlink, request, |_, payload| {
            Ok(link::is_up(payload))
        }) {
            // It went between the two questions.
            Err(KernelError::Dump { refusal, .. }) if refusal.errno == Errno::ENODEV => Ok(None),
            answered => answered,
        }
    }

    /// Whether a device is up, and there at all.
    pub fn is_up(&mut self, device: &InterfaceName) -> Result<bool, KernelError> {
        Ok(self.is_admin_up(device)?.unwrap_or_default())
    }

    /// The devices that are not.
    pub(crate) fn devices_down(&mut self) -> Result<BTreeSet<InterfaceName>, KernelError> {
        let found = self.dump(
            "devices",
            Rtm::Getlink,
            link::encode_dump,
            |kernel, payload| {
                let down = link::is_up(payload).filter(|is_up| !is_up);
                let index = down.and_then(|_| link::index(payload));
                Ok(index.and_then(|index| kernel.device(index)))
            },
        )?;
        Ok(found.into_iter().collect())
    }

    /// The groups of all devices, `group` of ip-link(8).
    pub(crate) fn device_groups(&mut self) -> Result<BTreeMap<InterfaceName, u32>, KernelError> {
        let found = self.dump(
            "devices",
            Rtm::Getlink,
            link::encode_dump,
            |kernel, payload| {
                let group = link::group(payload);
                Ok(group.and_then(|(index, group)| Some((kernel.device(index)?, group))))
            },
        )?;
        Ok(found.into_iter().collect())
    }

    /// The VRF that a device belongs to, with its table; not where that cannot be asked.
    pub(crate) fn vrf_of(&mut self, device: &InterfaceName) -> Option<(InterfaceName, TableId)> {
        let index = self.index(device).ok()??;
        let request = link::encode(index).ok()?;
        let asked = self.ask("the device", Rtm::Getlink, request, |_, payload| {
            Ok(link::vrf(payload))
        });
        let vrf = asked.ok()??;
        Some((self.device(vrf.index)?, TableId::numbered(vrf.table)))
    }

    /// All names of all devices, those of `altname` in ip-link(8) too. A device is looked up in
    /// this list rather than asked for by its name, for which the kernel would look for a module
    /// to load.
    pub fn device_names(&mut self) -> Result<HashSet<String>, KernelError> {
        let found = self.dump("devices", Rtm::Getlink, link::encode_dump, |_, payload| {
            Ok(Some(link::names(payload)))
        })?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// What a kernel says of a family that it has switched off, or of rules that it was built without.
fn is_unknown(errno: Errno) -> bool {
    matches!(errno, Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)
}
