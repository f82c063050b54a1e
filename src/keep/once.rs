//! One look at all records, for who has no service manager.

use log::{info, warn};

use super::folder::pauses;
use super::judgement::LookResult;
use super::repair::Looks;
use crate::record::Store;
use crate::system::{is_enabled, since_start};

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
    let acts = acts && is_enabled();
    let mut worst = LookedOnce::InForce;
    let (pauses, now) = (pauses(), since_start());
    let mut looks = Looks::new(acts);
    for device in Store::devices() {
        if pauses.of(&device, now).is_some() {
            continue;
        }
        let seen = looks.at(&device);
        for statement in &seen.stands {
            if statement.is_warning {
                warn!("{device}: {}", statement.text);
            } else {
                info!("{device}: {}", statement.text);
            }
        }
        for (why, line) in &seen.mended {
            info!("{device}: {}: {line}", why.done(acts));
        }
        let found = match seen.finding {
            LookResult::Unknown | LookResult::Refused => LookedOnce::Trouble,
            _ if seen.is_in_trouble => LookedOnce::Trouble,
            _ if seen.waits || !acts && !seen.mended.is_empty() => LookedOnce::Differs,
            LookResult::Settled | LookResult::Repaired => LookedOnce::InForce,
        };
        worst = worst.max(found);
    }
    worst
}
