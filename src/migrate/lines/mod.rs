//! migrate/lines

mod shell;
mod ip_command;
mod meaning;
mod ifupdown_multi;

pub(crate) use ifupdown_multi::{line as multi_line, PREFIX as MULTI_PREFIX};
pub(crate) use ip_command::{IpCommand, IpVerb, SaidRoute, SaidRule};
pub(crate) use meaning::{meaning, CommandLine, Guard, Meaning, ScriptedStanza, WhyItStays};
pub(crate) use shell::Joint;
