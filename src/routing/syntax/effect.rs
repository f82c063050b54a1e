//! What a rule does with a packet that it matches: the part of its line behind the selectors.

use std::fmt;

use super::numbers;
use crate::routing::{Action, Rule, TableId};

/// The action of a rule and what limits it; `name` says how its table is written.
pub struct RuleEffect<'a, Name> {
    rule: &'a Rule,
    name: Name,
}

impl Rule {
    /// What it does, without its priority, its selectors and its protocol.
    pub fn effect<T: fmt::Display, Name: Fn(TableId) -> T>(
        &self,
        name: Name,
    ) -> RuleEffect<'_, Name> {
        RuleEffect { rule: self, name }
    }
}

impl<T: fmt::Display, Name: Fn(TableId) -> T> fmt::Display for RuleEffect<'_, Name> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule;
        match rule.action {
            Action::Lookup(table) => write!(f, "lookup {}", (self.name)(table))?,
            Action::L3mdev => f.write_str("l3mdev")?,
            Action::Goto(target) => write!(f, "goto {target}")?,
            Action::Nop => f.write_str("nop")?,
            Action::Blackhole => f.write_str("blackhole")?,
            Action::Unreachable => f.write_str("unreachable")?,
            Action::Prohibit => f.write_str("prohibit")?,
            Action::Other(number) => write!(f, "action {number}")?,
        }
        if let Some(length) = rule.suppress_length {
            write!(f, " suppress_prefixlength {length}")?;
        }
        if let Some(group) = rule.suppress_group {
            write!(f, " suppress_ifgroup {group}")?;
        }
        if rule.realms != 0 {
            write!(f, " realms {}", numbers::realms_text(rule.realms))?;
        }
        Ok(())
    }
}
