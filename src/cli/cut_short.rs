//! A move that was cut short: both the run that asked and the guard that would have gone back for it
//! were killed. Then the options are in force while the file has its lines still, and the next
//! `apply` would take them out and have nothing in their place. What tells of that is a note, made
//! before anything is changed and gone once file and kernel fit together. A start of the host takes it
//! along: that brings up what the file says.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use log::warn;

use super::command::Trouble;
use super::drafted::{by_hand, read, table_names};
use super::running::Running;
use crate::converge::Former;
use crate::ifupdown::interfaces::main_file;
use crate::ifupdown::Caller;
use crate::keep::Truce;
use crate::migrate::Draft;
use crate::netlink::Kernel;
use crate::routing::InterfaceName;
use crate::system::nobody_asks;

const NOTE: &str = "/run/policy-table-move";

/// What becomes the note in one step.
const UNFINISHED: &str = "/run/policy-table-move.new";

const TOLD: &str =
    "policy-table migrate --write --now was killed, and so was what would have gone \
                        back for it: the options are in force, and the file has the old lines; \
                        policy-table apply --all goes back";

/// Notes what of lines a move takes out.
/// Errors: it cannot be written; then nothing may be changed.
pub fn note(former: &Former) -> io::Result<()> {
    if former.interfaces().is_empty() {
        return Ok(());
    }
    let _ = fs::remove_file(UNFINISHED);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600);
    let written = opened
        .open(UNFINISHED)
        .and_then(|mut file| file.write_all(former.to_string().as_bytes()))
        .and_then(|()| fs::rename(UNFINISHED, NOTE));
    written.map_err(|error| {
        let _ = fs::remove_file(UNFINISHED);
        io::Error::new(error.kind(), format!("{NOTE}: {error}"))
    })
}

/// Removes the note: file and kernel fit together.
pub fn forget() {
    let _ = fs::remove_file(NOTE);
}

/// What is to be told of a move that was cut short, where what it took out is out still. As long as
/// somebody is asked about it, it was not cut short.
pub fn told() -> Option<&'static str> {
    if !Path::new(NOTE).exists() {
        return None;
    }
    nobody_asks()?;
    let note = fs::read_to_string(NOTE).unwrap_or_default();
    let former = as_the_file_says(Former::read(&note), Caller::of_host(Path::new("/")));
    let missing = Kernel::open().map(|mut kernel| former.steps_back(&mut kernel).0);
    missing
        .is_ok_and(|missing| !missing.is_empty())
        .then_some(TOLD)
}

/// Puts back what the lines that the file still has had put in before a move that was cut short.
/// Returns the interfaces that are up with those lines; there the options have to go.
/// Errors: the kernel does not answer, or what is up cannot be told.
pub fn put_back(caller: Caller) -> Result<Vec<InterfaceName>, Trouble> {
    if !Path::new(NOTE).exists() {
        return Ok(Vec::new());
    }
    let (Some(_alone), Ok(note)) = (nobody_asks(), fs::read_to_string(NOTE)) else {
        return Ok(Vec::new());
    };
    let former = as_the_file_says(Former::read(&note), caller);
    let mut kernel = Kernel::open()?;
    let is_missing = !former.steps_back(&mut kernel).0.is_empty();
    for warning in former.put_back(&mut kernel) {
        warn!("{warning}");
    }
    let moved = former.interfaces();
    let mut up: Vec<InterfaceName> = Running::up_now()?
        .into_iter()
        .map(|up| up.interface)
        .collect();
    up.retain(|up| moved.contains(up));
    if is_missing {
        warn!(
            "policy-table migrate --write --now was killed before it could go back: what the lines of \
             the file had put in is there again"
        );
    }
    forget();
    Truce::end();
    Ok(up)
}

/// Without what lines put in that have become options since, or are gone.
fn as_the_file_says(former: Former, caller: Caller) -> Former {
    let file = read(&main_file(caller), caller);
    let lines = file.and_then(|file| by_hand(&Draft::of(&file, &table_names())));
    match lines {
        Ok(lines) => former.only(&lines),
        // Nothing says of any line that it is not there.
        Err(_) => former,
    }
}
