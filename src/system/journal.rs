//! Where messages go: the back end of `log`.
//!
//! Syslog gets warnings, errors and the one line that sums a run up; standard error gets
//! warnings and errors; with `VERBOSITY=1` both get everything. The socket is opened by the first
//! message that needs it and never waited for: a syslog that is missing, full or stuck must
//! not hold up `ifup`.
//!
//! What a hook of ifupdown2's prints nobody sees. There warnings and errors go to where ifupdown2
//! itself prints, too, in its own words, which are those that Proxmox shows in the log of a task:
//! `warning: eth1: …`.

use std::env;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{socket, AddressFamily, SockFlag, SockType};
use nix::sys::stat::fstat;
use syslog::{Facility, LogFormat, Logger, LoggerBackend, Severity};

/// The tag of each line, and the name in front of each message on standard error.
pub const NAME: &str = "policy-table";

const SOCKET: &str = "/dev/log";

/// Where the program prints that runs this one as its hook.
#[derive(Debug)]
pub struct OtherOutput(pub File);

/// Starts logging. Does nothing if it has been started before.
pub fn start_logging(verbose: bool) {
    start_logging_beside(verbose, None);
}

/// As [`start_logging`], of a hook; with the output of the program that runs it, where that keeps to
/// itself what a hook prints.
pub fn start_logging_beside(verbose: bool, output: Option<OtherOutput>) {
    let levels = if verbose {
        (LevelFilter::Debug, Level::Debug)
    } else {
        (LevelFilter::Info, Level::Warn)
    };
    start(levels, false, output);
}

/// As [`start_logging`], of a program that stays: standard error gets what syslog gets. Where that
/// is systemd's journal, to which syslog leads too, each message goes there once.
pub fn start_logging_of_service() {
    start((LevelFilter::Info, Level::Info), is_journal(), None);
}

/// Whether standard error is systemd's journal. The variable names that by device and inode, since
/// who starts the program may have led it elsewhere: sd-daemon(3).
fn is_journal() -> bool {
    let named = env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(io::stderr()).is_ok_and(|own| format!("{}:{}", own.st_dev, own.st_ino) == named)
}

fn start((most, on_stderr): (LevelFilter, Level), with_levels: bool, beside: Option<OtherOutput>) {
    let syslog = if with_levels {
        Syslog::Missing
    } else {
        Syslog::Untried
    };
    let journal = Journal {
        on_stderr,
        with_levels,
        beside,
        syslog: Mutex::new(syslog),
    };
    if log::set_boxed_logger(Box::new(journal)).is_ok() {
        log::set_max_level(most);
    }
}

/// What standard error would have been told, where that is held back.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as there is one, standard error is told nothing: who reads it slowly, or not at all, must
/// not hold up a change that is half made. Syslog, which is never waited for, hears all at once.
#[must_use]
#[derive(Debug)]
pub struct HeldMessages(&'static Mutex<Option<Vec<u8>>>);

/// Holds back from now on what standard error would be told.
pub fn hold_messages() -> HeldMessages {
    lock(&HELD).get_or_insert_default();
    HeldMessages(&HELD)
}

impl HeldMessages {
    /// What has been held back since the last call.
    pub fn take(&self) -> Vec<u8> {
        lock(self.0)
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

impl Drop for HeldMessages {
    fn drop(&mut self) {
        let messages = lock(self.0).take().unwrap_or_default();
        if !messages.is_empty() {
            let _ = io::stderr().write_all(&messages);
        }
    }
}

struct Journal {
    /// What standard error gets, with all that is more important.
    on_stderr: Level,
    /// Whether that is systemd's journal, where a line begins with its level: sd-daemon(3).
    with_levels: bool,
    /// The output of ifupdown2.
    beside: Option<OtherOutput>,
    syslog: Mutex<Syslog>,
}

enum Syslog {
    Untried,
    Open(Box<Logger<LoggerBackend, Line>>),
    Missing,
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("policy_table") && metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if record.level() <= self.on_stderr {
            // In one piece, whatever others write there meanwhile. An error here has nobody to be
            // reported to.
            let line = if self.with_levels {
                format!("<{}>{}\n", severity(record.level()), record.args())
            } else {
                format!("{NAME}: {}\n", record.args())
            };
            match &mut *lock(&HELD) {
                Some(held) => held.extend_from_slice(line.as_bytes()),
                None => drop(io::stderr().write_all(line.as_bytes())),
            }
        }
        if let Some(output) = self
            .beside
            .as_ref()
            .filter(|_| record.level() <= Level::Warn)
        {
            let line = in_words_of_ifupdown2(record.level(), &record.args().to_string());
            print_unless_full(&output.0, &line);
        }
        lock(&self.syslog).send(record);
    }

    fn flush(&self) {}
}

/// A message as ifupdown2 prints one of an interface. Who says it is said where that is not clear.
fn in_words_of_ifupdown2(level: Level, message: &str) -> String {
    let word = if level == Level::Error {
        "error"
    } else {
        "warning"
    };
    let from = if message.contains("policy-") {
        String::new()
    } else {
        format!("{NAME}: ")
    };
    match message.split_once(": ") {
        Some((interface, rest)) if !interface.contains(' ') => {
            format!("{word}: {interface}: {from}{rest}\n")
        }
        _ => format!("{word}: {from}{message}\n"),
    }
}

/// Prints a line where somebody else prints, too, and may be waiting for a reader.
fn print_unless_full(mut output: &File, line: &str) {
    let mut ready = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
    let is_ready = poll(&mut ready, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    if is_ready && ready.iter().all(|it| it.any() == Some(true)) {
        let _ = output.write_all(line.as_bytes());
    }
}

/// The number that syslog(3) has for a level.
fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

impl Syslog {
    fn send(&mut self, record: &Record<'_>) {
        if matches!(self, Self::Untried) {
            *self = connect().map_or(Self::Missing, |logger| Self::Open(Box::new(logger)));
        }
        let Self::Open(logger) = self else {
            return;
        };
        let message = record.args();
        let sent = match record.level() {
            Level::Error => logger.err(message),
            Level::Warn => logger.warning(message),
            Level::Info => logger.info(message),
            Level::Debug | Level::Trace => logger.debug(message),
        };
        if sent.is_err() {
            *self = Self::Missing;
        }
    }
}

/// syslog's own way to connect would block on a reader that does not read.
fn connect() -> io::Result<Logger<LoggerBackend, Line>> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = UnixDatagram::from(socket(
        AddressFamily::Unix,
        SockType::Datagram,
        flags,
        None,
    )?);
    socket.connect(SOCKET)?;
    Ok(Logger::new(LoggerBackend::Unix(socket), Line))
}

/// The line of RFC 3164 without its optional time, which every syslog of Debian's supplies:
/// syslog's own formatter panics where the local time zone cannot be told.
struct Line;

impl<T: Display> LogFormat<T> for Line {
    fn format<W: Write>(&self, w: &mut W, severity: Severity, message: T) -> syslog::Result<()> {
        let priority = Facility::LOG_DAEMON as u8 | severity as u8;
        let pid = std::process::id();
        write!(w, "<{priority}>{NAME}[{pid}]: {message}").map_err(syslog::Error::Write)
    }
}
