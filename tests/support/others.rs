//! The three programs that can be a host's ifupdown: Debian's, and the two that `tests/run` unpacks
//! for the labs alone.

use std::path::PathBuf;

use super::lab::Lab;
use super::needs::or_skip;
use super::tree::top;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ifupdown {
    /// Debian's: this machine's, or that of `OTHER_IFUPDOWNS`.
    Debian,
    /// ifupdown2, which Proxmox has.
    Two,
    /// ifupdown-ng.
    Ng,
}

impl Ifupdown {
    /// Its package.
    pub fn package(self) -> &'static str {
        match self {
            Self::Debian => "ifupdown",
            Self::Two => "ifupdown2",
            Self::Ng => "ifupdown-ng",
        }
    }

    fn folder(self) -> PathBuf {
        let folder = std::env::var_os("OTHER_IFUPDOWNS");
        let folder = folder.map_or_else(|| top().join("target/others"), PathBuf::from);
        folder.join(self.package())
    }

    /// The folder that its package is unpacked in.
    pub fn unpacked(self) -> Option<PathBuf> {
        let from = self.folder();
        let why = format!("no {}; tests/run unpacks it", from.display());
        or_skip(from.exists(), &why).then_some(from)
    }

    /// Puts it in ifupdown's place, and says whether it was there to be put. Which release's it is,
    /// says the folder in `OTHER_IFUPDOWNS`.
    pub fn install(self, lab: &Lab) -> bool {
        if self == Self::Debian && !self.folder().exists() {
            return true;
        }
        let Some(from) = self.unpacked() else {
            return false;
        };
        let from = from.display();
        lab.ok("rm /sbin/ifup /sbin/ifdown /sbin/ifquery");
        lab.ok(&format!(
            "for top in {from}/*; do cp -a $top/. /${{top##*/}}/; done"
        ));
        // Debian 13 has ifupdown-ng beside ifupdown, under names of its own.
        lab.ok("cd /sbin; for name in ifup ifdown ifquery; do \
             [ -e $name ] || ln -s $name-ng $name; done");
        // As ifupdown2's postinst does.
        lab.ok("chmod -f +x /usr/share/ifupdown2/__main__.py || true");
        lab.ok("mount -t sysfs lab /sys"); // in which it looks for the devices of its namespace
        true
    }
}
