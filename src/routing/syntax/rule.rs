//! A rule's line in the words of ip-rule(8), both ways.

use std::fmt;
use std::str::FromStr;

use super::judged;
use super::numbers;
use super::words::{abbreviates, no_names, LineError, TableNames, Words};
use crate::routing::{parse_number, Action, Family, Ports, Rule, TableId};

const KEYWORDS: [&str; 32] = [
    "not",
    "from",
    "to",
    "priority",
    "preference",
    "order",
    "pref",
    "tos",
    "dsfield",
    "dscp",
    "flowlabel",
    "fwmark",
    "iif",
    "dev",
    "oif",
    "ipproto",
    "sport",
    "dport",
    "uidrange",
    "l3mdev",
    "tun_id",
    "suppress_prefixlength",
    "suppress_ifgroup",
    "realms",
    "protocol",
    "table",
    "lookup",
    "goto",
    "nop",
    "blackhole",
    "unreachable",
    "prohibit",
];

/// What a line said of itself, beside the rule it made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given {
    /// It named a priority.
    pub priority: bool,
    /// It named a table or another action.
    pub action: bool,
}

/// Reads a line over a rule that holds what is left unsaid.
/// Errors: the first word that ip-rule(8) would not take, or words that cannot stand together.
pub fn read_rule<Table: From<TableId> + PartialEq>(
    line: &str,
    unsaid: Rule<Table>,
    names: TableNames<'_, Table>,
) -> Result<(Rule<Table>, Given), LineError> {
    let mut reader = RuleReader {
        rule: unsaid,
        family: None,
        said: Given::default(),
        vrf: false,
        tos: String::new(),
    };
    let mut words = Words::new(line);
    while let Some(word) = words.keyword() {
        if !(reader.selector(word, &mut words)? || reader.action(word, &mut words, names)?) {
            return Err(LineError::unknown(word, &KEYWORDS));
        }
    }
    reader.finish()
}

struct RuleReader<Table> {
    rule: Rule<Table>,
    family: Option<Family>,
    said: Given,
    vrf: bool,
    /// The DS field as written, with its keyword.
    tos: String,
}

