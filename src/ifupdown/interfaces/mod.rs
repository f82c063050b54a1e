//! ifupdown/interfaces

mod line;
mod methods;
mod commands;
mod fault;
mod parts;
mod selection;
mod definition;
mod wordexp;
mod sourced;

pub(crate) use commands::{about, About, Phase};
pub(crate) use definition::{mangled, Definition};
pub(crate) use fault::FaultKind;
pub(crate) use line::{is_blank, Line};
pub use parts::Text;
pub(crate) use parts::{IfaceStanza, OptionLine};
pub(crate) use selection::Selection;
pub(crate) use sourced::StanzaInForce;
pub use sourced::{Interfaces, FILE};
