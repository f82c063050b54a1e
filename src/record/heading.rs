//! What a part of a record belongs to, in one line: `eth1=home inet static 10.0.0.9`.
//!
//! Stanzas of one interface, family and method differ in their address. Of those that have none,
//! the table tells them apart, or else a hash of their options: `eth1 inet dhcp - rt2`. Stanzas
//! that are alike in all of that are told apart by their options.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::ifupdown::HookCall;
use crate::routing::Family;
use crate::text::fnv1a;

/// The stanza that put a part of a record in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The interface or alias that the stanza brought up.
    interface: String,
    /// The name that the stanza bears in the file, where it bears another one.
    logical: Option<String>,
    rest: Rest,
    /// The options that the stanza had, in the order of their names. Not of the line; none where
    /// that is all that is known, as of a record of 0.1.0.
    options: Option<Vec<(String, OsString)>>,
}

/// What follows the names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rest {
    Stanza(Identity),
    /// The words of a line that no stanza gave, as a damaged record may have them, with the space
    /// before them: what stands below the line is still to be taken out.
    Unknown(String),
}

/// Which of the stanzas of one name it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    /// None of a call that stood for all stanzas of the interface.
    family: Option<Family>,
    method: String,
    address: Option<String>,
    /// The table, or a hash of the options; a record does not say which.
    distinction: Option<String>,
}

/// What stands behind the names where copies are headed: 0.1.0 takes it for a stanza that it does
/// not know, and its ifdown takes them out.
const COPIES: &str = " copies";

/// What stands for a family or an address that there is not.
const NONE: &str = "-";

impl Heading {
    /// The heading of the stanza that a hook is called for.
    pub fn of(call: &HookCall) -> Self {
        let (interface, logical) = names(call);
        // It may carry its prefix length: `ifupdown/call.rs` says where.
        let address = call.address.as_deref().and_then(|it| it.split('/').next());
        let distinction = address.is_none().then(|| distinction(call));
        Self {
            interface,
            logical,
            rest: Rest::Stanza(Identity {
                family: call.family,
                method: word(&call.method),
                address: address.filter(|it| *it != NONE).map(word),
                distinction,
            }),
            options: Some(call.options.clone()),
        }
    }

    /// A heading that is no stanza's, for what is none's alone.
    pub fn without_stanza(name: &str) -> Self {
        Self {
            interface: word(name),
            logical: None,
            rest: Rest::Unknown(String::new()),
            options: None,
        }
    }

    /// What heads the copies of a stanza's rules that stand in front of VPN software's: those of all
    /// stanzas of its interface.
    pub fn of_copies(&self) -> Self {
        Self {
            rest: Rest::Unknown(COPIES.to_owned()),
            options: None,
            ..self.clone()
        }
    }

    /// Whether it heads such copies, and no stanza.
    pub fn is_of_copies(&self) -> bool {
        matches!(&self.rest, Rest::Unknown(words) if words == COPIES)
    }

    /// The options that the stanza had, where they are known.
    pub fn options(&self) -> Option<&[(String, OsString)]> {
        self.options.as_deref()
    }

    /// Notes that the stanza's options are known, be there none.
    pub(super) fn note_options(&mut self) {
        self.options.get_or_insert_default();
    }

    /// Notes an option that the stanza had, behind those that are noted.
    pub(super) fn note_option(&mut self, name: String, value: OsString) {
        self.options.get_or_insert_default().push((name, value));
    }

    /// Whether both have the same line. Stanzas that are alike, or one that was edited, differ in
    /// their options alone.
    pub fn is_like(&self, other: &Self) -> bool {
        self.has_name_of(other) && self.rest == other.rest
    }

    /// Whether an interface cannot have two stanzas with this line: they would configure the same
    /// address, or ask for the same lease, and `ifup` would fail at the second. So another one
    /// with it is the same stanza, edited. A call without a family stands for all stanzas.
    pub fn is_unique(&self) -> bool {
        let is_unique = |own: &Identity| match own.method.as_str() {
            "static" => own.address.is_some(),
            "dhcp" | "auto" => true,
            _ => own.family.is_none(),
        };
        matches!(&self.rest, Rest::Stanza(own) if is_unique(own))
    }

    /// Whether it is of a call that stood for all stanzas of the interface.
    pub fn is_for_all(&self) -> bool {
        matches!(&self.rest, Rest::Stanza(own) if own.family.is_none())
    }

