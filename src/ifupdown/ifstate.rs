//! Which interfaces are up, as ifup(8) notes it: no other file knows where the three ifupdowns do
//! so.
//!
//! - ifupdown (measured on 0.8.41): `/run/network/ifstate`, a line `eth1=home` for each interface
//!   that is up with the name of its stanza, written before the hooks of `if-up.d` run; while an
//!   interface changes, a lock on `/run/network/ifstate.eth1`.
//! - ifupdown-ng (read: `libifupdown/state.c`): `/run/ifstate`, lines `eth1=home 1 explicit`,
//!   written after the hooks; a lock on `/run/ifstate.eth1.lock`. Its hooks are not told `home`.
//! - ifupdown2 (measured on 3.0.0): `ifstatenew` in `/run/network` with Proxmox, else in
//!   `/var/tmp/network`, which outlives a reboot: it counts if the program has run since, which leaves
//!   `/run/network/.lock`, locked by flock(2) while it runs; the state is written last. It is Python's
//!   own serialization (pickle, protocol 5), one object a stanza, in which the interface's name
//!   stands in clear behind `name`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{fcntl, FcntlArg};
use nix::libc;

use crate::routing::InterfaceName;

const IFUPDOWN: &str = "run/network/ifstate";
const IFUPDOWN_NG: &str = "run/ifstate";
const PROXMOX: &str = "run/network/ifstatenew";
const IFUPDOWN2: &str = "var/tmp/network/ifstatenew";
const IFUPDOWN2_LOCK: &str = "run/network/.lock";

/// An interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpInterface {
    /// The interface, or an alias on one.
    pub interface: InterfaceName,
    /// The name of its stanza; `None` where the hooks are not told it.
    pub logical: Option<String>,
}

impl UpInterface {
    /// One that is up under its own name, as far as is known.
    pub fn as_named(interface: InterfaceName) -> Self {
        Self {
            interface,
            logical: None,
        }
    }

    /// Whether it is this interface, or an alias on it.
    pub fn is_on(&self, interface: &InterfaceName) -> bool {
        self.interface == *interface || self.interface.device() == *interface
    }

    /// The name of its stanza, which is the interface's own where no other is told.
    pub fn logical(&self) -> &str {
        self.logical.as_deref().unwrap_or(self.interface.as_str())
    }
}

/// Which interfaces are up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ifstate {
    /// Those that are known to be up, in the order in which they came up.
    pub up: Vec<UpInterface>,
    /// Those that an ifup or ifdown is busy with.
    pub changing: Vec<InterfaceName>,
    /// Whether an interface that is not listed is down. That is not known where nothing was found
    /// that could be read, and while ifupdown2 runs.
    pub is_complete: bool,
    /// Whether another program than Debian's ifupdown has noted anything.
    pub has_others: bool,
    /// Whether ifupdown2 has, which does not note all that it has brought up.
    pub is_of_ifupdown2: bool,
}

impl Ifstate {
    /// Reads what there is below `root`; `/` outside of tests.
    /// Errors: a file is there and cannot be read.
    pub fn below(root: &Path) -> io::Result<Self> {
        // First: an interface that is done with in between is in the lists that are read then.
        let mut changing = locked(&root.join(IFUPDOWN), "");
        changing.extend(locked(&root.join(IFUPDOWN_NG), ".lock"));
        let of_ifupdown = read(&root.join(IFUPDOWN))?;
        let of_ng = read(&root.join(IFUPDOWN_NG))?;
        let of_ifupdown2 = ByIfupdown2::below(root)?;
        let is_known = of_ifupdown.is_some() || of_ng.is_some();
        let is_complete = match &of_ifupdown2 {
            ByIfupdown2::NotRun => is_known,
            ByIfupdown2::Noted(_) => true,
            ByIfupdown2::Unknown => false,
        };
        let has_others = of_ng.is_some() || !matches!(of_ifupdown2, ByIfupdown2::NotRun);
        let is_of_ifupdown2 = matches!(of_ifupdown2, ByIfupdown2::Noted(_));
        let mut up = parse(&of_ifupdown.unwrap_or_default());
        let of_ng = parse(&of_ng.unwrap_or_default());
        up.extend(of_ng.into_iter().map(|up| UpInterface {
            logical: None,
            ..up
        }));
        if let ByIfupdown2::Noted(names) = of_ifupdown2 {
            let new = names.into_iter().map(UpInterface::as_named);
            for one in new {
                // A host may have had another ifupdown before it was rebooted.
                up.retain(|other| other.interface != one.interface);
                up.push(one);
            }
        }
        Ok(Self {
            up,
            changing,
            is_complete,
            has_others,
            is_of_ifupdown2,
        })
    }

    /// Whether it is certain that no stanza of this name is up on an interface.
    pub fn is_down(&self, interface: &str, logical: &str) -> bool {
        let is_up = |up: &UpInterface| {
            up.interface.as_str() == interface
                && up.logical.as_deref().is_none_or(|own| own == logical)
        };
        let changing = |other: &InterfaceName| other.as_str() == interface;
        self.is_complete && !self.up.iter().any(is_up) && !self.changing.iter().any(changing)
    }

