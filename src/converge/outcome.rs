//! What became of a run: why steps failed, and what is in force.

use thiserror::Error;

use crate::netlink::{advice, KernelError, Refusal};
use crate::routing::{Object, State, Step};

/// Why a step did not succeed.
#[derive(Debug, Error)]
pub enum StepError {
    /// The kernel refused it.
    #[error("\"{step}\": {refusal}{}", advice(.step, .refusal))]
    Refused {
        /// The step.
        step: Step,
        /// The kernel's answer.
        refusal: Refusal,
    },
    /// Something that is not ours stands in its place.
    #[error(
        "\"{step}\": \"{foreign}\" is in the way and not ours; remove it, or name another table"
    )]
    Blocked {
        /// The step.
        step: Step,
        /// What stands there.
        foreign: Object,
    },
    /// The kernel left out what it does not know.
    #[error("\"{step}\": this kernel is too old for all of it and would take it for \"{made}\"")]
    Thinned {
        /// The step.
        step: Step,
        /// What the kernel made of it.
        made: Object,
    },
    /// The kernel could not be asked.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The objects of ours that are in force now.
    pub in_force: State,
    /// Those of them that were there before this run.
    pub already: State,
    /// Those that had to stand behind another stanza's, under a metric of their own.
    pub behind: State,
    /// Those that should be taken out and were not there any more.
    pub gone: State,
    /// How many were put in.
    pub added: usize,
    /// How many were taken out.
    pub removed: usize,
    /// What the administrator should know.
    pub warnings: Vec<String>,
    /// What should be gone and could not be removed.
    pub stuck: State,
}

impl Outcome {
    /// Adds what another deletion took out, and what it could not.
    pub(crate) fn add_removal(&mut self, more: Self) {
        self.removed += more.removed;
        self.stuck = self.stuck.with(&more.stuck);
        self.warnings.extend(more.warnings);
    }

    /// Notes what could not be removed, and why.
    pub(crate) fn stick(&mut self, step: Step, refusal: Refusal) {
        self.stuck.insert(step.object.clone());
        self.warnings
            .push(StepError::Refused { step, refusal }.to_string());
    }
}
