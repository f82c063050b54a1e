//! How the marks of a device's connections stand, as nft(8) has them.

use crate::marks::{self, commands, DeviceMarks, Listing, MarksError};
use crate::record::{Record, Store};
use crate::routing::InterfaceName;

/// How the chains of a device stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marking {
    /// They are as they are to be.
    InPlace(InterfaceName),
    /// They are not, or not all; what nft(8) is to be told.
    Missing(InterfaceName, String),
    /// They are there and nobody asks for them; what takes them out.
    Stale(InterfaceName, String),
    /// They cannot be.
    Trouble(String),
}

impl Marking {
    /// Whether all is as it is to be.
    pub fn is_in_place(&self) -> bool {
        matches!(self, Self::InPlace(_))
    }

    /// What nft(8) is to be told.
    pub fn commands(&self) -> Option<&str> {
        match self {
            Self::Missing(_, commands) | Self::Stale(_, commands) => Some(commands),
            Self::InPlace(_) | Self::Trouble(_) => None,
        }
    }

    /// How they stand, in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::InPlace(_) => "in place",
            Self::Missing(..) => "missing",
            Self::Stale(..) => "stale",
            Self::Trouble(_) => "trouble",
        }
    }

    /// What it is about, as nft(8) would be asked for it.
    pub fn chains(&self) -> String {
        told_chains(&self.names())
    }

    /// The chains that it is about.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::InPlace(device) | Self::Missing(device, _) | Self::Stale(device, _) => {
                DeviceMarks::names(device)
            }
            Self::Trouble(_) => Vec::new(),
        }
    }
}

/// Chains of ours as they are told of.
pub fn told_chains(names: &[String]) -> String {
    format!("nft table inet {}: {}", marks::TABLE, names.join(", "))
}

/// What nft(8) has, asked once for all devices, and only where one has marks.
#[derive(Debug, Default)]
pub struct SeenMarks(Option<Result<Listing, String>>);

impl SeenMarks {
    /// How the marks of a device stand: of what its record had, and what it will have. None where both
    /// have none.
    pub fn look(&mut self, had: &Record, will_have: &Record) -> Option<Marking> {
        let gone = DeviceMarks::devices(had);
        let wanted = DeviceMarks::of(will_have);
        let device = wanted
            .first()
            .map(DeviceMarks::device)
            .or(gone.first())?
            .clone();
        let going: Vec<String> = gone.iter().flat_map(DeviceMarks::names).collect();
        let there = match self.listing() {
            Ok(there) => there,
            Err(error) => return Some(Marking::Trouble(error.clone())),
        };
        let commands = commands(there, &going, &wanted);
        match (commands.is_empty(), wanted.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Marking::InPlace(device)),
            (false, true) => Some(Marking::Stale(device, commands)),
            (false, false) => Some(Marking::Missing(device, commands)),
        }
    }

    /// The chains of devices for which no record has marks.
    pub fn in_no_record(&mut self) -> Vec<String> {
        // First, since a hook notes what it is going to put in.
        if !marks::may_be_there() {
            return Vec::new();
        }
        let Ok(there) = self.listing() else {
            return Vec::new();
        };
        if there.beside(&[]).is_empty() {
            return Vec::new();
        }
        let records = Store::devices().map(|device| Store::peek(&device));
        let noted: Vec<DeviceMarks> = records.flat_map(|it| DeviceMarks::of(&it)).collect();
        there.beside(&noted)
    }

    /// What takes chains out.
    pub fn without(&mut self, chains: &[String]) -> String {
        if chains.is_empty() {
            return String::new();
        }
        let there = self.listing().as_ref();
        there.map_or_else(|_| String::new(), |there| commands(there, chains, &[]))
    }

    fn listing(&mut self) -> &Result<Listing, String> {
        self.0.get_or_insert_with(|| match marks::found() {
            Ok(there) if there.is_foreign() => Err(MarksError::Foreign.to_string()),
            Ok(there) => Ok(there),
            Err(error) => Err(error.to_string()),
        })
    }
}