    /// Whether it is certain that neither a device nor an alias on it is up.
    pub fn is_device_down(&self, device: &InterfaceName) -> bool {
        let up = self.up.iter().map(|up| &up.interface);
        self.is_complete
            && !up
                .chain(&self.changing)
                .any(|interface| interface.device() == *device)
    }
}

/// What ifupdown2 knows of its interfaces.
enum ByIfupdown2 {
    /// Nothing: it has not run since the host was started.
    NotRun,
    /// Those that are up.
    Noted(Vec<InterfaceName>),
    /// It is running, or has noted nothing.
    Unknown,
}

impl ByIfupdown2 {
    fn below(root: &Path) -> io::Result<Self> {
        let lock = root.join(IFUPDOWN2_LOCK);
        // First: what a run that ends in between has noted is read then.
        let runs = is_flocked(&lock);
        let noted = match bytes(&root.join(PROXMOX))? {
            Some(noted) => Some(noted),
            None if lock.exists() => bytes(&root.join(IFUPDOWN2))?,
            None => return Ok(Self::NotRun),
        };
        Ok(match noted.filter(|noted| !runs && is_whole(noted)) {
            Some(noted) => Self::Noted(pickled_names(&noted)),
            None => Self::Unknown,
        })
    }
}

/// Whether a state of ifupdown2's was written to its end: of each stanza that begins with 0x80, and ends
/// with a dot behind the letter that has the object built. Addresses have dots, too. Where nothing is up
/// it is empty.
fn is_whole(noted: &[u8]) -> bool {
    matches!(noted, [] | [0x80, .., b'b', b'.'])
}

