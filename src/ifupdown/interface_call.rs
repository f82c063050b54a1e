//! A hook's call for all stanzas of an interface at once, as ifupdown2 and ifupdown-ng make it: the
//! environment is of one of them at best, so the file says which there are.
//!
//! What the file does not say (an interface by a range or a template, a file that is made by a
//! program) the environment has to. ifupdown2 gives hooks its own, too, with what whoever started it
//! had there: that is no stanza's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::call::{Direction, HookCall, INTERFACES_FILE};
use super::caller::Caller;
use super::ifstate::UpInterface;
use super::interfaces::{main_file, mentions_options, Interfaces};
use crate::routing::InterfaceName;
use crate::system::{Ancestor, OtherOutput};

/// How the process is called that is ifupdown2: by what is started, or by what that leads to.
const IFUPDOWN2: [&str; 5] = ["ifup", "ifdown", "ifreload", "ifupdown2", "__main__.py"];

/// A call for all stanzas of an interface.
#[derive(Debug)]
pub struct InterfaceCall {
    pub interface: InterfaceName,
    pub caller: Caller,
    direction: Direction,
    environment: Vec<(OsString, OsString)>,
    /// The file that the caller reads; none if that is no file.
    file: Option<PathBuf>,
    /// The caller itself, where more has to be known of it.
    process: Option<Ancestor>,
}

/// What the file says of an interface, and of its place.
pub struct FileCalls {
    /// The calls for its stanzas, those of aliases included that the caller brings up with it, in the
    /// order of the file.
    pub calls: Vec<HookCall>,
    /// All interfaces in the order of a fresh start; none where the file does not say.
    pub order: Vec<InterfaceName>,
}

impl InterfaceCall {
    /// Reads the environment; `None` where the call is not of this kind, or for no interface.
    pub fn read(direction: Direction, environment: Vec<(OsString, OsString)>) -> Option<Self> {
        let call = HookCall::read(direction, environment.iter().cloned())?;
        let interface = call.interface.parse().ok()?;
        let (process, file) = match call.caller {
            Caller::Ifupdown => return None,
            Caller::IfupdownNg => {
                let mut variables = environment.iter();
                let named = variables.find(|(name, _)| name == INTERFACES_FILE);
                (None, named.map(|(_, file)| PathBuf::from(file)))
            }
            Caller::Ifupdown2 => {
                let process = Ancestor::running(&IFUPDOWN2);
                let file = match process.as_ref().and_then(|it| named_file(it.words())) {
                    None => Some(main_file(call.caller)),
                    Some(file) => Some(PathBuf::from(file)).filter(|file| file != Path::new("-")),
                };
                (process, file)
            }
        };
        Some(Self {
            interface,
            caller: call.caller,
            direction,
            environment,
            file,
            process,
        })
    }

    /// Whether any stanza that the caller reads can have options of ours.
    pub fn mentions_options(&self) -> bool {
        let file = self.file.as_deref();
        file.is_none_or(|file| mentions_options(file, self.caller))
    }

    /// Takes from the environment what the caller was given itself: that takes rights which a run
    /// gives up.
    pub fn without_strangers(mut self) -> Self {
        if let Some(process) = &self.process {
            let inherited = process.environment();
            let is_option = |name: &OsString| name.as_encoded_bytes().starts_with(b"IF_");
            self.environment
                .retain(|pair| !is_option(&pair.0) || !inherited.contains(pair));
        }
        self
    }

    /// Where the caller prints, if it keeps to itself what its hooks print. That takes rights, too.
    pub fn output(&self) -> Option<OtherOutput> {
        self.process.as_ref().and_then(Ancestor::other_error_output)
    }

    /// The call as the environment alone tells it.
    pub fn told(&self) -> HookCall {
        let told = HookCall::read(self.direction, self.environment.iter().cloned());
        told.unwrap_or_default()
    }

    /// The calls for the interface's stanzas; or the one that the environment tells, where the file
    /// does not say them.
    pub fn calls(&self) -> FileCalls {
        self.of_file().unwrap_or_else(|| FileCalls {
            calls: vec![self.told()],
            order: Vec::new(),
        })
    }

    fn of_file(&self) -> Option<FileCalls> {
        let file = Interfaces::read_as(self.file.as_deref()?, self.caller);
        if file.files.is_empty() || file.refused().is_some() {
            return None;
        }
        let mut up: Vec<UpInterface> = Vec::new();
        for stanza in file.stanzas() {
            let name = stanza.definition.name.parse::<InterfaceName>();
            let own = name.ok().filter(|name| self.is_part(name));
            let new = own.filter(|own| up.iter().all(|known| known.interface != *own));
            up.extend(new.map(UpInterface::as_named));
        }
        // The interface comes up before its aliases, wherever these stand.
        up.sort_by_key(|up| up.interface != self.interface);
        let calls = (!up.is_empty()).then(|| FileCalls {
            calls: file.calls_of(&up),
            order: file.interfaces_in_order(),
        });
        // A run ends soon, and giving thousands of lines back one by one takes a fifth of the reading.
        std::mem::forget(file);
        calls
    }

    /// Whether the caller brings an interface up with this one.
    pub fn is_part(&self, interface: &InterfaceName) -> bool {
        *interface == self.interface
            || self.caller == Caller::Ifupdown2 && interface.device() == self.interface
    }
}

/// The file that ifupdown2 was told to read: `-i FILE`, `--interfaces FILE`, also in one word, and with
/// other letters before the `i`.
fn named_file(words: &[OsString]) -> Option<&str> {
    let mut words = words.iter().filter_map(|word| word.to_str());
    let mut named = None;
    while let Some(word) = words.next() {
        let rest = if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some(("interfaces", file)) => Some(file),
                None if long == "interfaces" => Some(""),
                _ => None,
            }
        } else if let Some(letters) = word.strip_prefix('-') {
            let (before, file) = letters.split_once('i').unwrap_or(("X", ""));
            // The rest of a word is the value of these.
            (!before.contains(['X', 't', 'T', 'p', 'o'])).then_some(file)
        } else {
            None
        };
        named = match rest {
            Some("") => words.next().or(named),
            Some(file) => Some(file),
            None => named,
        };
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_as_argparse_takes_it() {
        for (line, expected) in [
            ("/sbin/ifup -a", None),
            ("/sbin/ifup -i /run/x eth1", Some("/run/x")),
            ("/sbin/ifup -i/run/x eth1", Some("/run/x")),
            ("/sbin/ifup -ai /run/x", Some("/run/x")),
            ("python3 /sbin/ifup -avi/run/x", Some("/run/x")),
            ("/sbin/ifup --interfaces /run/x", Some("/run/x")),
            ("/sbin/ifup --interfaces=/run/x", Some("/run/x")),
            ("/sbin/ifup -i /run/y -i /run/x", Some("/run/x")),
            ("/sbin/ifup -i -", Some("-")),
            ("/sbin/ifup -Xi -a", None),
            ("/sbin/ifup --interfaces-format json eth1", None),
            ("/sbin/ifup eth1i", None),
        ] {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            assert_eq!(named_file(&words), expected, "{line}");
        }
    }
}
