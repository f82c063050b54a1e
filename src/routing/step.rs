//! What to do to the kernel, step by step.

use super::state::{Object, State};

/// What is done to an object; the flags of netlink(7) in the words of ip-route(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Put it in; refused where the kernel takes it to be there.
    Add,
    /// Put it in behind what stands in the same place.
    Append,
    /// Put it in the place of what stands there.
    Replace,
    /// Take it out.
    Delete,
}

impl Verb {
    /// The word of `ip`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Delete => "del",
        }
    }
}

/// One request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub object: Object,
}

impl Step {
    /// A step that puts an object in.
    pub fn add(object: Object) -> Self {
        Self {
            verb: Verb::Add,
            object,
        }
    }

    /// A step that takes an object out.
    pub fn delete(object: Object) -> Self {
        Self {
            verb: Verb::Delete,
            object,
        }
    }
}

impl State {
    /// What is there after a step.
    pub fn after(mut self, step: &Step) -> Self {
        if let (Verb::Replace, Object::Route(route)) = (step.verb, &step.object) {
            let there = self.routes().iter().cloned();
            let replaced = there.filter(|other| other.same_place(route));
            for route in replaced.collect::<Vec<_>>() {
                self.remove(&Object::Route(route));
            }
        }
        if step.verb == Verb::Delete {
            self.remove(&step.object);
        } else {
            self.insert(step.object.clone());
        }
        self
    }
}

/// The `ip` command that does the same.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.object.command(self.verb.word()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_route_is_there_no_more() {
        let first = "route default via 10.0.0.1 dev eth1 table 200";
        let second = "route default via 10.0.0.2 dev eth1 table 200";
        let mut state = State::default();
        for (verb, line, left) in [
            (Verb::Add, first, 1),
            (Verb::Append, second, 2),
            (Verb::Replace, second, 1),
            (Verb::Delete, second, 0),
        ] {
            let object = line.parse().unwrap();
            state = state.after(&Step { verb, object });
            assert_eq!(state.routes().len(), left, "{verb:?} {line}");
        }
    }
}
