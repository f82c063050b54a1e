//! Leases that change between `ifup` and `ifdown`, and those that come late.

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab, Said};
use crate::support::needs::{have, DHCLIENT};
use crate::support::router::{addresses, only_client, up, Router};

const CLIENTS: [(&str, &str); 2] = [("dhclient", DHCLIENT), ("dhcpcd", "dhcpcd of dhcpcd-base")];

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
            // What is new was not lost.
            let said = Keeper::log();
            let of_new = said.lines().filter(|line| line.contains("10.10.0.60"));
            let of_new: Vec<&str> = of_new.collect();
            let is_told = |line: &&str| line.contains(": brought in step with the interface");
            assert!(!of_new.is_empty() && of_new.iter().all(is_told), "{said}");
            let served = lab.text("/run/dnsmasq.log");
            assert!(served.contains("DHCPNAK"), "no NAK: {served}");
            lab.ok("ifdown eth1");
            assert!(ours(lab).is_empty(), "{:?}", ours(lab));
            keeper.quiet();
            assert!(ours(lab).is_empty());
        });
    }
}

/// `ifup` of what gets no address. It takes something else for the keeper, beside which it waits for
/// two seconds instead of six.
fn up_in_vain(lab: &Lab) -> Said {
    lab.ok("mkdir -p /run/policy-table; sleep 60 > /dev/null 2>&1 & echo $! > /run/sleeper");
    lab.ok("ln -s /proc/$(cat /run/sleeper) /run/policy-table/.keeper:");
    let said = lab.sh("ifup eth1");
    lab.ok("rm /run/policy-table/.keeper:; kill $(cat /run/sleeper)");
    said
}

#[test]
fn a_lease_that_comes_after_ifup_is_put_in_force() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces("iface eth1 inet manual\n    up ip link set eth1 up\n    policy-table rt2\n    policy-gateway 10.10.0.77\n");
        let said = up_in_vain(lab);
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

/// What a new `ifup` puts in for what there is now.
fn as_of_a_fresh_ifup(lab: &Lab) -> Vec<String> {
    lab.ok("policy-table flush eth1 >/dev/null; policy-table apply eth1 >/dev/null");
    ours(lab)
}

#[test]
fn an_advertised_network_that_comes_late_and_is_renumbered_is_followed() {
    if !have(&["dnsmasq of dnsmasq-base"]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        lab.interfaces("iface eth1 inet6 auto\n    policy-table rt2\n");
        // The switch takes its time, and the advertisement comes when ifup is over.
        let said = up_in_vain(lab);
        let waiting = "eth1: waiting for an IPv6 address: none came in 2 seconds; policy routing \
                       is not in force until then; the keeper finishes it";
        assert_eq!((said.ours(), ours(lab)), (vec![waiting], Vec::new()));
        let said = lab.sh("policy-table status eth1");
        assert!(
            said.code == 1 && said.out.contains("waiting for an IPv6 address"),
            "{said:?}"
        );
        let mut keeper = Keeper::start(lab);
        router.serve("--enable-ra --ra-param=r1,4 --dhcp-range=::,constructor:r1,ra-only,64,120");
        let has = |lab: &Lab, network: &str| {
            let from = format!("from {network}");
            ours(lab).iter().any(|line| line.contains(&from))
        };
        keeper.until("the advertised network", || has(lab, "2001:db8:1:"));
        keeper.quiet();
        assert_eq!(lab.sh("policy-table status eth1").code, 0);
        // Another network is advertised, and the old one as no longer preferred.
        router.ok("ip addr add 2001:db8:2::77/64 dev r1");
        router.ok("ip addr del 2001:db8:1::77/64 dev r1");
        let is_new = || !addresses(lab, "eth1", "to 2001:db8:2::/64").is_empty();
        let is_old = || !addresses(lab, "eth1", "deprecated").is_empty();
        keeper.until("both", || is_new() && is_old());
        keeper.until("the new network", || has(lab, "2001:db8:2:"));
        keeper.quiet();
        // What has begun goes on, which apply lets be.
        let both = ours(lab);
        assert!(has(lab, "2001:db8:1:"));
        lab.ok("policy-table apply eth1");
        assert_eq!(ours(lab), both);
        // It is no longer valid.
        let old = addresses(lab, "eth1", "deprecated").remove(0);
        lab.ok(&format!(
            "ip addr change {old}/64 dev eth1 valid_lft 1 preferred_lft 0"
        ));
        keeper.until("without the old one", || !has(lab, "2001:db8:1:"));
        keeper.quiet();
        assert!(has(lab, "2001:db8:2:"));
        let after = ours(lab);
        assert_eq!(as_of_a_fresh_ifup(lab), after);
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty(), "{:?}", ours(lab));
    });
}

#[test]
fn an_address_that_somebody_else_has_is_waited_for() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces("iface eth1 inet6 manual\n    up ip link set eth1 up\n    policy-table rt2\n    policy-gateway 2001:db8:1::1\n");
        // Until the link can be asked on.
        lab.ok("ip link set eth1 up; ip addr add 2001:db8:1::10/64 dev eth1p nodad");
        let add = "ip -6 addr replace 2001:db8:1::10/64 dev eth1";
        let settled = |which: &str| addresses(lab, "eth1", which) == ["2001:db8:1::10"];
        let mut keeper = {
            lab.ok(&format!("{add} nodad; ifup eth1"));
            Keeper::start(lab)
        };
        let before = ours(lab);
        assert!(before
            .iter()
            .any(|line| line.contains("from 2001:db8:1::10")));
        lab.ok(&format!("ip -6 addr del 2001:db8:1::10/64 dev eth1; {add}"));
        keeper.until("refused", || settled("dadfailed"));
        keeper.quiet();
        assert!(ours(lab).is_empty(), "{:?}", ours(lab));
        assert!(lab.sh("policy-table status").out.contains("waiting for"));
        // The other one goes.
        lab.ok(&format!("ip -6 addr del 2001:db8:1::10/64 dev eth1p; ip -6 addr del 2001:db8:1::10/64 dev eth1; {add}"));
        assert!(settled("tentative") && ours(lab).is_empty());
        keeper.until("back", || ours(lab) == before);
        assert!(!settled("tentative"));
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}
