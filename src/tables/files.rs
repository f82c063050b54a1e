//! The files that name routing tables: `rt_tables`, and the drop-ins beside it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use rustix::fs::RawDir;

use super::rt_tables::{Glance, Tables};
use crate::routing::TableName;

/// The file of names, below the root.
pub const NAMES: &str = "etc/iproute2/rt_tables";
const DROP_INS: &str = "etc/iproute2/rt_tables.d";
const OUR_DROP_IN: &str = "etc/iproute2/rt_tables.d/policy-table.conf";
/// Where iproute2 looks when there is no file in `/etc`: since 6.5, and before 6.7 or so.
const VENDOR_NAMES: [&str; 2] = ["usr/share/iproute2/rt_tables", "usr/lib/iproute2/rt_tables"];
const VENDOR_DROP_INS: [&str; 2] = [
    "usr/share/iproute2/rt_tables.d",
    "usr/lib/iproute2/rt_tables.d",
];

/// Most that is read of a file, in bytes; lines for 4,000 tables are a hundredth of it.
const LONGEST: u64 = 16 << 20;

/// How much of a file is in memory at a time when it is read piece by piece, in bytes: a page
/// first, which is more than most files have, then what makes few system calls of a long one.
const PIECES: [usize; 2] = [4 << 10, 16 << 10];

/// Where the files are, below a root directory.
pub struct NameFiles {
    root: PathBuf,
}

impl NameFiles {
    /// The files below `root`; `/` outside of tests.
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// All names that the files have.
    pub fn read(&self, warnings: &mut Vec<String>) -> Tables {
        let mut tables = Tables::default();
        self.each(|path, opened| match opened.and_then(whole) {
            Ok(text) => {
                for number in tables.add(path, &text) {
                    warnings.push(format!(
                        "{}:{number}: not a table ID and a name; ip stops reading there",
                        path.display()
                    ));
                }
            }
            Err(error) => warnings.push(format!("cannot read {}: {error}", path.display())),
        });
        tables
    }

    /// What the files say of one name at a glance.
    pub fn glance<'a>(&self, name: &'a TableName) -> Glance<'a> {
        let mut glance = Glance::of(name);
        self.each(|path, opened| {
            match opened.and_then(|file| in_pieces(file, |text| glance.see(text))) {
                Ok(length) => glance.note_file(path, length),
                Err(_) => glance.note_unreadable(),
            }
        });
        glance
    }

    /// Opens the files that are there, in the order in which `ip` reads them (measured on
    /// iproute2 6.15; 6.1 does not look in `/usr`, where Debian 12 has nothing).
    fn each(&self, mut see: impl FnMut(&Path, io::Result<File>)) {
        for path in [NAMES].iter().chain(&VENDOR_NAMES) {
            let path = self.root.join(path);
            let opened = open(&path);
            if !is_missing(&opened) {
                see(&path, opened);
                break;
            }
        }
        let own = self.root.join(DROP_INS);
        let is_shadowed = |path: &Path| {
            let name = path.file_name();
            name.is_some_and(|name| own.join(name).symlink_metadata().is_ok())
        };
        for folder in VENDOR_DROP_INS.iter().chain([&DROP_INS]) {
            let folder = self.root.join(folder);
            match drop_ins(&folder) {
                Ok(paths) => {
                    for path in paths {
                        let opened = open(&path);
                        let passed_over = folder != own && is_shadowed(&path);
                        if !passed_over && !is_missing(&opened) {
                            see(&path, opened);
                        }
                    }
                }
                Err(error) => see(&folder, Err(error)),
            }
        }
    }

    /// The file that new names go to. `rt_tables` where there is one; else, or where the
    /// administrator has made it, our drop-in: an `rt_tables` of ours would shadow the vendor's.
    pub fn target(&self) -> PathBuf {
        let drop_in = self.root.join(OUR_DROP_IN);
        let names = self.root.join(NAMES);
        // A file that cannot be looked at is there, and will say what is wrong with it.
        if names.try_exists().unwrap_or(true) && !drop_in.exists() {
            names
        } else {
            drop_in
        }
    }
}

fn is_missing<T>(opened: &io::Result<T>) -> bool {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    opened.as_ref().is_err_and(missing)
}

/// Opens a file; a pipe without waiting for somebody to write into it.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
}

/// A file's text.
fn whole(file: File) -> io::Result<Vec<u8>> {
    // In one go: a buffer that grows is copied again and again.
    let length = usize::try_from(file.metadata()?.len().min(LONGEST)).unwrap_or_default();
    let mut text = Vec::with_capacity(length + 1);
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Reads a file piece by piece, and returns how many bytes it has: memory for the whole of one with
/// thousands of names would cost more than reading it. What `see` does not take of a piece, it gets
/// again at the beginning of the next one.
fn in_pieces(mut file: File, mut see: impl FnMut(&[u8]) -> usize) -> io::Result<u64> {
    let [first, long] = PIECES;
    let mut piece = vec![0; first];
    let (mut length, mut kept) = (0, 0);
    loop {
        // One byte is left for the newline that the last line may lack.
        let end = piece.len() - 1;
        let free = piece.get_mut(kept..end).unwrap_or_default();
        let read = match file.read(free) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 && kept == end || length > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut filled = kept + read;
        if let (0, Some(last)) = (read, piece.get_mut(filled)) {
            *last = b'\n';
            filled += 1;
        }
        let taken = see(piece.get(..filled).unwrap_or_default());
        if read == 0 {
            return Ok(length);
        }
        length += read as u64;
        piece.copy_within(taken..filled, 0);
        kept = filled - taken;
        if filled == end && piece.len() < long {
            piece.resize(long, 0);
        }
    }
}

/// The drop-ins of a folder that `ip` reads; none where there is no such folder.
fn drop_ins(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_DIRECTORY.bits())
        .open(folder);
    if is_missing(&opened) {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    // Into a buffer on the stack: opendir(3) maps one, which costs more than all the rest here.
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(opened?, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.ends_with(b".conf") && !name.starts_with(b".") {
            paths.push(folder.join(OsStr::from_bytes(name)));
        }
    }
    paths.sort();
    Ok(paths)
}
