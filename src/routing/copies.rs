//! Which rules of ours have to stand once more, in front of a rule of VPN software that takes all.
//!
//! wg-quick and scripts of VPN software add rules without a priority, and the kernel gives such a rule one
//! below the lowest there is: it comes before ours whatever `policy-priority` says. What moves ours
//! in front of it loses: the next rule without a priority goes in front again, three lower a cycle.
//! So ours stay, and what a packet from one of our sources has to come to is copied in front,
//! narrowed to that source: nothing else goes another way. Decides only.

use std::fmt;

use super::address::{Prefix, PROTOCOL};
use super::rule::{Action, Rule};
use super::surroundings::Surroundings;
use super::table::TableId;
use crate::text::counted;

/// The lowest priority that a copy may have: at 0 and 1 the next rules without a priority would
/// stand in reversed order (measured on 6.18 with wg-quick's two).
const LOWEST: u32 = 2;

/// Copies of rules of ours, and why some source has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// In the order in which they are put in.
    pub rules: Vec<Rule>,
    /// The rules that they stand in front of, each once.
    pub before: Vec<Rule>,
    /// Why a source whose walk ends at such a rule has no copies, each with its own rule.
    pub refused: Vec<(Rule, NoCopy)>,
}

/// Why nothing is put in front for a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCopy {
    /// There is no room.
    #[error("it has priority {0}, and in front of it there is no room")]
    NoRoom(u32),
    /// A rule of ours cannot be made one for a single source.
    #[error("\"{0}\" cannot be narrowed to one source")]
    CannotBeNarrowed(Rule),
    /// Without VPN software its packets would go by somebody's rule that selects what it takes.
    #[error("\"{0}\" stands behind it, and would be passed")]
    Passes(Rule),
}

impl Rule {
    /// Whether it may take all packets that come to it, as VPN software means it: a look-up of a
    /// table of its own that selects nothing, or leaves out what bears the tunnel's mark.
    /// Everything else is somebody's intent.
    pub fn is_catch_all(&self) -> bool {
        let plain = Self {
            invert: false,
            mark: None,
            ..self.clone()
        };
        let nothing = Self {
            protocol: self.protocol,
            realms: self.realms,
            action: self.action,
            ..Self::lookup(self.family, self.priority, TableId::MAIN)
        };
        let own_table = match self.action {
            Action::Lookup(table) => TableId::of_policy(table.number()).is_ok(),
            _ => false,
        };
        self.protocol != PROTOCOL
            && own_table
            && plain == nothing
            && self.invert == self.mark.is_some()
    }
}

/// The copies that rules of one family need. `rules` are all that there are but for copies, in the
/// kernel's order, and `around` is made of; `without_vpn` is that without the rules that take all.
/// `sources` are those of ours that stand for a source: derived, with all that they look up.
pub fn copies(
    rules: &[Rule],
    sources: &[Rule],
    around: &Surroundings,
    without_vpn: &Surroundings,
) -> Copies {
    let offender = |own: &Rule| around.in_front(own).filter(|rule| rule.is_catch_all());
    let ended: Vec<(&Rule, &Rule)> = sources
        .iter()
        .filter_map(|own| Some((own, offender(own)?)))
        .collect();
    let place = |of: &Rule| rules.iter().position(|rule| rule == of);
    let Some(first) = ended.iter().filter_map(|(_, of)| place(of)).min() else {
        return Copies::default();
    };
    let mut copies = Copies::default();
    let Some((offender, behind)) = rules.get(first..).and_then(<[Rule]>::split_first) else {
        return copies;
    };
    for (own, ends_at) in ended {
        let room = offender.priority.checked_sub(1).filter(|at| *at >= LOWEST);
        let made = match (room, without_vpn.in_front(own)) {
            (None, _) => Err(NoCopy::NoRoom(offender.priority)),
            (_, Some(rule)) => Err(NoCopy::Passes(rule.clone())),
            (Some(at), None) => copies_for(own, behind, at, around),
        };
        match made {
            Ok(rules) => copies.extend(Copies {
                rules,
                before: vec![ends_at.clone()],
                refused: Vec::new(),
            }),
            Err(why) => copies.refused.push((own.clone(), why)),
        }
    }
    copies
}

impl Copies {
    /// Adds those of another family, or of another stanza.
    pub fn extend(&mut self, more: Self) {
        for rule in more.rules {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
        for rule in more.before {
            if !self.before.contains(&rule) {
                self.before.push(rule);
            }
        }
        self.refused.extend(more.refused);
    }
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return f.write_str("nothing has to stand in front any more; the copies are gone");
        }
        let mut before: Vec<String> = Vec::new();
        for rule in &self.before {
            let brief = format!("{} ({})", rule.priority, rule.in_brief());
            // Most stand in both families.
            if !before.contains(&brief) {
                before.push(brief);
            }
        }
        let count = counted(self.rules.len(), "rule", "rules");
        write!(f, "{count} copied in front of {}", before.join(", "))
    }
}

