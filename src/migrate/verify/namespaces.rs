//! Running a trial: interfaces are brought up with the real `ifup` in namespaces of their own, and
//! what is there then is looked at. The judge is `ip`, which knows nothing of this program, and so
//! here alone it is run.
//!
//! What other packages have for ifupdown to run is left out, and veth devices stand in for the
//! interfaces.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::commands::{bring_up, configure, ip, look, set_up, told_of, Tell, INTERFACES};
use super::compare::{not_as_booted, Seen};
use super::ip_output::{self, flag};
use super::lookups::{queries, Query};
use super::machine::Machine;
use super::sandbox::{Sandbox, TrialError, PROGRAM};
use super::stand_ins::make_missing;
use super::turns::{each_once_more, from_elsewhere, start_again, turns};
use crate::ifupdown::Direction;
use crate::routing::{Family, PROTOCOL};
use crate::text::counted;

/// The program of ifupdown-multi.
pub const MULTI: &str = "/usr/lib/ifupdown-multi.py";

/// Of how many interfaces the old file is tried once more, each time after a boot.
const ONCE_MORE: usize = 16;

/// The folders whose programs ifupdown runs, or ifupdown2 and ifupdown-ng.
const HOOK_FOLDERS: [&str; 6] = [
    "if-pre-up.d",
    "if-up.d",
    "if-post-up.d",
    "if-pre-down.d",
    "if-down.d",
    "if-post-down.d",
];

/// Brings a text of interfaces(5) up and down again. The kernel is asked the same as in an earlier
/// trial, or, without one, what follows from the routes and rules that are found.
pub fn run_trial(
    machine: &Machine,
    text: &[u8],
    earlier: Option<&Seen>,
) -> Result<Seen, TrialError> {
    run_trial_telling(machine, text, earlier, &|_| {})
}

/// The same, and tells what it is at.
pub fn run_trial_telling(
    machine: &Machine,
    text: &[u8],
    earlier: Option<&Seen>,
    tell: Tell<'_>,
) -> Result<Seen, TrialError> {
    inside(machine, text, || run(machine, earlier, tell))
}

/// Brings the second text up and down again, after the first, and the first once more where it
/// has to be held against that; `tell` is also told which of the two it is about.
pub fn run_after(
    machine: &Machine,
    [before, after]: &[Vec<u8>; 2],
    seen: &mut Seen,
    tell: &(dyn Fn(bool, &str) + Sync),
) -> Result<Seen, TrialError> {
    let seen_after = run_trial_telling(machine, after, Some(seen), &|at| tell(true, at))?;
    let mut names = not_as_booted(&seen_after);
    names.truncate(ONCE_MORE);
    if !names.is_empty() {
        let tell = |at: &str| tell(false, at);
        let turns = inside(machine, before, || {
            each_once_more(machine, seen, &names, &tell)
        })?;
        seen.turns.extend(turns);
    }
    Ok(seen_after)
}

/// Does something in namespaces of its own, with a file to bring up there.
fn inside<T: Send>(
    machine: &Machine,
    text: &[u8],
    act: impl FnOnce() -> Result<T, TrialError> + Send,
) -> Result<T, TrialError> {
    // The namespaces are those of a thread, and gone with it.
    let ran = std::thread::scope(|scope| {
        let ran = scope.spawn(|| {
            let _sandbox = enter(machine, names_multi(text))?;
            fs::write(INTERFACES, text).map_err(|error| set_up(INTERFACES, error))?;
            act()
        });
        ran.join()
    });
    ran.unwrap_or(Err(TrialError::Broken))
}

/// Goes into namespaces of its own and sets the machine up there.
fn enter(machine: &Machine, with_multi: bool) -> Result<Sandbox, TrialError> {
    let sandbox = Sandbox::enter(&machine.program)?;
    hooks(with_multi).map_err(|error| set_up("/etc/network", error))?;
    for (path, text) in &machine.files {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
        written.map_err(|error| set_up(&path.display().to_string(), error))?;
    }
    // Addresses are usable at once; where the file is not there IPv6 is not, either.
    for file in [
        "default/accept_dad",
        "default/autoconf",
        "default/router_solicitations",
    ] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{file}"), "0");
    }
    make_missing(machine)?;
    from_elsewhere(machine)?;
    Ok(sandbox)
}

