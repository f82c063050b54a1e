//! The interfaces that one name of ifupdown2's stands for: a range for several, an alias for its
//! device.

use super::fault::{FaultKind, MOST_IN_RANGE};

/// The interfaces of a stanza, or behind `auto`.
/// Errors: a range of more than any host has.
pub fn names_of_ifupdown2(written: &str) -> Result<Vec<String>, FaultKind> {
    let device = written.split(':').next().unwrap_or(written);
    let Some((before, first, last, behind)) = range(device) else {
        return Ok(vec![device.to_owned()]);
    };
    if last.saturating_sub(first) >= MOST_IN_RANGE {
        let name = written.to_owned();
        return Err(FaultKind::Range { name });
    }
    let names = (first..=last).map(|number| format!("{before}{number}{behind}"));
    Ok(names.collect())
}

/// What stands around the brackets of `swp[1-20].100`, and the two numbers in them.
fn range(name: &str) -> Option<(&str, u32, u32, &str)> {
    let (before, rest) = name.split_once('[')?;
    let (inside, behind) = rest.split_once(']')?;
    let (first, last) = inside.split_once('-')?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    if before.is_empty() || !before.chars().all(is_word) {
        return None;
    }
    // A suffix counts behind a prefix without dots alone.
    let has_suffix = !before.contains('.') && behind.starts_with(is_word);
    let length = behind.find(|c| !is_word(c)).unwrap_or(behind.len());
    let suffix = behind.get(..length).filter(|_| has_suffix);
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    Some((
        before,
        number(first)?,
        number(last)?,
        suffix.unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_all_its_interfaces() {
        let of = |name: &str| names_of_ifupdown2(name).map(|names| names.join(" "));
        for (name, expected) in [
            ("eth0", "eth0"),
            ("eth0:1", "eth0"),
            ("eth[1-3]", "eth1 eth2 eth3"),
            ("swp1.[9-10]", "swp1.9 swp1.10"),
            ("swp[2-3].100", "swp2.100 swp3.100"),
            ("s.p[2-3].100", "s.p2 s.p3"),
            ("eth[3-1]", ""),
            ("eth[01-2]", "eth1 eth2"),
            ("eth[a-b]", "eth[a-b]"),
            ("eth[1]", "eth[1]"),
            ("e-th[1-2]", "e-th[1-2]"),
            ("[1-2]", "[1-2]"),
        ] {
            assert_eq!(of(name).as_deref(), Ok(expected), "{name}");
        }
        for name in ["a[0-4096]", "a[1-99999999999]", "a[0-4294967295]"] {
            assert!(of(name).is_err(), "{name}");
        }
        assert_eq!(names_of_ifupdown2("a[1-4096]").unwrap().len(), 4096);
    }
}
