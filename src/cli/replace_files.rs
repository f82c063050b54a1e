//! Files in the place of others: of several all or none, each with everything that the old one has
//! beside its bytes, and the old ones kept.
//!
//! Each new file is complete beside the old one, and the old one has its second name, before the
//! first is replaced; if one cannot be, those that were go back. Signals wait until that is over. A
//! power cut in between leaves some replaced, and all old ones under their second names.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{fchown, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, SigmaskHow};

use super::beside_the_bytes::{copy_attributes, flags, folder_of, keep_flags, refuse_fixed};

/// A file, what it is to hold now and what then.
pub struct Replacement<'a> {
    /// The file.
    pub path: &'a Path,
    /// What it is to hold still.
    pub before: Vec<u8>,
    /// What it is to hold.
    pub after: Vec<u8>,
}

/// Why the files are as they were.
#[derive(Debug)]
pub struct NotReplaced {
    /// The file that could not be replaced.
    path: PathBuf,
    reason: io::Error,
    /// What could not be undone.
    left: Vec<String>,
}

impl fmt::Display for NotReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write {}: {}; ", self.path.display(), self.reason)?;
        if self.left.is_empty() {
            f.write_str("all files are as they were")
        } else {
            f.write_str(&self.left.join("; "))
        }
    }
}

/// How far a file is on its way.
struct Staged<'a> {
    path: &'a Path,
    /// The new file, beside the old one.
    new: PathBuf,
    /// The second name of the old one.
    kept: Option<PathBuf>,
    is_replaced: bool,
}

/// Replaces files, and returns the names under which the old ones are kept.
pub fn replace_files(files: &[Replacement<'_>]) -> Result<Vec<PathBuf>, NotReplaced> {
    let held = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let mut staged = Vec::new();
    let done = replace_each(files, &mut staged).map_err(|(path, reason)| NotReplaced {
        path: path.to_owned(),
        reason,
        left: staged.iter_mut().rev().flat_map(Staged::undo).collect(),
    });
    if let Ok(held) = held {
        let _ = held.thread_set_mask();
    }
    done.map(|()| staged.into_iter().filter_map(|file| file.kept).collect())
}

/// Finds out whether files could be replaced, and leaves all as it was.
pub fn rehearse_files(files: &[Replacement<'_>]) -> Result<(), NotReplaced> {
    let mut staged = Vec::new();
    let done = stage_each(files, &mut staged);
    let left: Vec<String> = staged.iter_mut().rev().flat_map(Staged::undo).collect();
    done.map_err(|(path, reason)| NotReplaced {
        path: path.to_owned(),
        reason,
        left,
    })
}

/// Whether a file holds this, to the last byte.
pub fn holds(path: &Path, bytes: &[u8]) -> bool {
    fs::read(path).is_ok_and(|there| there == bytes)
}

/// Under which name each file is to be written: one that is no link to it, if it is among the paths
/// under several; `None` for the further ones.
pub fn names_to_write<'a>(paths: &[&'a Path]) -> Vec<Option<&'a Path>> {
    let mut firsts: HashMap<(u64, u64), usize> = HashMap::new();
    let mut names: Vec<Option<&Path>> = Vec::new();
    for path in paths {
        let first = fs::metadata(path).ok().and_then(|about| {
            let inode = (about.dev(), about.ino());
            let first = *firsts.entry(inode).or_insert(names.len());
            Some(first).filter(|first| *first < names.len())
        });
        let Some(first) = first else {
            names.push(Some(path));
            continue;
        };
        let known = names.get_mut(first).and_then(Option::as_mut);
        if let Some(known) = known.filter(|known| known.is_symlink() && !path.is_symlink()) {
            *known = path;
        }
        names.push(None);
    }
    names
}

/// Makes each new file beside the old one.
fn stage_each<'a>(
    files: &'a [Replacement<'a>],
    staged: &mut Vec<Staged<'a>>,
) -> Result<(), (&'a Path, io::Error)> {
    for file in files {
        let new = prepare(file).map_err(|error| (file.path, error))?;
        staged.push(Staged {
            path: file.path,
            new,
            kept: None,
            is_replaced: false,
        });
    }
    Ok(())
}

