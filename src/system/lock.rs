//! Waiting for a lock that another run holds, not for ever.
//!
//! Whoever can open a file can lock it with flock(2), be it only to read. So the locks are on
//! files of their own that only root can open: on what everybody may read, any user could keep
//! them, and every run waiting.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::stat::{major, minor};
use rustix::fs::{flock, FlockOperation};
use rustix::io::{fcntl_setfd, Errno, FdFlags};

use super::privileges::permission_hint;
use super::processes::describe;

/// Longest wait. A run holds a lock for less than a millisecond, or for an fsync(2) when it
/// registers a name; hundreds of them in a queue still fit.
const LONGEST: Duration = Duration::from_secs(10);

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// How many times the longest wait is waited where one holder follows another: on a busy machine many
/// runs may have their turn before this one.
const MOST: u32 = 6;

/// A lock that this run alone has, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock that a file stands for, making the file if it is missing. It stays, empty: a
    /// run that removed it could take it away from under one that waits for it.
    /// Errors: the file cannot be opened or made; or, as [`io::ErrorKind::TimedOut`], another holds
    /// it for ten seconds, or others do in turn for a minute; who, the error says.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        Self::within(path, LONGEST)
    }

    /// As [`Lock::exclusive`], with another longest wait.
    pub fn within(path: &Path, longest: Duration) -> io::Result<Self> {
        let file = open(path)?;
        // Where the lock is free the clock is not looked at: the first look alone is two page
        // faults.
        let mut turns = None;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let turns = turns.get_or_insert_with(|| Turns::begin(longest));
                    let waited = turns.wait(&file, path);
                    waited.map_err(|why| io::Error::new(io::ErrorKind::TimedOut, why))?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// As [`Lock::exclusive`], but without waiting.
    /// Errors: the file cannot be opened or made; or, as [`io::ErrorKind::WouldBlock`], another
    /// process holds it, which is all that the error says.
    pub fn at_once(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { file }),
            Err(Errno::WOULDBLOCK) => Err(io::Error::new(io::ErrorKind::WouldBlock, holder(&file))),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Has what is started meanwhile hold it, too: it is free once all of these are gone.
    pub fn handed_down<T>(&self, start: impl FnOnce() -> T) -> io::Result<T> {
        fcntl_setfd(&self.file, FdFlags::empty())?;
        let started = start();
        fcntl_setfd(&self.file, FdFlags::CLOEXEC)?;
        Ok(started)
    }
}

/// A wait for a lock, by the turns that others have.
struct Turns {
    longest: Duration,
    since: Instant,
    /// Who held it when this turn had hardly begun.
    holder: Option<String>,
    /// How many times the longest wait was waited.
    number: u32,
}

impl Turns {
    fn begin(longest: Duration) -> Self {
        Self {
            longest,
            since: Instant::now(),
            holder: None,
            number: 0,
        }
    }

    /// Waits a moment.
    /// Errors: who has held it for too long, or has it now after many others.
    fn wait(&mut self, file: &File, path: &Path) -> Result<(), String> {
        let waited = self.since.elapsed();
        if waited >= self.longest {
            let (now, path) = (holder(file), path.display());
            let seconds = self.longest.as_secs();
            self.number += 1;
            if self.holder.as_ref() == Some(&now) {
                return Err(format!("{now} has held {path} for {seconds} seconds"));
            }
            if self.number == MOST {
                let all = seconds * u64::from(MOST);
                return Err(format!(
                    "{path} was others' in turn for {all} seconds, and {now} has it now"
                ));
            }
            (self.since, self.holder) = (Instant::now(), Some(now));
        } else if waited >= self.longest / 10 && self.holder.is_none() {
            self.holder = Some(holder(file));
        }
        sleep(PAUSE);
        Ok(())
    }
}

/// Opened to be read, so that one that is there serves on a disk that takes nothing, too.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .mode(0o600)
        .open(path);
    opened.map_err(|error| {
        let text = format!("{}: {error}{}", path.display(), permission_hint(&error));
        io::Error::new(error.kind(), text)
    })
}

/// Who holds a file's lock.
fn holder(file: &File) -> String {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = file.metadata().ok().and_then(|metadata| {
        let device = format!(
            "{:02x}:{:02x}",
            major(metadata.dev()),
            minor(metadata.dev())
        );
        holding(&locks, &device, metadata.ino())
    });
    pid.map_or_else(|| "another process".to_owned(), describe)
}

/// The process that holds the flock(2) of an inode, by the lines of proc(5)'s `locks`. The device
/// decides only where several file systems have the inode: btrfs and overlayfs give stat(2)
/// another one than stands there.
fn holding(locks: &str, device: &str, inode: u64) -> Option<u32> {
    let mut found = None;
    for line in locks.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Those that wait have an arrow in the second place.
        let [_, "FLOCK", _, _, pid, file, ..] = words.as_slice() else {
            continue;
        };
        let Some((on, number)) = file.rsplit_once(':') else {
            continue;
        };
        if number.parse() == Ok(inode) {
            found = pid.parse().ok();
            if on == device {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: FLOCK  ADVISORY  WRITE 812 00:19:1045 0 EOF
1: -> FLOCK  ADVISORY  WRITE 813 00:19:1045 0 EOF
2: POSIX  ADVISORY  WRITE 814 fe:00:77 0 EOF
3: FLOCK  ADVISORY  WRITE 815 fe:01:1045 0 EOF
4: FLOCK  ADVISORY  WRITE 816 fe:00:99 0 EOF
";

    #[test]
    fn the_holder_is_the_one_of_the_inode_and_if_need_be_of_the_device() {
        assert_eq!(holding(LOCKS, "00:19", 1045), Some(812));
        assert_eq!(holding(LOCKS, "fe:01", 1045), Some(815));
        assert_eq!(holding(LOCKS, "00:2a", 99), Some(816));
        assert_eq!(holding(LOCKS, "fe:00", 77), None, "no flock");
        assert_eq!(holding("?\n1: FLOCK\n", "fe:00", 0), None);
    }

    #[test]
    fn the_holder_of_a_real_lock_is_found() {
        let path = std::env::temp_dir().join(format!("policy-table-lock-{}", std::process::id()));
        let locked = Lock::exclusive(&path).unwrap();
        let file = File::open(&path).unwrap();
        let told = holder(&file);
        let own = format!("process {} (", std::process::id());
        assert!(told.starts_with(&own), "{told}");
        let mut turns = Turns::begin(Duration::ZERO);
        assert_eq!(turns.wait(&file, &path), Ok(()));
        let stays = turns.wait(&file, &path).unwrap_err();
        let held = format!("{told} has held {} for 0 seconds", path.display());
        assert_eq!(stays, held);
        let mut turns = Turns {
            longest: Duration::ZERO,
            holder: Some("process 1 (init)".to_owned()),
            number: MOST - 1,
            ..turns
        };
        let after_others = turns.wait(&file, &path).unwrap_err();
        let now = format!("in turn for 0 seconds, and {told} has it now");
        assert!(after_others.ends_with(&now), "{after_others}");
        drop(locked);
        assert_eq!(holder(&file), "another process");
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
        fs::remove_file(path).unwrap();
    }
}
