//! What the three ifupdowns tell a hook in its environment: no other file knows their contract.
//! Takes names and values, never reads the process's own.
//!
//! Measured on ifupdown 0.8.41 to 0.8.44, ifupdown-ng 0.11.4 and 0.12.1, and ifupdown2 3.0.0 to 3.9.0:
//!
//! - A `policy-table` line arrives as `IF_POLICY_TABLE`; of repeats ifupdown joins all by newlines,
//!   ifupdown2 gives the first one of the first stanza, ifupdown-ng the last one of all stanzas.
//! - ifupdown runs `if-up.d` with `PHASE=post-up` behind all commands of the stanza, and `if-down.d`
//!   with `PHASE=pre-down` before them, once for each stanza.
//! - The others run these two with `PHASE=up` and `PHASE=down`, before the commands of `post-up` and
//!   when the address is gone. What ifupdown's calls are at, `if-post-up.d` and `if-pre-down.d` are at
//!   there, which ifupdown has not; each is run once for all stanzas of an interface. ifupdown2 runs
//!   what is in a folder in no order.
//! - `ADDRFAM` is absent (ifupdown-ng), or a list, perhaps an empty one (ifupdown2). What ifupdown2 has
//!   in `LOGICAL`, `METHOD` and `ADDRFAM` may be the interface's that it was at before.
//! - The address may carry its prefix length.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::caller::Caller;
use crate::routing::Family;

/// Which of the hook folders the program was called from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `if-up.d`: a stanza of ifupdown's has just come up.
    Up,
    /// `if-post-up.d`: an interface of ifupdown2's or ifupdown-ng's has just come up.
    PostUp,
    /// `if-pre-down.d`: one of theirs is about to go down.
    PreDown,
    /// `if-down.d`: a stanza of ifupdown's is about to go down.
    Down,
}

impl Direction {
    /// By the path that the program was called by; `None` where its folder is none of these.
    pub fn of_path(path: &OsStr) -> Option<Self> {
        let folder = Path::new(path).parent()?.file_name()?;
        match folder.to_str()? {
            "if-up.d" => Some(Self::Up),
            "if-post-up.d" => Some(Self::PostUp),
            "if-pre-down.d" => Some(Self::PreDown),
            "if-down.d" => Some(Self::Down),
            _ => None,
        }
    }

    /// Whether something has come up.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::PostUp)
    }

    /// Whether `MODE` and `PHASE` are the ones in which a hook of this folder has work to do. Who
    /// runs one by hand need not name the phase where it is clear.
    fn agrees(self, mode: &str, phase: &str) -> bool {
        match self {
            Self::Up => mode == "start" && matches!(phase, "post-up" | ""),
            Self::PostUp => mode == "start" && phase == "post-up",
            Self::PreDown => mode == "stop" && phase == "pre-down",
            Self::Down => mode == "stop" && matches!(phase, "pre-down" | ""),
        }
    }

    /// Who runs the hooks of this folder.
    fn caller(self, is_ng: bool) -> Caller {
        match self {
            Self::Up | Self::Down => Caller::Ifupdown,
            Self::PostUp | Self::PreDown if is_ng => Caller::IfupdownNg,
            Self::PostUp | Self::PreDown => Caller::Ifupdown2,
        }
    }
}

/// The file that ifupdown-ng reads, in the environment of its hooks.
pub const INTERFACES_FILE: &str = "INTERFACES_FILE";

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
    /// `IF_POINTOPOINT`, `IF_POINT_TO_POINT` of ifupdown-ng, or `IF_DSTADDR` of a tunnel: the address
    /// at the other end.
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
        let mut call = Self::default();
        let (mut mode, mut phase) = (String::new(), String::new());
        let mut names_file = false;
        for (name, value) in environment {
            let Some(name) = name.into_string().map_or_else(policy_name, Some) else {
                continue;
            };
            match name.as_str() {
                "IFACE" => call.interface = text(value),
                "LOGICAL" => call.logical = text(value),
                "ADDRFAM" => call.family = family(&text(value)),
                "METHOD" => call.method = text(value),
                "MODE" => mode = text(value),
                "PHASE" => phase = text(value),
                "VERBOSITY" | "VERBOSE" => call.verbose = value == "1",
                "IF_ADDRESS" => call.address = Some(text(value)),
                "IF_NETMASK" => call.netmask = Some(text(value)),
                INTERFACES_FILE => names_file = true,
                "IF_POINTOPOINT" | "IF_DSTADDR" | "IF_POINT_TO_POINT" => {
                    call.peer = Some(text(value));
                }
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
        call.caller = direction.caller(names_file && call.method == "none");
        if call.caller.calls_for_interface() {
            // These are of all its stanzas.
            call.family = None;
            call.logical.clone_from(&call.interface);
        }
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
        let down = [("IFACE", "eth1"), ("MODE", "stop"), ("PHASE", "pre-down")];
        assert!(read(Direction::Down, &down).is_some());
        assert!(read(Direction::PreDown, &down).is_some());
        assert!(read(Direction::Up, &[]).is_none());
    }

    #[test]
    fn the_folder_tells_who_calls_and_for_what() {
        let call = |folder: &str, mode, phase, further: &[(&str, &str)]| {
            let path = format!("/etc/network/{folder}/00-policy-table");
            let direction = Direction::of_path(OsStr::new(&path)).unwrap();
            let mut pairs = vec![("IFACE", "eth1"), ("MODE", mode), ("PHASE", phase)];
            pairs.extend(further);
            read(direction, &pairs).map(|call| (call.caller, call.family))
        };
        let inet = [
            ("ADDRFAM", "inet"),
            ("METHOD", "static"),
            ("LOGICAL", "eth0"),
        ];
        let ng = [
            ("METHOD", "none"),
            ("INTERFACES_FILE", "/etc/network/interfaces"),
        ];
        for (folder, mode, phase, other) in [
            ("if-up.d", "start", "post-up", "up"),
            ("if-down.d", "stop", "pre-down", "down"),
        ] {
            let of_debian = Some((Caller::Ifupdown, Some(Family::Inet)));
            assert_eq!(call(folder, mode, phase, &inet), of_debian);
            assert_eq!(call(folder, mode, other, &inet), None);
            assert_eq!(call(folder, mode, other, &ng), None);
            assert_eq!(call(folder, mode, other, &[]), None);
        }
        for (folder, mode, phase) in [
            ("if-post-up.d", "start", "post-up"),
            ("if-pre-down.d", "stop", "pre-down"),
        ] {
            let told = |further| call(folder, mode, phase, further);
            assert_eq!(told(&inet), Some((Caller::Ifupdown2, None)));
            assert_eq!(told(&[]), Some((Caller::Ifupdown2, None)));
            assert_eq!(told(&ng), Some((Caller::IfupdownNg, None)));
            assert_eq!(call(folder, mode, "", &ng), None);
        }
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