fn replace_each<'a>(
    files: &'a [Replacement<'a>],
    staged: &mut Vec<Staged<'a>>,
) -> Result<(), (&'a Path, io::Error)> {
    stage_each(files, staged)?;
    for file in staged.iter_mut() {
        file.kept = Some(keep(file.path).map_err(|error| (file.path, error))?);
    }
    for file in staged.iter_mut() {
        fs::rename(&file.new, file.path).map_err(|error| (file.path, error))?;
        file.is_replaced = true;
    }
    for file in staged {
        sync_folder(file.path);
    }
    Ok(())
}

impl Staged<'_> {
    /// Undoes what has been done, and says what could not be.
    fn undo(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        if let Some(kept) = self.kept.take() {
            let undone = if self.is_replaced {
                fs::rename(&kept, self.path)
            } else {
                fs::remove_file(&kept)
            };
            if let Err(error) = undone {
                let (path, kept) = (self.path.display(), kept.display());
                left.push(if self.is_replaced {
                    format!("{path} is written, and cannot be put back: {error}; {kept} is the old file")
                } else {
                    format!("{kept}, another name of {path}, cannot be removed: {error}")
                });
            }
        }
        if !self.is_replaced {
            if let Err(error) = fs::remove_file(&self.new) {
                left.push(format!("{} cannot be removed: {error}", self.new.display()));
            }
        }
        left
    }
}

/// A name beside a file that no `source /etc/network/interfaces.d/*` finds: wildcards leave out
/// names that begin with a dot.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// Writes the new file under another name.
fn prepare(file: &Replacement<'_>) -> io::Result<PathBuf> {
    let path = file.path;
    if fs::symlink_metadata(path)?.file_type().is_symlink() {
        let target = fs::canonicalize(path)?;
        let said = format!("it is a link; name the file itself, {}", target.display());
        return Err(io::Error::other(said));
    }
    let mut old = File::open(path)?;
    let about = old.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if about.nlink() > 1 && !(about.nlink() == 2 && own_name(path, &about).is_some()) {
        return Err(io::Error::other(
            "it has another name (a hard link), which would stay the old file; remove one of them",
        ));
    }
    let flags = flags(&old)?;
    refuse_fixed(path, &old, flags)?;
    let mut text = Vec::new();
    old.read_to_end(&mut text)?;
    if text != file.before {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    let new = beside(path, "after-migrate");
    let _ = fs::remove_file(&new);
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    // Some of the flags only an empty file can be given.
    let written = keep_flags(flags, &target)
        .and_then(|()| target.write_all(&file.after))
        .and_then(|()| fchown(&target, Some(about.uid()), Some(about.gid())))
        .and_then(|()| target.set_permissions(Permissions::from_mode(about.mode() & 0o7777)))
        .and_then(|()| copy_attributes(&old, &target))
        .and_then(|()| target.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    Ok(new)
}

/// The names under which an old file may be kept.
fn kept_names(path: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    let further = (2..).map(|n: u32| format!("before-migrate.{n}"));
    let endings = std::iter::once("before-migrate".to_owned()).chain(further);
    endings.map(|ending| beside(path, &ending))
}

/// The second name that a run has given a file before it was killed.
fn own_name(path: &Path, about: &Metadata) -> Option<PathBuf> {
    let mut names = kept_names(path).map_while(|name| {
        let its = fs::symlink_metadata(&name).ok()?;
        let is_it = (its.dev(), its.ino()) == (about.dev(), about.ino());
        Some((name, is_it))
    });
    names.find(|(_, is_it)| *is_it).map(|(name, _)| name)
}

/// Keeps the old file under a name that is not taken, or that it has already.
fn keep(path: &Path) -> io::Result<PathBuf> {
    if let Some(name) = own_name(path, &fs::symlink_metadata(path)?) {
        return Ok(name);
    }
    for kept in kept_names(path) {
        match fs::hard_link(path, &kept) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => {
                linked?;
                // The names are to outlive a power cut, too.
                sync_folder(path);
                return Ok(kept);
            }
        }
    }
    Err(io::Error::other("there is no name left for the old file"))
}

fn sync_folder(path: &Path) {
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
}
