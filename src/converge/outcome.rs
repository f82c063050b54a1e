//! What became of a run.
//!
//! A [`StepError`] says why one request to the kernel did not do what was meant; a [`Failure`] why
//! a whole run came to nothing, perhaps since some requests failed, or since a [`Waiting`] stands
//! between. An [`Outcome`] says what is in
//! force after a run that put in, a [`Removal`] what was taken out.

use std::net::IpAddr;

use thiserror::Error;

use crate::marks::{AllotError, MarksError};
use crate::netlink::{advice, KernelError, Refusal};
use crate::record::{Lack, Part, Record, Takeover};
use crate::routing::{Family, InterfaceName, Object, State, Step, TableId};
use crate::stanza::OptionError;
use crate::tables::RegistryError;
use crate::text::{chain, counted};

/// Why a step did not succeed.
#[derive(Debug, Error)]
pub enum StepError {
    /// The kernel refused it.
    #[error("\"{step}\": {refusal}{}", advice(.step, .refusal))]
    Refused { step: Step, refusal: Refusal },
    /// The kernel refused it, by a device whose addresses are not where those of others are.
    #[error(
        "\"{step}\": {refusal}; {device} belongs to the VRF {vrf}, and a VRF's addresses and routes \
         are in its own table, {table}: it needs no policy routing to answer by its own router, so \
         remove the policy-* options, or take {device} out of {vrf}"
    )]
    InVrf {
        step: Step,
        refusal: Refusal,
        device: InterfaceName,
        vrf: InterfaceName,
        table: TableId,
    },
    /// Something that is not ours stands in its place.
    #[error(
        "\"{step}\": \"{foreign}\" is in the way and not ours; remove it, or name another table"
    )]
    Blocked { step: Step, foreign: Object },
    /// The kernel left out what it does not know.
    #[error("\"{step}\": this kernel is too old for all of it and would take it for \"{made}\"")]
    Thinned { step: Step, made: Object },
    /// The kernel could not be asked.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// What a stanza's policy routing waits for: nothing is wrong with the stanza, and nobody has to
/// correct it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Waiting {
    /// The interface has no address of a family.
    #[error("waiting for {} address{}", with_article(*.family), waited(*.seconds))]
    Address {
        family: Family,
        /// How long one was waited for; 0 if nobody did.
        seconds: u64,
    },
    /// The address that the stanza gives is not on the interface.
    #[error("waiting for its address {0}, which is not on {1}")]
    OwnAddress(IpAddr, InterfaceName),
    /// There is no such device.
    #[error("waiting for the device: there is no {0}")]
    Device(InterfaceName),
    /// The device is not up.
    #[error("waiting for the link: {0} is down")]
    Link(InterfaceName),
}

impl Waiting {
    /// What that is, as a record has it.
    pub fn lack(&self) -> Lack {
        match self {
            Self::Address { .. } | Self::OwnAddress(..) => Lack::Address,
            Self::Device(_) => Lack::Device,
            Self::Link(_) => Lack::Link,
        }
    }

    /// Whether what the stanza has in force stays meanwhile: it serves once the link is up, or the
    /// address of the stanza as it was. Of a device that is gone nothing is known; `apply --all`
    /// takes out what it left.
    pub fn keeps(&self, takeover: &Takeover, record: &Record) -> bool {
        match self {
            Self::Device(_) | Self::Link(_) => true,
            Self::Address { .. } | Self::OwnAddress(..) => takeover.is_of_other_address(record),
        }
    }
}

fn with_article(family: Family) -> String {
    format!("an {}", family.name())
}

fn waited(seconds: u64) -> String {
    match seconds {
        0 => String::new(),
        1 => ": none came in a second".to_owned(),
        _ => format!(": none came in {seconds} seconds"),
    }
}

