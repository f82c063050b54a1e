//! Finding the options whose effect is that of lines.
//!
//! - `option_value`: an option that comes in the place of lines; a line's words as its value.
//! - `goal`: what options have to do in the place of a stanza's lines, and whether they do it.
//! - `reckon`: what `ifup` would put in for options.
//! - `forms`: the forms that options can take.
//! - `fill_in`: the options of one form for what they have to do.
//! - `between_stanzas`: whether options keep the order of the rules of several stanzas.
//! - `search`: the search itself; the shortest options that do it are taken.
//!
//! Only `fill_in` and `forms` know what options there are, and only `reckon` what they mean, which
//! it has `stanza/` say: a form that is filled in wrongly is not found to do it. Nothing outside
//! is looked at.

mod option_value;
mod goal;
mod reckon;
mod forms;
mod fill_in;
mod between_stanzas;
mod search;

pub(crate) use option_value::NewOption;
pub(crate) use search::{migrate, Migration};
