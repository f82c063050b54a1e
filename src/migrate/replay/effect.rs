//! A small model of the kernel: the routes and rules that lines have put in so far, and by which
//! line each came.

use super::entries::{Clue, Entries, FromLine, LineRef};
use crate::migrate::lines::{SpelledRoute, SpelledRule};
use crate::routing::{Family, Object, Route};

/// Priority of the kernel's own rule for main.
const MAINS: u32 = 32766;

/// What lines leave in the kernel, in the order in which it came.
#[derive(Debug, Default)]
pub struct Effect {
    /// The routes.
    pub routes: Entries<SpelledRoute>,
    /// The rules.
    pub rules: Entries<SpelledRule>,
}

impl Effect {
    /// Adds a rule as the kernel does: without a priority it gets one less than the lowest there
    /// is, so that it goes before all others. Whether it succeeded.
    pub fn add_rule(&mut self, line: LineRef, mut rule: SpelledRule) -> bool {
        if rule.given.priority {
            let mut same = self.rules.with(Some(Clue::of_rule(&rule.rule)));
            if same.any(|other| other.what.rule == rule.rule) {
                drop(same);
                self.share_rule(line, rule);
                return false;
            }
        } else {
            let lowest = self.lowest_priority(rule.rule.family);
            rule.rule.priority = lowest.map_or(MAINS, |lowest| lowest.min(MAINS)) - 1;
        }
        self.rules.push(FromLine { line, what: rule });
        true
    }

    /// Has a route that comes beside one of the stanza's own become a further way of it, as the kernel
    /// has it in IPv6 where all ways lead through routers. Whether it does, and `None` where it is a
    /// route by itself.
    pub fn join_ways(&mut self, s: usize, route: &Route) -> Option<bool> {
        let without_ways = |route: &Route| Route {
            hops: Vec::new(),
            ..route.clone()
        };
        let all_lead_on = |route: &Route| {
            let mut hops = route.hops.iter();
            !route.hops.is_empty() && hops.all(|hop| hop.gateway.is_some())
        };
        let mut routes = self.routes.numbered(Some(Clue::of_route(route)));
        let (number, there) = routes.find(|(_, there)| there.what.route.same_place(route))?;
        let own = &there.what.route;
        let is_way = route.family() == Family::Inet6
            && there.line.stanza == s
            && all_lead_on(own)
            && all_lead_on(route)
            && without_ways(own) == without_ways(route);
        if !is_way {
            return None;
        }
        if route.hops.iter().any(|hop| own.hops.contains(hop)) {
            return Some(false);
        }
        let mut there = there.clone();
        drop(routes);
        let own = &mut there.what.route;
        own.hops.extend(route.hops.iter().cloned());
        let mut spelled = own.to_string();
        // What goes without saying, or is who puts it in.
        let usual = format!(" metric {}", Route::usual_metric(Family::Inet6));
        for unsaid in [&format!(" proto {}", own.protocol), &usual, " weight 1"] {
            spelled = format!("{spelled} ").replace(&format!("{unsaid} "), " ");
        }
        there.what.words = spelled.split_whitespace().map(str::to_owned).collect();
        self.routes.replace(number, there);
        Some(true)
    }

    /// The lowest priority of a rule, those apart that stand in front of all.
    fn lowest_priority(&self, family: Family) -> Option<u32> {
        let all = Clue::Priority(family, 1)..=Clue::Priority(family, u32::MAX);
        match self.rules.first_clue(all)? {
            Clue::Priority(_, lowest) => Some(*lowest),
            _ => None,
        }
    }

    /// Has a stanza claim a rule that is there already as another's, unless it has put it there
    /// itself.
    pub fn share_rule(&mut self, line: LineRef, rule: SpelledRule) {
        let mut own = self.rules.of_stanza(line.stanza);
        if !own.any(|own| own.what.rule == rule.rule) {
            drop(own);
            self.rules.push(FromLine { line, what: rule });
        }
    }

    /// Has a stanza claim a route that is there already as another's, unless it has put it there
    /// itself.
    pub fn share_route(&mut self, line: LineRef, route: SpelledRoute) {
        let mut own = self.routes.of_stanza(line.stanza);
        if !own.any(|own| own.what.route == route.route) {
            drop(own);
            self.routes.push(FromLine { line, what: route });
        }
    }
}

/// What the lines of a stanza have left that options take the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftByLine {
    /// The place of the stanza.
    pub stanza: usize,
    /// The route or rule, tagged as ours.
    pub object: Object,
    /// Whether a rule has the priority that it says; else the kernel chooses one.
    pub has_priority: bool,
}

/// All that lines have left.
pub fn left_by_lines(effect: &Effect) -> Vec<LeftByLine> {
    let routes = effect.routes.iter().map(|route| LeftByLine {
        stanza: route.line.stanza,
        object: Object::Route(route.what.route.clone()),
        has_priority: true,
    });
    let rules = effect.rules.iter().map(|rule| LeftByLine {
        stanza: rule.line.stanza,
        object: Object::Rule(rule.what.rule.clone()),
        has_priority: rule.what.given.priority,
    });
    routes.chain(rules).collect()
}

/// A command that takes out what a line has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakingOut(Vec<String>);

impl TakingOut {
    fn of(family: Family, object: &str, words: &[String]) -> Self {
        let flag = match family {
            Family::Inet => None,
            Family::Inet6 => Some("-6"),
        };
        let before = ["ip"].into_iter().chain(flag).chain([object, "del"]);
        let before = before.map(str::to_owned);
        Self(before.chain(words.iter().cloned()).collect())
    }

    /// The command for a shell, where what a stanza says of `written` goes for `device`.
    pub fn command(&self, written: &str, device: &str) -> String {
        let mut is_device = false;
        let words = self.0.iter().map(|word| {
            let word = match word.as_str() {
                name if is_device && name == written => device,
                word => word,
            };
            is_device = matches!(word, "dev" | "iif" | "oif");
            quoted(word)
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The commands that take out what the lines of each of some stanzas have left, rules first.
pub fn taking_out(effect: &Effect, stanzas: usize) -> Vec<Vec<TakingOut>> {
    let mut all: Vec<Vec<TakingOut>> = vec![Vec::new(); stanzas];
    let rules = effect.rules.iter().map(|rule| {
        let SpelledRule {
            rule: left, words, ..
        } = &rule.what;
        (rule.line.stanza, TakingOut::of(left.family, "rule", words))
    });
    let routes = effect.routes.iter().map(|route| {
        let SpelledRoute {
            route: left, words, ..
        } = &route.what;
        (
            route.line.stanza,
            TakingOut::of(left.family(), "route", words),
        )
    });
    for (stanza, command) in rules.chain(routes) {
        if let Some(own) = all.get_mut(stanza) {
            own.push(command);
        }
    }
    all
}

/// A word as the shell takes it for itself.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "./:,_+@%=-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// How `ip rule` may print a rule: tables are printed by name or by number, and the words have
/// them as they were written.
pub fn printed(rule: &SpelledRule) -> [String; 2] {
    let priority = rule.rule.priority;
    [
        format!("{priority}: {}", rule.words.join(" ")),
        format!("{priority}: {}", rule.rule),
    ]
}
