//! Everything that can keep policy routing from being in force.

use thiserror::Error;

use super::outcome::StepError;
use crate::netlink::KernelError;
use crate::stanza::OptionError;
use crate::tables::RegistryError;
use crate::text::chain;

/// Why a stanza's policy routing is not in force: one or several causes, each a line.
#[derive(Debug, Error)]
pub enum Failure {
    /// The stanza asks for what cannot be.
    #[error("the stanza has errors")]
    Options(Vec<OptionError>),
    /// Its table has no ID that may be used.
    #[error("{option} \"{value}\": {source}")]
    Table {
        /// The option that says it.
        option: &'static str,
        /// The option's value, as written.
        value: String,
        /// What is wrong.
        #[source]
        source: RegistryError,
    },
    /// The kernel could not be asked at all.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The kernel did not take it.
    #[error("the kernel refused")]
    Steps(Vec<StepError>),
}

impl Failure {
    /// What to tell the administrator, one line for each cause.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Options(errors) => errors.iter().map(ToString::to_string).collect(),
            Self::Table { .. } => vec![self.to_string()],
            Self::Kernel(error) => vec![chain(error)],
            Self::Steps(errors) => errors.iter().map(|error| chain(error)).collect(),
        }
    }
}