/// What has to stand in front for one source: of the rules behind, ours up to its own.
fn copies_for(
    own: &Rule,
    behind: &[Rule],
    priority: u32,
    around: &Surroundings,
) -> Result<Vec<Rule>, NoCopy> {
    let up_to = behind.iter().position(|rule| rule == own);
    let met = behind.iter().take(up_to.map_or(0, |place| place + 1));
    // What is for this host itself the table local takes before.
    let ours = met.filter(|rule| rule.protocol == PROTOCOL && !is_to_this_host(rule, around));
    let copies = ours.map(|rule| narrowed_to(rule, own, priority));
    copies.filter_map(Result::transpose).collect()
}

/// Whether a rule is about packets to an address of this host alone.
fn is_to_this_host(rule: &Rule, around: &Surroundings) -> bool {
    let mut all = around.links.addresses.values().flatten();
    let is_of = |to: Prefix| to.is_host() && all.any(|own| own.address == to.address());
    rule.to.is_some_and(is_of)
}

/// A rule of ours for the packets of one source alone; none where no packet from there meets it.
fn narrowed_to(rule: &Rule, own: &Rule, priority: u32) -> Result<Option<Rule>, NoCopy> {
    let meets = rule.may_meet(&Rule {
        mark: None,
        ..own.clone()
    });
    match rule.action {
        _ if !meets => return Ok(None),
        Action::Nop => return Ok(None),
        Action::Goto(_) => return Err(NoCopy::CannotBeNarrowed(rule.clone())),
        _ if rule.invert => return Err(NoCopy::CannotBeNarrowed(rule.clone())),
        _ => {}
    }
    Ok(Some(Rule {
        priority,
        from: Prefix::narrower(rule.from, own.from),
        ..rule.clone()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{Family, Object, Route};

    fn rule(line: &str) -> Rule {
        let family = if line.contains(':') { "-6 " } else { "" };
        match format!("{family}rule {line}").parse() {
            Ok(Object::Rule(rule)) => rule,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// The copies that these rules need, the first of which ends at the table that leads anywhere.
    fn made(lines: &[&str]) -> Copies {
        let rules: Vec<Rule> = lines.iter().map(|line| rule(line)).collect();
        let mut around = Surroundings::default();
        around.note_rules(&rules);
        let family = rules[0].family;
        let default = match family {
            Family::Inet => "route default dev wg0 table 51820",
            Family::Inet6 => "route ::/0 dev wg0 table 51820",
        };
        let Ok(Object::Route(default)) = default.parse::<Object>() else {
            panic!("{default}");
        };
        let default: Route = default;
        around.note_routes(family, TableId::numbered(51820), &[default]);
        let is_source = |rule: &&Rule| {
            rule.protocol == PROTOCOL
                && rule.from.is_some()
                && rule.suppress_length.is_none()
                && matches!(rule.action, Action::Lookup(_))
        };
        let sources: Vec<Rule> = rules.iter().filter(is_source).cloned().collect();
        copies(&rules, &sources, &around, &around.without_catch_alls())
    }

    fn lines(copies: &Copies) -> Vec<String> {
        copies.rules.iter().map(ToString::to_string).collect()
    }

    const SUPPRESS: &str = "priority 20998 lookup main suppress_prefixlength 0 proto boot";
    const OFFENDER: &str = "priority 20999 not fwmark 0xca6c lookup 51820 proto boot";

    #[test]
    fn a_source_whose_walk_ends_at_a_tunnel_has_its_rule_in_front() {
        let copies = made(&[
            SUPPRESS,
            OFFENDER,
            "priority 21000 from 10.10.0.10 lookup 200 proto 157",
            "priority 21000 to 10.10.0.10 lookup 200 proto 157",
        ]);
        let expected = rule("priority 20998 from 10.10.0.10 lookup 200 proto 157");
        assert_eq!(copies.rules, [expected]);
        assert_eq!(copies.before, [rule(OFFENDER)]);
        assert_eq!(copies.refused, []);
    }

    #[test]
    fn what_they_stand_in_front_of_is_told_once_for_both_families() {
        let mut copies = made(&[
            OFFENDER,
            "priority 21000 from 10.10.0.10 lookup 200 proto 157",
        ]);
        let of_ipv6 = Rule {
            family: Family::Inet6,
            ..rule(OFFENDER)
        };
        copies.before.push(of_ipv6);
        let expected = "1 rule copied in front of 20999 (not fwmark 0xca6c lookup 51820)";
        assert_eq!(copies.to_string(), expected);
    }

    #[test]
    fn what_the_source_meets_before_comes_along_narrowed_to_it() {
        let copies = made(&[
            OFFENDER,
            "priority 20700 to 10.96.0.0/12 lookup main proto 157",
            "priority 20701 fwmark 0x7 lookup 300 proto 157",
            "priority 20702 from 10.11.0.0/16 lookup 301 proto 157",
            "priority 20703 from 10.10.0.0/16 to 192.0.2.0/24 lookup 302 proto 157",
            "priority 20800 from 10.10.0.10 lookup 200 suppress_prefixlength 0 proto 157",
            "priority 21000 from 10.10.0.10 lookup 200 proto 157",
            "priority 21001 from 10.10.0.0/24 lookup 303 suppress_prefixlength 0 proto 157",
        ]);
        let expected = [
            "from 10.10.0.10 to 10.96.0.0/12 lookup 254",
            "from 10.10.0.10 fwmark 0x7 lookup 300",
            "from 10.10.0.10 to 192.0.2.0/24 lookup 302",
            "from 10.10.0.10 lookup 200 suppress_prefixlength 0",
            "from 10.10.0.10 lookup 200",
        ];
        let own: Vec<Rule> = copies
            .rules
            .iter()
            .filter(|copy| copy.from == copies.rules[0].from)
            .cloned()
            .collect();
        let expected: Vec<Rule> = expected
            .iter()
            .map(|line| rule(&format!("priority 20998 {line} proto 157")))
            .collect();
        assert_eq!(own, expected, "{:?}", lines(&copies));
    }

    #[test]
    fn intent_is_not_passed_and_says_why() {
        let own = "priority 21000 from 10.10.0.10 lookup 200 proto 157";
        for (between, refused) in [
            ("priority 20999 prohibit proto boot", true),
            (
                "priority 20999 from 10.10.0.10 lookup 51820 proto boot",
                true,
            ),
            (
                "priority 20999 from 10.10.0.11 lookup 51820 proto boot",
                false,
            ),
            (
                "priority 20999 not fwmark 0x1 lookup 51820 proto boot",
                false,
            ),
            (
                "priority 20999 lookup main suppress_prefixlength 0 proto boot",
                false,
            ),
        ] {
            let copies = made(&[
                "priority 20998 not fwmark 0xca6c lookup 51820 proto boot",
                between,
                own,
            ]);
            let passes = [(rule(own), NoCopy::Passes(rule(between)))];
            let expected: &[_] = if refused { &passes } else { &[] };
            assert_eq!(copies.refused, expected, "{between}");
            assert_eq!(copies.rules.is_empty(), refused, "{between}");
        }
        // Where the walk ends at intent, nothing is to be mended.
        let intent = "priority 20998 from 10.10.0.0/24 lookup 51820 proto boot";
        assert_eq!(made(&[intent, OFFENDER, own]), Copies::default());
    }

    #[test]
    fn where_no_copy_can_be_it_says_why() {
        let own = "priority 21000 from 10.10.0.10 lookup 200 proto 157";
        for (others, why) in [
            (
                [
                    "priority 2 not fwmark 0xca6c lookup 51820 proto boot",
                    own,
                    own,
                ],
                NoCopy::NoRoom(2),
            ),
            (
                [
                    OFFENDER,
                    "priority 20999 not from 10.9.0.0/16 lookup 300 proto 157",
                    own,
                ],
                NoCopy::CannotBeNarrowed(rule(
                    "priority 20999 not from 10.9.0.0/16 lookup 300 proto 157",
                )),
            ),
            (
                [OFFENDER, "priority 20999 goto 30000 proto 157", own],
                NoCopy::CannotBeNarrowed(rule("priority 20999 goto 30000 proto 157")),
            ),
        ] {
            let copies = made(&others);
            assert!(copies.rules.is_empty(), "{:?}", lines(&copies));
            assert_eq!(copies.refused[0], (rule(own), why));
        }
        let low = ["priority 3 not fwmark 0xca6c lookup 51820 proto boot", own];
        assert_eq!(lines(&made(&low)).len(), 1);
    }

    #[test]
    fn only_a_look_up_of_all_is_one_of_a_tunnel() {
        for (line, expected) in [
            ("priority 1 not fwmark 0xca6c lookup 51820 proto boot", true),
            ("priority 1 lookup 51820 proto static", true),
            ("priority 1 fwmark 0xca6c lookup 51820 proto boot", false),
            (
                "priority 1 not from 10.0.0.1 lookup 51820 proto boot",
                false,
            ),
            ("priority 1 not fwmark 0xca6c lookup main proto boot", false),
            (
                "priority 1 lookup main suppress_prefixlength 0 proto boot",
                false,
            ),
            (
                "priority 1 lookup 51820 suppress_prefixlength 0 proto boot",
                false,
            ),
            ("priority 1 not fwmark 0xca6c unreachable proto boot", false),
            ("priority 1 iif lo lookup 51820 proto boot", false),
            ("priority 1 not fwmark 0xca6c lookup 51820 proto 157", false),
        ] {
            assert_eq!(rule(line).is_catch_all(), expected, "{line}");
        }
    }
}
