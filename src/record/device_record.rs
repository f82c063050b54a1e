//! A device's record, locked for one run, and what other devices' records claim.

use std::io;

use log::warn;

use super::part::Part;
use super::record::Record;
use super::store::{Store, FOLDER};
use crate::routing::{InterfaceName, State};
use crate::system::permission_hint;

/// A device's record with the folder that it is kept in. Trouble with the folder is told once,
/// and the run goes on without it: routing matters more than the note of it.
pub struct DeviceRecord {
    device: InterfaceName,
    /// None where the folder cannot be had, or not for this run alone.
    store: Option<Store>,
    /// Whether the folder has taken all notes so far.
    is_written: bool,
    /// What is noted for the device.
    pub noted: Record,
    /// What several devices put in or stand in line for, as far as it has been found out.
    pub shared: State,
}

impl DeviceRecord {
    /// Opens the record of an interface's device, locked against other runs.
    pub fn open(interface: &InterfaceName) -> Self {
        let device = interface.device();
        let opened = Store::open().and_then(|store| Ok((store.read(&device)?, store)));
        match opened {
            Ok((noted, store)) => Self {
                device,
                shared: store.shared(),
                store: Some(store),
                is_written: true,
                noted,
            },
            Err(error) => {
                let mut record = Self {
                    device,
                    store: None,
                    is_written: false,
                    noted: Record::default(),
                    shared: State::default(),
                };
                record.give_up(&error);
                record
            }
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        warn!(
            "{}: no record in {FOLDER}: {error}{}; ifdown will go by the stanza",
            self.device,
            permission_hint(error)
        );
        self.is_written = false;
    }

    /// Notes a stanza's part, on disk if that is news.
    pub fn put(&mut self, part: Part) {
        let mut parts = self.noted.parts().iter();
        let is_news = match parts.find(|old| old.heading == part.heading) {
            Some(old) => *old != part,
            None => !part.is_empty(),
        };
        if is_news {
            self.noted.put(part);
            self.write();
        }
    }

    /// Notes another record, on disk if that is news.
    pub fn replace(&mut self, record: Record) {
        if self.noted != record {
            self.noted = record;
            self.write();
        }
    }

    /// Writes what is noted now.
    pub fn write(&mut self) {
        let written = self
            .writable()
            .map(|store| store.write(&self.device, &self.noted));
        if let Some(Err(error)) = written {
            self.give_up(&error);
        }
    }

    fn writable(&self) -> Option<&Store> {
        self.store.as_ref().filter(|_| self.is_written)
    }

    /// Whether the record on disk is what this run noted.
    pub fn is_written(&self) -> bool {
        self.is_written
    }

    /// Ends a run that put something in. Where it could not be noted, the record on disk is of
    /// before this run and says too little: what a run without the lock put in is added to it.
    pub fn close(self) {
        if self.is_written {
            return;
        }
        let has_lock = self.store.is_some();
        let is_added = !has_lock
            && !self.noted.is_empty()
            && Store::add_unlocked(&self.device, &self.noted).is_ok();
        if !is_added {
            // Where the disk takes no mark either, ifdown will find out by itself.
            let _ = Store::mark_incomplete(&self.device);
        }
    }

    /// Of some objects, those that other devices' records hold: they stay when this device goes.
    pub fn claimed_elsewhere(&self, objects: &State) -> State {
        if objects.is_empty() || self.store.is_none() {
            return State::default();
        }
        Store::claimed_elsewhere(&self.device, objects)
    }

    /// The same of objects that this device's record holds: of those that other devices hold as
    /// well it is noted, so that the records, of which a host may have thousands, need not be read.
    pub fn still_shared(&self, objects: &State) -> State {
        self.claimed_elsewhere(&objects.only(&self.shared))
    }

    /// Notes of objects that were there `already` which of them another device put in, and all
    /// that stand `behind` another device's.
    pub fn share(&mut self, already: &State, behind: &State) {
        let others = self.claimed_elsewhere(already);
        self.set_shared(self.shared.with(&others).with(behind));
    }

    /// Notes that nobody is left who put these objects in.
    pub fn unshare(&mut self, objects: &State) {
        self.set_shared(self.shared.without(objects));
    }

    /// Notes what is shared, on disk if that is news.
    fn set_shared(&mut self, shared: State) {
        if self.shared == shared {
            return;
        }
        self.shared = shared;
        let written = self.writable().map(|store| store.set_shared(&self.shared));
        if let Some(Err(error)) = written {
            self.give_up(&error);
        }
    }
}
