//! What lines have put into the kernel so far: a small model of its routes and rules.

use crate::migrate::lines::{Guard, IpCommand, IpVerb, Joint, SaidRoute, SaidRule, WhyItStays};
use crate::migrate::same_walk::same_but_priority;
use crate::routing::{Family, TableId};

/// Something in the kernel, and the line that put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The stanza's place among all.
    pub stanza: usize,
    /// The line's place in the stanza.
    pub line: usize,
    /// What it is. Of rules the priority is the one that the kernel chose where none was said.
    pub what: T,
}

/// What the lines that may be replaced leave in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// The routes, in the order in which they came.
    pub routes: Vec<Placed<SaidRoute>>,
    /// The rules, in the order in which they came.
    pub rules: Vec<Placed<SaidRule>>,
}

/// Whether a command that takes routes out takes this one.
pub fn takes_route(command: &IpCommand, route: &SaidRoute) -> bool {
    match command {
        IpCommand::Route(IpVerb::Delete, said) => said.takes(&route.route),
        IpCommand::Flush(family, table) => route.is_in(*family, *table),
        _ => false,
    }
}

impl SaidRoute {
    /// Whether `ip route flush table` of a family and a table would take it.
    pub fn is_in(&self, family: Family, table: TableId) -> bool {
        self.route.table == table && self.route.family() == family
    }
}

impl Effect {
    /// Whether a guard lets the rules behind it in: it finds none, or else the very same.
    /// Errors: another rule is found, or the guard is not about the rule.
    pub fn passes(
        &self,
        guard: &Guard,
        commands: &[(Joint, IpCommand)],
    ) -> Result<bool, WhyItStays> {
        const KERNELS: &str = "0: from all lookup local 32766: from all lookup main \
                               32767: from all lookup default";
        let there = self.rules.iter().map(|rule| &rule.what);
        let there = there.filter(|rule| rule.rule.family == guard.family);
        // Tables are shown by name or by number; the words have them as they were written.
        let shown = |said: &SaidRule| {
            let priority = said.rule.priority;
            [
                format!("{priority}: {}", said.words),
                format!("{priority}: {}", said.rule),
            ]
        };
        let finds = |said: &SaidRule| shown(said).iter().any(|shown| guard.finds(shown));
        let mut own = commands.iter().filter_map(|(_, command)| match command {
            IpCommand::Rule(IpVerb::Add, said) => Some(said),
            _ => None,
        });
        let (Some(wanted), None) = (own.next(), own.next()) else {
            return Err(WhyItStays::Guarded);
        };
        let mut found = there.filter(|rule| finds(rule));
        match found.next() {
            _ if guard.finds(KERNELS) || wanted.rule.family != guard.family => {
                Err(WhyItStays::Guarded)
            }
            None => Ok(true),
            Some(rule) if same_but_priority(&rule.rule, &wanted.rule) => Ok(false),
            Some(_) => Err(WhyItStays::Guarded),
        }
    }

    /// Adds a rule as the kernel does: without a priority it gets one less than the lowest there
    /// is, so that it goes before all others. Whether it succeeded.
    pub fn add_rule(&mut self, stanza: usize, line: usize, mut said: SaidRule) -> bool {
        let family = said.rule.family;
        let there = self.rules.iter().map(|rule| &rule.what.rule);
        let there = there.filter(|rule| rule.family == family);
        if !said.said.priority {
            let lowest = there
                .map(|rule| rule.priority)
                .filter(|priority| *priority != 0)
                .min();
            said.rule.priority = lowest.map_or(MAINS, |lowest| lowest.min(MAINS)) - 1;
        } else if there.clone().any(|rule| *rule == said.rule) {
            return false;
        }
        self.rules.push(Placed {
            stanza,
            line,
            what: said,
        });
        true
    }
}

/// Priority of the kernel's own rule for main.
const MAINS: u32 = 32766;
