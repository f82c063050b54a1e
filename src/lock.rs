//! Waiting for a file that another run holds, not for ever. Floor 2.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::FlockArg;
use nix::sys::stat::{major, minor};

/// Longest wait. A run holds a lock for less than a millisecond, or for an fsync(2) when it
/// registers a name; hundreds of them in a queue still fit.
const LONGEST: Duration = Duration::from_secs(10);

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// Locks a file for this run alone, until it is closed.
///
/// # Errors
/// The system refuses, or others hold it for longer than ten seconds; who, the error says.
pub fn exclusive(file: File) -> io::Result<File> {
    let started = Instant::now();
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(file),
            Err(Errno::EWOULDBLOCK | Errno::EINTR) if started.elapsed() < LONGEST => sleep(PAUSE),
            Err(Errno::EWOULDBLOCK | Errno::EINTR) => {
                let (holder, seconds) = (holder(&file), LONGEST.as_secs());
                let message = format!("{holder} has held its lock for {seconds} seconds");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

// nix's Flock unlocks when it is dropped and panics where the system refuses; closing does.
#[allow(deprecated)]
fn try_lock(file: &File) -> nix::Result<()> {
    nix::fcntl::flock(file.as_raw_fd(), FlockArg::LockExclusiveNonblock)
}

/// Who holds a file's lock, by ID and command name, as far as it can be told.
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
    let Some(pid) = pid else {
        return "another process".to_owned();
    };
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => {
            let name: String = name.trim_end().chars().map(printable).collect();
            format!("process {pid} ({name})")
        }
        Err(_) => format!("process {pid}"),
    }
}

/// A process may call itself anything.
fn printable(c: char) -> char {
    if c.is_control() {
        '?'
    } else {
        c
    }
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
        let file = File::create(&path).unwrap();
        assert_eq!(holder(&file), "another process");
        let locked = exclusive(File::open(&path).unwrap()).unwrap();
        let told = holder(&file);
        let own = format!("process {} (", std::process::id());
        assert!(told.starts_with(&own), "{told}");
        drop(locked);
        assert_eq!(holder(&file), "another process");
        fs::remove_file(path).unwrap();
    }
}
