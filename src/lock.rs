//! Waiting for a file that another run holds, not for ever. Floor 2.

use std::fs::File;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Longest wait. A run holds a lock for less than a millisecond, or for an fsync(2) when it
/// registers a name; hundreds of them in a queue still fit.
const LONGEST: Duration = Duration::from_secs(10);

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// Locks a file for this run alone; the lock goes with the value.
///
/// # Errors
/// The system refuses, or others hold it for longer than ten seconds.
pub fn exclusive(mut file: File) -> io::Result<Flock<File>> {
    let started = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((unlocked, Errno::EWOULDBLOCK | Errno::EINTR)) if started.elapsed() < LONGEST => {
                file = unlocked;
                sleep(PAUSE);
            }
            Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => {
                let seconds = LONGEST.as_secs();
                let message = format!("another process has held its lock for {seconds} seconds");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Err((_, errno)) => return Err(errno.into()),
        }
    }
}
