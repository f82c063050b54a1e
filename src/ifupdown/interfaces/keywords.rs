//! What the first word of a line means to each of the three, and the words of an `iface` line.

use super::fault::FaultKind;
use super::iface_stanza::IfaceStanza;
use super::line::LogicalLine;
use super::methods::{methods_of, METHODS};
use crate::ifupdown::Caller;

/// What a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// A stanza.
    Iface,
    /// A stanza that is there for others to inherit.
    Template,
    /// Something with options that is no interface: a `vlan` of a bridge of ifupdown2's.
    Aside,
    Mapping,
    /// Names behind a word: `auto` and its like.
    Selection,
    /// Files; or else all those of a folder.
    Source {
        directory: bool,
    },
}

impl Keyword {
    /// What the word is to a program; `None` for an option.
    pub fn of(caller: Caller, word: &str) -> Option<Self> {
        let directory = match caller {
            Caller::Ifupdown => word.starts_with("source-dir"),
            _ => word == "source-directory",
        };
        Some(match (caller, word) {
            (_, "iface") | (Caller::IfupdownNg, "interface") => Self::Iface,
            (Caller::IfupdownNg, "template") => Self::Template,
            (Caller::Ifupdown2, "vlan") => Self::Aside,
            (Caller::Ifupdown, "mapping") => Self::Mapping,
            (_, "auto") | (Caller::Ifupdown, "no-auto-down" | "no-scripts" | "rename") => {
                Self::Selection
            }
            (Caller::Ifupdown, word) if word.len() > 6 && word.starts_with("allow-") => {
                Self::Selection
            }
            (Caller::Ifupdown2, word) if word.split('-').next() == Some("allow") => Self::Selection,
            (_, word) if directory || word == "source" => Self::Source { directory },
            _ => return None,
        })
    }
}

/// What is wrong in a line, and at which of its bytes.
pub type Misfit = (usize, FaultKind);

/// What an `iface` line says, and what of it the program does not understand and goes on without.
pub type Head = (IfaceStanza, Option<Misfit>);

/// Reads what stands behind `iface`.
/// Errors: why the program takes it for no stanza.
pub fn head(caller: Caller, line: &LogicalLine, rest: usize) -> Result<Head, Misfit> {
    let mut words = line.words(rest);
    let (_, name) = words.next().ok_or((line.text.len(), FaultKind::NoName))?;
    let stanza = IfaceStanza {
        name,
        number: line.number,
        ..IfaceStanza::default()
    };
    match caller {
        Caller::Ifupdown => debians(line, stanza, words),
        Caller::Ifupdown2 => Ok(of_ifupdown2(stanza, words)),
        Caller::IfupdownNg => of_ng(line, stanza, words),
    }
}

/// A word, and where it begins.
type Placed = (usize, String);

fn debians(
    line: &LogicalLine,
    mut stanza: IfaceStanza,
    words: impl Iterator<Item = Placed>,
) -> Result<Head, Misfit> {
    let end = line.text.len();
    let mut words = words.peekable();
    let inherits = |word: &Placed| word.1 == "inherits";
    let place = |word: Option<&Placed>| word.map_or(end, |(at, _)| *at);
    let known = words.peek().and_then(|(_, word)| methods_of(word));
    if let Some(methods) = known {
        stanza.family = words.next().map(|(_, family)| family);
        let method = words.next_if(|(_, word)| methods.contains(&word.as_str()));
        stanza.method = method.map(|(_, method)| method);
        if stanza.method.is_none() && !words.peek().is_some_and(inherits) {
            let family = stanza.family.unwrap_or_default();
            return Err((place(words.peek()), FaultKind::NoMethod { family }));
        }
    } else if !words.peek().is_some_and(inherits) {
        return Err((place(words.peek()), FaultKind::NoFamily));
    }
    let Some(keyword) = words.next() else {
        return Ok((stanza, None));
    };
    if !inherits(&keyword) {
        return Ok((stanza, Some(extra(keyword))));
    }
    let (_, parent) = words.next().ok_or((end, FaultKind::NoParent))?;
    stanza.inherits = Some(parent);
    Ok((stanza, None))
}

fn extra((at, word): Placed) -> Misfit {
    (at, FaultKind::Extra { word })
}

/// A family that it does not know takes the method with it; what comes behind is not looked at.
fn of_ifupdown2(mut stanza: IfaceStanza, mut words: impl Iterator<Item = Placed>) -> Head {
    let Some((at, family)) = words.next() else {
        return (stanza, None);
    };
    if family != "inet" && family != "inet6" {
        return (stanza, Some((at, FaultKind::OtherFamily { family })));
    }
    stanza.family = Some(family);
    let method = words.next().map(|(_, method)| method);
    stanza.method = Some(method.unwrap_or_else(|| "static".to_owned()));
    (stanza, words.next().map(extra))
}

/// Family and method are hints, anywhere on the line; of these it takes `dhcp` and `ppp`.
fn of_ng(
    line: &LogicalLine,
    mut stanza: IfaceStanza,
    mut words: impl Iterator<Item = Placed>,
) -> Result<Head, Misfit> {
    let is_method = |word: &str| METHODS.iter().any(|(_, methods)| methods.contains(&word));
    let mut extra_word = None;
    while let Some((at, word)) = words.next() {
        match word.as_str() {
            "inherits" => {
                let unsaid = (line.text.len(), FaultKind::NoParent);
                let (_, parent) = words.next().ok_or(unsaid)?;
                match stanza.inherits {
                    None => stanza.inherits = Some(parent),
                    Some(_) => stanza.also_inherits.push(parent),
                }
            }
            "inet" | "inet6" => stanza.family = Some(word),
            method if is_method(method) => stanza.method = Some(word),
            _ => extra_word = extra_word.or(Some(extra((at, word)))),
        }
    }
    Ok((stanza, extra_word))
}
