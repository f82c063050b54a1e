//! A walk as an indented list, for people, and the kernel's answer beneath it.

use std::fmt::{self, Write as _};

use super::best_route::Candidate;
use super::message::KernelAnswer;
use super::packet::{Match, Packet, UDP};
use super::walk::{End, TableAnswer, Then, Tried, Walk};
use crate::routing::syntax::{ip_protocol_name, ListedRoute};
use crate::routing::{Family, Route, Rule, TableId};

/// How a walk is told.
pub struct Report<'a> {
    /// What a table is called.
    pub table: &'a dyn Fn(TableId) -> String,
    /// Whether rules that do not match are told one by one, however many there are.
    pub all: bool,
}

/// How many rules in a row that do not match are told one by one otherwise: as many as a few
/// interfaces have.
const FEW: usize = 16;

impl Report<'_> {
    /// The packet, each rule with what came of it, and the end.
    pub fn walk(&self, f: &mut impl fmt::Write, walk: &Walk) -> fmt::Result {
        writeln!(f, "{}\n", walk.packet)?;
        let mut tried = walk.tried.as_slice();
        while !tried.is_empty() {
            let failing = tried.iter().take_while(|rule| !rule.matches.is_match());
            let alike = failing.count().max(1);
            let count = if self.all || alike <= FEW + 1 {
                alike
            } else {
                FEW
            };
            let (shown, rest) = tried.split_at(count);
            for rule in shown {
                self.tried(f, rule)?;
            }
            let (folded, rest) = rest.split_at(alike - count);
            if let Some(last) = folded.last() {
                let (count, priority) = (folded.len(), last.rule.priority);
                writeln!(f, "... {count} more that do not match, up to {priority}")?;
            }
            tried = rest;
        }
        if !walk.tried.is_empty() {
            writeln!(f)?;
        }
        writeln!(f, "By the rules:  {}", self.end(&walk.end))
    }

    /// What the kernel says, and whether the walk comes to the same.
    pub fn kernel(
        &self,
        f: &mut impl fmt::Write,
        walk: &Walk,
        answer: &KernelAnswer,
    ) -> fmt::Result {
        self.kernel_says(f, answer)?;
        if answer.agrees(walk) {
            writeln!(f, "They agree.")
        } else {
            disagree(f, walk, answer)
        }
    }

    pub(super) fn kernel_says(
        &self,
        f: &mut impl fmt::Write,
        answer: &KernelAnswer,
    ) -> fmt::Result {
        match answer {
            KernelAnswer::Refused(refusal) => writeln!(f, "By the kernel: {refusal}"),
            KernelAnswer::Taken { way, route } => {
                writeln!(f, "By the kernel: {}", self.way(way, route.as_ref()))
            }
        }
    }

    fn tried(&self, f: &mut impl fmt::Write, tried: &Tried) -> fmt::Result {
        writeln!(f, "{}", self.rule(&tried.rule))?;
        match &tried.matches {
            Match::No(selector) => return writeln!(f, "    does not match: {selector}"),
            Match::NoForNot => {
                return writeln!(f, "    does not match: not, and all the rest matches")
            }
            Match::Yes => writeln!(f, "    matches")?,
            Match::YesFor(selector) => writeln!(f, "    matches: not {selector}")?,
        }
        match &tried.then {
            Some(Then::Looked(table, answer)) => self.table_answer(f, *table, answer),
            Some(Then::Went {
                target,
                there: false,
            }) => {
                writeln!(f, "        there is no rule {target}; the next one")
            }
            Some(Then::NotFollowed) => writeln!(f, "        the table of a VRF: not followed"),
            Some(Then::Went { .. } | Then::Nop | Then::Dropped) | None => Ok(()),
        }
    }

    fn table_answer(
        &self,
        f: &mut impl fmt::Write,
        table: TableId,
        answer: &TableAnswer,
    ) -> fmt::Result {
        let name = (self.table)(table);
        write!(f, "        table {name}: ")?;
        let (first, words) = match answer {
            TableAnswer::Nothing => return writeln!(f, "no route"),
            TableAnswer::Thrown(route) => (route, "            back to the rules"),
            TableAnswer::Suppressed(route, words) => {
                writeln!(f, "{}", line(route))?;
                return writeln!(f, "            not taken: {words}");
            }
            TableAnswer::Taken(best) => match best.as_slice() {
                [] => return writeln!(f, "no route"),
                [first] => return writeln!(f, "{}", line(first)),
                [first, ..] => (
                    first,
                    "            or another default route by a router, where this one is not known to be there",
                ),
            },
        };
        writeln!(f, "{}\n{words}", line(first))
    }

    /// A rule as `ip rule show` has it, without who put it in.
    fn rule(&self, rule: &Rule) -> String {
        let (selectors, effect) = (rule.selectors(), rule.effect(self.table));
        let mut text = format!("{}: {selectors} {effect}", rule.priority);
        for (number, _) in &rule.unread {
            let _ = write!(text, " attribute {number}");
        }
        text
    }

    pub(super) fn end(&self, end: &End) -> String {
        match end {
            End::Route(table, best) => {
                let route = best.first().map(line).unwrap_or_default();
                format!("{route} (table {})", (self.table)(*table))
            }
            End::DroppedByRoute(table, route) => {
                format!("{} (table {})", plain(route), (self.table)(*table))
            }
            End::DroppedByRule(rule) => format!("dropped by rule {}", self.rule(rule)),
            End::NoRoute => "no route: no rule is left".to_owned(),
            End::ForeignSource(from) => {
                format!("nothing is sent from {from}: this host has no such address")
            }
            End::Down(device) => format!("nothing is sent: {device} is down"),
            End::OnLink(device) => {
                format!("straight onto the link of {device}, without a route")
            }
            End::NotForwarded(device) => format!(
                "dropped: packets from {device} are not forwarded \
                 (net.ipv4.conf.{device}.forwarding is 0)"
            ),
        }
    }

    /// The way that the kernel took, and the route that it belongs to.
    fn way(&self, way: &Route, route: Option<&Candidate>) -> String {
        let Some(route) = route else {
            return format!("{} without a route", plain(way));
        };
        let mut text = line(route);
        if route.route.hops.len() > 1 {
            for hop in &way.hops {
                let gateway = hop.gateway.map(|gateway| format!(" via {gateway}"));
                let device = hop.device.as_ref().map(|device| format!(" dev {device}"));
                text += ", of which";
                text += &gateway.unwrap_or_default();
                text += &device.unwrap_or_default();
            }
        }
        format!("{text} (table {})", (self.table)(way.table))
    }
}

