//! Hearing which files of some folders change, inotify(7).

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// Folders that are watched.
pub struct FolderWatch {
    inotify: Inotify,
    folders: Vec<WatchDescriptor>,
}

/// What has changed since it was asked last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The files that were put in place, written or taken away, with the number of their folder.
    pub files: BTreeSet<(usize, String)>,
    /// Whether there was more than could be told.
    pub all: bool,
    /// Whether a folder itself is gone, or another one is in its place: of it nothing more is heard.
    pub is_gone: bool,
}

impl FolderWatch {
    /// Begins to watch.
    /// Errors: one of them is not there, or the host has no watches left.
    pub fn of(folders: &[&str]) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let what = AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ONLYDIR;
        let watch = |folder: &&str| inotify.add_watch(Path::new(folder), what);
        let folders = folders.iter().map(watch).collect::<Result<_, _>>()?;
        Ok(Self { inotify, folders })
    }

    /// What has changed.
    pub fn next(&self) -> io::Result<Changed> {
        let mut changed = Changed::default();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Ok(changed),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for event in events {
                let folder = self.folders.iter().position(|it| *it == event.wd);
                match (folder, event.name) {
                    (Some(folder), Some(name)) => {
                        let name = name.to_string_lossy().into_owned();
                        changed.files.insert((folder, name));
                    }
                    (Some(_), None) => changed.is_gone = true,
                    // Too many for the kernel to keep.
                    (None, _) => changed.all = true,
                }
            }
        }
    }
}

impl AsFd for FolderWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
