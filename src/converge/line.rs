//! Where a stanza's routes belong among those that lead to one destination in one table. The kernel
//! uses the foremost; the others stand in line. Of a device they stand in the order of the file, as
//! `ifdown` and `ifup` would leave them; between devices, as they came up, unless somebody knows the
//! order of these. Decides only.

use std::collections::BTreeSet;

use crate::routing::{Family, Object, Route, RoutePlace, State};

/// What the stanzas of a device have in force, seen from one of them.
pub struct RouteOrder<'a> {
    /// Those before it in the file.
    before: &'a State,
    /// All others, which will find their places behind it.
    later: State,
    /// Where either has IPv6 routes.
    places: BTreeSet<RoutePlace>,
}

impl<'a> RouteOrder<'a> {
    /// Seen from a stanza, with what the others have by the record.
    pub fn new(before: &'a State, others: &State) -> Self {
        let later = others.without(before);
        let routes = before.routes().iter().chain(later.routes());
        let inet6 = routes.filter(|route| route.family() == Family::Inet6);
        Self {
            places: inet6.map(Route::place).collect(),
            before,
            later,
        }
    }

    /// Whether a route leaves its place to this stanza's: it goes, or will find another one.
    pub fn may_go(&self, route: &Route, previous: &State) -> bool {
        let route = Object::Route(route.clone());
        !self.before.contains(&route) && (previous.contains(&route) || self.later.contains(&route))
    }

    /// Whether another stanza has a route.
    pub fn has(&self, route: &Route) -> bool {
        self.later.contains(&Object::Route(route.clone())) || self.is_before(route)
    }

    fn is_before(&self, route: &Route) -> bool {
        self.before.contains(&Object::Route(route.clone()))
    }

    /// What an IPv4 route that is there has to stand behind, and does not.
    pub fn passed<'r>(&self, wanted: &Route, found: &'r [Route]) -> Option<&'r Route> {
        if wanted.family() != Family::Inet || self.is_before(wanted) {
            return None;
        }
        let mut behind = found.iter().skip_while(|route| *route != wanted);
        behind.find(|route| route.same_place(wanted) && self.is_before(route))
    }

    /// An IPv6 route under the metric that gives it its place: that of a fresh `ifup` where the
    /// device is alone in the line; else the one that it has, if that is behind those before it.
    pub fn place_of(&self, wanted: &Route, found: &[Route], previous: &State) -> Route {
        let ours = || {
            let rivals = found.iter().filter(|route| wanted.is_rival(route));
            rivals.filter(|route| route.protocol == wanted.protocol)
        };
        let is_it = |route: &&Route| is_under_higher_metric(route, wanted);
        let had = |route: &Route| previous.contains(&Object::Route(route.clone()));
        let may_go = |route: &Route| self.may_go(route, previous);
        // One that asks for the same has found it a place already, be it another device's.
        if let Some(same) = ours().find(|route| is_it(route) && !may_go(route)) {
            return same.clone();
        }
        let before = ours().filter(|route| self.is_before(route));
        let front = before.map(|route| route.metric).max();
        let is_shared = ours().any(|route| !may_go(route) && !self.is_before(route));
        if is_shared {
            let own = ours().find(|route| is_it(route) && had(route));
            if let Some(own) = own.filter(|own| front < Some(own.metric)) {
                return own.clone();
            }
        } else if !ours().any(|route| self.is_before(route) && route.metric == wanted.metric) {
            return wanted.clone();
        }
        behind(wanted, found, may_go)
    }
}

/// Whether an IPv6 route has to be given a place among those that other stanzas have for its
/// destination. Plainly added, it would come in front of those under higher metrics.
pub fn stands_in_line(
    route: &Route,
    shared: &BTreeSet<RoutePlace>,
    line: Option<&RouteOrder<'_>>,
) -> bool {
    let place = route.place();
    route.family() == Family::Inet6
        && (shared.contains(&place) || line.is_some_and(|line| line.places.contains(&place)))
}

/// Whether a route is the wanted one, as it is or under a higher metric.
fn is_under_higher_metric(route: &Route, wanted: &Route) -> bool {
    let same_but_metric = *route
        == Route {
            metric: route.metric,
            ..wanted.clone()
        };
    // Under a lower metric it is another route that the stanza asks for.
    same_but_metric && route.metric >= wanted.metric
}

/// Whether `route` is what `wanted` became when it had to stand behind another stanza's. It may be
/// what another stanza that asks for the same became: then it serves both. IPv4 has room for several
/// in one place, and never takes another metric.
pub fn is_behind(route: &Route, wanted: &Route) -> bool {
    let has_one_place = wanted.family() == Family::Inet6;
    has_one_place && is_under_higher_metric(route, wanted) && route != wanted
}

/// The wanted route under a metric behind the routes that other stanzas have for its destination,
/// but for those that go or move. A last resort under the highest metric does not count: nothing can
/// stand behind it.
pub fn behind(wanted: &Route, found: &[Route], may_go: impl Fn(&Route) -> bool) -> Route {
    let rivals = || {
        let rivals = found.iter().filter(|route| wanted.is_rival(route));
        rivals.filter(|route| !may_go(route))
    };
    let in_line =
        rivals().filter(|route| route.protocol == wanted.protocol && route.metric != u32::MAX);
    let mut metric = in_line
        .map(|route| route.metric.saturating_add(1))
        .fold(wanted.metric, u32::max);
    // Another one of that metric, whoever put it there, would again be "File exists".
    while rivals().any(|route| route.metric == metric) && metric != u32::MAX {
        metric += 1;
    }
    Route {
        metric,
        ..wanted.clone()
    }
}