/// Whether a text has options of ifupdown-multi, as far as bytes tell. Without one its hook does
/// nothing, which takes longer than all else of a trial: it starts an interpreter.
fn names_multi(text: &[u8]) -> bool {
    let prefix = b"multi";
    text.windows(prefix.len())
        .any(|bytes| bytes.eq_ignore_ascii_case(prefix))
}

/// Has ifupdown run this program's hooks and no others but, where it may be asked for,
/// ifupdown-multi's, whose options lines may have to be compared with.
fn hooks(with_multi: bool) -> io::Result<()> {
    for phase in HOOK_FOLDERS {
        let folder = Path::new("/etc/network").join(phase);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let own = folder.join("policy-table");
        if Direction::of_path(own.as_os_str()).is_some() {
            symlink(PROGRAM, own)?;
        }
        let is_multis = with_multi && matches!(phase, "if-up.d" | "if-down.d");
        if is_multis && Path::new(MULTI).exists() {
            symlink(MULTI, folder.join("ifupdown-multi"))?;
        }
    }
    Ok(())
}

/// What other packages, and the administrator, have for ifupdown to run and a trial leaves out.
pub fn other_hooks() -> Vec<PathBuf> {
    let is_kept = |path: &Path| {
        let target = fs::canonicalize(path).unwrap_or_default();
        let program = target.file_name().unwrap_or_default();
        program == "policy-table-hook" || target == Path::new(MULTI)
    };
    let folders = HOOK_FOLDERS.map(|phase| Path::new("/etc/network").join(phase));
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let files = files.flatten().flatten().map(|file| file.path());
    let mut hooks: Vec<PathBuf> = files.filter(|path| !is_kept(path)).collect();
    hooks.sort();
    hooks
}

fn run(machine: &Machine, earlier: Option<&Seen>, tell: Tell<'_>) -> Result<Seen, TrialError> {
    let mut seen = Seen::default();
    bring_up(&machine.interfaces, &mut seen, tell)?;
    look(&mut seen)?;
    let queries: Vec<Query> = match earlier {
        Some(earlier) => earlier.queries().cloned().collect(),
        None => queries(&seen.routes, &seen.rules, &seen.addresses, &machine.devices),
    };
    tell(&counted(queries.len(), "look-up", "look-ups"));
    for family in Family::ALL {
        let of_family = queries.iter().filter(|query| query.family == family);
        let of_family: Vec<&Query> = of_family.collect();
        seen.lookups.extend(ask(family, &of_family)?);
    }
    for name in machine.interfaces.iter().rev() {
        tell(&format!("ifdown {name}"));
        seen.said.extend(configure("ifdown", name)?.1);
    }
    seen.left = left()?;
    if !seen.failed.is_empty() {
        seen.told = told(machine, &seen, tell)?;
    } else if machine.turns {
        seen.turns = turns(machine, &seen, earlier.is_some(), tell)?;
    }
    Ok(seen)
}

/// What `ifup` runs and says for the interfaces that did not come up, in the same order once more.
fn told(
    machine: &Machine,
    seen: &Seen,
    tell: Tell<'_>,
) -> Result<Vec<(String, String)>, TrialError> {
    let mut told = Vec::new();
    start_again(machine, seen)?;
    for name in &machine.interfaces {
        tell(&format!("ifup {name} once more"));
        let said = told_of(name)?;
        if seen.failed.contains(name) {
            told.push((name.clone(), said));
        }
    }
    Ok(told)
}

/// Asks the kernel, and puts each answer beside its question.
fn ask(family: Family, queries: &[&Query]) -> Result<Vec<(Query, String)>, TrialError> {
    let commands: Vec<String> = queries.iter().map(ToString::to_string).collect();
    let (printed, errors) = ip(&["-N", "-o", flag(family)], &commands.join("\n"), false)?;
    Ok(ip_output::answers(queries, &printed, &errors)?)
}

/// Rules and tagged routes that are there still.
fn left() -> Result<Vec<String>, TrialError> {
    let mut left = Vec::new();
    for family in Family::ALL {
        let flag = flag(family);
        let (printed, _) = ip(&["-N", flag], "rule show\n", false)?;
        left.extend(ip_output::rules_left(&printed).map(str::to_owned));
        let tagged = format!("route show table all proto {PROTOCOL}\n");
        let (printed, _) = ip(&["-N", flag], &tagged, false)?;
        left.extend(printed.lines().map(str::to_owned));
    }
    Ok(left)
}
