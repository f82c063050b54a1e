//! What the three ifupdowns tell a hook in its environment: no other file knows their contract.
//! Takes names and values, never reads the process's own.
//!
//! Measured on ifupdown 0.8.41 to 0.8.44, ifupdown-ng 0.11.4 and ifupdown2 3.0.0: a `policy-table`
//! line arrives as `IF_POLICY_TABLE`, repeats joined by newlines (ifupdown); `PHASE` is `post-up`
//! and `pre-down` (ifupdown) or `up` and `down` (the others); `ADDRFAM` is absent (ifupdown-ng) or
//! a list (ifupdown2); the address may carry its prefix length.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::caller::Caller;
use crate::routing::Family;

/// Which of the two hook folders the program was called from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `if-up.d`: the interface has just come up.
    Up,
    /// `if-down.d`: it is about to go down.
    Down,
}

impl Direction {
    /// By the path that the program was called by; `None` where its folder is none of ifupdown's
    /// two.
    pub fn of_path(path: &OsStr) -> Option<Self> {
        let folder = Path::new(path).parent()?.file_name()?;
        match folder.to_str()? {
            "if-up.d" => Some(Self::Up),
            "if-down.d" => Some(Self::Down),
            _ => None,
        }
    }

    /// Whether `MODE` and `PHASE` are the ones in which a hook of this folder has work to do.
    fn agrees(self, mode: &str, phase: &str) -> bool {
        match self {
            Self::Up => mode == "start" && matches!(phase, "post-up" | "up" | ""),
            Self::Down => mode == "stop" && matches!(phase, "pre-down" | "down" | ""),
        }
    }
}

/// One call of a hook: a stanza as its environment tells it, nothing judged yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookCall {
    /// Who calls; where the stanza was read from a file, whose file that is.
    pub caller: Caller,
    /// `IFACE`.
    pub interface: String,
    /// `LOGICAL`: the name the stanza bears, where a mapping or `ifup eth3=home` chose it.
    pub logical: String,
    /// `ADDRFAM`, where it says one family.
    pub family: Option<Family>,
    /// Whether it is made for all stanzas of the interface at once: `ADDRFAM` is absent or a list.
    pub merged: bool,
    /// `METHOD`.
    pub method: String,
    /// `IF_ADDRESS`, as written.
    pub address: Option<String>,
    /// `IF_NETMASK`: dotted, or a length.
    pub netmask: Option<String>,
    /// `IF_GATEWAY`.
    pub gateway: Option<String>,
    /// `IF_METRIC`: the one of its default route in main.
    pub metric: Option<String>,
    /// `IF_POINTOPOINT`, or `IF_DSTADDR` of a tunnel: the address at the other end.
    pub peer: Option<String>,
    /// The `policy-*` options under the names they have in the file, in the order of these.
    pub options: Vec<(String, OsString)>,
    /// `VERBOSITY=1`, or `VERBOSE=1` of ifupdown-ng.
    pub verbose: bool,
}

