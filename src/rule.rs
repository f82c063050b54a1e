//! A rule of the routing policy database, and its line in the words of ip-rule(8).
//! Floor 0: what is equal here is the same rule to the kernel; `rule_message` carries it there.

use std::fmt;
use std::str::FromStr;

use crate::line::{abbreviates, nearest, no_names, LineError, Names, Words};
use crate::net::{parse_number, Family, Prefix, TableId, PROTOCOL};

/// What a rule does with a packet that it matches; `FR_ACT_*` of `linux/fib_rules.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Look the destination up in a table; go on with the next rule where it is not there.
    Lookup(TableId),
    /// An action that only other programs give their rules, by number.
    Other(u8),
}

/// A rule. Equality is identity: all of it decides, as the kernel's own look-up does not
/// (measured on 6.18: `RTM_DELRULE` takes the first rule that agrees in what is given).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The address family whose packets it sees.
    pub family: Family,
    /// Its place in the walk, lowest first.
    pub priority: u32,
    /// Whether it matches what its selectors do not.
    pub invert: bool,
    /// Source addresses; `None` is all.
    pub from: Option<Prefix>,
    /// Destination addresses; `None` is all.
    pub to: Option<Prefix>,
    /// What it does.
    pub action: Action,
    /// Who put it there: `RTPROT_*` of `linux/rtnetlink.h`, or [`PROTOCOL`].
    pub protocol: u8,
    /// Attributes that have no word here, by number and raw value: they make a rule of another
    /// program differ from ours instead of seeming equal.
    pub unread: Vec<(u16, Vec<u8>)>,
}

impl Rule {
    /// A rule of ours without selectors.
    #[must_use]
    pub fn lookup(family: Family, priority: u32, table: TableId) -> Self {
        Self {
            family,
            priority,
            invert: false,
            from: None,
            to: None,
            action: Action::Lookup(table),
            protocol: PROTOCOL,
            unread: Vec::new(),
        }
    }

    /// Whether two rules route alike, whoever put them there.
    #[must_use]
    pub fn same_effect(&self, other: &Self) -> bool {
        *self
            == Self {
                protocol: self.protocol,
                ..other.clone()
            }
    }

    const KEYWORDS: [&'static str; 7] = [
        "not", "from", "to", "priority", "lookup", "table", "protocol",
    ];

    /// Reads the words of ip-rule(8) over a rule that holds what is left unsaid.
    ///
    /// # Errors
    /// The first word that ip-rule(8) would not take.
    pub fn read(line: &str, unsaid: Self, names: Names<'_>) -> Result<Self, LineError> {
        let mut rule = unsaid;
        let mut family = None;
        let mut words = Words::new(line);
        while let Some(word) = words.keyword() {
            match word {
                "-4" => family = Some(Family::Inet),
                "-6" => family = Some(Family::Inet6),
                "not" => rule.invert = true,
                "from" => rule.from = words.prefix(&mut family)?,
                "to" => rule.to = words.prefix(&mut family)?,
                "lookup" => rule.action = Action::Lookup(words.table(names)?),
                _ if ["preference", "order", "priority"]
                    .iter()
                    .any(|k| abbreviates(word, k)) =>
                {
                    rule.priority = words.number()?;
                }
                _ if abbreviates(word, "protocol") => {
                    rule.protocol = words.parsed("a protocol number", |text| {
                        parse_number(text).and_then(|number| u8::try_from(number).ok())
                    })?;
                }
                _ if abbreviates(word, "table") => {
                    rule.action = Action::Lookup(words.table(names)?);
                }
                _ => {
                    return Err(LineError::Unknown {
                        word: word.to_owned(),
                        nearest: nearest(word, &Self::KEYWORDS),
                    })
                }
            }
        }
        rule.family = family.unwrap_or(rule.family);
        Ok(rule)
    }
}

/// The line that `ip rule add` takes.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "priority {}", self.priority)?;
        if self.invert {
            f.write_str(" not")?;
        }
        match (self.from, self.to) {
            (None, None) => f.write_str(" from all")?,
            (Some(from), None) => write!(f, " from {from}")?,
            (None, Some(to)) => write!(f, " to {to}")?,
            (Some(from), Some(to)) => write!(f, " from {from} to {to}")?,
        }
        match self.action {
            Action::Lookup(table) => write!(f, " lookup {table}")?,
            Action::Other(number) => write!(f, " action {number}")?,
        }
        write!(f, " proto {}", self.protocol)?;
        for (number, _) in &self.unread {
            write!(f, " attribute {number}")?;
        }
        Ok(())
    }
}

impl FromStr for Rule {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        let unsaid = Self {
            protocol: 0,
            ..Self::lookup(Family::Inet, 0, TableId(254))
        };
        Self::read(line, unsaid, &no_names)
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
        ] {
            assert_eq!(line.parse::<Rule>().unwrap().to_string(), line);
        }
        let rule: Rule = "-6 pref 7 table main".parse().unwrap();
        assert_eq!(rule.family, Family::Inet6);
        assert_eq!(rule.to_string(), "priority 7 from all lookup 254 proto 0");
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
                "\"lookup rt9\": expected a table name that is known, or an ID",
            ),
            (
                "protocol 256",
                "\"protocol 256\": expected a protocol number",
            ),
        ] {
            assert_eq!(line.parse::<Rule>().unwrap_err().to_string(), message);
        }
    }
}
