//! What else on the host bears on policy routing: sysctls, and systemd-networkd. Reads files,
//! nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::routing::InterfaceName;

/// The files of the host, below a root directory.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
}

/// Where systemd-networkd looks for `networkd.conf` and its drop-ins, the first before the others;
/// systemd-analyze(1) `cat-config systemd/networkd.conf` shows what it finds.
const FOLDERS: [&str; 4] = [
    "etc/systemd",
    "run/systemd",
    "usr/local/lib/systemd",
    "usr/lib/systemd",
];

impl Host {
    /// The host whose files are below `root`; `/` outside of tests.
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// A sysctl of `net.ipv4.conf` as it is in force for a device: the higher one of its own and
    /// that of `all`. A device that is not there yet gets `default`.
    fn setting(&self, device: &InterfaceName, name: &str) -> u32 {
        let read = |whose: &str| {
            let path = format!("proc/sys/net/ipv4/conf/{whose}/{name}");
            let text = fs::read_to_string(self.root.join(path)).ok()?;
            text.trim().parse().ok()
        };
        let own: Option<u32> = read(device.as_str()).or_else(|| read("default"));
        own.max(read("all")).unwrap_or_default()
    }

    /// Whether a device answers ARP for its own addresses alone, and asks with them.
    pub fn arp_is_set(&self, device: &InterfaceName) -> bool {
        self.setting(device, "arp_ignore") >= 1 && self.setting(device, "arp_announce") >= 2
    }

    /// Whether a device drops packets whose way back, looked up without their mark, is another.
    pub fn filters_strictly(&self, device: &InterfaceName) -> bool {
        self.setting(device, "rp_filter") == 1 && self.setting(device, "src_valid_mark") == 0
    }

    /// Whether a running systemd-networkd takes out the rules of others.
    pub fn networkd_takes_rules(&self) -> bool {
        self.networkd_runs() && self.networkd_configures() && self.networkd_manages_rules()
    }

    fn networkd_runs(&self) -> bool {
        let own = fs::read_link(self.root.join("proc/self/ns/net")).ok();
        let processes = fs::read_dir(self.root.join("proc")).into_iter().flatten();
        processes.flatten().any(|process| {
            let name = process.file_name();
            let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
            let is_it = || {
                let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
                let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
                program.rsplit(|byte| *byte == b'/').next() == Some(b"systemd-networkd")
            };
            // That of a container is none of ours. Without root it cannot be told.
            let elsewhere = || {
                let its = fs::read_link(process.path().join("ns/net")).ok();
                its.is_some() && its != own
            };
            is_process && is_it() && !elsewhere()
        })
    }

    /// Whether it configures any link, of which it keeps notes, or may yet: somebody has written it
    /// a `.network` file. Those of packages are for containers.
    fn networkd_configures(&self) -> bool {
        let links = fs::read_dir(self.root.join("run/systemd/netif/links"));
        let links = links.into_iter().flatten().flatten();
        let states: Vec<String> = links
            .filter_map(|link| fs::read_to_string(link.path()).ok())
            .collect();
        let unmanaged = |state: &String| state.lines().any(|line| line == "ADMIN_STATE=unmanaged");
        let written = FOLDERS.iter().take(2).any(|folder| {
            let files = fs::read_dir(self.root.join(folder).join("network"));
            let mut files = files.into_iter().flatten().flatten();
            files.any(|file| file.path().extension().is_some_and(|end| end == "network"))
        });
        written || states.is_empty() || !states.iter().all(unmanaged)
    }

    /// `ManageForeignRoutingPolicyRules` as networkd.conf(5) has it read: the first main file that
    /// there is, then the drop-ins of all folders by name; of equal names that of the first folder
    /// counts, and of all that is said the last.
    fn networkd_manages_rules(&self) -> bool {
        let folders = || FOLDERS.iter().map(|folder| self.root.join(folder));
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
        let said = texts.filter_map(|text| manages_rules(&String::from_utf8_lossy(&text)));
        said.fold(true, |_, last| last)
    }
}

/// What the text of a `networkd.conf` says of the rules of others, if it says it.
fn manages_rules(text: &str) -> Option<bool> {
    let (mut section, mut said) = ("", None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((name, value)) = line.split_once('=') {
            let (name, value) = (name.trim_end(), value.trim_start().to_ascii_lowercase());
            if (section, name) == ("Network", "ManageForeignRoutingPolicyRules") {
                said = match value.as_str() {
                    "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
                    "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
                    _ => said,
                };
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_read_as_systemd_reads_it() {
        let of = |text: &str| manages_rules(text);
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
