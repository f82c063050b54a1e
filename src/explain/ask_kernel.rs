//! Questions to the kernel about the way of one packet, and about devices.

use std::collections::BTreeMap;
use std::net::IpAddr;

use neli::consts::rtnl::{Arphrd, Iff, RtAddrFamily, Rtm};
use neli::rtnl::{Ifinfomsg, IfinfomsgBuilder};

use super::best_route::Candidate;
use super::message::{decode, decode_gone, decode_group, encode, encode_neighbours, KernelAnswer};
use super::packet::Packet;
use crate::netlink::{Kernel, KernelError, WireError};
use crate::routing::{Family, InterfaceName, TableId};
use crate::system::ipv6_forwards;

impl Kernel {
    /// The routes of a table that lead to an address, in the kernel's order.
    pub fn candidates(
        &mut self,
        table: TableId,
        to: IpAddr,
    ) -> Result<Vec<Candidate>, KernelError> {
        let mut found = self.list_routes(Family::of(to), table, None, |kernel, payload| {
            decode(payload, to, |index| kernel.device(index))
        })?;
        found.retain(|candidate| candidate.route.table == table);
        let mut hops = found.iter().flat_map(|candidate| &candidate.route.hops);
        let has_router = hops.any(|hop| hop.gateway.is_some());
        if has_router && to.is_ipv6() && !ipv6_forwards() {
            self.note_gone(&mut found)?;
        }
        Ok(found)
    }

    /// Notes the hops whose routers are known to be gone.
    fn note_gone(&mut self, candidates: &mut [Candidate]) -> Result<(), KernelError> {
        let gone = self.dump(
            "neighbours",
            Rtm::Getneigh,
            encode_neighbours,
            |_, payload| Ok(decode_gone(payload)),
        )?;
        for candidate in candidates {
            for (hop, is_gone) in candidate.route.hops.iter().zip(&mut candidate.gone) {
                let index = hop.device.as_ref().map(|device| self.index(device));
                let index = index.transpose()?.flatten();
                *is_gone = index
                    .zip(hop.gateway)
                    .is_some_and(|router| gone.contains(&router));
            }
        }
        Ok(())
    }

    /// What the kernel itself would do with a packet.
    /// Errors: it could not be asked. That there is no way is an answer.
    pub fn look_up(&mut self, question: &Packet) -> Result<KernelAnswer, KernelError> {
        let way = match self.look_up_one(question, false) {
            Ok(way) => way,
            // With a text of its own the kernel refuses the question, not the packet.
            Err(KernelError::Dump { refusal, .. }) if refusal.text.is_none() => {
                return Ok(KernelAnswer::Refused(refusal))
            }
            Err(error) => return Err(error),
        };
        let Some(Candidate { route: way, .. }) = way else {
            return Err(WireError::new("no route in the answer about one").into());
        };
        let route = match self.look_up_one(question, true) {
            Ok(route) => route,
            // A way without a route; or one that has just gone, which is as good.
            Err(KernelError::Dump { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(KernelAnswer::Taken { way, route })
    }

    fn look_up_one(
        &mut self,
        question: &Packet,
        whole: bool,
    ) -> Result<Option<Candidate>, KernelError> {
        let iif = question.iif.as_ref().map(|iif| self.index(iif));
        let iif = iif.transpose()?.flatten();
        let oif = question.oif.as_ref().map(|oif| self.index(oif));
        let oif = oif.transpose()?.flatten();
        let what = format!("the way to {}", question.to);
        let request = encode(question, iif, oif, whole)?;
        self.ask(&what, Rtm::Getroute, request, |kernel, payload| {
            decode(payload, question.to, |index| kernel.device(index))
        })
    }

    /// The groups of all devices, `group` of ip-link(8).
    pub fn groups(&mut self) -> Result<BTreeMap<InterfaceName, u32>, KernelError> {
        let found = self.dump("devices", Rtm::Getlink, all_devices, |_, payload| {
            Ok(decode_group(payload))
        })?;
        Ok(found.into_iter().collect())
    }
}

fn all_devices() -> Result<Ifinfomsg, WireError> {
    IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_type(Arphrd::from(0))
        .ifi_index(0)
        .ifi_flags(Iff::empty())
        .ifi_change(Iff::empty())
        .build()
        .map_err(WireError::new)
}
