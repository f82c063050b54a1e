//! What only ifupdown2 or ifupdown-ng can write (several addresses in a stanza, stanzas without a
//! family, ranges, templates) gives what the same gives on Debian's ifupdown in its spelling. Each
//! case is a pair of files.

use crate::same_on_all_three::{devices_of_links, differences, of_debian, Network, Order, SOURCED};
use crate::support::lab::lab;
use crate::support::others::Ifupdown;

const BOTH: [Ifupdown; 2] = [Ifupdown::Two, Ifupdown::Ng];

/// Holds a file on some programs against another one on Debian's ifupdown.
fn pair(programs: &[Ifupdown], theirs: &str, debians: &str) {
    let (state, said) = of_debian(Network::Links, debians);
    assert_eq!((said.code, said.ours()), (0, vec![]), "{debians}");
    assert!(
        state.contains("policy-table"),
        "nothing is in force: {debians}"
    );
    let states = [(theirs.to_owned(), state)];
    let found: Vec<String> = programs
        .iter()
        .filter_map(|program| differences(Network::Links, *program, Order::Kept, &states))
        .collect();
    assert!(
        found.is_empty(),
        "{}\n==== for\n{debians}",
        found.join("\n\n")
    );
}

const NO_FAMILY: &str = "\
auto eth1
iface eth1
    address 10.10.0.10/24
    address 2001:db8:1::10/64
    policy-table rt2
    policy-gateway 10.10.0.1
    policy-gateway 2001:db8:1::1
    policy-rule to 192.0.2.0/24
    policy-rule to 2001:db8:f::/48
    policy-rule fwmark 7
";
const NO_FAMILY_DEBIAN: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-gateway 10.10.0.1
    policy-rule to 192.0.2.0/24
    policy-rule fwmark 7
iface eth1 inet6 static
    address 2001:db8:1::10/64
    policy-table rt2
    policy-gateway 2001:db8:1::1
    policy-rule to 2001:db8:f::/48
    policy-rule fwmark 7
";

#[test]
fn a_stanza_without_a_family() {
    pair(&BOTH, NO_FAMILY, NO_FAMILY_DEBIAN);
}

const ADDRESSES: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    address 10.11.0.10/24
    policy-table rt2
    policy-gateway 10.10.0.1
    policy-mode main
";
const ADDRESSES_DEBIAN: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-gateway 10.10.0.1
    policy-mode main
iface eth1 inet static
    address 10.11.0.10/24
    policy-table rt2
    policy-gateway none
    policy-mode main
";

#[test]
fn several_addresses_of_one_family() {
    pair(&BOTH, ADDRESSES, ADDRESSES_DEBIAN);
}

const GATEWAYS: &str = "\
auto eth1
iface eth1
    address 10.10.0.10/24
    gateway 10.10.0.1
    address 2001:db8:1::10/64
    gateway 2001:db8:1::1
    policy-table auto
";
const GATEWAYS_DEBIAN: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    gateway 10.10.0.1
    policy-table auto
iface eth1 inet6 static
    address 2001:db8:1::10/64
    gateway 2001:db8:1::1
    policy-table auto
";

#[test]
fn a_gateway_for_each_family() {
    pair(&BOTH, GATEWAYS, GATEWAYS_DEBIAN);
}

#[test]
fn an_address_without_a_length() {
    let file = |length: &str| {
        format!(
            "auto eth1\niface eth1 inet static\n    address 10.10.0.10{length}\n    \
             policy-table rt2\n    policy-gateway 10.10.0.1\n"
        )
    };
    pair(&[Ifupdown::Two], &file(""), &file("/32"));
    pair(&[Ifupdown::Ng], &file(""), &file("/24"));
}

const RANGE: &str = "\
auto eth[1-2]
iface eth[1-2] inet manual
    policy-table auto
    policy-source none
    policy-route unreachable default
    policy-rule iif $IFACE
";
const RANGE_DEBIAN: &str = "\
auto eth1
iface eth1 inet manual
    policy-table auto
    policy-source none
    policy-route unreachable default
    policy-rule iif eth1
auto eth2
iface eth2 inet manual
    policy-table auto
    policy-source none
    policy-route unreachable default
    policy-rule iif eth2
";

#[test]
fn a_range_of_interfaces() {
    pair(&[Ifupdown::Two], RANGE, RANGE_DEBIAN);
}

const TEMPLATE: &str = "\
template uplink
    policy-table rt2
    policy-mode main # other networks stay in reach

auto eth1
interface eth1
    address 10.10.0.10/24
    inherit uplink
    policy-gateway 10.10.0.1 # not the first one's
";
const TEMPLATE_DEBIAN: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-mode main
    policy-gateway 10.10.0.1
";

#[test]
fn a_template_and_comments() {
    pair(&[Ifupdown::Ng], TEMPLATE, TEMPLATE_DEBIAN);
}

/// As Proxmox' SDN generates it.
const SDN: &str = "\
#version:3

auto vmbr0
iface vmbr0
    address 10.50.0.1/24
    bridge_ports none
    bridge_stp off
    bridge_fd 0
    alias guests
    ip-forward on
";

#[test]
fn generated_stanzas_beside() {
    let own =
        "auto eth1\niface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n    \
               policy-gateway 10.10.0.1\n    policy-mode main\n\n";
    let theirs = format!("{own}source /etc/network/interfaces.d/*\n{SOURCED}{SDN}");
    pair(&[Ifupdown::Two], &theirs, own);
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        devices_of_links(lab);
        lab.interfaces(&format!("{own}source /etc/network/interfaces.d/*\n"));
        lab.write("/etc/network/interfaces.d/sdn", SDN);
        lab.ok("ifup -a");
        for command in ["check", "status", "plan", "apply --all", "migrate"] {
            let said = lab.sh(&format!("policy-table {command}"));
            assert_eq!(said.code, 0, "{command}: {said:?}");
        }
    });
}
