//! Routes and rules that lines of the interfaces file have put in, by hand as it were, and that the
//! package's own take the place of: the only ones of others that are ever taken out, and only where an
//! administrator has asked for it (`migrate --write --now`). They are known by what the lines say, and
//! taken out, and put back, as the kernel has them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::outcome::{Removal, StepError};
use super::remove::take_out;
use super::unnoted::{count_unnoted, Sign};
use crate::ifupdown::Ifstate;
use crate::netlink::{Answer, Kernel, KernelError};
use crate::record::{DeviceRecord, Heading, Part};
use crate::routing::{
    Family, InterfaceName, Object, Prefix, Route, Rule, State, Step, TableId, Verb, PROTOCOL,
};
use crate::text::chain;

/// What a line has put in.
#[derive(Debug, Clone)]
pub struct ByHand {
    /// The interface whose line it is.
    pub interface: InterfaceName,
    /// The route or rule, as if it were ours.
    pub object: Object,
    /// Whether a rule has the priority that it says; else the kernel has chosen one.
    pub has_priority: bool,
}

impl ByHand {
    /// Whether it is this, in the kernel.
    fn is(&self, found: &Object) -> bool {
        match (&self.object, found) {
            (Object::Rule(own), Object::Rule(found)) => {
                found.protocol != PROTOCOL && self.is_rule(own, found)
            }
            (Object::Route(own), Object::Route(found)) => {
                !is_kernels(found) && found.protocol != PROTOCOL && own.same_effect(found)
            }
            _ => false,
        }
    }

    fn is_rule(&self, own: &Rule, found: &Rule) -> bool {
        if self.has_priority {
            own.same_effect(found)
        } else {
            own.same_but_priority(found)
        }
    }
}

/// Whether no line has put a route in, but the kernel: by a redirect, by itself, or as router
/// advertisements say (`rtnetlink.h`). In another table than its own, lines call theirs so, too, which
/// were taken from what `ip route` prints.
fn is_kernels(route: &Route) -> bool {
    let own = [TableId::MAIN, TableId::LOCAL].contains(&route.table);
    match route.protocol {
        1 | 9 => true,
        2 => own,
        _ => false,
    }
}

/// What a stanza asks for.
pub struct Wanted<'a> {
    /// Its device.
    pub device: &'a InterfaceName,
    /// What heads it in the record.
    pub heading: &'a Heading,
    /// Its routes and rules.
    pub state: &'a State,
}

/// One of them, as the kernel had it, and what the lines of its interfaces say of it.
#[derive(Debug)]
struct Found {
    object: Object,
    lines: Vec<ByHand>,
}

/// What lines have put in, as far as the kernel has it.
#[derive(Debug, Default)]
pub struct Former(Vec<Found>);

/// What the kernel has in some tables, and its rules; each table and family asked for once.
struct SeenNow<'a> {
    kernel: &'a mut Kernel,
    routes: BTreeMap<(Family, TableId), Vec<Route>>,
    rules: BTreeMap<Family, Vec<Rule>>,
}

impl<'a> SeenNow<'a> {
    fn by(kernel: &'a mut Kernel) -> Self {
        Self {
            kernel,
            routes: BTreeMap::new(),
            rules: BTreeMap::new(),
        }
    }

    fn routes(&mut self, like: &Route) -> Result<&[Route], KernelError> {
        let (family, table) = (like.family(), like.table);
        Ok(match self.routes.entry((family, table)) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(new) => new.insert(self.kernel.routes(family, table)?),
        })
    }

    fn rules(&mut self, family: Family) -> Result<&[Rule], KernelError> {
        Ok(match self.rules.entry(family) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(new) => new.insert(self.kernel.rules(family)?),
        })
    }

    /// What there is where an object might be.
    fn like(&mut self, object: &Object) -> Result<Vec<Object>, KernelError> {
        Ok(match object {
            Object::Route(route) => {
                let routes = self.routes(route)?.iter();
                routes.cloned().map(Object::Route).collect()
            }
            Object::Rule(rule) => {
                let rules = self.rules(rule.family)?.iter();
                rules.cloned().map(Object::Rule).collect()
            }
        })
    }
}

impl Former {
    /// Looks what of it the kernel has.
    pub fn find(kernel: &mut Kernel, lines: &[ByHand]) -> Result<Self, KernelError> {
        let mut seen = SeenNow::by(kernel);
        let mut all: Vec<Found> = Vec::new();
        for line in lines {
            for object in seen.like(&line.object)? {
                if !line.is(&object) {
                    continue;
                }
                match all.iter_mut().find(|found| found.object == object) {
                    Some(found) => found.lines.push(line.clone()),
                    None => all.push(Found {
                        object,
                        lines: vec![line.clone()],
                    }),
                }
            }
        }
        Ok(Self(all))
    }

