//! What `status` tells of the keeper.

use serde_json::{json, Map, Value};

use crate::keep::{pauses, repairs, Pause};
use crate::routing::InterfaceName;
use crate::system::since_start;

/// What there is to tell of the keeper.
#[derive(Default)]
pub struct Keeping {
    pauses: Vec<Pause>,
    /// How often it has repaired each interface since it was started.
    repairs: Vec<(InterfaceName, u64)>,
}

impl Keeping {
    /// Of some interfaces, or of all.
    pub fn of(interfaces: &[InterfaceName]) -> Self {
        let is_asked = |device: &InterfaceName| {
            interfaces.is_empty() || interfaces.iter().any(|it| it.device() == *device)
        };
        let pauses = pauses();
        let asked = pauses
            .iter()
            .filter(|pause| pause.interface.iter().all(is_asked));
        let repairs = repairs().into_iter();
        Self {
            pauses: asked.cloned().collect(),
            repairs: repairs.filter(|(device, _)| is_asked(device)).collect(),
        }
    }

    pub fn lines(&self) -> Vec<String> {
        let now = since_start();
        let pauses = self.pauses.iter().map(|pause| pause.told(now));
        let repairs = self.repairs.iter().map(|(device, count)| match count {
            1 => format!("{device}: repaired once since the keeper was started"),
            count => format!("{device}: repaired {count} times since the keeper was started"),
        });
        pauses.chain(repairs).collect()
    }

    /// Pauses and repairs.
    pub fn json(&self) -> (Value, Value) {
        let now = since_start();
        let pauses = self.pauses.iter().map(|pause| {
            json!({
                "interface": pause.interface.as_ref().map(ToString::to_string),
                "seconds": pause.until.saturating_sub(now).as_secs(),
                "by": pause.who,
                "reason": pause.reason,
            })
        });
        let repairs = self.repairs.iter();
        let repairs = repairs.map(|(device, count)| (device.to_string(), Value::from(*count)));
        (
            pauses.collect(),
            Value::Object(repairs.collect::<Map<_, _>>()),
        )
    }
}
