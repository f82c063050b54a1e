//! What is up moves over to the options of a new file: what the lines of the old one have put in
//! gives way to what the options ask for, without `ifdown`, and without a moment in which a packet
//! goes another way. The new file comes into its place last of all. So a host that is started anew in
//! between finds the old one, and brings up what that says.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::apply::{change, Survey};
use super::command::{Trouble, Verdict};
use super::cut_short;
use super::drafted::by_hand;
use super::replace_files::{holds, rehearse_files, replace_files, NotReplaced, Replacement};
use super::running::Running;
use super::trial::GoesBack;
use crate::converge::{routes_and_rules, why_left, Snapshot};
use crate::ifupdown::interfaces::{Device, Interfaces};
use crate::ifupdown::Caller;
use crate::migrate::Draft;
use crate::netlink::Kernel;
use crate::routing::InterfaceName;

/// A file that is to be another one.
#[derive(Clone)]
pub struct NewFile {
    pub path: PathBuf,
    pub before: Vec<u8>,
    pub after: Vec<u8>,
}

impl NewFile {
    /// The way back.
    pub fn reversed(&self) -> Self {
        Self {
            path: self.path.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }

    /// Whether it is new already.
    pub fn is_new(&self) -> bool {
        holds(&self.path, &self.after)
    }
}

fn replacements(files: &[NewFile]) -> Vec<Replacement<'_>> {
    let replacements = files.iter().map(|file| Replacement {
        path: &file.path,
        before: file.before.clone(),
        after: file.after.clone(),
    });
    replacements.collect()
}

/// Puts new files into their places, all or none. Returns the names under which the old ones are kept.
pub fn write_files(files: &[NewFile]) -> Result<Vec<PathBuf>, NotReplaced> {
    replace_files(&replacements(files))
}

/// Finds out whether that could be done.
pub fn rehearse(files: &[NewFile]) -> Result<(), NotReplaced> {
    rehearse_files(&replacements(files))
}

/// What is up, and is to move over.
pub struct MoveOver {
    running: Running,
    /// The interfaces whose lines become options.
    moving: Vec<InterfaceName>,
    devices: Vec<Device>,
    pub goes_back: GoesBack,
}

impl MoveOver {
    /// Finds out what is up of what a draft changes.
    /// Errors: what is up cannot be told, or ifup would refuse the new file.
    pub fn prepare(draft: &Draft<'_>, path: &Path, caller: Caller) -> Result<Self, Trouble> {
        let files = draft.files().into_iter();
        let after: HashMap<OsString, Vec<u8>> = files
            .map(|(path, file)| (path.as_os_str().to_owned(), file.after()))
            .collect();
        let new = Interfaces::read_instead(path, caller, after);
        let running = Running::of(path.to_owned(), new, true)?;
        let by_hand = by_hand(draft)?;
        let mut moving: Vec<InterfaceName> =
            by_hand.iter().map(|it| it.interface.clone()).collect();
        moving.sort();
        moving.dedup();
        let guard = [
            "migrate".to_owned(),
            path.display().to_string(),
            caller.to_string(),
        ];
        let mut moves = Self {
            devices: Vec::new(),
            goes_back: GoesBack {
                by_hand,
                guard: guard.into(),
            },
            running,
            moving,
        };
        let up = moves.up()?;
        if !up.is_empty() {
            moves.devices = moves.running.devices(&up)?;
        }
        Ok(moves)
    }

    /// What is up now of the interfaces whose lines become options.
    fn up(&self) -> Result<Vec<InterfaceName>, Trouble> {
        let up = Running::up_now()?.into_iter().map(|up| up.interface);
        Ok(up.filter(|name| self.moving.contains(name)).collect())
    }

    /// Moves over what is up.
    /// Errors: not all of it is in force.
    pub fn change(&self, before: &Snapshot, said: &mut Vec<u8>) -> Result<Verdict, Trouble> {
        if self.devices.is_empty() {
            return Ok(Verdict::Good);
        }
        let mut kernel = Kernel::open()?;
        let former = before.former();
        former.take_over_routes(&mut kernel, &Survey::take(&self.devices)?.wanted())?;
        bring_in_step(&self.devices, said)?;
        let removal = former.take_out(&mut kernel);
        if let Some(why) = why_left(&removal) {
            return Err(Trouble::Failed(why));
        }
        // What one of them has served until now.
        bring_in_step(&self.devices, &mut Vec::new())?;
        writeln!(
            said,
            "what the old lines put in is taken out, {}",
            routes_and_rules(removal.removed)
        )?;
        Ok(Verdict::Good)
    }

    /// Refuses what does not fit together any more: what has been brought up or down since has the
    /// lines of the old file.
    pub fn check_unchanged(&self, before: &Snapshot) -> Result<(), Trouble> {
        let mut then: Vec<&InterfaceName> = self.running.noted_up().collect();
        let now = Running::up_now()?;
        let mut now: Vec<&InterfaceName> = now.iter().map(|up| &up.interface).collect();
        let is_moving = |name: &&InterfaceName| self.moving.contains(*name);
        then.retain(is_moving);
        now.retain(is_moving);
        let differs = then
            .iter()
            .chain(&now)
            .find(|name| then.contains(name) != now.contains(name));
        let changed = before.changed_since();
        if let Some(name) = differs.copied().or(changed.first()) {
            return Err(Trouble::Failed(format!(
                "{name} has been brought up or down meanwhile, with the old file"
            )));
        }
        Ok(())
    }
}

/// Goes back from a move that was cut short.
/// Errors: not all of it is in force that was.
pub fn go_back_first(caller: Caller) -> Result<(), Trouble> {
    let back = cut_short::put_back(caller)?;
    if back.is_empty() {
        return Ok(());
    }
    let devices = Running::read(None, Some(caller))?.devices(&back)?;
    bring_in_step(&devices, &mut Vec::new())
}

fn bring_in_step(devices: &[Device], said: &mut Vec<u8>) -> Result<(), Trouble> {
    match change(Survey::take(devices)?, false, said)? {
        Verdict::Good => Ok(()),
        Verdict::Differs | Verdict::Bad => Err(Trouble::Failed(
            "not all of the options came into force".to_owned(),
        )),
    }
}
