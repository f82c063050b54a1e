//! The lines of all stanzas together, run in a small model of the kernel in the order in which
//! `ifup` would run them: what they leave, and which of them options can stand for.
//!
//! - `by_prefix`: things found by an address.
//! - `entries`: routes or rules as they came, found by what they have in common.
//! - `devices`: by which device a route leaves, and what may be in main already.
//! - `effect`: the model: routes and rules, each with the line that put it in.
//! - `guarded`: which rule a guard finds.
//! - `ways`: where the kernel may find a router.
//! - `script`: the lines, taken apart, and what can be told of them without running any.
//! - `run`: a line, run in the model; the reason if options cannot do what it does.
//! - `held`: which lines stay because of others that do.
//! - `fate`: what becomes of each line; one that stays can hold others back.
//!
//! In doubt a line stays. Nothing here knows what options there are, which is `search/`'s, and
//! nothing outside the model is looked at.

mod by_prefix;
mod devices;
mod entries;
mod effect;
mod guarded;
mod ways;
mod script;
mod run;
mod held;
mod fate;

pub(crate) use effect::{left_by_lines, taking_out, Effect, LeftByLine, TakingOut};
pub(crate) use entries::Entries;
pub(crate) use fate::Fates;
pub(crate) use held::Fate;
