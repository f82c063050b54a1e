//! The records on disk: one file for each device in `/run/policy-table`.
//!
//! A lock is held while a run reads, acts and writes, so that runs for interfaces that come up
//! side by side see each other's claims whole. A file is replaced in one step; a run that is
//! killed leaves the old one or the new one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::string::FromUtf8Error;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{openat, renameat, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::{unlinkat, UnlinkatFlags};

use super::heading::Heading;
use super::record::{ObjectLines, Record};
use crate::routing::{InterfaceName, State};
use crate::system::Lock;

/// Where the records are; gone after a reboot, as the routes are.
pub const FOLDER: &str = "/run/policy-table";

/// What is locked. It stands beside the folder, so that there is nothing but records in that.
const LOCK: &str = "/run/policy-table-records.lock";

/// A run that loads the marks of connections has the lock for two seconds at most, others far
/// shorter.
const SHORT: Duration = Duration::from_secs(3);

/// The file of shared objects. No device can have the name: the kernel allows no colon in one.
const SHARED: &str = ".shared:";

/// What heads the shared objects in that file.
const SEVERAL: &str = "several";

/// No line of a record: what is read of one with it counts as damaged.
const INCOMPLETE: &[u8] = b"incomplete\n";

/// Most records have fewer bytes than this.
const USUAL: usize = 4 << 10;

/// The folder of the records, locked unless it is opened only to leave a mark in it.
pub struct Store {
    folder: File,
    _lock: Option<Lock>,
}

impl Store {
    /// Whether a device has a record. No lock is taken: for the many interfaces that have none.
    pub fn has(device: &InterfaceName) -> bool {
        Path::new(FOLDER)
            .join(device.as_str())
            .symlink_metadata()
            .is_ok()
    }

    /// The record of a device as it stands, read without waiting for the lock: a record is
    /// replaced in one step, so that it is whole. An empty one if there is none.
    pub fn peek(device: &InterfaceName) -> Record {
        Self::peek_file(device.as_str())
    }

    fn peek_file(name: &str) -> Record {
        Self::open_to_peek(name).and_then(read).unwrap_or_default()
    }

