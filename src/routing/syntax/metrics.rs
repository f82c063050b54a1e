//! What a route's line says of TCP and packet sizes, both ways.

use std::fmt;

use super::words::{abbreviates, LineError, Words};
use crate::routing::{parse_number, Metrics};
use crate::text::is_hidden;

/// A keyword of a single number.
struct Metric {
    name: &'static str,
    /// The `RTAX_*` it sets.
    number: u16,
    /// Whether iproute2 takes it cut short.
    cut: bool,
    /// Whether `lock` may stand in front of the number.
    lock: bool,
    /// The highest number: beyond it the kernel silently takes this one.
    most: u32,
}

const fn metric(name: &'static str, number: u16, cut: bool, lock: bool, most: u32) -> Metric {
    Metric {
        name,
        number,
        cut,
        lock,
        most,
    }
}

/// `RTAX_*` of `linux/rtnetlink.h` that are numbers, by the words of ip-route(8).
const METRICS: [Metric; 11] = [
    metric("mtu", 2, false, true, 65520),
    metric("window", 3, true, true, u32::MAX),
    metric("ssthresh", 6, true, true, u32::MAX),
    metric("cwnd", 7, true, true, u32::MAX),
    metric("advmss", 8, false, true, 65495),
    metric("reordering", 9, true, true, u32::MAX),
    metric("hoplimit", 10, false, true, 255),
    metric("initcwnd", 11, true, true, u32::MAX),
    metric("initrwnd", 14, true, true, u32::MAX),
    metric("quickack", 15, true, false, 1),
    metric("fastopen_no_cookie", 17, true, false, 1),
];

/// `RTAX_CC_ALGO`, the metric that is a name.
pub const RTAX_CC_ALGO: u16 = 16;
/// `RTAX_LOCK`, whose value are the bits of the metrics that are locked.
pub const RTAX_LOCK: u16 = 1;

/// Takes a word for TCP or packet sizes; `false` for any other.
/// Errors: a value that the word does not take.
pub fn read(word: &str, words: &mut Words<'_>, metrics: &mut Metrics) -> Result<bool, LineError> {
    if abbreviates(word, "congctl") && word.len() > 1 {
        if words.value_if(|word| word == "lock").is_some() {
            metrics.locked |= 1 << RTAX_CC_ALGO;
        }
        let expected = "an algorithm's name of 1 to 15 characters";
        metrics.congctl = Some(words.parsed(expected, congctl)?);
        return Ok(true);
    }
    let matches =
        |metric: &&Metric| word == metric.name || (metric.cut && abbreviates(word, metric.name));
    let Some(metric) = METRICS.iter().find(matches) else {
        return Ok(false);
    };
    if metric.lock && words.value_if(|word| word == "lock").is_some() {
        metrics.locked |= 1 << metric.number;
    }
    let expected = match metric.most {
        1 => "0 or 1".to_owned(),
        most => format!("a number of 0 to {most}"),
    };
    let value = words.parsed(&expected, |text| {
        parse_number(text).filter(|value| *value <= metric.most)
    })?;
    // The kernel keeps no zero: it is what a route has that says nothing.
    metrics.values.remove(&metric.number);
    if value != 0 {
        metrics.values.insert(metric.number, value);
    }
    Ok(true)
}

/// The name of a congestion control algorithm, `TCP_CA_NAME_MAX` less the NUL that ends it.
fn congctl(text: &str) -> Option<String> {
    let fits = text.len() <= 15 && !text.contains(is_hidden);
    fits.then(|| text.to_owned())
}

/// As part of a route's line, each word with a blank in front.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lock = |number: u16| match self.locked & (1 << number) {
            0 => "",
            _ => "lock ",
        };
        for Metric { name, number, .. } in METRICS {
            let value = self.values.get(&number).copied().unwrap_or(0);
            let lock = lock(number);
            if value != 0 || !lock.is_empty() {
                write!(f, " {name} {lock}{value}")?;
            }
        }
        match &self.congctl {
            Some(congctl) => write!(f, " congctl {}{congctl}", lock(RTAX_CC_ALGO)),
            None => Ok(()),
        }
    }
}
