//! The devices that stand in for the machine's own.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::commands::ip;
use super::machine::Machine;
use super::sandbox::TrialError;
use crate::routing::InterfaceName;

/// Makes the devices that are not there: all at first, and VLANs, which ifdown removes.
pub fn make_missing(machine: &Machine) -> Result<(), TrialError> {
    let (mut bridges, mut batch) = (String::new(), String::from("link set lo up\n"));
    let mut quiet = String::new();
    let there = names()?;
    for (n, device) in machine.devices.iter().enumerate() {
        // Hardware addresses that are always the same, for those of IPv6 follow from them.
        let (low, high) = (n % 256, n / 256 % 256);
        let own = format!("02:00:00:00:{high:02x}:{low:02x}");
        let peer = format!("02:00:00:01:{high:02x}:{low:02x}");
        // A name that is too long for a device's own is an altname of one.
        let is_long = device
            .parse()
            .is_ok_and(|name: InterfaceName| name.is_long());
        let own_name = if is_long {
            &format!("named{n}")
        } else {
            device
        };
        if there.contains(own_name) {
            continue;
        }
        if machine.bridges.contains(device) {
            // With a port, for without one it has no carrier.
            let _ = write!(
                bridges,
                "link add {own_name} address {own} type bridge\n\
                 link add trial{n} master {own_name} address {peer} type veth peer name port{n}\n\
                 link set port{n} addrgenmode none\nlink set port{n} up\n"
            );
        } else {
            let _ = writeln!(
                batch,
                "link add {own_name} address {own} type veth peer name trial{n} address {peer}"
            );
        }
        if is_long {
            let _ = writeln!(quiet, "link property add dev {own_name} altname {device}");
        }
        // Without the addresses that IPv6 makes up at a moment of its own.
        let _ = write!(
            quiet,
            "link set {device} addrgenmode none\nlink set trial{n} addrgenmode none\n\
             link set trial{n} up\n"
        );
    }
    ip(&[], &batch, true)?;
    ip(&[], &bridges, true)?;
    ip(&[], &quiet, false)?;
    Ok(())
}

/// The names of all devices.
fn names() -> Result<HashSet<String>, TrialError> {
    let (printed, _) = ip(&["-o"], "link show\n", true)?;
    let names = printed.lines().filter_map(|line| {
        let name = line.split(' ').nth(1)?.trim_end_matches(':');
        Some(name.split('@').next()?.to_owned())
    });
    Ok(names.collect())
}
