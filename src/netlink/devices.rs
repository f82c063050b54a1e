//! The numbers and names of devices. A device has one number and may have several names (`altname`
//! of ip-link(8)); the kernel takes all of them and tells the first. That routes can be compared,
//! each device goes by one name in a run: the one that it was first heard of by.

use std::collections::BTreeMap;
use std::io;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::errno::Errno;
use nix::net::if_::{if_indextoname, if_nametoindex};

use super::link;
use super::message::{replies, request};
use crate::routing::{InterfaceName, Object, State};

/// The kernel tells of one device in no more.
const ANSWER: usize = 32 * 1024;

/// The devices that have been asked for.
#[derive(Debug, Default)]
pub struct Devices {
    indexes: BTreeMap<InterfaceName, u32>,
    /// What each goes by here.
    names: BTreeMap<u32, InterfaceName>,
}

impl Devices {
    /// The number of a device; `None` where there is no such device.
    pub fn index(&mut self, device: &InterfaceName) -> io::Result<Option<u32>> {
        if let Some(index) = self.indexes.get(device) {
            return Ok(Some(*index));
        }
        let found = if device.is_long() {
            index_by_altname(device)?
        } else {
            index_by_name(device)?
        };
        if let Some(index) = found {
            self.indexes.insert(device.clone(), index);
            self.names.entry(index).or_insert_with(|| device.clone());
        }
        Ok(found)
    }

    /// The name that a device goes by here.
    pub fn name(&mut self, index: u32) -> Option<InterfaceName> {
        if let Some(device) = self.names.get(&index) {
            return Some(device.clone());
        }
        let device = told_name(index)?;
        self.indexes.insert(device.clone(), index);
        self.names.insert(index, device.clone());
        Some(device)
    }

    /// The name that a device goes by here, whichever of its names is given; that name where there
    /// is no such device.
    pub fn same(&mut self, device: &InterfaceName) -> InterfaceName {
        let index = self.index(device).ok().flatten();
        let known = index.and_then(|index| self.name(index));
        known.unwrap_or_else(|| device.clone())
    }

    /// Routes and rules with the names that devices go by here, so that they are equal to those
    /// of a dump if they are the same.
    pub fn same_in(&mut self, state: State) -> State {
        self.renamed_in(&state).unwrap_or(state)
    }

    /// The same, where that makes a difference.
    pub fn renamed_in(&mut self, state: &State) -> Option<State> {
        let hops = state.routes().iter().flat_map(|route| &route.hops);
        let mut devices = hops.filter_map(|hop| hop.device.as_ref());
        if devices.all(|device| self.same(device) == *device) {
            return None;
        }
        let objects = state.objects().map(|mut object| {
            if let Object::Route(route) = &mut object {
                let devices = route.hops.iter_mut().filter_map(|hop| hop.device.as_mut());
                devices.for_each(|device| *device = self.same(device));
            }
            object
        });
        Some(objects.collect())
    }

    /// The name that the kernel itself has for a device, by which its settings are found; the
    /// given one where there is no such device.
    pub fn told(&mut self, device: &InterfaceName) -> InterfaceName {
        let index = self.index(device).ok().flatten();
        let told = index.and_then(told_name);
        told.unwrap_or_else(|| device.clone())
    }
}

fn index_by_name(device: &InterfaceName) -> io::Result<Option<u32>> {
    match if_nametoindex(device.as_str()) {
        Ok(index) => Ok(Some(index)),
        // A route of a device that is gone is gone with it; of another error that is not true.
        Err(Errno::ENODEV | Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// `if_nametoindex(3)` has no room for a long name; rtnetlink has, on a socket of its own: few hosts
/// have such a name.
fn index_by_altname(device: &InterfaceName) -> io::Result<Option<u32>> {
    let asked = link::encode_altname(device);
    let asked = asked.and_then(|payload| request(Rtm::Getlink, NlmF::empty(), 1, payload));
    let socket = NlSocket::connect(NlFamily::Route, None, Groups::empty())?;
    socket.send(&asked.map_err(io::Error::other)?, Msg::empty())?;
    let mut buffer = vec![0; ANSWER];
    let (length, _) = socket.recv(&mut buffer, Msg::empty())?;
    let received = buffer.get(..length).unwrap_or_default();
    let Some(reply) = replies(received).next() else {
        return Ok(None);
    };
    let reply = reply.map_err(io::Error::other)?;
    match reply.verdict() {
        // A kernel before 5.5 has no altnames, and finds the request wrong.
        Some(Err(refusal)) if !matches!(refusal.errno, Errno::ENODEV | Errno::EINVAL) => {
            Err(refusal.errno.into())
        }
        Some(_) => Ok(None),
        None => Ok(link::index(reply.payload)),
    }
}

fn told_name(index: u32) -> Option<InterfaceName> {
    let name = if_indextoname(index).ok()?;
    name.to_str().ok()?.parse().ok()
}