    /// The interface or alias that the stanza brought up.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The name that the stanza bears in the file.
    pub fn logical(&self) -> &str {
        self.logical.as_deref().unwrap_or(&self.interface)
    }

    /// The address that the stanza names.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.rest {
            Rest::Stanza(own) => own.address.as_ref()?.parse().ok(),
            Rest::Unknown(_) => None,
        }
    }

    /// Whether both name the same address, or none.
    pub fn has_address_of(&self, other: &Self) -> bool {
        self.agrees(other, |own, of| own.address == of.address)
    }

    /// Whether both are of one stanza, but perhaps with other options.
    pub fn is_alike_but_for_options(&self, other: &Self) -> bool {
        let alike = |own: &Identity, of: &Identity| {
            (own.family, &own.method, &own.address) == (of.family, &of.method, &of.address)
        };
        self.has_name_of(other) && self.agrees(other, alike)
    }

    /// Whether a part with this heading may pass to the stanza of another one: it is of the same
    /// interface and family, or was put in for all stanzas of the interface at once, which is how
    /// ifupdown-ng and ifupdown2 call a hook.
    pub fn may_pass_to(&self, other: &Self) -> bool {
        let is_kin =
            |own: &Identity, of: &Identity| own.family.is_none() || own.family == of.family;
        self.has_name_of(other) && self.agrees(other, is_kin)
    }

    fn has_name_of(&self, other: &Self) -> bool {
        self.interface == other.interface && self.logical == other.logical
    }

    /// Whether both are known, and agree in what is asked for.
    fn agrees(&self, other: &Self, agree: impl Fn(&Identity, &Identity) -> bool) -> bool {
        match (&self.rest, &other.rest) {
            (Rest::Stanza(own), Rest::Stanza(of)) => agree(own, of),
            _ => false,
        }
    }
}

/// The names of an interface and of its stanza. A name with `=`, of which only a hook that is
/// called by hand hears, is written and read as `ifup` reads one: as both.
fn names(call: &HookCall) -> (String, Option<String>) {
    let is_other = !call.logical.is_empty() && call.logical != call.interface;
    let logical = is_other.then(|| word(&call.logical));
    let interface = word(&call.interface);
    match interface.split_once('=') {
        None => (interface, logical),
        Some((interface, rest)) => {
            let logical = logical.map_or_else(String::new, |logical| format!("={logical}"));
            (interface.to_owned(), Some(format!("{rest}{logical}")))
        }
    }
}

/// What tells a stanza without an address from the others.
fn distinction(call: &HookCall) -> String {
    let mut options = call.options.iter();
    match options.find(|(name, _)| name == "policy-table") {
        Some((_, table)) => word(&table.to_string_lossy()),
        None => format!("{:08x}", fnv1a(&format!("{:?}", call.options))),
    }
}

