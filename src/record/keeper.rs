//! How the hooks know that the keeper runs: a link in the folder of the records leads to its process
//! in `/proc`, so that one system call tells, and a keeper that was killed leaves nothing that lies.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

use super::store::{Store, FOLDER};

/// The link. No device can have the name: the kernel allows no colon in one.
const LINK: &str = ".keeper:";

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// Whether the keeper runs, asked once in a run.
pub fn keeper_is_running() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| path(LINK).join("stat").symlink_metadata().is_ok())
}

/// That the keeper runs, until this is dropped.
#[derive(Debug)]
pub struct RunningKeeper {
    target: PathBuf,
}

impl RunningKeeper {
    /// Tells the hooks that this process is the keeper, in the place of one that was killed.
    /// Errors: the folder cannot be made, or takes no link.
    pub fn announce() -> io::Result<Self> {
        let target = Path::new("/proc").join(process::id().to_string());
        let new = path(".keeper:new");
        Store::make()?;
        let _ = fs::remove_file(&new);
        symlink(&target, &new)?;
        fs::rename(&new, path(LINK))?;
        Ok(Self { target })
    }
}

impl Drop for RunningKeeper {
    fn drop(&mut self) {
        // It may be another one's by now.
        if fs::read_link(path(LINK)).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(path(LINK));
        }
    }
}
