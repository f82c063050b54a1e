//! Proxmox VE, whose web interface writes `/etc/network/interfaces` anew.

use std::path::Path;

/// Whether this host has it: its modules are there.
pub fn has_proxmox() -> bool {
    Path::new("/usr/share/perl5/PVE").is_dir()
}
