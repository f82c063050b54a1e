//! What `ip` prints in a trial, made comparable: without what differs from run to run, or says only
//! who put something in.

use std::collections::HashMap;
use std::net::IpAddr;

use thiserror::Error;

use super::compare::Seen;
use super::lookups::Query;
use crate::migrate::lines::without_host_bits;
use crate::routing::syntax::route_kind_name;
use crate::routing::{Family, Kind, Route, Rule, TableId};

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read what ip printed: {0}")]
pub struct NotUnderstood(pub String);

/// The option of `ip` for a family.
pub fn flag(family: Family) -> &'static str {
    match family {
        Family::Inet => "-4",
        Family::Inet6 => "-6",
    }
}

/// The routes in what `ip -N -o route show table all` prints, but for those of IPv6's multicast, which
/// the kernel gives each device, also those behind the stand-ins, at a moment of its own.
pub fn routes(family: Family, printed: &str) -> Result<Vec<Route>, NotUnderstood> {
    let route = |line: &str| {
        let spelled = format!("{} {}", flag(family), with_kind(line));
        let route: Result<Route, _> = spelled.parse();
        let route = route.map_err(|_| NotUnderstood(line.to_owned()))?;
        Ok(Route {
            protocol: 0,
            ..route
        })
    };
    let comes_when_it_comes = |route: &Route| {
        let is_multicast = route.kind == Kind::MULTICAST && route.table == TableId::LOCAL;
        is_multicast && route.destination.to_string() == "ff00::/8"
    };
    let mut routes: Vec<Route> = printed.lines().map(route).collect::<Result<_, _>>()?;
    routes.retain(|route| !comes_when_it_comes(route));
    Ok(routes)
}

/// A line of `ip -N route show`, which has the kind of a route as a number, with the word, and
/// without what it says of the link.
fn with_kind(line: &str) -> String {
    // Of IPv6 there is no blank in front of the backslash that stands for the end of a line.
    let line = line.replace('\\', " ");
    let words = line.split_whitespace();
    let words = words.filter(|word| !matches!(*word, "linkdown" | "dead"));
    let line = &words.collect::<Vec<_>>().join(" ");
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first.parse() {
        Ok(number) => format!("{} {rest}", route_kind_name(number)),
        Err(_) => line.to_owned(),
    }
}

/// Puts down the rules in what `ip -N rule show` prints.
pub fn add_rules(family: Family, printed: &str, seen: &mut Seen) {
    for line in printed.lines() {
        // Prefixes with host bits are printed as they were given.
        let line = without_host_bits(line.split_whitespace()).join(" ");
        match line.parse::<Rule>() {
            Ok(rule) => seen.rules.push(Rule { family, ..rule }),
            Err(_) => seen.strange.push(format!("{} {line}", flag(family))),
        }
    }
}

/// The rules in what `ip -N rule show` prints that are none of the kernel's own.
pub fn rules_left(printed: &str) -> impl Iterator<Item = &str> {
    const KERNELS: [&str; 3] = ["0:", "32766:", "32767:"];
    let is_kernels = |line: &&str| KERNELS.iter().any(|kernels| line.starts_with(kernels));
    printed.lines().filter(move |line| !is_kernels(line))
}

/// The addresses in what `ip -o address show` prints.
pub fn addresses(printed: &str) -> impl Iterator<Item = IpAddr> + '_ {
    printed.lines().filter_map(|line| {
        let words = line.split_whitespace();
        let mut words = words.skip_while(|word| !word.starts_with("inet"));
        words.nth(1)?.split('/').next()?.parse().ok()
    })
}

/// The answers to look-ups, from what a batch of `ip -force` printed and complained of. An answer
/// may be an error.
pub fn answers(
    queries: &[&Query],
    printed: &str,
    errors: &str,
) -> Result<Vec<(Query, String)>, NotUnderstood> {
    let failed: HashMap<usize, &str> = failed(errors).into_iter().collect();
    let mut printed = printed.lines();
    let queries = queries.iter().zip(1..);
    let answers = queries.map(|(query, number)| {
        let answer = if let Some(error) = failed.get(&number) {
            (*error).to_owned()
        } else {
            let answer = printed.next();
            plain(answer.ok_or_else(|| NotUnderstood(query.to_string()))?)
        };
        Ok(((*query).clone(), answer))
    });
    answers.collect()
}