    /// Those of them that other lines have put in.
    pub fn only(mut self, lines: &[ByHand]) -> Self {
        for Found { object, lines: own } in &mut self.0 {
            own.retain(|own| {
                let mut lines = lines.iter();
                lines.any(|line| line.interface == own.interface && line.is(object))
            });
        }
        self.0.retain(|found| !found.lines.is_empty());
        self
    }

    /// The interfaces whose lines have put them in.
    pub fn interfaces(&self) -> BTreeSet<&InterfaceName> {
        let lines = self.0.iter().flat_map(|found| &found.lines);
        lines.map(|line| &line.interface).collect()
    }

    /// What [`Former::to_string`] wrote, as far as it is understood.
    pub fn read(text: &str) -> Self {
        let mut all: Vec<Found> = Vec::new();
        for line in text.lines() {
            let Some((object, line)) = read_line(line) else {
                continue;
            };
            match all.iter_mut().find(|found| found.object == object) {
                Some(found) => found.lines.push(line),
                None => all.push(Found {
                    object,
                    lines: vec![line],
                }),
            }
        }
        Self(all)
    }

    /// Whether a rule is one of them.
    pub fn has_rule(&self, rule: &Rule) -> bool {
        self.has(&Object::Rule(rule.clone()))
    }

    /// Makes ours of those routes that have the place of a wanted one, at one stroke: there is no
    /// moment without it. Of several in one place only the first can be replaced so. The records have
    /// them before.
    pub fn take_over_routes(
        &self,
        kernel: &mut Kernel,
        wanted: &[Wanted<'_>],
    ) -> Result<(), KernelError> {
        let mut seen = SeenNow::by(kernel);
        let mut firsts: Vec<&Route> = Vec::new();
        for found in &self.0 {
            if let Object::Route(route) = &found.object {
                let mut there = seen.routes(route)?.iter();
                let first = there.find(|other| other.same_place(route));
                firsts.extend((first == Some(route)).then_some(route));
            }
        }
        let mut steps = Vec::new();
        for of in wanted {
            let is_first = |own: &&Route| firsts.iter().any(|first| first.same_effect(own));
            let own: Vec<&Route> = of.state.routes().iter().filter(is_first).collect();
            if own.is_empty() {
                continue;
            }
            let mut record = DeviceRecord::open(of.device);
            let part = record.noted.part(of.heading);
            let taken = own.iter().map(|route| Object::Route((*route).clone()));
            let state = part.state.with(&taken.collect());
            record.put(Part { state, ..part });
            steps.extend(own.into_iter().map(replace));
        }
        // One that is refused is found missing when all is brought in step.
        kernel.execute(&steps).map(|_| ())
    }

    /// Takes out what is left of them: rules first.
    pub fn take_out(&self, kernel: &mut Kernel) -> Removal {
        let all: State = self.0.iter().map(|found| found.object.clone()).collect();
        take_out(kernel, &all)
    }

    /// Puts those back that are missing, but for those of interfaces that are down now; returns why
    /// some could not be.
    pub fn put_back(&self, kernel: &mut Kernel) -> Vec<String> {
        let (steps, mut warnings) = self.steps_back(kernel);
        match kernel.execute(&steps) {
            Ok(answers) => {
                let refused = steps.into_iter().zip(answers).filter_map(|(step, answer)| {
                    let Answer::Refused(refusal) = answer else {
                        return None;
                    };
                    Some(StepError::Refused { step, refusal }.to_string())
                });
                warnings.extend(refused);
            }
            Err(error) => warnings.push(chain(&error)),
        }
        warnings
    }

    /// What puts those back that are missing, and why of some that cannot be told.
    pub fn steps_back(&self, kernel: &mut Kernel) -> (Vec<Step>, Vec<String>) {
        let (mut steps, mut warnings) = (Vec::new(), Vec::new());
        if self.0.is_empty() {
            return (steps, warnings);
        }
        let mut ifstate = Ifstate::below("/".as_ref()).ok();
        if let Some(ifstate) = &mut ifstate {
            count_unnoted(ifstate, kernel, self.signs());
        }
        let known = ifstate.filter(|ifstate| ifstate.is_complete);
        let is_up = |line: &&ByHand| {
            let mut up = known.iter().flat_map(|known| &known.up);
            known.is_none() || up.any(|up| up.interface == line.interface)
        };
        let mut seen = SeenNow::by(kernel);
        for found in &self.0 {
            let lines = found.lines.iter().find(is_up);
            let step = lines.map(|line| self.step_back(&mut seen, &found.object, line));
            match step {
                Some(Ok(step)) => steps.extend(step),
                Some(Err(error)) => warnings.push(chain(&error)),
                None => {}
            }
        }
        (steps, warnings)
    }

    /// What shows of an interface that it is up, where that is not noted.
    fn signs(&self) -> Vec<(InterfaceName, Sign)> {
        let each = self.0.iter().flat_map(|found| {
            let address = match &found.object {
                Object::Route(route) => route.source,
                Object::Rule(rule) => (rule.from)
                    .filter(Prefix::is_host)
                    .map(|host| host.address()),
            };
            let signs = [Some(Sign::Device), address.map(Sign::Address)];
            let signs = signs.into_iter().flatten();
            let of_each = signs.flat_map(|sign| {
                let lines = found.lines.iter();
                lines.map(move |line| (line.interface.clone(), sign))
            });
            of_each.collect::<Vec<_>>()
        });
        each.collect()
    }

    /// What puts one back, unless it is there, perhaps since the interface was brought up once more,
    /// where the kernel may have chosen another priority.
    fn step_back(
        &self,
        seen: &mut SeenNow<'_>,
        object: &Object,
        line: &ByHand,
    ) -> Result<Option<Step>, KernelError> {
        let there = seen.like(object)?;
        let is_new = |there: &Object| line.is(there) && !self.has(there);
        if there.contains(object) || there.iter().any(is_new) {
            return Ok(None);
        }
        let Object::Route(route) = object else {
            return Ok(Some(Step::add(object.clone())));
        };
        let first = there.iter().find_map(|other| match other {
            Object::Route(other) if other.same_place(route) => Some(other),
            _ => None,
        });
        let is_ours = |other: &&Route| other.protocol == PROTOCOL && other.same_effect(route);
        let verb = match (first.filter(is_ours), route.family()) {
            (Some(_), _) => Verb::Replace,
            (None, Family::Inet) => Verb::Append,
            (None, Family::Inet6) => Verb::Add,
        };
        Ok(Some(Step {
            verb,
            object: object.clone(),
        }))
    }

    fn has(&self, object: &Object) -> bool {
        self.0.iter().any(|found| found.object == *object)
    }
}

/// A line for each line of the file: its interface, who chose the priority, and what the kernel had.
impl fmt::Display for Former {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.0 {
            for line in &found.lines {
                let chosen_by = if line.has_priority {
                    BY_LINE
                } else {
                    BY_KERNEL
                };
                writeln!(f, "{} {chosen_by} {}", line.interface, found.object)?;
            }
        }
        Ok(())
    }
}

