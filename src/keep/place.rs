//! What a keeper has in `/run` while it runs: the lock by which there is one, the link that tells the
//! hooks of it, and its ear for records and pauses. Where somebody removes a folder, it is made anew.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::sleep;
use std::time::Duration;

use log::warn;
use thiserror::Error;

use super::folder::{be_the_only_one, make, named, FOLDER, LOCK};
use super::manner::Manner;
use crate::record::{RunningKeeper, Store, FOLDER as RECORDS};
use crate::system::{Changed, FolderWatch, Lock, NotPermitted};

/// Who removes a folder begins with what is in it.
const REMOVAL: Duration = Duration::from_millis(50);

/// Why nothing can be kept.
#[derive(Debug, Error)]
pub enum KeepError {
    #[error("unexpected argument {0:?}; expected --dry-run or --stay")]
    Word(OsString),
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    #[error("the records cannot be watched: {0}")]
    Records(io::Error),
    #[error("another keeper runs: {0}")]
    Another(io::Error),
    #[error("the keeper's own files cannot be made: {0}")]
    NoPlace(io::Error),
    #[error("changes cannot be heard of: {0}")]
    Changes(io::Error),
    #[error("signals cannot be waited for: {0}")]
    Signals(io::Error),
}

/// A keeper's place, for as long as it runs.
pub struct KeeperPlace {
    manner: Manner,
    /// Of the records, and of the keeper's own files.
    changes: FolderWatch,
    alone: Option<Lock>,
}

impl KeeperPlace {
    /// Takes the place; none where there never was a record, and it does not wait for one.
    /// Errors: another one has it; or the folders cannot be made, written to or watched.
    pub fn take(manner: Manner) -> Result<Option<Self>, KeepError> {
        // One that only looks may run beside another.
        let alone = manner.acts.then(be_the_only_one).transpose();
        let alone = alone.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => KeepError::Another(error),
            _ => KeepError::NoPlace(error),
        })?;
        make().map_err(KeepError::NoPlace)?;
        let in_records = |error| KeepError::NoPlace(named(RECORDS, &error));
        if manner.stays {
            Store::make().map_err(in_records)?;
        }
        let changes = match FolderWatch::of(&[RECORDS, FOLDER]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            watched => watched.map_err(KeepError::Records)?,
        };
        if manner.acts {
            let running = RunningKeeper::announce().map_err(in_records)?;
            // A link that leads to no process says nothing. To remove it would be a change of the
            // folder, which starts the service that is being stopped.
            std::mem::forget(running);
        }
        Ok(Some(Self {
            manner,
            changes,
            alone,
        }))
    }

    /// What has changed there.
    /// Errors: a folder is gone, and the place cannot be taken again.
    pub fn changed(&mut self) -> Result<Changed, KeepError> {
        let mut changed = self.changes.next().map_err(KeepError::Records)?;
        // As long as the file is open here, nothing tells that its folder is gone.
        let lock = (1, LOCK.to_owned());
        if changed.is_gone || changed.files.contains(&lock) {
            sleep(REMOVAL);
            warn!("somebody removed {RECORDS} or {FOLDER}; made anew");
            // Its file may be the old one still.
            self.alone = None;
            let again = Manner {
                stays: true,
                ..self.manner
            };
            if let Some(place) = Self::take(again)? {
                self.changes = place.changes;
                self.alone = place.alone;
            }
            changed.all = true;
        }
        Ok(changed)
    }
}

impl AsFd for KeeperPlace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}
