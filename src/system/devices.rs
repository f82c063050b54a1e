//! Which network devices there are.

use std::collections::HashSet;

use nix::ifaddrs::getifaddrs;

/// The names of all devices; none where they cannot be listed. A device is looked up in this list
/// rather than asked for by its name, for which the kernel would look for a module to load.
pub fn device_names() -> HashSet<String> {
    let entries = getifaddrs().into_iter().flatten();
    entries.map(|entry| entry.interface_name).collect()
}