/// Why a stanza's policy routing is not in force: one or several causes, each a line.
#[derive(Debug, Error)]
pub enum Failure {
    /// The stanza asks for what cannot be.
    #[error("the stanza has errors")]
    Options(Vec<OptionError>),
    /// Its table has no ID that may be used.
    #[error("{option} \"{value}\": {source}")]
    Table {
        /// The option that names the table or its ID.
        option: &'static str,
        /// The option's value, as written.
        value: String,
        source: RegistryError,
    },
    /// The kernel could not be asked at all.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The kernel did not take it.
    #[error("the kernel refused")]
    Steps(Vec<StepError>),
    /// Its table has no mark.
    #[error("policy-connmark \"auto\": {0}")]
    NoMark(#[from] AllotError),
    /// Its routes and rules are in force, and connections are not marked.
    #[error(transparent)]
    Unmarked(#[from] MarksError),
    /// Another run changed the record after it was looked at.
    #[error("another run has changed it meanwhile")]
    Overtaken,
    /// Something is not there yet, or not any more.
    #[error(transparent)]
    Waiting(#[from] Waiting),
}

impl Failure {
    /// What it waits for, where nothing is wrong.
    pub fn waiting(&self) -> Option<&Waiting> {
        match self {
            Self::Waiting(waiting) => Some(waiting),
            _ => None,
        }
    }

    /// Whether all but the marks of connections is in force.
    pub fn is_of_marks_alone(&self) -> bool {
        matches!(self, Self::Unmarked(_))
    }

    /// What to tell the administrator, one line for each cause.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Options(errors) => errors.iter().map(ToString::to_string).collect(),
            Self::Table { .. }
            | Self::NoMark(_)
            | Self::Unmarked(_)
            | Self::Overtaken
            | Self::Waiting(_) => vec![self.to_string()],
            Self::Kernel(error) => vec![chain(error)],
            Self::Steps(errors) => errors.iter().map(|error| chain(error)).collect(),
        }
    }
}

/// What is in force after a run that put in what was wanted.
#[derive(Debug, Default)]
pub struct Outcome {
    /// All of it that is ours.
    pub in_force: State,
    /// Of that, what was there before this run.
    pub already: State,
    /// Of that, what had to stand behind another stanza's, under a metric of its own.
    pub behind: State,
    /// How many objects were put in.
    pub added: usize,
    /// How many that are wanted no more were taken out.
    pub removed: usize,
    /// Those of them that could not be.
    pub stuck: State,
    /// How many rules were given another place among those of their priority.
    pub moved: usize,
    /// The parts of stanzas that have rules on all addresses that no other one has.
    pub rest: Vec<Part>,
    /// Why connections that come in are not marked, where they should be.
    pub unmarked: Option<MarksError>,
    /// What the administrator should know.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// Adds what was taken out in the end.
    pub fn add_removal(&mut self, removal: Removal) {
        self.removed += removal.removed;
        self.stuck.extend(removal.stuck.objects());
        self.warnings.extend(removal.warnings);
    }
}

/// How many routes and rules.
pub fn routes_and_rules(count: usize) -> String {
    counted(count, "route or rule", "routes and rules")
}

/// What was taken out.
#[derive(Debug, Default)]
pub struct Removal {
    /// How many objects.
    pub removed: usize,
    /// Those that were not there any more.
    pub gone: State,
    /// Those that are still there, or may be.
    pub stuck: State,
    /// What the administrator should know.
    pub warnings: Vec<String>,
}

impl Removal {
    /// Adds what another one took out.
    pub fn add(&mut self, more: Self) {
        self.removed += more.removed;
        self.gone.extend(more.gone.objects());
        self.stuck.extend(more.stuck.objects());
        self.warnings.extend(more.warnings);
    }

    /// Notes what could not be taken out, and why.
    pub fn stick(&mut self, step: Step, refusal: Refusal) {
        self.stuck.insert(step.object.clone());
        self.warnings
            .push(StepError::Refused { step, refusal }.to_string());
    }
}