impl HookCall {
    /// Reads the environment; `None` where the call is not for us: another mode or phase, or
    /// the call for `--all` that ifupdown makes besides those for each interface.
    pub fn read(
        direction: Direction,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Option<Self> {
        let mut call = Self {
            merged: true,
            ..Self::default()
        };
        let (mut mode, mut phase) = (String::new(), String::new());
        let mut names_family = false;
        for (name, value) in environment {
            let Some(name) = name.into_string().map_or_else(policy_name, Some) else {
                continue;
            };
            match name.as_str() {
                "IFACE" => call.interface = text(value),
                "LOGICAL" => call.logical = text(value),
                "ADDRFAM" => {
                    let families = text(value);
                    call.family = family(&families);
                    call.merged = families.contains(',');
                    names_family = true;
                }
                "METHOD" => call.method = text(value),
                "MODE" => mode = text(value),
                "PHASE" => phase = text(value),
                "VERBOSITY" | "VERBOSE" => call.verbose = value == "1",
                "IF_ADDRESS" => call.address = Some(text(value)),
                "IF_NETMASK" => call.netmask = Some(text(value)),
                "IF_POINTOPOINT" | "IF_DSTADDR" => call.peer = Some(text(value)),
                "IF_GATEWAY" => call.gateway = Some(text(value)),
                "IF_METRIC" => call.metric = Some(text(value)),
                _ => {
                    if let Some(option) = option_name(&name) {
                        call.options.push((option, value));
                    }
                }
            }
        }
        call.options.sort();
        call.caller = match phase.as_str() {
            "up" | "down" if names_family => Caller::Ifupdown2,
            "up" | "down" => Caller::IfupdownNg,
            _ => Caller::Ifupdown,
        };
        let ours = direction.agrees(&mode, &phase)
            && !call.interface.is_empty()
            && call.interface != "--all";
        ours.then_some(call)
    }
}

/// A value, with a replacement for what is no text.
fn text(value: OsString) -> String {
    let lossy = |value: OsString| value.to_string_lossy().into_owned();
    value.into_string().unwrap_or_else(lossy)
}

/// A name with bytes that are no text, if it is still recognisably meant for us.
fn policy_name(name: OsString) -> Option<String> {
    Some(text(name)).filter(|name| name.starts_with("IF_POLICY_"))
}

/// The option that a variable came from. ifupdown made capitals of it and `_` of `-`.
fn option_name(variable: &str) -> Option<String> {
    let option = variable
        .strip_prefix("IF_")
        .filter(|name| name.starts_with("POLICY_"))?;
    Some(option.to_lowercase().replace('_', "-"))
}

fn family(text: &str) -> Option<Family> {
    match text {
        "inet" => Some(Family::Inet),
        "inet6" => Some(Family::Inet6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn read(direction: Direction, pairs: &[(&str, &str)]) -> Option<HookCall> {
        HookCall::read(
            direction,
            pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        )
    }

    const UP: [(&str, &str); 3] = [("IFACE", "eth1"), ("MODE", "start"), ("PHASE", "post-up")];

    #[test]
    fn only_calls_of_our_folder_and_phase_are_ours() {
        assert!(read(Direction::Up, &UP).is_some());
        assert!(read(Direction::Down, &UP).is_none());
        for (name, value) in [
            ("IFACE", "--all"),
            ("IFACE", ""),
            ("MODE", "stop"),
            ("MODE", "status"),
            ("PHASE", "pre-up"),
        ] {
            let mut pairs = UP.to_vec();
            pairs.push((name, value));
            assert!(read(Direction::Up, &pairs).is_none(), "{name}={value}");
        }
        let down = [("IFACE", "eth1"), ("MODE", "stop"), ("PHASE", "down")];
        assert!(read(Direction::Down, &down).is_some());
        assert!(read(Direction::Up, &[]).is_none());
    }

    #[test]
    fn the_phase_and_the_family_tell_who_calls() {
        let caller = |phase, family: Option<(&str, &str)>| {
            let mut pairs = vec![("IFACE", "eth1"), ("MODE", "start"), ("PHASE", phase)];
            pairs.extend(family);
            read(Direction::Up, &pairs).unwrap().caller
        };
        let family = |families| Some(("ADDRFAM", families));
        assert_eq!(caller("post-up", family("inet")), Caller::Ifupdown);
        assert_eq!(caller("up", family("inet,inet6")), Caller::Ifupdown2);
        assert_eq!(caller("up", family("")), Caller::Ifupdown2);
        assert_eq!(caller("up", None), Caller::IfupdownNg);
    }

    #[test]
    fn options_get_their_written_names_back() {
        let mut pairs = UP.to_vec();
        pairs.extend([
            ("IF_POLICY_TABLE_ID", "7"),
            ("IF_POLICY", "x"),
            ("IF_POLICY_TABLE", "a"),
        ]);
        let call = read(Direction::Up, &pairs).unwrap();
        let names: Vec<&str> = call.options.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["policy-table", "policy-table-id"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_where_they_are_meant_for_us() {
        let odd = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let pairs = [
            (odd(b"IFACE"), odd(b"eth1")),
            (odd(b"MODE"), odd(b"start")),
            (odd(b"PHASE"), odd(b"post-up")),
            (odd(b"OTHER\xff"), odd(b"x")),
            (odd(b"IF_POLICY_\xff"), odd(b"x")),
            (odd(b"IF_POLICY_TABLE"), odd(b"rt\xff")),
        ];
        let call = HookCall::read(Direction::Up, pairs).unwrap();
        assert_eq!(call.options.len(), 2);
        assert!(call
            .options
            .contains(&("policy-table".to_owned(), odd(b"rt\xff"))));
    }
}
