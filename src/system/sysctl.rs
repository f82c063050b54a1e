//! Settings of the network, sysctl(8): those of the namespace that the reader is in, which is the
//! one that a netlink socket of this process asks.

use std::fs;
use std::path::Path;

use crate::routing::InterfaceName;

/// A setting by its path below `/proc/sys/net`. Nothing where the kernel has no such setting.
fn read(path: &str) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/sys/net/{path}")).ok()?;
    text.trim().parse().ok()
}

/// Whether the kernel has IPv6: it has no settings of it where it was started with
/// `ipv6.disable=1`.
pub fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// A setting of `net.ipv4.conf` as it is in force for a device: the higher one of its own and that
/// of `all`. A device that is not there yet gets `default`.
fn in_force(device: &InterfaceName, name: &str) -> i32 {
    let of = |whose: &str| read(&format!("ipv4/conf/{whose}/{name}"));
    let own = of(device.as_str()).or_else(|| of("default"));
    own.max(of("all")).unwrap_or_default()
}

/// Whether IPv4 packets that come in by a device are forwarded.
pub fn ipv4_forwards(device: &InterfaceName) -> bool {
    // Writing that of `all` sets those of all devices; only a device's own is looked at.
    read(&format!("ipv4/conf/{device}/forwarding")).is_some_and(|value| value != 0)
}

/// Whether this host forwards IPv6 packets at all.
pub fn ipv6_forwards() -> bool {
    read("ipv6/conf/all/forwarding").is_some_and(|value| value != 0)
}

/// Whether IPv6 packets that come in by a device are forwarded: the sysctl of the device alone counts
/// where the kernel has it (6.17).
pub fn ipv6_forwards_from(device: &InterfaceName) -> bool {
    let forced = || read(&format!("ipv6/conf/{device}/force_forwarding"));
    ipv6_forwards() || forced().is_some_and(|value| value != 0)
}

/// What a device does with packets whose way back is another: 1 and 2 are strict and loose.
pub fn rp_filter(device: &InterfaceName) -> i32 {
    in_force(device, "rp_filter")
}

/// Whether the way back is looked up with the packet's mark.
pub fn source_is_checked_with_mark(device: &InterfaceName) -> bool {
    in_force(device, "src_valid_mark") != 0
}

/// Whether packets may come in that have an address of this host as their source.
pub fn takes_own_sources(device: &InterfaceName) -> bool {
    in_force(device, "accept_local") != 0
}

/// Whether a device answers ARP for its own addresses alone, and asks with them.
pub fn arp_is_strict(device: &InterfaceName) -> bool {
    in_force(device, "arp_ignore") >= 1 && in_force(device, "arp_announce") >= 2
}

/// Whether a device drops packets whose way back, looked up without their mark, is another.
pub fn rp_filter_ignores_marks(device: &InterfaceName) -> bool {
    rp_filter(device) == 1 && !source_is_checked_with_mark(device)
}
