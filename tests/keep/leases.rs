//! Leases that change between `ifup` and `ifdown`, and those that come late.

use std::time::Duration;

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab};
use crate::support::needs::have;
use crate::support::router::{only_client, up, Router};

const CLIENTS: [(&str, &str); 2] = [
    ("dhclient", "dhclient of isc-dhcp-client"),
    ("dhcpcd", "dhcpcd of dhcpcd-base"),
];

const FILE: &str = "iface eth1 inet dhcp\n    policy-table rt2\n";

/// A range of one address, so that the lease is known.
fn only(address: &str) -> String {
    format!("--dhcp-range={address},{address},2m --dhcp-option=3,10.10.0.77")
}

fn expected(address: &str) -> Vec<String> {
    vec![
        format!("10.10.0.0/24 dev eth1 table rt2 scope link src {address}"),
        format!("21000: from {address} lookup rt2 proto policy-table"),
        format!("21000: from all to {address} lookup rt2 proto policy-table"),
        "default via 10.10.0.77 dev eth1 table rt2".to_owned(),
    ]
}

/// Has the client ask again.
fn renew(lab: &Lab, client: &str) {
    match client {
        "dhclient" => {
            lab.sh(
                "kill $(cat /run/dhclient.eth1.pid) 2>/dev/null; dhclient -4 -1 -pf \
                    /run/dhclient.eth1.pid -lf /var/lib/dhcp/dhclient.eth1.leases eth1",
            );
        }
        _ => {
            lab.ok("dhcpcd -n eth1");
        }
    }
}

#[test]
fn a_new_lease_is_followed_and_the_same_one_changes_nothing() {
    for (client, needed) in CLIENTS {
        if !have(&[needed, "dnsmasq of dnsmasq-base"]) {
            continue;
        }
        lab(|lab| {
            println!("{client}");
            let router = Router::new(lab);
            only_client(lab, client);
            lab.interfaces(FILE);
            router.serve(&only("10.10.0.50"));
            up(lab, "eth1");
            assert_eq!(ours(lab), expected("10.10.0.50"));
            let mut keeper = Keeper::start(lab);
            renew(lab, client);
            keeper.quiet();
            assert_eq!((ours(lab), Keeper::repairs()), (expected("10.10.0.50"), 0));
            router.serve(&only("10.10.0.60"));
            renew(lab, client);
            keeper.until("the new address", || ours(lab) == expected("10.10.0.60"));
            keeper.quiet();
            assert_eq!(ours(lab), expected("10.10.0.60"));
            lab.ok("ifdown eth1");
            assert!(ours(lab).is_empty(), "{:?}", ours(lab));
            keeper.quiet();
            assert!(ours(lab).is_empty());
        });
    }
}

#[test]
fn a_lease_that_comes_after_ifup_is_put_in_force() {
    lab(|lab| {
        let _ = Duration::ZERO;
        lab.device("eth1");
        lab.interfaces("iface eth1 inet manual\n    up ip link set eth1 up\n    policy-table rt2\n    policy-gateway 10.10.0.77\n");
        let said = lab.sh("ifup eth1");
        assert_eq!(said.code, 0);
        assert!(ours(lab).is_empty(), "{:?}", ours(lab));
        let mut keeper = Keeper::start(lab);
        assert!(ours(lab).is_empty());
        lab.ok("ip addr add 10.10.0.50/24 dev eth1");
        keeper.until("in force", || ours(lab) == expected("10.10.0.50"));
        // The address is gone, and so is what it was for; it comes back with the address.
        lab.ok("ip addr del 10.10.0.50/24 dev eth1");
        keeper.until("gone", || ours(lab).is_empty());
        lab.ok("ip addr add 10.10.0.51/24 dev eth1");
        keeper.until("in force again", || ours(lab) == expected("10.10.0.51"));
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}
