//! What is in force, or should be: routes and rules together.

use std::fmt;
use std::str::FromStr;

use super::address::Family;
use super::once::Once;
use super::route::Route;
use super::rule::Rule;
use super::syntax::LineError;

/// A route or a rule. Its one spelling is what follows `ip` (and the verb) on a command line;
/// records, the log and errors all use it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Object {
    /// `route …`, or `-6 route …`.
    Route(Route),
    /// `rule …`, or `-6 rule …`.
    Rule(Rule),
}

impl Object {
    /// Its address family.
    pub fn family(&self) -> Family {
        match self {
            Self::Route(route) => route.family(),
            Self::Rule(rule) => rule.family,
        }
    }

    /// Who put it there.
    pub fn protocol(&self) -> u8 {
        match self {
            Self::Route(route) => route.protocol,
            Self::Rule(rule) => rule.protocol,
        }
    }

    /// The `ip` command that does `verb` to it.
    pub fn command(&self, verb: &str) -> String {
        let family = match self.family() {
            Family::Inet => "",
            Family::Inet6 => "-6 ",
        };
        match self {
            Self::Route(route) => format!("ip {family}route {verb} {route}"),
            Self::Rule(rule) => format!("ip {family}rule {verb} {rule}"),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.family() == Family::Inet6 {
            f.write_str("-6 ")?;
        }
        match self {
            Self::Route(route) => write!(f, "route {route}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}

impl FromStr for Object {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        let (flag, rest) = match line.strip_prefix("-6 ") {
            Some(rest) => ("-6 ", rest),
            None => ("-4 ", line),
        };
        if let Some(rest) = rest.strip_prefix("route ") {
            format!("{flag}{rest}").parse().map(Self::Route)
        } else if let Some(rest) = rest.strip_prefix("rule ") {
            format!("{flag}{rest}").parse().map(Self::Rule)
        } else {
            Err(LineError::Unknown {
                word: line.to_owned(),
                nearest: None,
            })
        }
    }
}

/// Routes and rules, each once, in the order in which they are put in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    routes: Once<Route>,
    rules: Once<Rule>,
}

impl State {
    /// The routes.
    pub fn routes(&self) -> &[Route] {
        self.routes.as_slice()
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        self.rules.as_slice()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.routes().is_empty() && self.rules().is_empty()
    }

    /// Adds an object, unless it is there.
    pub fn insert(&mut self, object: Object) {
        match object {
            Object::Route(route) => self.routes.insert(route),
            Object::Rule(rule) => self.rules.insert(rule),
        }
    }

    /// Takes an object out, if it is there.
    pub fn remove(&mut self, object: &Object) {
        match object {
            Object::Route(route) => self.routes.remove(route),
            Object::Rule(rule) => self.rules.remove(rule),
        }
    }

    /// Whether the object is there.
    pub fn contains(&self, object: &Object) -> bool {
        match object {
            Object::Route(route) => self.routes.contains(route),
            Object::Rule(rule) => self.rules.contains(rule),
        }
    }

    /// Its objects, routes first: the order of going up. Down is the reverse.
    pub fn objects(&self) -> impl DoubleEndedIterator<Item = Object> + '_ {
        let routes = self.routes().iter().cloned().map(Object::Route);
        routes.chain(self.rules().iter().cloned().map(Object::Rule))
    }

    /// What is here and not there, in the order in which it is here.
    pub fn without(&self, other: &Self) -> Self {
        self.objects()
            .filter(|object| !other.contains(object))
            .collect()
    }

    /// What is both here and there.
    pub fn only(&self, other: &Self) -> Self {
        self.objects()
            .filter(|object| other.contains(object))
            .collect()
    }

    /// What is in either.
    pub fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.extend(other.objects());
        both
    }
}

impl Extend<Object> for State {
    fn extend<I: IntoIterator<Item = Object>>(&mut self, objects: I) {
        for object in objects {
            self.insert(object);
        }
    }
}

impl FromIterator<Object> for State {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let mut state = Self::default();
        state.extend(objects);
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(lines: &[&str]) -> State {
        lines
            .iter()
            .map(|line| line.parse::<Object>().unwrap())
            .collect()
    }

    const ROUTE: &str = "route default via 10.0.0.1 dev eth1 table 200 proto 157";
    const RULE: &str = "rule priority 21000 from 10.0.0.9 lookup 200 proto 157";
    const RULE6: &str = "-6 rule priority 21000 from all lookup 200 proto 157";

    #[test]
    fn an_objects_line_reads_back_as_the_object() {
        for line in [ROUTE, RULE, RULE6] {
            assert_eq!(line.parse::<Object>().unwrap().to_string(), line);
        }
        assert_eq!(
            RULE6.parse::<Object>().unwrap().command("del"),
            "ip -6 rule del priority 21000 from all lookup 200 proto 157"
        );
        for line in ["", "rule", "link eth0", "route", "-6 rule from 10.0.0.1"] {
            assert!(line.parse::<Object>().is_err(), "{line}");
        }
    }

    #[test]
    fn a_state_holds_each_object_once_and_routes_before_rules() {
        let both = state(&[RULE, ROUTE, RULE, RULE6]);
        let lines: Vec<String> = both.objects().map(|object| object.to_string()).collect();
        assert_eq!(lines, [ROUTE, RULE, RULE6]);
        assert_eq!(both.without(&state(&[RULE])), state(&[ROUTE, RULE6]));
        assert_eq!(state(&[RULE]).with(&state(&[ROUTE])), state(&[ROUTE, RULE]));
        assert!(both.without(&both).is_empty());
    }
}
