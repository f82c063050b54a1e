//! nft(8) asked what is there, and told what is to be.

use log::debug;
use thiserror::Error;

use super::allotted::may_be_there;
use super::change::commands;
use super::listing::Listing;
use super::ruleset::{DeviceMarks, TABLE};
use crate::record::Record;
use crate::routing::InterfaceName;
use crate::system::{nft, NftError};

/// Why connections are not marked.
#[derive(Debug, Error)]
pub enum MarksError {
    /// It cannot be told what is to be.
    #[error("policy-connmark: {0}")]
    Nft(#[from] NftError),
    /// The name is taken.
    #[error(
        "policy-connmark: there is a table inet {TABLE} that policy-table did not put in; see nft list \
         table inet {TABLE}, and give it another name"
    )]
    Foreign,
}

/// What is there now.
/// Errors: nft(8) cannot be asked.
pub fn found() -> Result<Listing, MarksError> {
    match nft(&["list", "table", "inet", TABLE], "") {
        Ok(text) => Ok(Listing::of(&text)),
        // Its words for an absent table, which no version has translated.
        Err(NftError::Refused(said)) if said.contains("No such file or directory") => {
            Ok(Listing::default())
        }
        Err(error) => Err(error.into()),
    }
}

/// What is there now, of which no record need say anything: where none has marked anything since the
/// boot, nothing is asked.
/// Errors: nft(8) cannot be asked.
fn left() -> Result<Listing, MarksError> {
    if may_be_there() {
        found()
    } else {
        Ok(Listing::default())
    }
}

/// Brings nft(8) from what a device had marked to what its record says now.
/// Errors: nft(8) is not there, or refused; all is as it was.
pub fn load_marks(before: &[InterfaceName], now: &Record) -> Result<bool, MarksError> {
    let going: Vec<String> = before.iter().flat_map(DeviceMarks::names).collect();
    bring_in_step(&going, &DeviceMarks::of(now))
}

/// Takes chains out of nft(8), but for those of wanted devices, which are put in; returns whether
/// anything changed. Where both is nothing, nothing is asked.
/// Errors: nft(8) is not there, or refused; all is as it was.
fn bring_in_step(going: &[String], wanted: &[DeviceMarks]) -> Result<bool, MarksError> {
    if going.is_empty() && wanted.is_empty() {
        return Ok(false);
    }
    let mut tries = 2;
    loop {
        let there = found()?;
        if there.is_foreign() {
            // What is not there need not go.
            return if wanted.is_empty() {
                Ok(false)
            } else {
                Err(MarksError::Foreign)
            };
        }
        let text = commands(&there, going, wanted);
        if text.is_empty() {
            return Ok(false);
        }
        debug!("nft -f -: {text}");
        tries -= 1;
        match nft(&["-f", "-"], &text) {
            Ok(_) => return Ok(true),
            // Somebody else may have flushed it in between.
            Err(NftError::Refused(_)) if tries > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes out the chains of devices that are none of these, and orphans; returns which.
/// Errors: nft(8) refused; all is as it was.
pub fn remove_beside(
    devices: &[DeviceMarks],
    is_orphan: impl Fn(&String) -> bool,
) -> Result<Vec<String>, MarksError> {
    let mut going = match left() {
        Ok(there) => there.beside(devices),
        // Whoever took it away may have taken out what it had.
        Err(MarksError::Nft(NftError::Missing)) => Vec::new(),
        Err(error) => return Err(error),
    };
    going.retain(is_orphan);
    if !going.is_empty() {
        bring_in_step(&going, devices)?;
    }
    Ok(going)
}

/// Takes the whole table out, if it is there and ours; returns whether it was.
/// Errors: nft(8) refused, or is gone since it was told something.
pub fn remove_all() -> Result<bool, MarksError> {
    match found() {
        Ok(there) if there.is_there() && !there.is_foreign() => {
            nft(&["delete", "table", "inet", TABLE], "")?;
            Ok(true)
        }
        Ok(_) => Ok(false),
        Err(MarksError::Nft(NftError::Missing)) if !may_be_there() => Ok(false),
        Err(error) => Err(error),
    }
}