/// The commands of a batch that failed, by their numbers from 1, and why: `ip` prints the reason
/// first.
fn failed(errors: &str) -> Vec<(usize, &str)> {
    let mut failed = Vec::new();
    let mut reason = "";
    for line in errors.lines() {
        match line.strip_prefix("Command failed ") {
            Some(place) => {
                let number = place
                    .rsplit(':')
                    .next()
                    .and_then(|number| number.parse().ok());
                failed.extend(number.map(|number| (number, reason)));
            }
            None => reason = line,
        }
    }
    failed
}

/// An answer without who put the route there, and without what is only remembered.
fn plain(answer: &str) -> String {
    let mut words = answer
        .split_whitespace()
        .filter(|word| !matches!(*word, "\\" | "cache"))
        .peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        // The table of an own address is told only once there have been rules of anybody's.
        let is_left_out = word == "proto" || word == "table" && words.peek() == Some(&"255");
        if is_left_out {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::verify::lookups::queries;

    #[test]
    fn kinds_of_routes_are_numbers_to_ip_and_words_here() {
        let printed = "default via 10.0.0.1 dev eth1 proto 3 \n2 10.0.0.5 dev eth1 table 255 \
                       proto 2 scope 254 src 10.0.0.5 \n7 10.9.0.0/16 table 5 proto 157 \n";
        let routes = routes(Family::Inet, printed).unwrap();
        let shown: Vec<String> = routes.iter().map(Route::to_string).collect();
        assert_eq!(
            shown,
            [
                "default via 10.0.0.1 dev eth1 table 254 proto 0",
                "local 10.0.0.5 dev eth1 table 255 proto 0 scope host src 10.0.0.5",
                "unreachable 10.9.0.0/16 table 5 proto 0",
            ]
        );
        let ways = "default table 7 metric 1024 pref medium\\\tnexthop via fe80::1 dev eth1 weight 1 \\\tnexthop \
                    via fe80::2 dev eth1 weight 1 ";
        let own = "5 ff00::/8 dev trial0 table 255 proto 2 metric 256 pref medium\n";
        let ways = super::routes(Family::Inet6, &format!("{own}{ways}")).unwrap();
        assert_eq!(ways.len(), 1);
        assert_eq!(ways[0].hops.len(), 2);
        let wrong = super::routes(Family::Inet, "10.0.0.0/8 by eth1");
        assert_eq!(wrong, Err(NotUnderstood("10.0.0.0/8 by eth1".to_owned())));
    }

    #[test]
    fn addresses_and_rules_are_picked_out() {
        let printed = "2: eth1    inet 10.0.0.5/24 scope global eth1\\       valid_lft forever\n\
                       2: eth1    inet6 2001:db8::5/64 scope global \\       valid_lft forever\n";
        let found: Vec<String> = addresses(printed).map(|one| one.to_string()).collect();
        assert_eq!(found, ["10.0.0.5", "2001:db8::5"]);
        let printed = "0:\tfrom all lookup 255\n9:\tfrom 10.0.0.5 lookup 5\n\
                       10:\tfrom all strange\n32766:\tfrom all lookup 254\n";
        assert_eq!(rules_left(printed).count(), 2);
        let mut seen = Seen::default();
        add_rules(Family::Inet, printed, &mut seen);
        assert_eq!(seen.rules.len(), 3);
        assert_eq!(seen.strange, ["-4 10: from all strange"]);
    }

    #[test]
    fn each_look_up_has_its_answer_or_its_error() {
        let route = "10.9.0.0/24 dev eth1".parse().unwrap();
        let queries = queries(&[route], &[], &[], &[]);
        let queries: Vec<&Query> = queries
            .iter()
            .filter(|query| query.family == Family::Inet)
            .collect();
        let printed = "10.9.0.0 dev eth1 table 255 proto 3 src 10.9.0.5 uid 0 \\    cache \n\
                       203.0.113.77 via 10.9.0.1 dev eth1 table 5 \n";
        let errors = "RTNETLINK answers: Network is unreachable\nCommand failed /run/batch:2\n";
        let answers = answers(&queries, printed, errors).unwrap();
        let answers: Vec<&str> = answers.iter().map(|(_, answer)| answer.as_str()).collect();
        assert_eq!(
            answers,
            [
                "10.9.0.0 dev eth1 src 10.9.0.5 uid 0",
                "RTNETLINK answers: Network is unreachable",
                "203.0.113.77 via 10.9.0.1 dev eth1 table 5",
            ]
        );
        assert!(super::answers(&queries, "", errors).is_err());
    }
}