/// The interfaces in a state of ifupdown2's, each once.
fn pickled_names(noted: &[u8]) -> Vec<InterfaceName> {
    // A short text is 0x8c, its length and its bytes; 0x94 notes it for repeats.
    const KEY: &[u8] = b"\x8c\x04name\x94\x8c";
    let mut names: Vec<InterfaceName> = Vec::new();
    let mut rest = noted;
    while let Some(at) = rest.windows(KEY.len()).position(|window| window == KEY) {
        rest = rest.get(at + KEY.len()..).unwrap_or_default();
        let Some((length, behind)) = rest.split_first() else {
            break;
        };
        let name = behind.get(..usize::from(*length));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        names.extend(name.and_then(|name| name.parse().ok()));
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Whether somebody holds a lock of flock(2) on a file. To try one would be in the way of a program
/// that does not wait for its own.
fn is_flocked(file: &Path) -> bool {
    let Ok(held) = fs::metadata(file) else {
        return false;
    };
    // Of the device the numbers are told in hexadecimal.
    let (major, minor) = (libc::major(held.dev()), libc::minor(held.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", held.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.any(|word| word == "FLOCK") && words.any(|word| word == place)
    })
}

fn bytes(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text of a file; `None` where there is none.
fn read(file: &Path) -> io::Result<Option<String>> {
    let bytes = bytes(file)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The lines of a state file. A name that no device can have, such as one that is too long, is passed
/// over: it has no record either.
fn parse(text: &str) -> Vec<UpInterface> {
    let lines = text.lines().filter_map(|line| line.split(' ').next());
    let entries = lines.filter_map(|entry| {
        let (interface, logical) = entry.split_once('=').unwrap_or((entry, entry));
        Some(UpInterface {
            interface: interface.parse().ok()?,
            logical: Some(logical.to_owned()),
        })
    });
    entries.collect()
}

/// The interfaces whose own file beside a state file somebody has locked.
fn locked(state: &Path, suffix: &str) -> Vec<InterfaceName> {
    let folder = state.parent().unwrap_or(state);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let interface = name.strip_prefix("ifstate.")?.strip_suffix(suffix)?;
        Some((interface.parse().ok()?, entry.path()))
    });
    named
        .filter(|(_, file): &(InterfaceName, PathBuf)| is_locked(file))
        .map(|(interface, _)| interface)
        .collect()
}

/// Whether another process has a lock of fcntl(2) on a file; not where that cannot be asked.
fn is_locked(file: &Path) -> bool {
    let Ok(file) = File::open(file) else {
        return false;
    };
    let kind = |kind: i32| libc::c_short::try_from(kind).unwrap_or_default();
    let mut lock = libc::flock {
        l_type: kind(libc::F_WRLCK),
        l_whence: kind(libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let asked = fcntl(&file, FcntlArg::F_GETLK(&mut lock));
    asked.is_ok() && lock.l_type != kind(libc::F_UNLCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("ifstate-{}-{name}", std::process::id()));
        for (file, text) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    fn state(name: &str, files: &[(&str, &str)]) -> Ifstate {
        let root = host(name, files);
        let state = Ifstate::below(&root).unwrap();
        let _ = fs::remove_dir_all(root);
        state
    }

    #[test]
    fn an_interface_is_up_under_the_name_of_its_stanza() {
        let text = "lo=lo\neth1=home\neth1:1=eth1:1\neth2\na/b=x\n\n";
        let state = state("ifupdown", &[(IFUPDOWN, text)]);
        assert_eq!(state.up.len(), 4, "{state:?}");
        for (interface, logical, down) in [
            ("eth1", "home", false),
            ("eth1", "eth1", true),
            ("eth1:1", "eth1:1", false),
            ("eth2", "eth2", false),
            ("eth3", "eth3", true),
        ] {
            assert_eq!(state.is_down(interface, logical), down, "{interface}");
        }
        assert!(state.is_device_down(&"eth3".parse().unwrap()));
        assert!(!state.is_device_down(&"eth1".parse().unwrap()));
    }

    #[test]
    fn ifupdown_ngs_hooks_know_no_logical_name() {
        let state = state(
            "ng",
            &[(IFUPDOWN_NG, "eth1=home 1 explicit\neth2=eth2 2\n")],
        );
        assert!(!state.is_down("eth1", "eth1") && !state.is_down("eth2", "eth2"));
        assert!(state.is_down("eth3", "eth3"));
    }

    #[test]
    fn nothing_is_known_to_be_down_where_nothing_can_be_read() {
        for (name, files) in [("none", &[][..]), ("lock", &[(IFUPDOWN2_LOCK, "")][..])] {
            let state = state(name, files);
            assert!(
                !state.is_complete && !state.is_down("eth9", "eth9"),
                "{name}"
            );
        }
        let root = host("folder", &[("run/network/ifstate/x", "")]);
        assert!(Ifstate::below(&root).is_err());
        let _ = fs::remove_dir_all(root);
    }

    /// As ifupdown2 3.0.0 has written it: `eth1` with a stanza of each family, and `vmbr0`.
    const NOTED: &str = include_str!("../../tests/support/ifstatenew.escaped");

    fn noted() -> Vec<u8> {
        let mut bytes = Vec::new();
        let text = NOTED.replace('\n', "");
        let mut rest = text.as_bytes();
        while let Some((first, behind)) = rest.split_first() {
            let digits = behind.strip_prefix(b"x").filter(|_| *first == b'\\');
            let code = digits.and_then(|digits| std::str::from_utf8(digits.get(..2)?).ok());
            let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
            bytes.push(code.unwrap_or(*first));
            rest = if code.is_some() { &behind[3..] } else { behind };
        }
        bytes
    }

    #[test]
    fn ifupdown2_has_the_names_in_clear() {
        let names = |noted: &[u8]| {
            let names = pickled_names(noted).into_iter();
            names.map(|name| name.to_string()).collect::<Vec<_>>()
        };
        let noted = noted();
        assert_eq!(names(&noted), ["lo", "eth1", "vmbr0"]);
        for end in 0..noted.len() {
            assert!(names(&noted[..end]).len() <= 3);
        }
        for (name, file, lock, up) in [
            ("proxmox", PROXMOX, false, true),
            ("ran", IFUPDOWN2, true, true),
            ("before the reboot", IFUPDOWN2, false, false),
        ] {
            let root = host(name, &[(file, ""), (IFUPDOWN, "eth3=x\n")]);
            fs::write(root.join(file), &noted).unwrap();
            if lock {
                fs::write(root.join(IFUPDOWN2_LOCK), "").unwrap();
            }
            let state = Ifstate::below(&root).unwrap();
            let _ = fs::remove_dir_all(root);
            assert!(state.is_complete, "{name}");
            assert_eq!(!state.is_down("eth1", "eth1"), up, "{name}");
            assert!(state.is_down("eth2", "eth2") && !state.is_down("eth3", "x"));
        }
    }

    #[test]
    fn a_state_that_was_not_written_to_its_end_says_nothing() {
        let noted = noted();
        let files = [(PROXMOX, "")];
        for (end, expected) in [(noted.len(), true), (noted.len() - 1, false), (9, false)] {
            let root = host(&format!("part-{end}"), &files);
            fs::write(root.join(PROXMOX), &noted[..end]).unwrap();
            let state = Ifstate::below(&root).unwrap();
            let _ = fs::remove_dir_all(root);
            assert_eq!(state.is_complete, expected, "{end}");
            assert!(!state.is_down("eth1", "eth1"));
        }
        // Only where one of its four objects ends.
        let wholes = (1..=noted.len()).filter(|end| is_whole(&noted[..*end]));
        assert_eq!(wholes.count(), 4);
    }

    #[test]
    fn nothing_is_known_to_be_down_while_ifupdown2_runs() {
        let root = host("runs", &[(PROXMOX, ""), (IFUPDOWN2_LOCK, "")]);
        let is_complete = || Ifstate::below(&root).unwrap().is_complete;
        assert!(is_complete());
        let file = File::open(root.join(IFUPDOWN2_LOCK)).unwrap();
        let lock = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock);
        assert!(!is_complete());
        drop(lock);
        assert!(is_complete());
        let _ = fs::remove_dir_all(&root);
    }
}