/// A text from outside as one word of the heading.
fn word(text: &str) -> String {
    text.replace(|c: char| c.is_whitespace() || c.is_control(), "?")
}

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.interface)?;
        if let Some(logical) = &self.logical {
            write!(f, "={logical}")?;
        }
        match &self.rest {
            Rest::Stanza(identity) => write!(f, " {identity}"),
            Rest::Unknown(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.family {
            Some(family) => write!(f, "{family}")?,
            None => f.write_str(NONE)?,
        }
        let address = self.address.as_deref().unwrap_or(NONE);
        write!(f, " {} {address}", self.method)?;
        match &self.distinction {
            Some(distinction) => write!(f, " {distinction}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Heading {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (name, words) = text.split_at(text.find(' ').unwrap_or(text.len()));
        let (interface, logical) = match name.split_once('=') {
            Some((interface, logical)) => (interface, Some(logical.to_owned())),
            None => (name, None),
        };
        let identity = words.strip_prefix(' ').and_then(Identity::read);
        Ok(Self {
            interface: interface.to_owned(),
            logical,
            rest: identity.map_or_else(|| Rest::Unknown(words.to_owned()), Rest::Stanza),
            options: None,
        })
    }
}

impl Identity {
    fn read(words: &str) -> Option<Self> {
        let mut words = words.splitn(4, ' ');
        Some(Self {
            family: match words.next()? {
                NONE => None,
                "inet" => Some(Family::Inet),
                "inet6" => Some(Family::Inet6),
                _ => return None,
            },
            method: words.next()?.to_owned(),
            address: Some(words.next()?.to_owned()).filter(|address| address != NONE),
            distinction: words.next().map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading(text: &str) -> Heading {
        let Ok(heading) = text.parse();
        heading
    }

    fn call(interface: &str, logical: &str, address: Option<&str>) -> HookCall {
        HookCall {
            interface: interface.to_owned(),
            logical: logical.to_owned(),
            family: Some(Family::Inet6),
            method: "auto".to_owned(),
            address: address.map(str::to_owned),
            options: vec![("policy-table".to_owned(), "rt\n2".into())],
            ..HookCall::default()
        }
    }

    #[test]
    fn headings_are_one_line_whatever_the_environment_says() {
        let without_table = HookCall {
            options: Vec::new(),
            family: None,
            ..call("eth1", "eth1", None)
        };
        for (call, line) in [
            (
                call("eth1", "eth1", Some("10.0.0.9/24")),
                "eth1 inet6 auto 10.0.0.9",
            ),
            (call("eth1", "", None), "eth1 inet6 auto - rt?2"),
            (
                call("eth1", "ho me\n", None),
                "eth1=ho?me? inet6 auto - rt?2",
            ),
            (call("eth1", "", Some("-")), "eth1 inet6 auto -"),
            (call("eth1", "", Some("")), "eth1 inet6 auto "),
            (call("a=b", "", Some("::1")), "a=b inet6 auto ::1"),
            (call("a=b", "c", Some("::1")), "a=b=c inet6 auto ::1"),
            (without_table, "eth1 - auto - 741638a5"),
        ] {
            assert_eq!(Heading::of(&call).to_string(), line);
            assert!(Heading::of(&call).is_like(&heading(line)), "{line}");
        }
    }

    #[test]
    fn any_text_is_a_heading_and_stays_as_it_is() {
        let line = "eth1:1=home inet static - rt2 and more";
        for end in 0..=line.len() {
            let cut = &line[..end];
            assert_eq!(heading(cut).to_string(), cut);
        }
        for line in ["", " ", "=", "eth1=", "eth1  static -", "eth1 ipx static -"] {
            assert_eq!(heading(line).to_string(), line);
        }
        assert_eq!(Heading::without_stanza("several"), heading("several"));
    }

    #[test]
    fn a_part_passes_within_its_interface_and_family() {
        let may_pass = |part: &str, to: &str| heading(part).may_pass_to(&heading(to));
        let stanza = "eth1 inet static 10.0.0.1";
        assert!(may_pass("eth1 inet dhcp - rt2", stanza));
        assert!(may_pass("eth1 - none -", stanza));
        for part in [
            "eth1 inet6 static ::1",
            "eth1=home inet static 10.0.0.1",
            "eth1:1 inet static 10.0.0.1",
            "eth1 ine",
            "eth1",
        ] {
            assert!(!may_pass(part, stanza), "{part}");
        }
        assert!(!may_pass("eth1 inet none -", "eth1 - none -"));
    }

    #[test]
    fn what_configures_the_interface_is_there_once() {
        for (line, expected) in [
            ("eth1 inet static 10.0.0.1", true),
            ("eth1 inet dhcp - rt2", true),
            ("eth1 inet6 auto - rt2", true),
            ("eth1 - none 10.0.0.1", true),
            ("eth1 - none -", true),
            ("eth1 inet manual - rt2", false),
            ("eth1 inet manual 10.0.0.1", false),
            ("lo inet loopback - 741638a5", false),
            ("eth1", false),
        ] {
            assert_eq!(heading(line).is_unique(), expected, "{line}");
        }
    }

    #[test]
    fn options_are_what_the_last_word_may_differ_in() {
        let dhcp = heading("eth1 inet dhcp - 741638a5");
        for (line, expected) in [
            ("eth1 inet dhcp - rt2", true),
            ("eth1 inet dhcp -", true),
            ("eth1 inet manual - rt2", false),
            ("eth1 inet6 dhcp - rt2", false),
            ("eth1 inet dhcp 10.0.0.1", false),
            ("eth1=home inet dhcp - rt2", false),
        ] {
            assert_eq!(
                dhcp.is_alike_but_for_options(&heading(line)),
                expected,
                "{line}"
            );
        }
    }
}
