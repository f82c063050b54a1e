//! The rules of `policy-connmark`, and how they are known again: what nft(8) has to mark follows
//! from the rules that are in force, so that no two places can say different things of it.

use super::observed::Observed;
use super::stanza::Stanza;
use crate::routing::{Action, Family, InterfaceName, Mark, Prefix, Rule, TableId};

/// How far below the derived rules these stand: what comes in by the interface passes over the
/// look-up, and goes on at the end.
const BEGIN: u32 = 150;
const LOOKUP: u32 = 140;
const END: u32 = 130;

/// What brings the replies of marked connections to the table.
pub fn rules(stanza: &Stanza, table: TableId, mark: Mark, found: &Observed) -> [Rule; 3] {
    let own = || stanza.interface.device();
    let device = found.marked.clone().unwrap_or_else(own);
    let end = stanza.priority - END;
    let rule = |priority, action| Rule {
        priority,
        action,
        ..Rule::lookup(stanza.family, priority, table)
    };
    let mark = Some((mark.value(), mark.mask()));
    [
        // What comes in by the interface bears the mark for its source's sake alone (rp_filter): it
        // goes where it would go without, or a network behind the interface would be sent back.
        Rule {
            iif: Some(device),
            mark,
            ..rule(stanza.priority - BEGIN, Action::Goto(end))
        },
        Rule {
            mark,
            ..rule(stanza.priority - LOOKUP, Action::Lookup(table))
        },
        rule(end, Action::Nop),
    ]
}

/// Which connections of a device the rules of a stanza answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedWay {
    /// The device that they come in by.
    pub device: InterfaceName,
    pub family: Family,
    /// What they bear.
    pub mark: Mark,
    /// The addresses and networks that the stanza is about.
    pub own: Vec<Prefix>,
}

impl MarkedWay {
    /// Among the rules of one stanza; none where it has no such rules.
    pub fn among(rules: &[Rule]) -> Option<Self> {
        let (first, device, mark) = rules.iter().find_map(|rule| {
            let (value, bits) = rule.mark?;
            let is_first = rule.action == Action::Goto(rule.priority + BEGIN - END);
            let mark = Mark::of(value, bits).ok()?;
            is_first.then_some((rule, rule.iif.clone()?, mark))
        })?;
        let looks_up = |rule: &&Rule| {
            rule.mark == first.mark && rule.priority == first.priority + BEGIN - LOOKUP
        };
        let action = rules.iter().find(looks_up)?.action;
        let derived = |rule: &&Rule| {
            rule.priority == first.priority + BEGIN && rule.action == action && rule.to.is_none()
        };
        let own = rules.iter().filter(derived).filter_map(|rule| rule.from);
        Some(Self {
            device,
            family: first.family,
            mark,
            own: own.collect(),
        })
    }
}