fn line(candidate: &Candidate) -> String {
    let (route, sources) = (&candidate.route, candidate.sources);
    ListedRoute { route, sources }.to_string()
}

/// A route that was told without its sources.
fn plain(route: &Route) -> String {
    let sources = None;
    ListedRoute { route, sources }.to_string()
}

pub(super) fn disagree(f: &mut impl fmt::Write, walk: &Walk, answer: &KernelAnswer) -> fmt::Result {
    writeln!(f, "They do not agree: {}.", disagreement(walk, answer))
}

/// What may be behind a disagreement.
fn disagreement(walk: &Walk, answer: &KernelAnswer) -> &'static str {
    let came_in = walk.packet.iif.is_some() && walk.packet.family() == Family::Inet;
    match (answer, &walk.end) {
        (_, End::Route(..)) if came_in && answer.is_bad_source() => {
            "the kernel takes no packet with this source in by this device \
             (a martian source, or rp_filter)"
        }
        _ => "the rules may have changed, and VRFs are not followed",
    }
}

/// The packet, in the words of `ip route get`.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        if self.mark != 0 {
            write!(f, " mark {:#x}", self.mark)?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        if self.ip_protocol != UDP {
            write!(f, " ipproto {}", ip_protocol_name(self.ip_protocol))?;
        }
        for (word, port) in [("sport", self.sport), ("dport", self.dport)] {
            if port != 0 {
                write!(f, " {word} {port}")?;
            }
        }
        if self.iif.is_none() {
            write!(f, " uid {}", self.user)?;
        }
        Ok(())
    }
}
