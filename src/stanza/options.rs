//! The options of a stanza as they stand in the file.

use super::fault::{OptionError, OptionFault};
use crate::ifupdown::HookCall;
use crate::routing::InterfaceName;
use crate::text::{nearest, Shown};

/// The options there are.
pub const OPTIONS: [&str; 11] = [
    "policy-table",
    "policy-table-id",
    "policy-gateway",
    "policy-mode",
    "policy-source",
    "policy-priority",
    "policy-rule",
    "policy-route",
    "policy-on-error",
    "policy-connmark",
    "policy-keep",
];

/// Options that hold lines of `ip` syntax, as many as wanted, and bear a number where an ifupdown
/// keeps one option of a name only.
const LINES: [&str; 2] = ["policy-rule", "policy-route"];

/// How many of an option's contradicting values a message shows.
const SHOWN: usize = 3;

/// A line of `ip` syntax and the option it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpLine {
    /// The option, as written.
    pub option: String,
    /// The line, `$IFACE` filled in.
    pub text: String,
    /// Where it begins in the option's value, in bytes.
    pub at: usize,
}

impl IpLine {
    /// An error about this line.
    pub fn error(&self, fault: OptionFault) -> OptionError {
        OptionError::new(&self.option, Some(&self.text), fault).at(self.at)
    }
}

/// A call's options, and the faults found so far in them.
pub struct Options<'a> {
    call: &'a HookCall,
    /// What was found wrong.
    pub errors: Vec<OptionError>,
}

impl<'a> Options<'a> {
    /// Starts on a call by looking at the names: no ifupdown reports an option that it does not
    /// know, so this must.
    pub fn of(call: &'a HookCall) -> Self {
        let mut options = Self {
            call,
            errors: Vec::new(),
        };
        for (name, _) in &call.options {
            if !OPTIONS.contains(&name.as_str()) && numbered(name).is_none() {
                options.fault(name, None, OptionFault::Unknown(nearest(name, &OPTIONS)));
            }
        }
        options
    }

    /// Notes a fault.
    pub fn fault(&mut self, option: &str, value: Option<&str>, fault: OptionFault) {
        self.errors.push(OptionError::new(option, value, fault));
    }

    /// All that could be read; what could not is noted.
    pub fn all<T>(&mut self, read: impl Iterator<Item = Result<T, OptionError>>) -> Vec<T> {
        read.filter_map(|one| one.map_err(|error| self.errors.push(error)).ok())
            .collect()
    }

    /// Whether an option is given.
    pub fn has(&self, option: &str) -> bool {
        self.call.options.iter().any(|(name, _)| name == option)
    }

    /// The one value of an option, through its reader.
    pub fn one<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, OptionFault>,
    ) -> Option<T> {
        let text = self.text(name)?;
        read(&text)
            .map_err(|fault| self.fault(name, Some(&text), fault))
            .ok()
    }

    /// The one value of an option that takes one of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
        expected: &'static str,
    ) -> Option<T> {
        self.one(name, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found
                .map(|(_, value)| *value)
                .ok_or(OptionFault::Choice(expected))
        })
    }

    /// The one value of an option that is given.
    fn text(&mut self, name: &str) -> Option<String> {
        let (_, value) = self.call.options.iter().find(|(other, _)| other == name)?;
        let Some(text) = value.to_str() else {
            self.fault(name, Some(&value.to_string_lossy()), OptionFault::NotText);
            return None;
        };
        let mut values: Vec<&str> = text.split('\n').map(str::trim).collect();
        values.dedup();
        match values.as_slice() {
            [""] => self.fault(name, None, OptionFault::Empty),
            [one] if one.contains('#') => self.fault(name, Some(one), OptionFault::Comment),
            [one] => return Some((*one).to_owned()),
            several => {
                let quoted = |value: &&str| format!("\"{}\"", Shown(value));
                let mut shown: Vec<String> = several.iter().take(SHOWN).map(quoted).collect();
                if several.len() > SHOWN {
                    shown.push(format!("... ({} values)", several.len()));
                }
                let first = text.split('\n').next().unwrap_or_default();
                let error = OptionError::new(name, None, OptionFault::Repeated(shown.join(", ")));
                self.errors.push(error.at(first.len() + 1));
            }
        }
        None
    }

    /// The lines of an option that may repeat, in the order of the file: ifupdown joins repeats
    /// by newlines; `;` and numbers serve the ifupdowns that keep one value only.
    pub fn lines(&mut self, name: &str, interface: Option<&InterfaceName>) -> Vec<IpLine> {
        let mut given: Vec<(u32, &'a str, &'a std::ffi::OsStr)> = Vec::new();
        for (option, value) in &self.call.options {
            let number = match numbered(option) {
                Some((base, number)) if base == name => number,
                _ if option == name => 0,
                _ => continue,
            };
            given.push((number, option, value));
        }
        given.sort_by_key(|(number, _, _)| *number);
        let mut lines = Vec::new();
        for (_, option, value) in given {
            let Some(text) = value.to_str() else {
                self.fault(option, Some(&value.to_string_lossy()), OptionFault::NotText);
                continue;
            };
            let before = lines.len();
            for (at, line) in pieces(text) {
                if line.contains('#') {
                    let error = OptionError::new(option, Some(line), OptionFault::Comment);
                    self.errors.push(error.at(at));
                }
                let text = fill_in(line, interface);
                lines.push(IpLine {
                    option: option.to_owned(),
                    text,
                    at,
                });
            }
            if lines.len() == before {
                self.fault(option, None, OptionFault::Empty);
            }
        }
        lines
    }
}

/// The lines that one value holds, each with the place of its first byte.
fn pieces(value: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    let pieces = value.split(['\n', ';']).map(move |piece| {
        let begin = next + piece.len() - piece.trim_start().len();
        next += piece.len() + 1;
        (begin, piece.trim())
    });
    pieces.filter(|(_, piece)| !piece.is_empty())
}

/// The option and number of a numbered form, `policy-rule-2`.
fn numbered(option: &str) -> Option<(&'static str, u32)> {
    LINES.into_iter().find_map(|base| {
        let digits = option.strip_prefix(base)?.strip_prefix('-')?;
        let number = digits
            .parse()
            .ok()
            .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        Some((base, number))
    })
}

/// `$IFACE` is the interface, as in the lines of `post-up`; of an alias it is the device.
fn fill_in(line: &str, interface: Option<&InterfaceName>) -> String {
    let device = interface.map(InterfaceName::device);
    let device = device.as_ref().map_or("", InterfaceName::as_str);
    line.replace("${IFACE}", device).replace("$IFACE", device)
}
