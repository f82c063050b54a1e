//! What nft(8) is to have for a device.

use std::fmt::Write;
use std::net::IpAddr;

use crate::record::Record;
use crate::routing::{Family, InterfaceName, Mark, Prefix};
use crate::stanza::MarkedWay;
use crate::text::fnv1a;

/// The table of ours, of the family `inet`.
pub const TABLE: &str = "policy-table";

/// What it says of itself: without this, it is somebody else's.
pub const OURS: &str = "put in by policy-table(8)";

/// Behind conntrack (-200) and those who set marks (mangle, -150), before destinations are translated
/// (dstnat, -100). A number: older nft(8) know no sum of a name.
const PRIORITY: i32 = -140;

/// What the names of a device's chains begin with: where packets pass them.
const PLACES: [&str; 2] = ["prerouting", "output"];

/// The connections of a device that are marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceMarks {
    device: InterfaceName,
    /// In the order of their stanzas.
    ways: Vec<MarkedWay>,
}

/// A chain as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub name: String,
    hook: &'static str,
    /// Each with the comment by which it is known again.
    pub rules: Vec<(String, String)>,
}

impl DeviceMarks {
    /// Those that the rules of a record answer, of each device that these name: one, as a rule.
    pub fn of(record: &Record) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let parts = record.parts().iter().filter(|part| !part.is_leaving);
        for part in parts.filter(|part| part.asks_for_marks()) {
            let Some(way) = MarkedWay::among(part.state.rules()) else {
                continue;
            };
            match all.iter_mut().find(|known| known.device == way.device) {
                Some(known) => known.ways.push(way),
                None => all.push(Self {
                    device: way.device.clone(),
                    ways: vec![way],
                }),
            }
        }
        all
    }

    /// The mark of connections that come in by a device and are opened to an address.
    pub fn mark(&self, to: IpAddr) -> Option<Mark> {
        let family = Family::of(to);
        let ways = || self.ways.iter().filter(|way| way.family == family);
        let is_own = |way: &&MarkedWay| way.own.iter().any(|own| own.contains(to));
        let way = ways().find(is_own).or_else(|| ways().next());
        way.map(|way| way.mark)
    }

    /// The devices that a record has marks for.
    pub fn devices(record: &Record) -> Vec<InterfaceName> {
        let all = Self::of(record).into_iter();
        all.map(|marks| marks.device).collect()
    }

    /// The chains of a device, whatever is in them.
    pub fn names(device: &InterfaceName) -> [String; 2] {
        let device = escaped(device);
        PLACES.map(|place| format!("{place}-{device}"))
    }

    /// Whether a chain may have such a name.
    pub fn is_name(chain: &str) -> bool {
        let mut places = PLACES.iter();
        places.any(|place| {
            let rest = chain.strip_prefix(place);
            rest.is_some_and(|rest| rest.starts_with('-'))
        })
    }

    /// The device.
    pub fn device(&self) -> &InterfaceName {
        &self.device
    }

    /// Its chains.
    pub fn chains(&self) -> [Chain; 2] {
        let [prerouting, output] = Self::names(&self.device);
        let mut first = Vec::new();
        for family in Family::ALL {
            self.mark_connections(family, &mut first);
        }
        let mut second = Vec::new();
        for mark in self.distinct(|_| true) {
            let (value, mask) = (mark.value(), mark.mask());
            let known = format!("ct mark and {mask:#010x} == {value:#010x}");
            // The replies, and connections that belong to this one, as FTP's second. Of the rest what
            // comes in by the device, for rp_filter: what a client sends by another uplink meanwhile
            // goes where it would go without.
            for whose in [
                "ct direction reply".to_owned(),
                "ct status expected".to_owned(),
                format!("iifname \"{}\"", self.device),
            ] {
                first.push(format!(
                    "{whose} {known} meta mark set meta mark and {:#010x} or {value:#010x}",
                    !mask
                ));
            }
            // What bears a mark already is to go its own way: wg-quick compares all the bits.
            second.push(format!(
                "ct direction reply meta mark 0 {known} meta mark set {value:#010x}"
            ));
        }
        [
            Chain::new(prerouting, "filter hook prerouting", first),
            Chain::new(output, "route hook output", second),
        ]
    }

    /// Those that come in by the device and have no mark of ours yet get that of the stanza that they
    /// were opened to, or else of the first.
    fn mark_connections(&self, family: Family, rules: &mut Vec<String>) {
        let ways = || self.ways.iter().filter(|way| way.family == family);
        let Some(first) = ways().next() else {
            return;
        };
        let mask = ways().fold(0, |mask, way| mask | way.mark.mask());
        let word = match family {
            Family::Inet => "ip",
            Family::Inet6 => "ip6",
        };
        // A neighbour's address of the link alone is in main, and by no table's router.
        let but = match family {
            Family::Inet => "",
            Family::Inet6 => " ip6 saddr != fe80::/10",
        };
        let came_in = format!(
            "iifname \"{}\" meta nfproto {}{but} ct direction original ct mark and {mask:#010x} == 0",
            self.device,
            family.name().to_lowercase(),
        );
        let set = |mark: Mark| {
            let (value, others) = (mark.value(), !mark.mask());
            format!("ct mark set ct mark and {others:#010x} or {value:#010x}")
        };
        if self.distinct(|way| way.family == family).len() > 1 {
            for way in ways().filter(|way| !way.own.is_empty()) {
                let own: Vec<String> = way.own.iter().map(Prefix::to_string).collect();
                let own = own.join(", ");
                rules.push(format!(
                    "{came_in} ct original {word} daddr {{ {own} }} {}",
                    set(way.mark)
                ));
            }
        }
        rules.push(format!("{came_in} {}", set(first.mark)));
    }

    fn distinct(&self, take: impl Fn(&MarkedWay) -> bool) -> Vec<Mark> {
        let mut marks: Vec<Mark> = Vec::new();
        for way in self.ways.iter().filter(|way| take(way)) {
            if !marks.contains(&way.mark) {
                marks.push(way.mark);
            }
        }
        marks
    }
}

impl Chain {
    fn new(name: String, hook: &'static str, rules: Vec<String>) -> Self {
        // Every change of any rule changes all comments.
        let hash = fnv1a(&format!("{hook} {PRIORITY} {rules:?}"));
        let commented = rules.into_iter().enumerate().map(|(n, rule)| {
            let comment = format!("policy-table {hash:08x} {}", n + 1);
            (rule, comment)
        });
        Self {
            name,
            hook,
            rules: commented.collect(),
        }
    }

    /// Adds the commands that make it.
    pub fn write(&self, text: &mut String) {
        let Self { name, hook, .. } = self;
        let _ = writeln!(
            text,
            "add chain inet {TABLE} {name} {{ type {hook} priority {PRIORITY}; }}"
        );
        for (rule, comment) in &self.rules {
            let _ = writeln!(
                text,
                "add rule inet {TABLE} {name} {rule} comment \"{comment}\""
            );
        }
    }
}

/// A name that can stand in that of a chain: letters, digits, points and dashes, everything else as
/// its bytes.
fn escaped(device: &InterfaceName) -> String {
    let mut name = String::new();
    for byte in device.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            name.push(byte.into());
        } else {
            let _ = write!(name, "_{byte:02x}");
        }
    }
    name
}
