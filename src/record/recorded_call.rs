//! What a stanza asked for, as one line of a record: the hook's call for it, but for the options,
//! which have lines of their own.
//!
//! `ifupdown interface eth1 logical eth1 family inet method static address 10.0.0.9/24`

use std::fmt;
use std::fmt::Write;

use super::escape::{unescaped_word, Escaped};
use crate::ifupdown::{Caller, HookCall};
use crate::routing::Family;

/// A call as its line says it. Kept as that until somebody asks: the hooks do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall(String);

/// Long enough for most.
const USUAL: usize = 128;

impl RecordedCall {
    /// The line of a call.
    pub fn of(call: &HookCall) -> Self {
        let mut line = String::with_capacity(USUAL);
        line.push_str(call.caller.as_str());
        let family = call.family.map(|family| family.to_string());
        let mut note = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                line.push_str(name);
                if value
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'%')
                {
                    // As good as always, and quick.
                    line.push_str(value);
                } else {
                    let _ = write!(line, "{}", Escaped::word(value));
                }
            }
        };
        note(" interface ", Some(&call.interface));
        note(" logical ", Some(&call.logical));
        note(" family ", family.as_deref());
        note(" method ", Some(&call.method));
        note(" address ", call.address.as_deref());
        note(" netmask ", call.netmask.as_deref());
        note(" peer ", call.peer.as_deref());
        note(" gateway ", call.gateway.as_deref());
        note(" metric ", call.metric.as_deref());
        Self(line)
    }

    /// The line behind its keyword.
    pub fn read(line: &str) -> Self {
        Self(line.to_owned())
    }

    /// The call, with no options; none where the line is damaged, or a later version's, of which
    /// some would be lost.
    pub fn call(&self) -> Option<HookCall> {
        let mut words = self.0.split(' ');
        let mut call = HookCall {
            caller: words.next()?.parse::<Caller>().ok()?,
            ..HookCall::default()
        };
        while let Some(name) = words.next() {
            let value = unescaped_word(words.next()?);
            match name {
                "interface" => call.interface = value,
                "logical" => call.logical = value,
                "family" => call.family = Some(family_of(&value)?),
                "method" => call.method = value,
                "address" => call.address = Some(value),
                "netmask" => call.netmask = Some(value),
                "peer" => call.peer = Some(value),
                "gateway" => call.gateway = Some(value),
                "metric" => call.metric = Some(value),
                _ => return None,
            }
        }
        Some(call)
    }
}

fn family_of(word: &str) -> Option<Family> {
    Family::ALL.into_iter().find(|it| it.to_string() == word)
}

impl fmt::Display for RecordedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_whole_or_of_a_later_version_is_no_call() {
        let line = "ifupdown2 interface eth1 logical  method static address 10.0.0.9/24";
        let call = RecordedCall::read(line).call().unwrap();
        assert_eq!(RecordedCall::of(&call).to_string(), line);
        assert_eq!(call.caller, Caller::Ifupdown2);
        for line in ["", "ifupdown3 interface eth1", "ifupdown interface"] {
            assert_eq!(RecordedCall::read(line).call(), None, "{line}");
        }
        let later = format!("{line} vlan 7");
        assert_eq!(RecordedCall::read(&later).call(), None);
    }
}
