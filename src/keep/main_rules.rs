//! The rules that look up the main table: where one is deleted, everything that no other rule routes
//! is routed no more. Only the administrator may put it back, so he is told.

use std::collections::BTreeSet;

use log::warn;

use crate::netlink::Heard;
use crate::routing::{Family, Rule, TableId};

/// Which of them were deleted.
#[derive(Debug, Default)]
pub struct MainRules {
    deleted: BTreeSet<Family>,
}

impl MainRules {
    /// Notes a change; says so where it deletes one, once for each loss.
    pub fn note(&mut self, heard: &Heard) {
        match heard {
            Heard::RuleGone(rule) if looks_up_main(rule) && self.deleted.insert(rule.family) => {
                let family = match rule.family {
                    Family::Inet => "-4",
                    Family::Inet6 => "-6",
                };
                warn!(
                    "somebody has deleted the rule that looks up the main table, by which all goes \
                     that no other rule is about; to have it back: ip {family} rule add {rule}"
                );
            }
            Heard::Rule(rule) if looks_up_main(rule) => {
                self.deleted.remove(&rule.family);
            }
            _ => {}
        }
    }
}

/// Whether it does so for every packet.
fn looks_up_main(rule: &Rule) -> bool {
    let plain = Rule::lookup(rule.family, rule.priority, TableId::MAIN);
    let protocol = rule.protocol;
    *rule == Rule { protocol, ..plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_for_all_packets_is_meant() {
        let rule = Rule::lookup(Family::Inet, 32766, TableId::MAIN);
        assert!(looks_up_main(&rule));
        let other = Rule {
            mark: Some((5, 5)),
            ..rule.clone()
        };
        assert!(!looks_up_main(&other));
        let mut rules = MainRules::default();
        rules.note(&Heard::RuleGone(rule.clone()));
        assert_eq!(rules.deleted.len(), 1);
        rules.note(&Heard::Rule(rule));
        assert!(rules.deleted.is_empty());
    }
}
