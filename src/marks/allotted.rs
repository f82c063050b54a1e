//! Which mark of `auto` each table has. Derived from the table's name, so that it is the same after
//! the next boot; noted until then, since a connection may bear the mark of a table that is gone.
//! Where there is no such note, no stanza has marked anything since the boot.

use std::collections::BTreeMap;
use std::fs::{read_to_string, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use log::warn;
use nix::fcntl::OFlag;
use thiserror::Error;

use crate::routing::{Mark, TableId, TableName};
use crate::system::Lock;
use crate::text::fnv1a;

/// Where they are noted, a line each: `0x1a000000/0xff000000 20123`. The file is its own lock.
const FILE: &str = "/run/policy-table-marks";

/// Why a table has no mark.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AllotError {
    /// All are taken.
    #[error(
        "all {} marks of auto are taken, and stay so until the next boot; write MARK/MASK",
        Mark::AUTO
    )]
    Full,
}

/// The marks that tables have.
#[derive(Debug, Default, Clone)]
pub struct Allotted {
    marks: BTreeMap<TableId, Mark>,
    is_read: bool,
}

impl Allotted {
    /// As they are noted now.
    pub fn read() -> Self {
        Self::of(&read_to_string(FILE).unwrap_or_default())
    }

    /// The same, unless they have been read before.
    pub fn read_once(&mut self) -> &mut Self {
        if !self.is_read {
            *self = Self::read();
        }
        self
    }

    fn of(text: &str) -> Self {
        let read = |line: &str| {
            let (mark, table) = line.split_once(' ')?;
            Some((TableId::parse(table).ok()?, mark.parse().ok()?))
        };
        Self {
            marks: text.lines().filter_map(read).collect(),
            is_read: true,
        }
    }

    /// The mark that a table has, or gets now, of which nothing is noted on disk.
    /// Errors: there is none left.
    pub fn mark(&mut self, table: TableId, name: Option<&TableName>) -> Result<Mark, AllotError> {
        if let Some(known) = self.marks.get(&table) {
            return Ok(*known);
        }
        let name = name.map_or_else(|| table.to_string(), ToString::to_string);
        let first = fnv1a(&name) % Mark::AUTO;
        let mut marks = (first..first + Mark::AUTO).map(Mark::auto);
        let is_free = |mark: &Mark| !self.marks.values().any(|taken| taken == mark);
        let mark = marks.find(is_free).ok_or(AllotError::Full)?;
        self.marks.insert(table, mark);
        Ok(mark)
    }

    /// The mark that a table has, noted on disk where it is new. Where it cannot be, it is likely the
    /// same next time.
    /// Errors: there is none left.
    pub fn noted(table: TableId, name: Option<&TableName>) -> Result<Mark, AllotError> {
        let lock = Lock::exclusive(Path::new(FILE));
        let mut allotted = Self::read();
        let is_new = !allotted.marks.contains_key(&table);
        let mark = allotted.mark(table, name)?;
        if is_new {
            let line = format!("{mark} {table}\n");
            if let Err(error) = lock.and_then(|_held| append(&line)) {
                warn!("{error}; table {table} has mark {mark} for now");
            }
        }
        Ok(mark)
    }
}

fn append(line: &str) -> io::Result<()> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.append(true).custom_flags(flags.bits());
    let done = options
        .open(FILE)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    done.map_err(|error| io::Error::new(error.kind(), format!("{FILE}: {error}")))
}

/// Whether nft(8) may have something of ours, whatever the records say.
pub fn may_be_there() -> bool {
    Path::new(FILE).symlink_metadata().is_ok()
}

/// Notes that from now on it may.
pub fn note() {
    if !may_be_there() {
        // The lock is the file.
        if let Err(error) = Lock::exclusive(Path::new(FILE)) {
            warn!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_follows_from_the_name_and_is_of_one_table() {
        let name = "rt2".parse::<TableName>().unwrap();
        let (first, second) = (TableId::numbered(20_001), TableId::numbered(20_002));
        let mut allotted = Allotted::default();
        let mark = allotted.mark(first, Some(&name)).unwrap();
        assert_eq!(Allotted::default().mark(second, Some(&name)), Ok(mark));
        // Another table whose name leads to the same one has the next.
        let next = allotted.mark(second, Some(&name)).unwrap();
        assert_ne!(next, mark);
        let text = format!("{mark} 20001\n\nnonsense\n0/0 7\n{next} 20002\n0x1");
        assert_eq!(Allotted::of(&text).marks, allotted.marks);
    }

    #[test]
    fn when_all_are_taken_that_is_said() {
        let mut allotted = Allotted::default();
        for n in 1..=Mark::AUTO {
            allotted.mark(TableId::numbered(n + 1000), None).unwrap();
        }
        let more = allotted.mark(TableId::numbered(9), None);
        assert_eq!(more, Err(AllotError::Full));
    }
}
