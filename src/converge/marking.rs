//! How the marks of a device's connections stand, as nft(8) has them.

use crate::marks::{self, commands, DeviceMarks, Listing, MarksError};
use crate::record::Record;
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
        let names = match self {
            Self::InPlace(device) | Self::Missing(device, _) | Self::Stale(device, _) => {
                DeviceMarks::names(device).join(", ")
            }
            Self::Trouble(_) => String::new(),
        };
        format!("nft table inet {}: {names}", marks::TABLE)
    }
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
        let look = || match marks::found() {
            Ok(there) if there.is_foreign() => Err(MarksError::Foreign.to_string()),
            Ok(there) => Ok(there),
            Err(error) => Err(error.to_string()),
        };
        let there = match self.0.get_or_insert_with(look) {
            Ok(there) => there,
            Err(error) => return Some(Marking::Trouble(error.clone())),
        };
        let commands = commands(there, &gone, &wanted);
        match (commands.is_empty(), wanted.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Marking::InPlace(device)),
            (false, true) => Some(Marking::Stale(device, commands)),
            (false, false) => Some(Marking::Missing(device, commands)),
        }
    }
}
