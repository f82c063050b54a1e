//! A device's record during a run, and what other devices' records claim.

use std::io;

use log::warn;

use super::record::Record;
use super::store::{Store, FOLDER};
use crate::routing::{InterfaceName, State};
use crate::system::permission_hint;

/// A device's record with the folder that keeps it. Trouble with the folder is told once, and
/// the run goes on without it: routing matters more than the note of it.
pub struct DeviceRecord {
    device: InterfaceName,
    store: Option<Store>,
    /// The folder once it took no note, for what other devices' records say.
    unwritable: Option<Store>,
    /// What is noted for the device.
    pub record: Record,
    /// What several devices put in or stand in line for, as far as it has been found out.
    pub shared: State,
}

impl DeviceRecord {
    /// Opens the record of an interface's device, locked against other runs.
    pub fn open(interface: &InterfaceName) -> Self {
        let device = interface.device();
        let opened = Store::open().and_then(|store| Ok((store.read(&device)?, store)));
        match opened {
            Ok((record, store)) => Self {
                device,
                shared: store.shared(),
                store: Some(store),
                unwritable: None,
                record,
            },
            Err(error) => {
                let mut book = Self {
                    device,
                    store: None,
                    unwritable: None,
                    record: Record::default(),
                    shared: State::default(),
                };
                book.give_up(&error);
                book
            }
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        warn!(
            "{}: no record in {FOLDER}: {error}{}; ifdown will go by the stanza",
            self.device,
            permission_hint(error)
        );
        self.unwritable = self.store.take();
    }

    /// Notes what a stanza put in, on disk if that is news.
    pub fn set(&mut self, stanza: &str, state: State) {
        if self.record.of_stanza(stanza) != state {
            self.record.set(stanza, state);
            self.write();
        }
    }

    /// Notes another record, on disk if that is news.
    pub fn replace(&mut self, record: Record) {
        if self.record != record {
            self.record = record;
            self.write();
        }
    }

    /// Keeps the record as it is now.
    pub fn write(&mut self) {
        let Some(store) = &self.store else {
            return;
        };
        if let Err(error) = store.write(&self.device, &self.record) {
            self.give_up(&error);
        }
    }

    /// Whether the record on disk is what this run noted.
    pub fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    /// Ends a run that put something in. Where it could not be noted, the record of before says
    /// too little.
    pub fn close(self) {
        if self.store.is_none() {
            // Where the disk takes nothing, nothing is; ifdown will find that out, too.
            let _ = Store::mark_incomplete(&self.device);
        }
    }

    /// Of some objects, those that other devices' stanzas put in as well. Only what has been
    /// found shared is looked for in the other records: a host may have thousands of them.
    pub fn claimed_elsewhere(&self, objects: &State) -> State {
        self.claimed_by_any(&objects.only(&self.shared))
    }

    /// Of some objects, those that another device's record holds, found shared or not.
    pub fn claimed_by_any(&self, objects: &State) -> State {
        match self.store.as_ref().or(self.unwritable.as_ref()) {
            Some(store) if !objects.is_empty() => objects.only(&store.of_others(&self.device)),
            _ => State::default(),
        }
    }

    /// Notes of objects that were there `already` which of them another device put in, and all
    /// that stand `behind` another device's.
    pub fn share(&mut self, already: &State, behind: &State) {
        let others = match &self.store {
            Some(store) if !already.is_empty() => store.of_others(&self.device),
            _ => State::default(),
        };
        self.set_shared(self.shared.with(&already.only(&others)).with(behind));
    }

    /// Notes that nobody is left who put these objects in.
    pub fn unshare(&mut self, objects: &State) {
        self.set_shared(self.shared.without(objects));
    }

    /// Keeps what is shared, on disk if that is news.
    fn set_shared(&mut self, shared: State) {
        if self.shared == shared {
            return;
        }
        self.shared = shared;
        let kept = self
            .store
            .as_ref()
            .map(|store| store.set_shared(&self.shared));
        if let Some(Err(error)) = kept {
            self.give_up(&error);
        }
    }
}
