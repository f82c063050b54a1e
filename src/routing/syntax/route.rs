//! A route's line in the words of ip-route(8), both ways.

use std::fmt;
use std::str::FromStr;

use super::nexthop::{address, gateway, nexthop, write_nexthop, write_way};
use super::words::{abbreviates, no_names, LineError, TableNames, Words};
use super::{judged, metrics, numbers};
use crate::routing::{Family, Hop, InterfaceName, Kind, Prefix, Route, Scope, TableId};

const KEYWORDS: [&str; 36] = [
    "via",
    "dev",
    "oif",
    "table",
    "protocol",
    "scope",
    "src",
    "metric",
    "preference",
    "priority",
    "onlink",
    "default",
    "tos",
    "dsfield",
    "mtu",
    "advmss",
    "window",
    "hoplimit",
    "ssthresh",
    "cwnd",
    "reordering",
    "initcwnd",
    "initrwnd",
    "quickack",
    "congctl",
    "realms",
    "pref",
    "nexthop",
    "unicast",
    "local",
    "broadcast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
];

/// What a line leaves to the stanza it stands in.
#[derive(Debug, Clone)]
pub struct RouteDefaults<Table = TableId> {
    /// The table, where the line names none.
    pub table: Option<Table>,
    /// The device, where the line names none and the route leaves by one.
    pub device: Option<InterfaceName>,
    /// The family, where no address says it.
    pub family: Option<Family>,
}

/// Reads the words of ip-route(8).
/// Errors: the first word that ip-route(8) would not take, or words that cannot stand together.
pub fn read_route<Table: From<TableId>>(
    line: &str,
    unsaid: RouteDefaults<Table>,
    names: TableNames<'_, Table>,
) -> Result<Route<Table>, LineError> {
    let unset = Prefix::any(unsaid.family.unwrap_or(Family::Inet));
    let mut reader = RouteReader {
        route: Route {
            hops: Vec::new(),
            ..Route::to(unset, (), Hop::direct())
        },
        hop: Hop::direct(),
        family: None,
        destination: None,
        kind: None,
        table: None,
        metric: None,
        scope: None,
        tos: String::new(),
    };
    let mut words = Words::new(line);
    while let Some(word) = words.keyword() {
        let taken = reader.way(word, &mut words)?
            || reader.about(word, &mut words, names)?
            || metrics::read(word, &mut words, &mut reader.route.metrics)?
            || reader.destination(word, &mut words)?;
        if !taken {
            return Err(LineError::unknown(word, &KEYWORDS));
        }
    }
    reader.finish(unsaid)
}

struct RouteReader<Table> {
    /// All that is read so far but for the table.
    route: Route<()>,
    hop: Hop,
    family: Option<Family>,
    destination: Option<Option<Prefix>>,
    kind: Option<Kind>,
    table: Option<Table>,
    metric: Option<u32>,
    scope: Option<Scope>,
    /// The DS field as written, with its keyword.
    tos: String,
}