const BY_LINE: &str = "line";
const BY_KERNEL: &str = "kernel";

/// What the kernel had, and the line that had put it in.
fn read_line(line: &str) -> Option<(Object, ByHand)> {
    let mut words = line.splitn(3, ' ');
    let interface = words.next()?.parse().ok()?;
    let has_priority = words.next()? == BY_LINE;
    let object: Object = words.next()?.parse().ok()?;
    let line = ByHand {
        interface,
        object: object.clone(),
        has_priority,
    };
    Some((object, line))
}

fn replace(route: &Route) -> Step {
    Step {
        verb: Verb::Replace,
        object: Object::Route(route.clone()),
    }
}

/// Why not all that was to go went, if so.
pub fn why_left(removal: &Removal) -> Option<String> {
    let stuck = removal
        .stuck
        .objects()
        .map(|object| format!("\"{object}\" is still there"));
    let all: Vec<String> = stuck.chain(removal.warnings.iter().cloned()).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let noted = "\
eth1 kernel rule priority 32765 from 10.0.0.5 lookup 5 proto 0
eth1 line route default via 10.0.0.1 dev eth1 table 5 proto 3
eth2 line route default via 10.0.0.1 dev eth1 table 5 proto 3
eth2 line -6 rule priority 900 from 2001:db8::5 lookup 5 proto 0
";
        let former = Former::read(&format!("{noted}?\neth3 line\neth3 line what\n"));
        assert_eq!(former.to_string(), noted);
        assert_eq!(former.0.len(), 3);
        assert!(!former.0[0].lines[0].has_priority);
    }
}
