//! Which of the three programs it is that runs hooks and reads interfaces(5).

use std::fmt;
use std::str::FromStr;

/// A program that brings interfaces up by interfaces(5), each in a dialect of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Debian's ifupdown: a call for each stanza.
    #[default]
    Ifupdown,
    /// ifupdown2, as on Proxmox: a call for all stanzas of an interface.
    Ifupdown2,
    /// ifupdown-ng, as on Alpine: the same.
    IfupdownNg,
}

impl Caller {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ifupdown, Self::Ifupdown2, Self::IfupdownNg];

    /// The name of its package.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ifupdown => "ifupdown",
            Self::Ifupdown2 => "ifupdown2",
            Self::IfupdownNg => "ifupdown-ng",
        }
    }

    /// Whether it runs a hook once for all stanzas of an interface.
    pub fn calls_for_interface(self) -> bool {
        self != Self::Ifupdown
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of the three.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of ifupdown, ifupdown2 and ifupdown-ng")]
pub struct UnknownCaller(String);

impl FromStr for Caller {
    type Err = UnknownCaller;

    fn from_str(name: &str) -> Result<Self, UnknownCaller> {
        let mut all = Self::ALL.into_iter();
        all.find(|caller| caller.as_str() == name)
            .ok_or_else(|| UnknownCaller(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_read_as_it_is_written() {
        for caller in Caller::ALL {
            assert_eq!(caller.to_string().parse(), Ok(caller));
        }
        assert!("ifupdown3".parse::<Caller>().is_err());
    }
}
