//! Listening to what becomes of our table of nft(8), for as long as a record has connections marked.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use log::warn;

use crate::marks::TABLE;
use crate::netlink::NftWatch;

/// The socket, where there is something to listen for.
#[derive(Default)]
pub struct MarksWatch(Option<NftWatch>);

impl MarksWatch {
    /// Opens or closes it. Before the first look at the table.
    pub fn follow(&mut self, has_marks: bool) {
        if !has_marks {
            self.0 = None;
        } else if self.0.is_none() {
            match NftWatch::of_table(TABLE) {
                Ok(watch) => self.0 = Some(watch),
                Err(error) => warn!("changes of nft(8) cannot be heard of: {error}"),
            }
        }
    }

    /// Whether something of the table has changed, or may have; does not wait.
    pub fn hear(&self) -> io::Result<bool> {
        self.0.as_ref().map_or(Ok(false), NftWatch::hear)
    }

    /// What to wait for.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }
}