impl<Table: From<TableId> + PartialEq> RuleReader<Table> {
    /// Takes a selector or one of the words that say neither what matches nor what happens.
    fn selector(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, LineError> {
        let rule = &mut self.rule;
        let is = |full: &str| abbreviates(word, full);
        match word {
            "-4" => words.settle(&mut self.family, Family::Inet, word)?,
            "-6" => words.settle(&mut self.family, Family::Inet6, word)?,
            "not" => rule.invert = true,
            "from" => rule.from = words.prefix(&mut self.family)?,
            "to" => rule.to = words.prefix(&mut self.family)?,
            "fwmark" => {
                let mark =
                    words.parsed("MARK or MARK/MASK, numbers of 32 bits", numbers::masked)?;
                // To the kernel mark 0 without a mask is any mark.
                rule.mark = Some(mark).filter(|mark| !matches!(mark, (0, 0 | u32::MAX)));
            }
            "iif" | "dev" => rule.iif = Some(words.interface()?),
            "oif" => rule.oif = Some(words.interface()?),
            "ipproto" => {
                let expected = "a protocol such as tcp, or its number";
                // To the kernel 0 is any protocol.
                rule.ip_protocol = Some(words.parsed(expected, numbers::ip_protocol)?)
                    .filter(|number| *number != 0);
            }
            "sport" => rule.sport = Some(ports(words)?),
            "dport" => rule.dport = Some(ports(words)?),
            "uidrange" => {
                rule.users = Some(words.parsed(USERS, |text| {
                    let (first, last) = text.split_once('-')?;
                    let range = (parse_number(first)?, parse_number(last)?);
                    // The last number of all is nobody's.
                    Some(range).filter(|(first, last)| first <= last && *last != u32::MAX)
                })?);
            }
            "dscp" => {
                let expected =
                    "a DSCP of 0 to 63 or its name, or DSCP/MASK with no bit beyond MASK";
                rule.dscp = Some(words.parsed(expected, numbers::masked_dscp)?);
            }
            "flowlabel" => {
                let expected = "a flow label of 20 bits, or LABEL/MASK with no bit beyond MASK";
                rule.flow_label = Some(words.parsed(expected, numbers::flow_label)?);
            }
            "sup_pl" => rule.suppress_length = Some(length(words)?),
            "sup_group" => rule.suppress_group = Some(group(words)?),
            // What `ip rule show` prints of a device or a target that is not there.
            "[detached]" | "[unresolved]" => {}
            _ if is("preference") || is("order") || is("priority") => {
                rule.priority = words.number()?;
                self.said.priority = true;
            }
            _ if word == "tos" || is("dsfield") => {
                let expected = "a DS field: two hexadecimal digits, or a name";
                let tos = &mut self.tos;
                rule.tos = words.parsed(expected, |text| {
                    *tos = format!("{word} {text}");
                    numbers::dsfield(text)
                })?;
            }
            _ if is("realms") => {
                rule.realms = words.parsed("REALM or FROM/TO, of 0 to 255", numbers::realms)?;
            }
            _ if is("protocol") => {
                let expected = "a routing protocol's number of 0 to 255, or its name";
                rule.protocol = words.parsed(expected, numbers::protocol)?;
            }
            _ if is("tun_id") => {
                rule.tunnel = words.parsed("a tunnel key of 64 bits", numbers::tunnel_key)?;
            }
            _ if is("suppress_prefixlength") => rule.suppress_length = Some(length(words)?),
            _ if is("suppress_ifgroup") => rule.suppress_group = Some(group(words)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes what happens to a packet that matches.
    fn action(
        &mut self,
        word: &str,
        words: &mut Words<'_>,
        names: TableNames<'_, Table>,
    ) -> Result<bool, LineError> {
        let action = match word {
            // As `ip rule show` prints the table of an l3mdev rule.
            "lookup" if words.value_if(|word| word == "[l3mdev-table]").is_some() => Action::L3mdev,
            "l3mdev" => Action::L3mdev,
            "type" => return Ok(true),
            _ if abbreviates(word, "table") || word == "lookup" => {
                if self.rule.action == Action::L3mdev && self.said.action {
                    return Err(vrf_and_table());
                }
                Action::Lookup(words.table(names)?)
            }
            _ if abbreviates(word, "goto") => Action::Goto(words.number()?),
            _ if abbreviates(word, "nop") => Action::Nop,
            _ => match numbers::route_kind(word).or_else(|| numbers::small(word)) {
                // `ip -N rule show` prints the number alone.
                Some(6) => Action::Blackhole,
                Some(7) => Action::Unreachable,
                Some(8) => Action::Prohibit,
                _ => return Ok(false),
            },
        };
        if self.said.action && self.rule.action != action {
            return Err(match (self.vrf, action) {
                (true, Action::Lookup(_)) | (_, Action::L3mdev) => vrf_and_table(),
                _ => {
                    LineError::Contradiction(format!("\"{word}\": the rule has an action already"))
                }
            });
        }
        self.vrf |= action == Action::L3mdev;
        self.rule.action = action;
        self.said.action = true;
        Ok(true)
    }

    fn finish(self) -> Result<(Rule<Table>, Given), LineError> {
        let mut rule = self.rule;
        rule.family = self.family.unwrap_or(rule.family);
        if rule.family == Family::Inet6 && rule.realms != 0 {
            let ignored = "\"realms\": IPv6 rules have none; the kernel would ignore them";
            return Err(LineError::Contradiction(ignored.to_owned()));
        }
        if let Some(wrong) = judged::rule(&rule, &self.tos) {
            return Err(LineError::Contradiction(wrong));
        }
        let contradiction = match rule.action {
            Action::Goto(target) if target <= rule.priority => format!(
                "\"goto {target}\": expected a priority above the rule's own, {}",
                rule.priority
            ),
            Action::Lookup(_) | Action::L3mdev => return Ok((rule, self.said)),
            _ if rule.suppress_length.is_some() || rule.suppress_group.is_some() => {
                "suppress_prefixlength and suppress_ifgroup need a table to look up".to_owned()
            }
            _ => return Ok((rule, self.said)),
        };
        Err(LineError::Contradiction(contradiction))
    }
}

/// What `uidrange` takes.
const USERS: &str = "FIRST-LAST, user IDs of 0 to 4294967294 in order";

fn vrf_and_table() -> LineError {
    LineError::Contradiction("\"l3mdev\" names the table itself; remove \"lookup\"".to_owned())
}

fn length(words: &mut Words<'_>) -> Result<u32, LineError> {
    words.parsed("a prefix length of 0 to 128", |text| {
        parse_number(text).filter(|length| *length <= 128)
    })
}

fn group(words: &mut Words<'_>) -> Result<u32, LineError> {
    words.parsed("a device group's number, or default", |text| match text {
        "default" => Some(0),
        _ => parse_number(text).filter(|group| i32::try_from(*group).is_ok()),
    })
}

fn ports(words: &mut Words<'_>) -> Result<Ports, LineError> {
    let port = |text: &str| parse_number(text).and_then(|port| u16::try_from(port).ok());
    words.parsed(
        "PORT, FIRST-LAST or PORT/MASK, ports of 1 to 65534 with no bit beyond MASK",
        |text| {
            let ports = if let Some((first, last)) = text.split_once('-') {
                Ports {
                    first: port(first)?,
                    last: port(last)?,
                    mask: None,
                }
            } else if let Some((value, mask)) = text.split_once('/') {
                let value = port(value)?;
                let mask = Some(port(mask)?).filter(|mask| value & !mask == 0)?;
                Ports {
                    first: value,
                    last: value,
                    mask: Some(mask).filter(|mask| *mask != u16::MAX),
                }
            } else {
                let value = port(text)?;
                Ports {
                    first: value,
                    last: value,
                    mask: None,
                }
            };
            // The kernel takes no port 65535, not even as the end of a range (fib_rules.h).
            let first_to_last = 1..=ports.last.min(u16::MAX - 1);
            Some(ports)
                .filter(|ports| first_to_last.contains(&ports.first) && ports.last != u16::MAX)
        },
    )
}

/// What a rule selects, in the order in which `ip rule show` prints it.
pub struct Selectors<'a>(&'a Rule);

impl Rule {
    /// What it selects, without its priority, its action and its protocol.
    pub fn selectors(&self) -> Selectors<'_> {
        Selectors(self)
    }

    /// What it selects and does, without what goes without saying.
    pub fn in_brief(&self) -> String {
        let line = format!("{} {}", self.selectors(), self.effect(|table| table));
        line.replacen("from all ", "", 1)
    }
}

/// The line that `ip rule add` takes, in the order in which `ip rule show` prints it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (selectors, effect) = (self.selectors(), self.effect(|table| table));
        write!(f, "priority {} {selectors} {effect}", self.priority)?;
        write!(f, " proto {}", self.protocol)?;
        for (number, _) in &self.unread {
            write!(f, " attribute {number}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Selectors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.0;
        if rule.invert {
            f.write_str("not ")?;
        }
        match (rule.from, rule.to) {
            (None, None) => f.write_str("from all")?,
            (Some(from), None) => write!(f, "from {from}")?,
            (None, Some(to)) => write!(f, "to {to}")?,
            (Some(from), Some(to)) => write!(f, "from {from} to {to}")?,
        }
        if rule.tos != 0 {
            write!(f, " tos {:#04x}", rule.tos)?;
        }
        match rule.dscp {
            Some((dscp, Some(mask))) => write!(f, " dscp {dscp}/{mask:#04x}")?,
            Some((dscp, None)) => write!(f, " dscp {dscp}")?,
            None => {}
        }
        match rule.flow_label {
            Some((label, 0xf_ffff)) => write!(f, " flowlabel {label:#x}")?,
            Some((label, mask)) => write!(f, " flowlabel {label:#x}/{mask:#x}")?,
            None => {}
        }
        match rule.mark {
            Some((value, u32::MAX)) => write!(f, " fwmark {value:#x}")?,
            Some((value, mask)) => write!(f, " fwmark {value:#x}/{mask:#x}")?,
            None => {}
        }
        if let Some(iif) = &rule.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &rule.oif {
            write!(f, " oif {oif}")?;
        }
        if let Some((first, last)) = rule.users {
            write!(f, " uidrange {first}-{last}")?;
        }
        if let Some(protocol) = rule.ip_protocol {
            write!(f, " ipproto {}", numbers::ip_protocol_name(protocol))?;
        }
        for (keyword, ports) in [("sport", rule.sport), ("dport", rule.dport)] {
            match ports {
                Some(Ports {
                    first,
                    mask: Some(mask),
                    ..
                }) => {
                    write!(f, " {keyword} {first:#x}/{mask:#x}")?;
                }
                Some(Ports { first, last, .. }) if first == last => {
                    write!(f, " {keyword} {first}")?;
                }
                Some(Ports { first, last, .. }) => write!(f, " {keyword} {first}-{last}")?,
                None => {}
            }
        }
        if rule.tunnel != 0 {
            write!(f, " tun_id {}", rule.tunnel)?;
        }
        Ok(())
    }
}

/// A line that leaves nothing to a stanza, as records hold and `ip rule show` prints them.
impl FromStr for Rule {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        let unsaid = Self {
            protocol: 0,
            ..Self::lookup(Family::Inet, 0, TableId::MAIN)
        };
        // `ip rule show` puts the priority in front, with a colon.
        let shown = line
            .split_once(':')
            .and_then(|(priority, rest)| Some((priority.trim().parse::<u32>().ok()?, rest)));
        let (unsaid, line) = match shown {
            Some((priority, rest)) => (Self { priority, ..unsaid }, rest),
            None => (unsaid, line),
        };
        read_rule(line, unsaid, &no_names).map(|(rule, _)| rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rules_line_reads_back_as_the_rule() {
        for line in [
            "priority 21000 from 10.10.0.10 lookup 24242 proto 157",
            "priority 21000 to 10.10.0.10 lookup 24242 proto 157",
            "priority 0 from all lookup 255 proto 2",
            "priority 5 not from 10.0.0.0/8 to 192.0.2.0/24 lookup 4294967295 proto 4",
            "priority 21000 from 2001:db8::10 lookup 200 proto 157",
            "priority 7 from all tos 0x10 fwmark 0x5/0xff iif eth2 oif eth3 lookup 7 proto 157",
            "priority 7 from all fwmark 0x5 uidrange 1000-1999 lookup 7 realms 1/2 proto 157",
            "priority 7 from all ipproto tcp sport 1000-2000 dport 53 lookup 7 proto 157",
            "priority 7 from all dscp 46 sport 0x10/0xf0 tun_id 9 lookup 7 proto 157",
            "priority 7 from all dscp 48/0x30 lookup 7 proto 157",
            "priority 7 from all l3mdev proto 157",
            "priority 7 from all goto 8 proto 157",
            "priority 7 from all nop proto 157",
            "priority 7 from all blackhole proto 157",
            "priority 7 from all lookup 254 suppress_prefixlength 0 suppress_ifgroup 3 proto 157",
        ] {
            assert_eq!(line.parse::<Rule>().unwrap().to_string(), line);
        }
        let rule: Rule = "-6 pref 7 table main".parse().unwrap();
        assert_eq!(rule.family, Family::Inet6);
        assert_eq!(rule.to_string(), "priority 7 from all lookup 254 proto 0");
    }

    #[test]
    fn what_ip_prints_is_read_too() {
        for (shown, line) in [
            (
                "21000:\tfrom all to 10.0.0.1 iif x9 [detached] lookup main proto static",
                "priority 21000 to 10.0.0.1 iif x9 lookup 254 proto 4",
            ),
            (
                "1000: from all lookup [l3mdev-table] proto policy-table",
                "priority 1000 from all l3mdev proto 157",
            ),
            (
                "5: from all goto 9 [unresolved]",
                "priority 5 from all goto 9 proto 0",
            ),
            (
                "5: from all ipproto ipproto-6 realms 5/cosmos 7 proto 157",
                "priority 5 from all ipproto tcp unreachable realms 5/0 proto 157",
            ),
            (
                "5: from 10/8 ipproto 0 tun_id 0x100000000 lookup 7 proto 157",
                "priority 5 from 10.0.0.0/8 tun_id 4294967296 lookup 7 proto 157",
            ),
        ] {
            assert_eq!(shown.parse::<Rule>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn identity_is_the_whole_rule_and_effect_all_but_the_protocol() {
        let ours: Rule = "priority 9 from 10.0.0.1 lookup 200 proto 157"
            .parse()
            .unwrap();
        let theirs = Rule {
            protocol: 4,
            ..ours.clone()
        };
        let inverted = Rule {
            invert: true,
            ..ours.clone()
        };
        let newer = Rule {
            unread: vec![(99, vec![1])],
            ..ours.clone()
        };
        assert!(ours != theirs && ours.same_effect(&theirs));
        assert!(ours != inverted && !ours.same_effect(&inverted));
        assert!(ours != newer && !ours.same_effect(&newer));
    }

    #[test]
    fn bad_lines_name_the_word() {
        for (line, message) in [
            ("from", "\"from\" needs a value"),
            (
                "form 10.0.0.1",
                "unknown word \"form\"; did you mean \"from\"?",
            ),
            (
                "priority x",
                "\"priority x\": expected a number of 0 to 4294967295",
            ),
            (
                "lookup rt9",
                "\"lookup rt9\": expected a table name that is known, or an ID of 1 to 4294967295",
            ),
            (
                "lookup 0",
                "\"lookup 0\": expected a table name that is known, or an ID of 1 to 4294967295",
            ),
            (
                "-6 realms 5",
                "\"realms\": IPv6 rules have none; the kernel would ignore them",
            ),
            (
                "tun_id 010",
                "\"tun_id 010\": expected a tunnel key of 64 bits",
            ),
            (
                "protocol 256",
                "\"protocol 256\": expected a routing protocol's number of 0 to 255, or its name",
            ),
            (
                "priority 9 goto 9",
                "\"goto 9\": expected a priority above the rule's own, 9",
            ),
            (
                "blackhole lookup 7",
                "\"lookup\": the rule has an action already",
            ),
            (
                "l3mdev lookup 7",
                "\"l3mdev\" names the table itself; remove \"lookup\"",
            ),
            (
                "lookup 7 l3mdev",
                "\"l3mdev\" names the table itself; remove \"lookup\"",
            ),
            (
                "blackhole suppress_prefixlength 0",
                "suppress_prefixlength and suppress_ifgroup need a table to look up",
            ),
            (
                "from 192.0.2.5/24",
                "\"from 192.0.2.5/24\": it has host bits set; write 192.0.2.0/24 for the network, \
                 or 192.0.2.5 for one address",
            ),
            (
                "uidrange 9-5",
                "\"uidrange 9-5\": expected FIRST-LAST, user IDs of 0 to 4294967294 in order",
            ),
            (
                "dport 0",
                "\"dport 0\": expected PORT, FIRST-LAST or PORT/MASK, ports of 1 to 65534 \
                 with no bit beyond MASK",
            ),
            (
                "sport 81/0xfffe",
                "\"sport 81/0xfffe\": expected PORT, FIRST-LAST or PORT/MASK, ports of 1 to 65534 \
                 with no bit beyond MASK",
            ),
            (
                "dscp 46/0x30",
                "\"dscp 46/0x30\": expected a DSCP of 0 to 63 or its name, or DSCP/MASK \
                 with no bit beyond MASK",
            ),
            (
                "flowlabel 5/0",
                "\"flowlabel 5/0\": expected a flow label of 20 bits, or LABEL/MASK \
                 with no bit beyond MASK",
            ),
        ] {
            assert_eq!(line.parse::<Rule>().unwrap_err().to_string(), message);
        }
    }
}
