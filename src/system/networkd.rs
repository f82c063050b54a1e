//! systemd-networkd, which takes out the rules of others unless networkd.conf(5) forbids it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::processes::runs_here;

/// Where systemd-networkd looks for `networkd.conf` and its drop-ins, the first before the others;
/// systemd-analyze(1) `cat-config systemd/networkd.conf` shows what it finds.
const FOLDERS: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// Those of them whose files the administrator or a running program writes, and not a package.
const WRITTEN: usize = 2;

/// Whether a running systemd-networkd takes out the rules of others.
pub fn networkd_removes_rules() -> bool {
    // Whether it runs, all processes say; few hosts have to ask so many.
    configures_links() && manages_foreign_rules() && runs_here("systemd-networkd")
}

/// Whether it configures any link, of which it keeps notes, or may yet: somebody has written it
/// a `.network` file. Those of packages are for containers.
fn configures_links() -> bool {
    let links = fs::read_dir("/run/systemd/netif/links");
    let links = links.into_iter().flatten().flatten();
    let states: Vec<String> = links
        .filter_map(|link| fs::read_to_string(link.path()).ok())
        .collect();
    let unmanaged = |state: &String| state.lines().any(|line| line == "ADMIN_STATE=unmanaged");
    let written = FOLDERS.iter().take(WRITTEN).any(|folder| {
        let files = fs::read_dir(Path::new(folder).join("network"));
        let mut files = files.into_iter().flatten().flatten();
        files.any(|file| file.path().extension().is_some_and(|end| end == "network"))
    });
    written || !states.iter().all(unmanaged)
}

/// `ManageForeignRoutingPolicyRules` as networkd.conf(5) has it read: the first main file that
/// there is, then the drop-ins of all folders by name. Of drop-ins of one name that of the first
/// folder counts; where several files set it, the last one does.
fn manages_foreign_rules() -> bool {
    let folders = || FOLDERS.iter().map(Path::new);
    let main = folders()
        .map(|folder| folder.join("networkd.conf"))
        .find_map(|path| fs::read(path).ok());
    let mut drop_ins: BTreeMap<_, PathBuf> = BTreeMap::new();
    for folder in folders() {
        let entries = fs::read_dir(folder.join("networkd.conf.d"));
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "conf") {
                drop_ins.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    let drop_ins = drop_ins.values().filter_map(|path| fs::read(path).ok());
    let texts = main.into_iter().chain(drop_ins);
    let mut set = texts.filter_map(|text| setting(&String::from_utf8_lossy(&text)));
    set.next_back().unwrap_or(true)
}

/// What the text of a `networkd.conf` sets it to, if it does.
fn setting(text: &str) -> Option<bool> {
    let (mut section, mut set) = ("", None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((name, value)) = line.split_once('=') {
            let (name, value) = (name.trim_end(), value.trim_start().to_ascii_lowercase());
            if (section, name) == ("Network", "ManageForeignRoutingPolicyRules") {
                set = match value.as_str() {
                    "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
                    "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
                    _ => set,
                };
            }
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_read_as_systemd_reads_it() {
        let of = |text: &str| setting(text);
        assert_eq!(of(""), None);
        assert_eq!(of("[Network]\n#ManageForeignRoutingPolicyRules=no\n"), None);
        assert_eq!(
            of("[Network]\nManageForeignRoutingPolicyRules = NO\n"),
            Some(false)
        );
        assert_eq!(of("[DHCPv4]\nManageForeignRoutingPolicyRules=no\n"), None);
        let twice = "[Network]\nManageForeignRoutingPolicyRules=no\n\
                     ManageForeignRoutingPolicyRules=on\nManageForeignRoutingPolicyRules=x\n";
        assert_eq!(of(twice), Some(true));
    }
}