    fn open_to_peek(name: &str) -> io::Result<File> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(Path::new(FOLDER).join(name))
    }

    /// Whether the record of a device, as it stands, has one of some objects. Of the many that have
    /// none, nothing is read but the lines.
    pub fn mentions(device: &InterfaceName, objects: &ObjectLines) -> bool {
        let mut bytes = Vec::with_capacity(USUAL);
        let read = Self::open_to_peek(device.as_str()).and_then(|file| {
            let mut file = file.take(u64::MAX);
            file.read_to_end(&mut bytes)
        });
        read.is_ok() && objects.stand_in(&bytes)
    }

    /// Of some objects, those that the records of other devices hold, read as [`Self::peek`] does.
    /// Files that are no records hold nothing.
    /// No more of them are read than it takes: what thousands of stanzas share, the first one holds.
    pub fn claimed_elsewhere(device: &InterfaceName, objects: &State) -> State {
        let mut claimed = State::default();
        let mut open = objects.clone();
        let mut others = Self::devices().filter(|other| other != device);
        while !open.is_empty() {
            let Some(other) = others.next() else {
                break;
            };
            let held = Self::peek(&other).state();
            claimed.extend(open.only(&held).objects());
            open = open.without(&held);
        }
        objects.only(&claimed)
    }

    /// Opens and locks the folder, making it if it is missing.
    /// Errors: it cannot be made, is no folder, or cannot be locked.
    pub fn open() -> io::Result<Self> {
        let opened = match Self::open_folder() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::make()?;
                Self::open_folder()?
            }
            opened => opened?,
        };
        Ok(Self {
            folder: opened,
            _lock: Some(Lock::exclusive(Path::new(LOCK))?),
        })
    }

    /// Makes the folder where it is missing.
    /// Errors: it cannot be made.
    pub fn make() -> io::Result<()> {
        match DirBuilder::new().mode(0o755).create(FOLDER) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the records can be locked now; somebody may be about to end.
    /// Errors: they cannot; who has held them for three seconds, the error says.
    pub fn can_be_locked() -> io::Result<()> {
        Lock::within(Path::new(LOCK), SHORT).map(drop)
    }

    /// A link in its place is not followed: nobody but this program makes the folder.
    fn open_folder() -> io::Result<File> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(FOLDER)
    }

    fn open_file(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file: OwnedFd = openat(&self.folder, name, flags, Mode::from_bits_truncate(0o644))?;
        Ok(file.into())
    }

    /// The record of a device; an empty one if there is none.
    /// Errors: the file is there and cannot be read.
    pub fn read(&self, device: &InterfaceName) -> io::Result<Record> {
        self.read_file(device.as_str())
    }

    /// [`Self::shared`] as it stands, read as [`Self::peek`] does.
    pub fn peek_shared() -> State {
        Self::peek_file(SHARED).state()
    }

    /// The objects that stanzas of several devices put in. A hint: which of them still do, their
    /// records say.
    pub fn shared(&self) -> State {
        self.read_file(SHARED).unwrap_or_default().state()
    }

    fn read_file(&self, name: &str) -> io::Result<Record> {
        match self.open_file(name, OFlag::O_RDONLY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            opened => read(opened?),
        }
    }

    /// Notes these objects as shared, and no others.
    pub fn set_shared(&self, state: &State) -> io::Result<()> {
        let mut record = Record::default();
        record.set(&Heading::without_stanza(SEVERAL), state.clone());
        self.replace_file(SHARED, &record)
    }

    /// The devices that have a record.
    pub fn devices() -> impl Iterator<Item = InterfaceName> {
        let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let devices = names.filter_map(|name| name.parse::<InterfaceName>().ok());
        devices.filter(|device| !device.as_str().contains(':'))
    }

    /// Writes the record of a device; of an empty one the file goes.
    /// Errors: it cannot be written, and the one before stays.
    pub fn write(&self, device: &InterfaceName, record: &Record) -> io::Result<()> {
        self.replace_file(device.as_str(), record)
    }

    /// Removes all records.
    pub fn clear(&self) -> io::Result<()> {
        for device in Self::devices() {
            self.write(&device, &Record::default())?;
        }
        self.set_shared(&State::default())
    }

    /// Marks the record of a device as not all that was put in, so that `ifdown` goes by the
    /// stanza as well; or removes it, where it cannot be marked. Takes no lock: for a run that
    /// could not have it. Without a record there is nothing to mark.
    /// Errors: it stays and misleads.
    pub fn mark_incomplete(device: &InterfaceName) -> io::Result<()> {
        let store = match Self::open_folder() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folder => Self {
                folder: folder?,
                _lock: None,
            },
        };
        match store.append(device, INCOMPLETE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(_) => store.write(device, &Record::default()),
            Ok(()) => Ok(()),
        }
    }

    /// Adds what a run put in to the record of a device, behind a mark that the rest of it may be of
    /// before; or begins it. Takes no lock: for a run that could not have it. Who has the lock may
    /// write the record of this device at the same moment, and then this is lost.
    /// Errors: it cannot be written.
    pub fn add_unlocked(device: &InterfaceName, record: &Record) -> io::Result<()> {
        let store = Self {
            folder: Self::open_folder()?,
            _lock: None,
        };
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        match store.open_file(device.as_str(), flags) {
            Ok(mut file) => file.write_all(record.to_string().as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // In one piece, should another run do the same.
                let added = [INCOMPLETE, record.to_string().as_bytes()].concat();
                store.append(device, &added)
            }
            Err(error) => Err(error),
        }
    }

    fn append(&self, device: &InterfaceName, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND;
        let mut file = self.open_file(device.as_str(), flags)?;
        file.write_all(bytes)
    }

    /// Puts a record in the place of a file, in one step; an empty one removes the file.
    fn replace_file(&self, name: &str, record: &Record) -> io::Result<()> {
        let new = format!(".{name}:new");
        // A run that was killed may have left one.
        let sweep = || unlinkat(&self.folder, new.as_str(), UnlinkatFlags::NoRemoveDir);
        if record.is_empty() {
            let _ = sweep();
            return match unlinkat(&self.folder, name, UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => Ok(()),
                Err(errno) => Err(errno.into()),
            };
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let mut file = match self.open_file(&new, flags) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let _ = sweep();
                self.open_file(&new, flags)?
            }
            opened => opened?,
        };
        if let Err(error) = file.write_all(record.to_string().as_bytes()) {
            let _ = sweep();
            return Err(error);
        }
        Ok(renameat(&self.folder, new.as_str(), &self.folder, name)?)
    }
}

/// A file as a record; of one that is no text, what can be read.
fn read(file: File) -> io::Result<Record> {
    // Not `fs::read`, which asks for the length first: a system call.
    let mut text = Vec::with_capacity(USUAL);
    file.take(u64::MAX).read_to_end(&mut text)?;
    // What is a text is found to be one more quickly than by looking for what is none.
    let lossy = |error: FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
    let text = String::from_utf8(text).unwrap_or_else(lossy);
    Ok(Record::read(&text))
}
