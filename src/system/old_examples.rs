//! Examples of version 0.1.0 of this package that an administrator has copied to where they act. They run
//! `policy-table apply` by themselves, also in the middle of somebody's work.

use std::fs;
use std::path::{Path, PathBuf};

/// The timer, and the hook of dhcpcd(8), where the examples say that they are to be copied to.
const TIMER: &str = "/etc/systemd/system/policy-table-apply.timer";
const OF_DHCPCD: &str = "/etc/dhcpcd.exit-hook";
/// The folder of the hooks of dhclient(8), which may have any name.
const OF_DHCLIENT: &str = "/etc/dhcp/dhclient-exit-hooks.d";

/// Those that are installed.
pub fn installed_examples() -> Vec<PathBuf> {
    let hooks = fs::read_dir(OF_DHCLIENT).into_iter().flatten().flatten();
    let mut hooks: Vec<PathBuf> = hooks.map(|hook| hook.path()).collect();
    hooks.sort();
    hooks.push(PathBuf::from(OF_DHCPCD));
    hooks.retain(|hook| applies(hook));
    hooks.extend(Some(PathBuf::from(TIMER)).filter(|timer| timer.exists()));
    hooks
}

/// Whether a script runs `policy-table apply`.
fn applies(script: &Path) -> bool {
    let text = fs::read(script).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines.any(|line| line.contains("policy-table apply"))
}
