//! The keeper's own folder in `/run`: the pauses, how often it has repaired what, and the lock by
//! which there is one. It is not that of the records, so that no change of these files looks like
//! an `ifup`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::pause::{Moment, Pauses};
use crate::routing::InterfaceName;
use crate::system::{since_start, Lock};

/// The folder; of the service, systemd makes it.
pub const FOLDER: &str = "/run/policy-table-keep";

/// The file of the pauses in it.
pub const PAUSES: &str = "pauses";

/// The one by whose lock there is one keeper.
pub const LOCK: &str = "lock";

/// That of the repairs.
const REPAIRS: &str = "repairs";

/// Makes the folder where it is missing.
/// Errors: it cannot be made.
pub fn make() -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(FOLDER) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(named(FOLDER, &error)),
        _ => Ok(()),
    }
}

/// Held as long as a keeper runs.
/// Errors: another one does, which the error names; or the folder cannot be used.
pub fn be_the_only_one() -> io::Result<Lock> {
    make()?;
    Lock::at_once(&path(LOCK))
}

/// The pauses that are in force.
pub fn pauses() -> Pauses {
    pauses_at(since_start())
}

fn pauses_at(now: Moment) -> Pauses {
    let text = fs::read_to_string(path(PAUSES)).unwrap_or_default();
    let mut pauses = Pauses::read(&text);
    pauses.expire(now);
    pauses
}

/// Changes the pauses, with nobody else doing so meanwhile.
/// Errors: they cannot be locked or written, and stay.
pub fn change_pauses<T>(change: impl FnOnce(&mut Pauses) -> T) -> io::Result<T> {
    make()?;
    let _lock = Lock::exclusive(&path("pauses.lock"))?;
    let mut pauses = pauses();
    let done = change(&mut pauses);
    replace(PAUSES, &pauses.to_string())?;
    Ok(done)
}

/// How often each interface was repaired since the keeper was started.
pub fn repairs() -> BTreeMap<InterfaceName, u64> {
    read_repairs(&fs::read_to_string(path(REPAIRS)).unwrap_or_default())
}

fn read_repairs(text: &str) -> BTreeMap<InterfaceName, u64> {
    let lines = text.lines().filter_map(|line| {
        let (device, count) = line.split_once(' ')?;
        Some((device.parse().ok()?, count.parse().ok()?))
    });
    lines.collect()
}

/// Notes the repairs. Where that fails `status` knows no better.
pub fn note_repairs<'a>(repairs: impl Iterator<Item = (&'a InterfaceName, u64)>) {
    let mut text = String::new();
    for (device, count) in repairs {
        let _ = writeln!(text, "{device} {count}");
    }
    let _ = replace(REPAIRS, &text);
}

/// Puts a text in the place of a file in one step.
fn replace(name: &str, text: &str) -> io::Result<()> {
    let (new, old) = (path(&format!("{name}.new")), path(name));
    let done = fs::write(&new, text).and_then(|()| fs::rename(&new, &old));
    done.map_err(|error| named(&old.to_string_lossy(), &error))
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(FOLDER).join(name)
}

/// An error with the path that it is about.
pub fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_cannot_be_read_count_for_nothing() {
        let found = read_repairs("eth1 3\neth2\neth3 x\na/b 1\nwan 1\n");
        let found: Vec<String> = found.iter().map(|(of, n)| format!("{of} {n}")).collect();
        assert_eq!(found, ["eth1 3", "wan 1"]);
    }
}