impl<Table: From<TableId>> RouteReader<Table> {
    /// Takes the words that say by what way packets go.
    fn way(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, LineError> {
        match word {
            "via" => self.hop.gateway = Some(gateway(words, &mut self.family)?),
            "dev" | "oif" => self.hop.device = Some(words.device()?),
            "onlink" => self.hop.onlink = true,
            "nexthop" => {
                let hop = nexthop(words, &mut self.family)?;
                self.route.hops.push(hop);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the words that say what else the route is.
    fn about(
        &mut self,
        word: &str,
        words: &mut Words<'_>,
        names: TableNames<'_, Table>,
    ) -> Result<bool, LineError> {
        let is = |full: &str| abbreviates(word, full);
        match word {
            "-4" => words.settle(&mut self.family, Family::Inet, word)?,
            "-6" => words.settle(&mut self.family, Family::Inet6, word)?,
            "src" => self.route.source = Some(address(words, &mut self.family)?),
            "scope" => {
                let expected = "a scope such as global, link or host";
                self.scope = Some(Scope(words.parsed(expected, numbers::scope)?));
            }
            "preference" => self.metric = Some(words.number()?),
            // What `ip route show` prints of how a route fares, not of what it is.
            "linkdown" | "dead" | "pervasive" | "offload" | "trap" | "\\" => {}
            "error" | "expires" => {
                words.value()?;
            }
            _ if word == "tos" || is("dsfield") => {
                let expected = "a DS field: two hexadecimal digits, or a name";
                let tos = &mut self.tos;
                self.route.tos = words.parsed(expected, |text| {
                    *tos = format!("{word} {text}");
                    numbers::dsfield(text)
                })?;
            }
            _ if is("metric") || is("priority") => self.metric = Some(words.number()?),
            // iproute2 reads the beginning that the two share as the other.
            _ if is("realms") && !is("reordering") => {
                let expected = "REALM or FROM/TO, of 0 to 255";
                self.route.realms = words.parsed(expected, numbers::realms)?;
            }
            _ if is("protocol") => {
                let expected = "a routing protocol's number of 0 to 255, or its name";
                self.route.protocol = words.parsed(expected, numbers::protocol)?;
            }
            _ if is("table") => self.table = Some(words.table(names)?),
            _ if is("pref") => {
                self.route.preference = words.parsed("low, medium or high", numbers::preference)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the destination, with the kind of route in front.
    fn destination(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, LineError> {
        if self.destination.is_some() {
            return Ok(false);
        }
        if word == "to" {
            let value = words.value()?;
            self.destination = Some(words.as_prefix(value, &mut self.family)?);
            return Ok(true);
        }
        let starts_a_number = word.starts_with(|c: char| c.is_ascii_digit());
        if let (false, None, Some(kind)) = (starts_a_number, self.kind, numbers::route_kind(word)) {
            self.kind = Some(Kind(kind));
            return Ok(true);
        }
        match words.as_prefix(word, &mut self.family) {
            Ok(prefix) => self.destination = Some(prefix),
            Err(LineError::Word {
                source: crate::routing::WordError::Prefix,
                ..
            }) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn finish(mut self, unsaid: RouteDefaults<Table>) -> Result<Route<Table>, LineError> {
        let wrong = |text: &str| Err(LineError::Contradiction(text.to_owned()));
        let family = self.family.or(unsaid.family).unwrap_or(Family::Inet);
        let Some(destination) = self.destination else {
            return wrong("a route needs a destination: a prefix, or default");
        };
        let mut route = self.route;
        route.destination = destination.unwrap_or_else(|| Prefix::any(family));
        route.kind = self.kind.unwrap_or(Kind::UNICAST);
        let one_way = self.hop != Hop::direct();
        let by_nexthop = !route.hops.is_empty();
        if one_way && !route.hops.is_empty() {
            return wrong(
                "\"nexthop\" cannot stand beside \"via\" or \"dev\"; give each its own nexthop",
            );
        }
        if route.kind.has_device() {
            if route.hops.is_empty() {
                route
                    .hops
                    .push(std::mem::replace(&mut self.hop, Hop::direct()));
            }
            for hop in &mut route.hops {
                hop.device = hop.device.take().or_else(|| unsaid.device.clone());
            }
        } else if self.hop.gateway.is_some() {
            return wrong("a route that drops or throws packets has no \"via\"");
        } else if !route.hops.is_empty() {
            return wrong("a route that drops or throws packets has no \"nexthop\"");
        } else if self.hop.onlink {
            return wrong("a route that drops or throws packets has no \"onlink\"");
        } else if self.hop.device.is_some() && family == Family::Inet {
            // Of IPv6 routes `ip route show` prints the device lo, which the kernel gives them.
            return wrong("a route that drops or throws packets has no \"dev\"");
        }
        let Some(table) = self.table.or(unsaid.table) else {
            return wrong("\"table\" is needed: the stanza has no policy-table to stand in for it");
        };
        route.metric = match self.metric {
            None | Some(0) => Route::usual_metric(family),
            Some(metric) => metric,
        };
        route.scope = match (family, self.scope) {
            // Whatever a line says: IPv6 has no scopes of routes.
            (Family::Inet6, _) => Scope::GLOBAL,
            (Family::Inet, Some(scope)) => scope,
            // To `ip` a nexthop is beyond a gateway even where it names none.
            (Family::Inet, None) if by_nexthop && route.kind == Kind::UNICAST => Scope::GLOBAL,
            (Family::Inet, None) => route.usual_scope(),
        };
        if by_nexthop && route.realms != 0 {
            return wrong("\"realms\" cannot stand beside \"nexthop\"; give each its own realms");
        }
        if let [hop] = route.hops.as_mut_slice() {
            // One nexthop shares with nobody, and its realms are the route's.
            hop.weight = 1;
            route.realms |= std::mem::take(&mut hop.realms);
        }
        if let Some(text) = judged::route(&route, &self.tos) {
            return Err(LineError::Contradiction(text));
        }
        Ok(route.in_table(table))
    }
}

/// The line that `ip route add` takes, in the order in which `ip route show` prints it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, None, true)
    }
}

/// A route as a list of one table has it: without the table, and without who put it in.
pub struct ListedRoute<'a> {
    pub route: &'a Route,
    /// IPv6 only: the sources that it is for.
    pub sources: Option<Prefix>,
}

impl fmt::Display for ListedRoute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.route.write(f, self.sources, false)
    }
}

impl Route {
    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        sources: Option<Prefix>,
        with_table: bool,
    ) -> fmt::Result {
        if self.kind != Kind::UNICAST {
            write!(f, "{} ", numbers::route_kind_name(self.kind.0))?;
        }
        let other_family = |hop: &Hop| {
            let gateway = hop.gateway.map(Family::of);
            gateway.is_some_and(|family| family != self.family())
        };
        // `ip` takes the family of the first address; "default" has none.
        if self.destination.is_any() && !self.hops.iter().any(other_family) {
            f.write_str("default")?;
        } else {
            write!(f, "{}", self.destination)?;
        }
        if let Some(sources) = sources {
            write!(f, " from {sources}")?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        let single = match self.hops.as_slice() {
            [hop] => Some(hop),
            _ => None,
        };
        if let Some(hop) = single {
            write_way(f, hop, self.family())?;
        }
        if with_table {
            write!(f, " table {} proto {}", self.table, self.protocol)?;
        }
        if self.scope != Scope::GLOBAL || self.scope != self.usual_scope() {
            write!(f, " scope {}", numbers::scope_name(self.scope.0))?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if single.is_some_and(|hop| hop.onlink) {
            f.write_str(" onlink")?;
        }
        if self.realms != 0 {
            write!(f, " realms {}", numbers::realms_text(self.realms))?;
        }
        write!(f, "{}", self.metrics)?;
        if self.preference != 0 {
            write!(f, " pref {}", numbers::preference_name(self.preference))?;
        }
        if single.is_none() {
            self.hops
                .iter()
                .try_for_each(|hop| write_nexthop(f, hop, self.family()))?;
        }
        for (number, _) in &self.unread {
            write!(f, " attribute {number}")?;
        }
        Ok(())
    }
}

/// A line that leaves nothing to a stanza, as records hold and `ip route show` prints them.
impl FromStr for Route {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        read_route(
            line,
            RouteDefaults {
                table: Some(TableId::MAIN),
                device: None,
                family: None,
            },
            &no_names,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routes_line_reads_back_as_the_route() {
        for line in [
            "default via 10.10.0.1 dev eth1 table 24242 proto 157",
            "default via 10.9.0.1 dev eth1 table 24242 proto 157 onlink",
            "10.10.0.0/24 dev eth1 table 24242 proto 157 scope link src 10.10.0.10",
            "10.0.0.5 dev eth1 table 7 proto 4 scope global metric 5",
            "default via fe80::1 dev eth1 table 24242 proto 157 metric 1024",
            "2001:db8::/64 dev eth1 table 24242 proto 157 metric 256 pref high",
            "0.0.0.0/0 via inet6 fe80::1 dev eth1 table 7 proto 157",
            "local default dev lo table 100 proto 157 scope host",
            "unreachable default table 7 proto 157 metric 4294967295",
            "blackhole 2001:db8::/32 table 7 proto 157 metric 1024",
            "throw 10.0.0.0/8 tos 0x10 table 7 proto 157 realms 1/2",
            "10.0.0.0/8 via 10.1.0.1 dev eth1 table 7 proto 157 mtu lock 1400 advmss 1360 \
             initcwnd 10 initrwnd 20 quickack 1 congctl reno",
            "default table 7 proto 157 nexthop via 10.1.0.1 dev eth1 weight 1 \
             nexthop via 10.2.0.1 dev eth2 weight 2 realms 5 onlink",
        ] {
            assert_eq!(line.parse::<Route>().unwrap().to_string(), line);
        }
        let route: Route = "-6 default dev eth1".parse().unwrap();
        assert_eq!(
            route.to_string(),
            "default dev eth1 table 254 proto 157 metric 1024"
        );
    }

    #[test]
    fn a_family_that_contradicts_an_address_is_refused() {
        for line in [
            "2001:db8::/64 dev eth1 -4",
            "10.0.0.0/8 dev eth1 -6",
            "-4 -6 default dev eth1",
        ] {
            assert!(line.parse::<Route>().is_err(), "{line}");
        }
    }

    #[test]
    fn what_the_kernel_drops_is_not_in_the_route() {
        for (said, line) in [
            (
                "10/8 dev eth1 mtu 0 quickack 0 hoplimit lock 0 congctl lock reno",
                "10.0.0.0/8 dev eth1 table 254 proto 157 scope link hoplimit lock 0 \
                 congctl lock reno",
            ),
            (
                "10/8 nexthop dev eth1 weight 5 realms 3",
                "10.0.0.0/8 dev eth1 table 254 proto 157 scope global realms 3",
            ),
            (
                "-6 default dev eth1 scope link metric 0",
                "default dev eth1 table 254 proto 157 metric 1024",
            ),
            (
                "blackhole 2001:db8::/32 dev lo",
                "blackhole 2001:db8::/32 table 254 proto 157 metric 1024",
            ),
        ] {
            assert_eq!(said.parse::<Route>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn bad_lines_name_the_word() {
        for (line, message) in [
            ("", "a route needs a destination: a prefix, or default"),
            ("default via", "\"via\" needs a value"),
            (
                "default vai 10.0.0.1",
                "unknown word \"vai\"; did you mean \"via\"?",
            ),
            (
                "default via 10.0.0.300",
                "\"via 10.0.0.300\": expected an address",
            ),
            (
                "10.0.0.0/8 via fe80::1",
                "\"via fe80::1\": expected an IPv4 address here",
            ),
            (
                "blackhole default via 10.0.0.1",
                "a route that drops or throws packets has no \"via\"",
            ),
            (
                "default via 10.0.0.1 nexthop via 10.0.0.2",
                "\"nexthop\" cannot stand beside \"via\" or \"dev\"; give each its own nexthop",
            ),
            ("default quickack 2", "\"quickack 2\": expected 0 or 1"),
            (
                "-6 10.0.0.0/8",
                "\"10.0.0.0/8\": expected an IPv6 address here",
            ),
            (
                "default mtu 65521",
                "\"mtu 65521\": expected a number of 0 to 65520",
            ),
            (
                "-6 default realms 5",
                "\"realms\": IPv6 routes have none; the kernel would ignore them",
            ),
            (
                "-4 default pref high",
                "\"pref\": IPv4 routes have none; the kernel would ignore it",
            ),
            (
                "blackhole 2001:db8::/32 pref low",
                "a route that drops or throws packets has no \"pref\"",
            ),
            ("default pref 2", "\"pref 2\": expected low, medium or high"),
            (
                "blackhole 10.0.0.0/8 dev eth1",
                "a route that drops or throws packets has no \"dev\"",
            ),
            (
                "throw 10.0.0.0/8 onlink",
                "a route that drops or throws packets has no \"onlink\"",
            ),
            (
                "default realms 5 nexthop dev eth1",
                "\"realms\" cannot stand beside \"nexthop\"; give each its own realms",
            ),
            (
                "default nexthop weight 257",
                "\"weight 257\": expected a weight of 1 to 256",
            ),
        ] {
            assert_eq!(line.parse::<Route>().unwrap_err().to_string(), message);
        }
    }
}
