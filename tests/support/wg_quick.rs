//! What wg-quick(8) does to routes and rules for `AllowedIPs = 0.0.0.0/0, ::/0`, by its own commands; a
//! veth stands in for the tunnel.

use super::lab::Lab;

const FAMILIES: [&str; 2] = ["-4", "-6"];

/// A tunnel for all addresses of both families.
pub fn up(lab: &Lab, name: &str, table: u32) {
    tunnel(lab, name);
    for family in FAMILIES {
        take_all(lab, family, name, table);
    }
}

/// The tunnel, unless it is there.
pub fn tunnel(lab: &Lab, name: &str) {
    lab.ok(&format!(
        "ip link show {name} >/dev/null 2>&1 || ip link add {name} type veth peer name {name}p
        ip link set {name} up; ip link set {name}p up"
    ));
}

/// Has it take all packets of a family.
pub fn take_all(lab: &Lab, family: &str, name: &str, table: u32) {
    let all = if family == "-4" { "0.0.0.0/0" } else { "::/0" };
    lab.ok(&format!(
        "ip {family} route add {all} dev {name} table {table}
        ip {family} rule add not fwmark {table} table {table}
        ip {family} rule add table main suppress_prefixlength 0"
    ));
}

/// Takes it away: every rule that looks like its own, by what `ip rule` prints.
pub fn down(lab: &Lab, name: &str, table: u32) {
    for family in FAMILIES {
        lab.ok(&format!(
            "while ip {family} rule show | grep -q 'lookup {table}'
            do ip {family} rule delete table {table}; done
            while ip {family} rule show | grep -q 'from all lookup main suppress_prefixlength 0'
            do ip {family} rule delete table main suppress_prefixlength 0; done"
        ));
    }
    lab.ok(&format!("ip link del {name}"));
}
