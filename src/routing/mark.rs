//! A mark of packets and connections, with the bits of it that are ours: `fwmark` in ip-rule(8),
//! `meta mark` and `ct mark` in nft(8). All other bits are somebody else's and stay.

use std::fmt;
use std::str::FromStr;

use super::address::parse_number;
use super::rule::Rule;

/// A mark and its mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    value: u32,
    mask: u32,
}

/// Text that is no mark, or one that could not be told from none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// Not two numbers.
    #[error("expected auto, no, or MARK/MASK such as 0x100/0xff00")]
    Form,
    /// A packet without a mark has 0.
    #[error("the mark is 0 in the bits of its mask; expected one that differs from no mark")]
    None,
    /// No packet can have it.
    #[error("the mark has bits that its mask has not")]
    Outside,
}

impl Mark {
    /// The bits that marks of `auto` have, the highest ones: others begin with the lowest.
    pub const AUTO_MASK: u32 = 0xff00_0000;

    /// How many marks of `auto` there are.
    pub const AUTO: u32 = 255;

    /// The `n`-th mark of `auto`, counted from 0, round and round.
    pub const fn auto(n: u32) -> Self {
        Self {
            value: (n % Self::AUTO + 1) << Self::AUTO_MASK.trailing_zeros(),
            mask: Self::AUTO_MASK,
        }
    }

    /// That of a rule's `fwmark`.
    /// Errors: no packet could be told by it.
    pub fn of(value: u32, mask: u32) -> Result<Self, MarkError> {
        match value & mask {
            0 => Err(MarkError::None),
            within if within != value => Err(MarkError::Outside),
            _ => Ok(Self { value, mask }),
        }
    }

    /// The bits that are set.
    pub const fn value(self) -> u32 {
        self.value
    }

    /// The bits that count.
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// Whether a rule goes by bits that are among these, so that it takes packets for others than
    /// they are: it looks for the same mark, or for more bits or fewer. What a rule of wg-quick leaves
    /// out (`not fwmark`) bears none of ours.
    pub fn is_mistaken_by(self, rule: &Rule) -> bool {
        let Some((value, mask)) = rule.mark.filter(|_| !rule.invert) else {
            return false;
        };
        let tells_apart = mask == self.mask && value != self.value;
        mask & self.mask != 0 && !tells_apart
    }
}

/// As ip-rule(8) has it behind `fwmark`.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}/{:#x}", self.value, self.mask)
    }
}

impl FromStr for Mark {
    type Err = MarkError;

    fn from_str(text: &str) -> Result<Self, MarkError> {
        let (value, mask) = text.split_once('/').ok_or(MarkError::Form)?;
        let number = |text| parse_number(text).ok_or(MarkError::Form);
        Self::of(number(value)?, number(mask)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_can_be_told_from_none() {
        let mark: Mark = "0x100/0xff00".parse().unwrap();
        assert_eq!(mark.to_string(), "0x100/0xff00");
        assert_eq!("1/0xffffffff".parse(), Mark::of(1, u32::MAX));
        for (text, error) in [
            ("0/0xff", MarkError::None),
            ("0x100/0xff", MarkError::None),
            ("0x101/0xff", MarkError::Outside),
            ("1", MarkError::Form),
            ("yes", MarkError::Form),
            ("1/", MarkError::Form),
            ("0x1;/0xff", MarkError::Form),
        ] {
            assert_eq!(text.parse::<Mark>(), Err(error), "{text}");
        }
    }

    #[test]
    fn each_mark_of_auto_is_another_one() {
        let all: std::collections::BTreeSet<Mark> = (0..Mark::AUTO).map(Mark::auto).collect();
        assert_eq!(all.len(), 255);
        assert_eq!(Mark::auto(0).to_string(), "0x1000000/0xff000000");
        assert_eq!(Mark::auto(254).to_string(), "0xff000000/0xff000000");
        assert_eq!(Mark::auto(255), Mark::auto(0));
    }
}
