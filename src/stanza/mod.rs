//! stanza

pub mod options;
pub mod gateway;
pub mod stanza;
pub mod parse;
pub mod wanted;
