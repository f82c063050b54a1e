//! The lines of all stanzas together, run in a small model of the kernel in the order in which
//! `ifup` would run them: what they leave, and which of them options can stand for.
//!
//! - `devices`: by which device a route leaves, and what may be in main already.
//! - `effect`: the model: routes and rules, each with the line that put it in.
//! - `script`: the lines, taken apart, and what can be told of them without running any.
//! - `run`: a line, run in the model; the reason if options cannot do what it does.
//! - `held`: which lines stay because of others that do.
//! - `fate`: what becomes of each line; one that stays can hold others back.
//!
//! In doubt a line stays. Nothing here knows what options there are, which is `search/`'s, and
//! nothing outside the model is looked at.

mod devices;
mod effect;
mod script;
mod run;
mod held;
mod fate;

pub(crate) use effect::{left_by_lines, taking_out, Effect, FromLine, LeftByLine};
pub(crate) use fate::Fates;
pub(crate) use held::Fate;
