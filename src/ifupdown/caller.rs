//! Which of the three programs it is that runs hooks and reads interfaces(5).

use std::fmt;
use std::path::Path;
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

    /// The one that is in charge of the host whose files are below `root`. Beside Debian's, ifupdown-ng
    /// has names of its own for its commands.
    pub fn of_host(root: &Path) -> Self {
        let command = root.join("sbin/ifup").canonicalize().unwrap_or_default();
        let is_ng = command
            .file_name()
            .is_some_and(|name| name == "ifupdown" || name == "ifupdown-ng" || name == "ifup-ng");
        if root.join("usr/share/ifupdown2").is_dir() {
            Self::Ifupdown2
        } else if is_ng {
            Self::IfupdownNg
        } else {
            Self::Ifupdown
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
    fn a_host_says_whose_it_is() {
        let root = std::env::temp_dir().join(format!("caller-{}", std::process::id()));
        let sbin = root.join("sbin");
        std::fs::create_dir_all(&sbin).unwrap();
        assert_eq!(Caller::of_host(&root), Caller::Ifupdown);
        std::fs::write(sbin.join("ifupdown"), "").unwrap();
        std::os::unix::fs::symlink("ifupdown", sbin.join("ifup")).unwrap();
        assert_eq!(Caller::of_host(&root), Caller::IfupdownNg);
        std::fs::remove_file(sbin.join("ifup")).unwrap();
        std::fs::write(sbin.join("ifup"), "").unwrap();
        assert_eq!(Caller::of_host(&root), Caller::Ifupdown);
        std::fs::create_dir_all(root.join("usr/share/ifupdown2")).unwrap();
        assert_eq!(Caller::of_host(&root), Caller::Ifupdown2);
        let _ = std::fs::remove_dir_all(root);
    }

    #[test]
    fn a_caller_is_read_as_it_is_written() {
        for caller in Caller::ALL {
            assert_eq!(caller.to_string().parse(), Ok(caller));
        }
        assert!("ifupdown3".parse::<Caller>().is_err());
    }
}
