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

/// Where packets pass the chains of a device, in the order in which they do. Priorities are numbers:
/// older nft(8) know no sum of a name.
const PLACES: [ChainPlace; 5] = [
    // Behind conntrack (-200) and those who set marks (mangle, -150), before those who ask for the
    // way back by the mark, as the kernel does (rp_filter) and firewalld (10).
    ChainPlace::new("prerouting", "filter hook prerouting", -140),
    // Behind them: the way back to where a reply comes from is not that of its mark.
    ChainPlace::new("replies", "filter hook prerouting", 100),
    ChainPlace::new("output", "route hook output", -140),
    // The way is chosen. A tunnel would hand the mark on, to the packet inside or around. Behind those
    // who save all bits of a packet's mark for its connection.
    ChainPlace::new("input", "filter hook input", 1000),
    ChainPlace::new("postrouting", "filter hook postrouting", 1000),
];

/// A place for a chain, and what the names of the chains there begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChainPlace {
    name: &'static str,
    hook: &'static str,
    priority: i32,
}

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
    place: ChainPlace,
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
    pub fn names(device: &InterfaceName) -> Vec<String> {
        let device = escaped(device);
        PLACES.map(|place| place.chain(&device)).into()
    }

    /// Whether a chain may have such a name.
    pub fn is_name(chain: &str) -> bool {
        PLACES.iter().any(|place| {
            let rest = chain.strip_prefix(place.name);
            rest.is_some_and(|rest| rest.starts_with('-'))
        })
    }

    /// The device.
    pub fn device(&self) -> &InterfaceName {
        &self.device
    }

    /// Its chains.
    pub fn chains(&self) -> Vec<Chain> {
        let device = escaped(&self.device);
        let rules = [
            self.on_the_way_in(),
            self.on_replies(),
            self.on_own_replies(),
            self.behind_the_routing(),
            self.behind_the_routing(),
        ];
        let chains = PLACES.into_iter().zip(rules);
        chains
            .map(|(place, rules)| Chain::new(place, &device, rules))
            .collect()
    }

    /// What comes in by the device bears the mark for the sake of the way back to its source alone,
    /// see `connmark::rules`; what a client sends by another uplink meanwhile goes where it would go
    /// without.
    fn on_the_way_in(&self) -> Vec<String> {
        let mut rules = Vec::new();
        for family in Family::ALL {
            self.mark_connections(family, &mut rules);
        }
        let came_in = format!("iifname \"{}\" ct direction original", self.device);
        let marks = self.marks().into_iter();
        rules.extend(marks.map(|mark| format!("{came_in} {} {}", is_of(mark), set(mark))));
        rules
    }

    /// Also connections that belong to the marked one, as FTP's second, which the answering end opens.
    fn on_replies(&self) -> Vec<String> {
        let whose = ["ct direction reply", "ct status expected"];
        let marks = self.marks().into_iter();
        let rules = marks
            .flat_map(|mark| whose.map(|whose| format!("{whose} {} {}", is_of(mark), set(mark))));
        rules.collect()
    }

    /// What bears a mark already is to go its own way: wg-quick compares all the bits. Nor does an
    /// error of ICMP that the host sends (related), unless its source becomes the address that was
    /// asked (dnat): it is the address of another interface.
    fn on_own_replies(&self) -> Vec<String> {
        let whose = ["ct state != related", "ct state related ct status dnat"];
        let marks = self.marks().into_iter();
        let rules = marks.flat_map(|mark| {
            let (known, value) = (is_of(mark), mark.value());
            whose.map(|whose| {
                format!(
                    "ct direction reply {whose} meta mark 0 {known} meta mark set {value:#010x}"
                )
            })
        });
        rules.collect()
    }

    fn behind_the_routing(&self) -> Vec<String> {
        let marks = self.marks().into_iter();
        let rules = marks.map(|mark| {
            let (value, mask, others) = (mark.value(), mark.mask(), !mark.mask());
            format!(
                "{} meta mark and {mask:#010x} == {value:#010x} meta mark set meta mark and {others:#010x}",
                is_of(mark)
            )
        });
        rules.collect()
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

    /// Each once.
    fn marks(&self) -> Vec<Mark> {
        self.distinct(|_| true)
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

/// A connection that bears the mark.
fn is_of(mark: Mark) -> String {
    format!(
        "ct mark and {:#010x} == {:#010x}",
        mark.mask(),
        mark.value()
    )
}

/// The packet gets it; all other bits stay.
fn set(mark: Mark) -> String {
    let (value, others) = (mark.value(), !mark.mask());
    format!("meta mark set meta mark and {others:#010x} or {value:#010x}")
}

impl ChainPlace {
    const fn new(name: &'static str, hook: &'static str, priority: i32) -> Self {
        Self {
            name,
            hook,
            priority,
        }
    }

    /// The name of a device's chain there.
    fn chain(self, escaped: &str) -> String {
        format!("{}-{escaped}", self.name)
    }
}

impl Chain {
    fn new(place: ChainPlace, device: &str, rules: Vec<String>) -> Self {
        let ChainPlace { hook, priority, .. } = place;
        // Every change of any rule changes all comments.
        let hash = fnv1a(&format!("{hook} {priority} {rules:?}"));
        let commented = rules.into_iter().enumerate().map(|(n, rule)| {
            let comment = format!("policy-table {hash:08x} {}", n + 1);
            (rule, comment)
        });
        Self {
            name: place.chain(device),
            place,
            rules: commented.collect(),
        }
    }

    /// Adds the commands that make it.
    pub fn write(&self, text: &mut String) {
        let Self { name, place, .. } = self;
        let ChainPlace { hook, priority, .. } = place;
        let _ = writeln!(
            text,
            "add chain inet {TABLE} {name} {{ type {hook} priority {priority}; }}"
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
