//! What to do to the kernel, step by step.

use super::state::Object;

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

/// The `ip` command that does the same.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.object.command(self.verb.word()))
    }
}
