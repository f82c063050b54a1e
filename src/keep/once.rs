//! One look at all records, for who has no service manager.

use log::{info, warn};

use super::folder::pauses;
use super::judgement::LookResult;
use super::repair::{recorded, Looked, Looks};
use crate::record::Store;
use crate::routing::InterfaceName;
use crate::system::{is_enabled, since_start, DEFAULTS};

/// What one look at all records came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookedOnce {
    InForce,
    /// Something waits, or would have been put back.
    Differs,
    Trouble,
}

/// Looks once at every record, and puts back what is lost where it acts. A pause is kept.
pub fn keep_once(acts: bool) -> LookedOnce {
    let is_switched_off = acts && !is_enabled();
    if is_switched_off {
        info!("switched off by ENABLED=no in {DEFAULTS}; nothing is put back");
    }
    let acts = acts && !is_switched_off;
    let (pauses, now) = (pauses(), since_start());
    let mut devices: Vec<InterfaceName> = Store::devices().collect();
    devices.retain(|device| pauses.of(device, now).is_none());
    devices.sort();
    let mut looks = Looks::new(acts);
    let (mut worst, mut has_mended) = (LookedOnce::InForce, false);
    for device in &devices {
        let seen = looks.at(device);
        for statement in &seen.stands {
            if statement.is_warning {
                warn!("{device}: {}", statement.text);
            } else {
                info!("{device}: {}", statement.text);
            }
        }
        has_mended |= !seen.mended.is_empty();
        worst = worst.max(tell(device, &seen, acts));
    }
    // What was mended may be what copies for another one are of.
    if acts && has_mended {
        devices.retain(|device| recorded(&Store::peek(device)).has_copies);
        for device in &devices {
            worst = worst.max(tell(device, &looks.at(device), acts));
        }
    }
    worst
}

/// Tells what was mended; returns what the look came to.
fn tell(device: &InterfaceName, seen: &Looked, acts: bool) -> LookedOnce {
    for (mending, line) in &seen.mended {
        info!("{device}: {}: {line}", mending.done(acts));
    }
    match seen.finding {
        LookResult::Unknown | LookResult::Refused => LookedOnce::Trouble,
        _ if seen.is_in_trouble => LookedOnce::Trouble,
        _ if seen.waits || !acts && !seen.mended.is_empty() => LookedOnce::Differs,
        LookResult::Settled | LookResult::Repaired => LookedOnce::InForce,
    }
}
