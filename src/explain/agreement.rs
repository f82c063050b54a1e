//! Whether the end of a walk is what the kernel says of the packet.

use super::best_route::Candidate;
use super::message::KernelAnswer;
use super::walk::{End, Walk};
use crate::routing::{Hop, InterfaceName, Kind, Route};

impl Walk {
    /// Whether the kernel says the same: the table, the route in it and, where that shares
    /// packets out over several, one of its hops; or the same error.
    pub fn agrees(&self, told: &KernelAnswer) -> bool {
        match (&self.outcome, told) {
            (End::Route(_, found), KernelAnswer::Taken { way, route }) => {
                found.iter().any(|candidate| {
                    leads(candidate, way)
                        && route.as_ref().is_none_or(|route| same(candidate, route))
                })
            }
            (End::OnLink(device), KernelAnswer::Taken { way, route }) => {
                route.is_none() && way.hops.iter().all(|hop| is_direct(hop, device))
            }
            (outcome, KernelAnswer::Refused(refusal)) => outcome.errno() == Some(refusal.errno),
            _ => false,
        }
    }
}

fn is_direct(hop: &Hop, device: &InterfaceName) -> bool {
    hop.gateway.is_none() && hop.device.as_ref() == Some(device)
}

/// Whether a way is one of a route's. The way to this host itself is by lo, and that of packets to
/// a group or to all hosts through no router.
fn leads(candidate: &Candidate, way: &Route) -> bool {
    let to_many = matches!(way.kind, Kind::MULTICAST | Kind::BROADCAST);
    let ends_here = matches!(candidate.route.kind, Kind::LOCAL | Kind::BROADCAST);
    let is_taken = |hop: &Hop, taken: &Hop| {
        hop.device == taken.device && (to_many || hop.gateway == taken.gateway)
    };
    let led = |taken: &Hop| candidate.living().any(|hop| is_taken(hop, taken));
    candidate.route.table == way.table && (ends_here || way.hops.iter().all(led))
}

/// Whether two are one route of a table; the kernel may list the hops in another order, and says
/// of a unicast route to a group or to all hosts that it is for such.
fn same(ours: &Candidate, theirs: &Candidate) -> bool {
    let place = |candidate: &Candidate| {
        let Route {
            destination,
            tos,
            metric,
            table,
            ..
        } = candidate.route;
        (destination, tos, metric, table, candidate.sources)
    };
    let kind = |candidate: &Candidate| match candidate.route.kind {
        Kind::MULTICAST | Kind::BROADCAST => Kind::UNICAST,
        kind => kind,
    };
    let hops = |candidate: &Candidate| {
        let hops = candidate.route.hops.iter();
        let mut hops: Vec<_> = hops.map(|hop| (hop.gateway, hop.device.clone())).collect();
        hops.sort();
        hops
    };
    place(ours) == place(theirs) && kind(ours) == kind(theirs) && hops(ours) == hops(theirs)
}
