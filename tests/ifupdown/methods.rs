//! Every method of interfaces(5), through the real `ifup`: leases, advertisements, addresses that
//! come late, tunnels. Where this kernel lacks a kind of device, a tun device stands in for it.

use std::time::Duration;

use crate::support::lab::{lab, Lab};
use crate::support::needs::{have, or_skip, DHCLIENT};
use crate::support::router::{
    addresses, down, lasting, only_client, up, Broom, Router, ROUTER, ROUTER6,
};

const DNSMASQ: &str = "dnsmasq of dnsmasq-base";
const DHCPCD: &str = "dhcpcd of dhcpcd-base";

/// The rules that `policy-table rt2` derives for a source.
fn derived(source: &str) -> [String; 2] {
    [
        format!("21000: from {source} lookup rt2 proto policy-table"),
        format!("21000: from all to {source} lookup rt2 proto policy-table"),
    ]
}

/// The table's routes, without what is said of devices that lead nowhere, as a tun device that
/// no program serves.
fn table(lab: &Lab, family: &str) -> Vec<String> {
    let bare = |route: String| route.replace(" linkdown", "");
    lab.routes(family, "rt2").into_iter().map(bare).collect()
}

/// Less than what is waited for an address that does not come: 6 seconds. A hook that took less has
/// not waited in vain; by how much, says the machine's load and not the hook.
const NO_WAIT: f64 = 5.9;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

// Leases.

const LEASES: &str =
    "--dhcp-range=10.10.0.100,10.10.0.110,2m --dhcp-option=option:router,10.10.0.77";

/// An interface with a lease, which is a new one after each `ifdown`.
fn has_the_routing_of_its_lease(client: &str) {
    lab(|lab| {
        let router = Router::new(lab);
        only_client(lab, client);
        lab.ok("sysctl -qw net.ipv4.conf.eth1.promote_secondaries=1");
        // Without its five seconds of asking whether somebody has the address.
        lab.write("/etc/dhcpcd.conf", "noarp\nnoipv6rs\n");
        let mut seen = Vec::new();
        for (range, metric) in [("100,10.10.0.110", ""), ("200,10.10.0.210", "metric 700")] {
            lab.interfaces(&format!(
                "iface eth1 inet dhcp\n {metric}\n policy-table rt2\n"
            ));
            router.serve(&format!(
                "--dhcp-range=10.10.0.{range},2m --dhcp-option=option:router,{ROUTER}"
            ));
            let (said, _) = up(lab, "eth1");
            assert!(said.ours().is_empty(), "{said:?}");
            let lease = addresses(lab, "eth1", "dynamic").remove(0);
            assert_eq!(
                table(lab, "-4"),
                [
                    format!("default via {ROUTER} dev eth1 proto policy-table"),
                    format!("10.10.0.0/24 dev eth1 proto policy-table scope link src {lease}"),
                ]
            );
            assert_eq!(lab.rules("-4"), derived(&lease));
            assert_eq!(lab.tagged().len(), 4, "{:?}", lab.tagged());
            let main = lab.routes("-4", "main");
            assert!(main[0].starts_with(&format!("default via {ROUTER}")));
            assert_eq!(
                main[0].ends_with("metric 700"),
                !metric.is_empty(),
                "{main:?}"
            );
            let way = lab.ok(&format!("ip route get 192.0.2.1 from {lease}"));
            assert!(way.contains("table rt2"), "{way}");
            if !metric.is_empty() && client == "dhclient" {
                // A renewal that brings another address; no ifupdown calls a hook for it.
                lab.ok(&format!(
                    "ip addr add 10.10.0.222/24 dev eth1 && ip addr del {lease}/24 dev eth1"
                ));
                assert_eq!(again(lab, "dhcp", "auto"), [""; 0]);
                assert_eq!(lab.rules("-4"), derived("10.10.0.222"));
                assert_eq!(lab.tagged().len(), 4, "{:?}", lab.tagged());
                lab.ok(
                    "ip addr add 10.10.0.223/24 dev eth1 && ip addr del 10.10.0.222/24 dev eth1",
                );
            }
            seen.push(lease);
            down(lab, "eth1");
            assert!(lasting().is_empty(), "{:?}", lasting());
        }
        assert_ne!(seen[0], seen[1]);
    });
}

#[test]
fn dhclients_lease_has_its_own_routing() {
    if have(&[DNSMASQ, DHCLIENT]) {
        has_the_routing_of_its_lease("dhclient");
    }
}

#[test]
fn dhcpcds_lease_has_its_own_routing() {
    if have(&[DNSMASQ, DHCPCD]) {
        has_the_routing_of_its_lease("dhcpcd");
    }
}

/// dhcpcd configures IPv6 too and leaves for the background when it has that; the lease comes
/// seconds later.
#[test]
fn dhcpcd_in_the_background_is_waited_for() {
    if !have(&[DNSMASQ, DHCPCD]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        only_client(lab, "dhcpcd");
        router.serve(&format!(
            "{LEASES} --enable-ra --dhcp-range=2001:db8:1::,slaac,64,10m"
        ));
        lab.interfaces(
            "iface eth1 inet dhcp
                policy-table rt2
             iface eth1 inet6 auto
                policy-table rt2",
        );
        let (said, _) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        let default = format!("default via {ROUTER} dev eth1 proto policy-table");
        assert_eq!(table(lab, "-4")[0], default);
        assert_eq!(
            table(lab, "-6"),
            [
                "2001:db8:1::/64 dev eth1 proto policy-table metric 1024 pref medium".to_owned(),
                format!(
                    "default via {} dev eth1 proto policy-table metric 1024 pref medium",
                    router.link_local()
                ),
            ]
        );
        assert_eq!(
            lab.rules("-4"),
            derived(&addresses(lab, "eth1", "dynamic")[0])
        );
        assert_eq!(lab.rules("-6"), derived("2001:db8:1::/64"));
        down(lab, "eth1");
        assert!(lasting().is_empty(), "{:?}", lasting());
    });
}

/// As above, at will: a client that is slow with its address, and with its route behind it.
#[test]
fn the_route_behind_an_address_is_waited_for() {
    lab(|lab| {
        let _broom = Broom;
        lab.device("eth1");
        only_client(lab, "dhclient");
        lab.script(
            "/sbin/dhclient",
            "#!/bin/sh
             case \"$*\" in *' -r '*) exit;; esac
             ip link set eth1 up
             (sleep 0.5; ip addr add 10.10.0.10/24 dev eth1
              sleep 0.1; ip route add default via 10.10.0.77 dev eth1) >/dev/null 2>&1 &",
        );
        lab.interfaces("iface eth1 inet dhcp\n policy-table rt2\n");
        let (said, took) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(
            table(lab, "-4")[0],
            "default via 10.10.0.77 dev eth1 proto policy-table"
        );
        assert!(seconds(0.5) <= took, "{took:?}");
        down(lab, "eth1");
    });
}

#[test]
fn a_lease_of_one_address_reaches_its_router_onlink() {
    if !have(&[DNSMASQ, DHCLIENT]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        only_client(lab, "dhclient");
        router.serve(&format!(
            "{LEASES} --dhcp-option=option:netmask,255.255.255.255"
        ));
        lab.interfaces("iface eth1 inet dhcp\n policy-table rt2\n");
        let (said, _) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        let default = format!("default via {ROUTER} dev eth1 proto policy-table onlink");
        assert_eq!(table(lab, "-4"), [default]);
        assert_eq!(lab.rules("-4"), derived(&addresses(lab, "eth1", "")[0]));
        down(lab, "eth1");
    });
}

#[test]
fn a_lease_without_a_router_is_not_waited_on_for_long() {
    if !have(&[DNSMASQ, DHCLIENT]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        only_client(lab, "dhclient");
        router.serve("--dhcp-range=10.10.0.100,10.10.0.110,2m --dhcp-option=option:router");
        lab.interfaces("iface eth1 inet dhcp\n policy-table rt2\n");
        let (said, took) = up(lab, "-v eth1");
        let guess = "no gateway is named; taking 10.10.0.1, the first address of the network";
        assert!(said.err.contains(guess), "{said:?}");
        assert!(took < seconds(NO_WAIT), "{took:?}");
        assert_eq!(
            table(lab, "-4")[0],
            "default via 10.10.0.1 dev eth1 proto policy-table"
        );
        down(lab, "eth1");
    });
}

/// Main has room for one default route of a metric, and dhclient does not say that its own was refused.
#[test]
fn of_two_leases_without_metrics_the_guessed_router_is_a_warning_at_ifup() {
    if !have(&[DNSMASQ, DHCLIENT]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        only_client(lab, "dhclient");
        lab.ok("ip link add eth2 type veth peer name r2 netns router");
        router.ok("ip link set r2 up");
        router.ok("ip addr add 10.20.0.77/24 dev r2");
        router.serve(&format!(
            "{LEASES} --interface=r2 --dhcp-range=set:two,10.20.0.100,10.20.0.110,2m \
             --dhcp-option=tag:two,option:router,10.20.0.77"
        ));
        for (metric, router, warning) in [
            (
                "",
                "10.20.0.1",
                Some("taking 10.20.0.1, the first address of the network"),
            ),
            ("metric 700", "10.20.0.77", None),
        ] {
            lab.interfaces(&format!(
                "iface eth1 inet dhcp\n policy-table rt1\n\
                 iface eth2 inet dhcp\n {metric}\n policy-table rt2\n"
            ));
            let (said, _) = up(lab, "eth1");
            assert!(said.ours().is_empty(), "{said:?}");
            // Without -v: a warning is told, what is only worth a note is not.
            let (said, _) = up(lab, "eth2");
            assert_eq!(
                said.ours().len(),
                usize::from(warning.is_some()),
                "{said:?}"
            );
            if let Some(warning) = warning {
                let hint = "beside another default route dhcp needs a metric";
                assert!(
                    said.err.contains(warning) && said.err.contains(hint),
                    "{said:?}"
                );
            }
            assert_eq!(
                table(lab, "-4")[0],
                format!("default via {router} dev eth2 proto policy-table")
            );
            lab.ok("ifdown eth2");
            down(lab, "eth1");
        }
    });
}

#[test]
fn a_gateway_is_held_against_the_lease() {
    if !have(&[DNSMASQ, DHCLIENT]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        only_client(lab, "dhclient");
        router.serve(
            "--dhcp-range=10.10.0.100,10.10.0.100,2m --dhcp-option=option:router,10.10.0.77",
        );
        lab.interfaces("iface eth1 inet dhcp\n policy-table rt2\n");
        up(lab, "eth1");
        let connected = "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.100";
        for (gateway, default) in [
            (
                "auto",
                Some("default via 10.10.0.77 dev eth1 proto policy-table"),
            ),
            (
                "first",
                Some("default via 10.10.0.1 dev eth1 proto policy-table"),
            ),
            ("none", None),
            (
                "10.10.0.78",
                Some("default via 10.10.0.78 dev eth1 proto policy-table"),
            ),
            (
                "192.0.2.1",
                Some("default via 192.0.2.1 dev eth1 proto policy-table onlink"),
            ),
        ] {
            let said = again(lab, "dhcp", gateway);
            assert!(said.is_empty(), "{gateway}: {said:?}");
            let mut wanted: Vec<&str> = default.into_iter().collect();
            wanted.push(connected);
            assert_eq!(table(lab, "-4"), wanted, "{gateway}");
            assert_eq!(lab.rules("-4"), derived("10.10.0.100"));
        }
        let before = lab.routing();
        for (gateway, fault) in [
            (
                "10.10.0.100",
                "it is the interface's own address; expected the router's",
            ),
            (
                "10.10.0.255",
                "it is the network's own or its broadcast address",
            ),
            (
                "10.10.0.0",
                "it is the network's own or its broadcast address",
            ),
            ("fe80::1", "it is an IPv6 address and the stanza is IPv4"),
            ("0.0.0.0", "it is no address"),
            ("127.0.0.1", "it is a loopback address"),
            ("firstt", "expected an IPv4 address, auto, first or none"),
        ] {
            let said = again(lab, "dhcp", gateway);
            let lead = format!("eth1: policy-gateway \"{gateway}\": {fault}");
            assert!(said[0].starts_with(&lead), "{said:?}");
            assert!(
                said[1].contains("stays as an earlier ifup left it"),
                "{said:?}"
            );
            assert_eq!(lab.routing(), before, "{gateway}");
        }
        down(lab, "eth1");
    });
}

/// What the hook says on a second call, as `ifup --force --ignore-errors` makes it, but without
/// asking for another lease.
fn again(lab: &Lab, method: &str, gateway: &str) -> Vec<String> {
    let said = lab.sh(&format!(
        "env -i PATH=$PATH IFACE=eth1 LOGICAL=eth1 ADDRFAM=inet METHOD={method} MODE=start \
         PHASE=post-up VERBOSITY=0 IF_POLICY_TABLE=rt2 IF_POLICY_GATEWAY={gateway} \
         /etc/network/if-up.d/00-policy-table"
    ));
    assert_eq!(said.code, 0, "{said:?}");
    said.ours().into_iter().map(str::to_owned).collect()
}

// Advertisements.

const ADVERTISED: &str = "--enable-ra --dhcp-range=2001:db8:1::,ra-only,64,10m";

#[test]
fn an_advertised_network_is_selected_with_its_privacy_addresses() {
    if !have(&[DNSMASQ]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        router.serve(ADVERTISED);
        lab.interfaces("iface eth1 inet6 auto\n privext 2\n policy-table rt2\n");
        let (said, _) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        let default = format!(
            "default via {} dev eth1 proto policy-table metric 1024 pref medium",
            router.link_local()
        );
        assert_eq!(
            table(lab, "-6"),
            [
                "2001:db8:1::/64 dev eth1 proto policy-table metric 1024 pref medium",
                &default,
            ]
        );
        assert_eq!(lab.rules("-6"), derived("2001:db8:1::/64"));
        assert!(lab.rules("-4").is_empty());
        let temporary = addresses(lab, "eth1", "temporary").remove(0);
        let way = lab.ok(&format!("ip route get 2001:db8:9::1 from {temporary}"));
        assert!(way.contains("table rt2"), "{way}");
        down(lab, "eth1");
    });
}

#[test]
fn of_an_advertised_network_the_stable_address_alone_can_be_selected() {
    if !have(&[DNSMASQ]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        router.serve(ADVERTISED);
        lab.interfaces(
            "iface eth1 inet6 auto
                privext 2
                policy-table rt2
                policy-source address",
        );
        up(lab, "eth1");
        let temporary = addresses(lab, "eth1", "temporary");
        let mut stable = addresses(lab, "eth1", "");
        stable.retain(|address| !temporary.contains(address));
        assert_eq!((stable.len(), temporary.len()), (1, 1));
        assert_eq!(lab.rules("-6"), derived(&stable[0]));
        for (address, selected) in [(&stable[0], true), (&temporary[0], false)] {
            let way = lab.ok(&format!("ip route get 2001:db8:9::1 from {address}"));
            assert_eq!(way.contains("table rt2"), selected, "{way}");
        }
        down(lab, "eth1");
    });
}

/// With duplicate address detection, as it is outside of labs.
#[test]
fn an_advertised_address_is_waited_for_until_it_can_be_used() {
    if !have(&[DNSMASQ]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        router.serve(ADVERTISED);
        lab.ok("sysctl -qw net.ipv6.conf.eth1.dad_transmits=1");
        lab.interfaces("iface eth1 inet6 auto\n policy-table rt2\n policy-source address\n");
        let (said, _) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(addresses(lab, "eth1", "tentative"), [""; 0]);
        assert_eq!(lab.rules("-6"), derived(&addresses(lab, "eth1", "")[0]));
        down(lab, "eth1");
    });
}

/// A lease of IPv6 names no router, and its advertisement may come later.
#[test]
fn an_advertisement_behind_a_lease_is_waited_for() {
    lab(|lab| {
        let _broom = Broom;
        lab.ok("sysctl -qw net.ipv6.conf.default.dad_transmits=0");
        lab.device("eth1");
        only_client(lab, "dhclient");
        lab.script(
            "/sbin/dhclient",
            "#!/bin/sh
             case \"$*\" in *' -r '*) exit;; esac
             ip addr add 2001:db8:1::1ad/128 dev eth1
             (sleep 1.5; ip route add default via fe80::77 dev eth1 proto ra) >/dev/null 2>&1 &",
        );
        lab.interfaces("iface eth1 inet6 dhcp\n policy-table rt2\n");
        let (said, took) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert!(seconds(1.5) <= took && took < seconds(NO_WAIT), "{took:?}");
        let default = "default via fe80::77 dev eth1 proto policy-table metric 1024 pref medium";
        assert_eq!(table(lab, "-6"), [default]);
        down(lab, "eth1");
    });
}

#[test]
fn a_lease_of_ipv6_goes_through_the_advertised_router() {
    if !have(&[DNSMASQ, DHCLIENT]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        only_client(lab, "dhclient");
        router.serve("--enable-ra --dhcp-range=2001:db8:1::100,2001:db8:1::1ff,64,10m");
        lab.interfaces("iface eth1 inet6 dhcp\n policy-table rt2\n");
        let (said, _) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        let lease = addresses(lab, "eth1", "").remove(0);
        let default = format!(
            "default via {} dev eth1 proto policy-table metric 1024 pref medium",
            router.link_local()
        );
        // The lease is of one address; its network is not for the client to say.
        assert_eq!(table(lab, "-6"), [default]);
        assert_eq!(lab.rules("-6"), derived(&lease));
        down(lab, "eth1");
        assert!(lasting().is_empty(), "{:?}", lasting());
    });
}

/// `policy-gateway` in IPv6: there is no first address to guess at.
#[test]
fn a_gateway_of_an_advertised_network_can_be_named() {
    if !have(&[DNSMASQ]) {
        return;
    }
    lab(|lab| {
        let router = Router::new(lab);
        router.serve(ADVERTISED);
        for (gateway, default) in [(ROUTER6, 1), ("fe80::77", 1), ("none", 0), ("first", 0)] {
            lab.interfaces(&format!(
                "iface eth1 inet6 auto\n policy-table rt2\n policy-gateway {gateway}\n"
            ));
            let (said, _) = up(lab, "eth1");
            if gateway == "first" {
                let fault = "policy-gateway \"first\": network 2001:db8:1::/64 has no first host";
                assert!(said.ours()[0].contains(fault), "{said:?}");
                assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
            } else {
                assert!(said.ours().is_empty(), "{said:?}");
                let via = format!("default via {gateway} dev eth1 proto policy-table");
                let found = table(lab, "-6");
                let defaults = found.iter().filter(|route| route.starts_with(&via));
                assert_eq!(
                    (defaults.count(), found.len()),
                    (default, default + 1),
                    "{found:?}"
                );
            }
            down(lab, "eth1");
        }
    });
}

// Manual.

#[test]
fn addresses_that_up_lines_put_in_are_found() {
    lab(|lab| {
        lab.device("eth1");
        let stanza = "iface eth1 inet manual
            up ip link set $IFACE up
            up ip addr add 10.10.0.10/24 dev $IFACE
            up ip addr add 10.20.0.10/24 dev $IFACE
            policy-table rt2
            down ip addr flush dev $IFACE\n";
        let connected = [10, 20].map(|net| {
            format!("10.{net}.0.0/24 dev eth1 proto policy-table scope link src 10.{net}.0.10")
        });
        let rules = [derived("10.10.0.10"), derived("10.20.0.10")].concat();
        for (more, default) in [
            ("", Some("via 10.10.0.1 dev eth1 proto policy-table")),
            (
                "policy-gateway first",
                Some("via 10.10.0.1 dev eth1 proto policy-table"),
            ),
            ("policy-gateway none", None),
            (
                "policy-gateway 10.20.0.7",
                Some("via 10.20.0.7 dev eth1 proto policy-table"),
            ),
            (
                "policy-gateway 192.0.2.7",
                Some("via 192.0.2.7 dev eth1 proto policy-table onlink"),
            ),
            // What main has for this interface; a stanza's own gateway comes before it.
            (
                "up ip route add default via 10.20.0.8 dev $IFACE metric 9",
                Some("via 10.20.0.8 dev eth1 proto policy-table"),
            ),
            (
                "up ip route add default via 10.20.0.8 dev $IFACE metric 9\n gateway 10.10.0.9",
                Some("via 10.10.0.9 dev eth1 proto policy-table"),
            ),
            (
                "up ip -4 route add default via inet6 fe80::8 dev $IFACE",
                Some("via inet6 fe80::8 dev eth1 proto policy-table"),
            ),
            (
                "up ip route add default nexthop via 10.20.0.8 dev $IFACE nexthop via 10.20.0.9 \
                 dev $IFACE",
                Some("via 10.20.0.8 dev eth1 proto policy-table"),
            ),
            (
                "up ip route add default dev $IFACE",
                Some("dev eth1 proto policy-table scope link"),
            ),
        ] {
            lab.interfaces(&format!("{stanza} {more}\n"));
            let (said, took) = up(lab, "eth1");
            assert!(said.ours().is_empty(), "{more}: {said:?}");
            assert!(took < seconds(NO_WAIT), "{took:?}");
            let mut wanted: Vec<String> = default
                .map(|way| format!("default {way}"))
                .into_iter()
                .collect();
            wanted.extend(connected.clone());
            assert_eq!(table(lab, "-4"), wanted, "{more}");
            assert_eq!(lab.rules("-4"), rules, "{more}");
            down(lab, "eth1");
        }
        for (gateway, fault) in [
            (
                "policy-gateway 10.20.0.10",
                "it is the interface's own address",
            ),
            (
                "policy-gateway 10.20.0.255",
                "it is the network's own or its broadcast",
            ),
            // The kernel would take it: it looks at own addresses in main only.
            ("gateway 10.20.0.10", "it is the interface's own address"),
            (
                "policy-gateway first\n up ip addr add 10.10.0.1/24 dev eth1",
                "the first address",
            ),
        ] {
            lab.interfaces(&format!("{stanza} {gateway}\n"));
            let (said, _) = up(lab, "eth1");
            assert!(said.ours()[0].contains(fault), "{gateway}: {said:?}");
            let (option, value) = gateway.lines().next().unwrap().split_once(' ').unwrap();
            let lead = format!("eth1: {option} \"{value}\": ");
            assert!(said.ours()[0].starts_with(&lead), "{said:?}");
            assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
            down(lab, "eth1");
        }
    });
}

#[test]
fn an_interface_that_gets_no_address_comes_up_all_the_same() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual
                up ip link set $IFACE up
                policy-table rt2",
        );
        let (said, took) = up(lab, "eth1");
        assert_eq!(
            said.ours(),
            [
                "eth1: waiting for an IPv4 address: none came in 6 seconds; policy routing is not \
                 in force until then; when it is there, run: policy-table apply eth1"
            ]
        );
        assert!(seconds(6.0) <= took, "{took:?}");
        assert!(lab.tagged().is_empty() && lab.ok("ip link show up").contains("eth1@"));
        // Which is right: once there is an address, that command mends it.
        lab.ok("ip addr add 10.10.0.10/24 dev eth1");
        let said = lab.sh("timeout 10 policy-table apply eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        assert_eq!(lab.rules("-4"), derived("10.10.0.10"));
        down(lab, "eth1");
        // It is no error, not even where one is to fail ifup: a failing ifup would not note the
        // interface, and nothing could be applied to it later.
        lab.ok("ip addr flush dev eth1");
        lab.interfaces(
            "iface eth1 inet manual
                up ip link set $IFACE up
                policy-table rt2
                policy-on-error fail",
        );
        let (said, _) = up(lab, "eth1");
        assert_eq!((said.code, said.ours().len()), (0, 1), "{said:?}");
        lab.ok("ip addr add 10.10.0.10/24 dev eth1; policy-table apply eth1");
        assert_eq!(lab.rules("-4"), derived("10.10.0.10"));
        down(lab, "eth1");
    });
}

#[test]
fn an_address_that_comes_late_is_waited_for_no_longer_than_needed() {
    lab(|lab| {
        let _broom = Broom;
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual
                up ip link set $IFACE up
                up (sleep 1.5; ip addr add 10.10.0.10/24 dev $IFACE) >/dev/null 2>&1 &
                policy-table rt2",
        );
        let (said, took) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert!(seconds(1.4) <= took && took < seconds(NO_WAIT), "{took:?}");
        assert_eq!(lab.rules("-4"), derived("10.10.0.10"));
        down(lab, "eth1");
    });
}

#[test]
fn a_tentative_address_of_a_manual_stanza_is_waited_for() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet6 manual
                up ip link set $IFACE up
                up ip addr add 2001:db8:1::10/64 dev $IFACE
                policy-table rt2
                policy-gateway 2001:db8:1::7",
        );
        let (said, took) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert!(seconds(0.5) <= took && took < seconds(NO_WAIT), "{took:?}");
        assert_eq!(addresses(lab, "eth1", "tentative"), [""; 0]);
        assert_eq!(lab.rules("-6"), derived("2001:db8:1::10"));
        down(lab, "eth1");
    });
}

/// A duplicate address never becomes usable.
#[test]
fn an_address_that_another_host_has_is_not_used() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up && ip addr add 2001:db8:1::10/64 dev eth1p nodad");
        lab.ok("ip addr add 2001:db8:1::10/64 dev eth1 && sleep 2");
        assert_eq!(addresses(lab, "eth1", "dadfailed"), ["2001:db8:1::10"]);
        lab.ok("ip addr add 2001:db8:1::11/64 dev eth1 nodad");
        lab.interfaces(
            "iface eth1 inet6 manual\n policy-table rt2\n policy-gateway 2001:db8:1::7\n",
        );
        let (said, took) = up(lab, "eth1");
        assert!(
            said.ours().is_empty() && took < seconds(NO_WAIT),
            "{took:?} {said:?}"
        );
        assert_eq!(lab.rules("-6"), derived("2001:db8:1::11"));
        down(lab, "eth1");
    });
}

#[test]
fn without_rules_on_addresses_none_is_waited_for() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual
                up ip link set $IFACE up
                policy-table rt2
                policy-source none
                policy-gateway none
                policy-rule fwmark 7
                policy-route default dev $IFACE",
        );
        let (said, took) = up(lab, "eth1");
        assert!(
            said.ours().is_empty() && took < seconds(NO_WAIT),
            "{took:?} {said:?}"
        );
        assert_eq!(
            table(lab, "-4"),
            ["default dev eth1 proto policy-table scope link"]
        );
        assert_eq!(
            lab.rules("-4"),
            ["20701: from all fwmark 0x7 lookup rt2 proto policy-table"]
        );
        down(lab, "eth1");
    });
}

/// An interface that is a way without being a place.
#[test]
fn without_an_address_the_gateway_has_to_be_named() {
    lab(|lab| {
        lab.device("eth1");
        let warning = "eth1: no default route in table rt2: the interface has no address, and no \
                       default route of its own; write policy-gateway ADDRESS, or policy-gateway none";
        for (gateway, routes, says) in [
            (
                "192.0.2.1",
                vec!["default via 192.0.2.1 dev eth1 proto policy-table onlink"],
                vec![],
            ),
            ("none", vec![], vec![]),
            ("auto", vec![], vec![warning]),
            ("first", vec![], vec![warning]),
        ] {
            lab.interfaces(&format!(
                "iface eth1 inet manual
                    policy-table rt2
                    policy-source none
                    policy-gateway {gateway}",
            ));
            let (said, took) = up(lab, "eth1");
            assert!(took < seconds(NO_WAIT), "{took:?}");
            assert_eq!(said.ours(), says, "{gateway}");
            assert_eq!(table(lab, "-4"), routes, "{gateway}");
            down(lab, "eth1");
        }
        // Of the other family, from the link alone.
        lab.interfaces(
            "iface eth1 inet6 manual
                policy-table rt2
                policy-source none
                policy-gateway fe80::7",
        );
        let (said, _) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        let default = "default via fe80::7 dev eth1 proto policy-table metric 1024 pref medium";
        assert_eq!(table(lab, "-6"), [default]);
        down(lab, "eth1");
    });
}

/// As ifupdown 0.8.42 to 0.8.44 do, which do not wait themselves.
#[test]
fn a_tentative_address_of_a_static_stanza_is_not_waited_for() {
    lab(|lab| {
        lab.device("eth1");
        lab.script("/lib/ifupdown/settle-dad.sh", "#!/bin/sh\n");
        lab.ok("sysctl -qw net.ipv6.conf.eth1.dad_transmits=60");
        lab.interfaces(
            "iface eth1 inet6 static
                address 2001:db8:1::10/64
                gateway 2001:db8:1::7
                policy-table rt2",
        );
        let (said, took) = up(lab, "eth1");
        assert_eq!(addresses(lab, "eth1", "tentative"), ["2001:db8:1::10"]);
        assert!(
            said.ours().is_empty() && took < seconds(NO_WAIT),
            "{took:?} {said:?}"
        );
        assert_eq!(lab.rules("-6"), derived("2001:db8:1::10"));
        assert_eq!(
            table(lab, "-6"),
            [
                "2001:db8:1::/64 dev eth1 proto policy-table metric 1024 pref medium",
                "default via 2001:db8:1::7 dev eth1 proto policy-table metric 1024 pref medium",
            ]
        );
        down(lab, "eth1");
    });
}

// The loopback interface.

#[test]
fn a_transparent_proxy_needs_two_lines_on_lo() {
    lab(|lab| {
        lab.ok("ip link set lo down");
        lab.interfaces(
            "iface lo inet loopback
                policy-rule fwmark 1 lookup 100
                policy-route local default dev lo table 100
             iface lo inet6 loopback
                policy-rule fwmark 1 lookup 100
                policy-route local default dev lo table 100",
        );
        let (said, took) = up(lab, "lo");
        assert!(
            said.ours().is_empty() && took < seconds(NO_WAIT),
            "{took:?} {said:?}"
        );
        let rule = "20701: from all fwmark 0x1 lookup 100 proto policy-table";
        for family in ["-4", "-6"] {
            assert_eq!(lab.rules(family), [rule]);
        }
        let route = "local default dev lo proto policy-table scope host";
        assert_eq!(lab.routes("-4", "100"), [route]);
        let route = "local default dev lo proto policy-table metric 1024 pref medium";
        assert_eq!(lab.routes("-6", "100"), [route]);
        let way = lab.ok("ip route get 192.0.2.1 mark 1");
        assert!(way.starts_with("local 192.0.2.1 dev lo table 100"), "{way}");
        down(lab, "lo");
    });
}

#[test]
fn a_table_on_lo_derives_nothing() {
    lab(|lab| {
        lab.interfaces(
            "iface lo inet loopback
                policy-table tproxy
                policy-rule fwmark 1
                policy-route local default dev $IFACE",
        );
        let (said, took) = up(lab, "lo");
        assert!(
            said.ours().is_empty() && took < seconds(NO_WAIT),
            "{took:?} {said:?}"
        );
        let rule = "20701: from all fwmark 0x1 lookup tproxy proto policy-table";
        assert_eq!(lab.rules("-4"), [rule]);
        let route = "local default dev lo proto policy-table scope host";
        assert_eq!(lab.routes("-4", "tproxy"), [route]);
        down(lab, "lo");
        lab.interfaces("iface lo inet loopback\n policy-table tproxy\n");
        let (said, _) = up(lab, "lo");
        assert!(said.ours().is_empty(), "{said:?}");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        down(lab, "lo");
    });
}

// Links with one other end.

#[test]
fn the_other_end_of_a_link_is_its_network_and_its_router() {
    lab(|lab| {
        lab.device("eth1");
        let peer = "10.99.0.1 dev eth1 proto policy-table scope link src 10.10.0.10";
        let device = "default dev eth1 proto policy-table scope link";
        for (options, routes) in [
            (
                "address 10.10.0.10/32\n pointopoint 10.99.0.1",
                vec![device, peer],
            ),
            // ip(8) gives the netmask to the other end's route no more than the kernel does.
            (
                "address 10.10.0.10\n netmask 255.255.255.0\n pointopoint 10.99.0.1",
                vec![device, peer],
            ),
            (
                "address 10.10.0.10/32\n pointopoint 10.99.0.1\n gateway 10.99.0.1",
                vec!["default via 10.99.0.1 dev eth1 proto policy-table", peer],
            ),
            (
                "address 10.10.0.10/32\n pointopoint 10.99.0.1\n gateway 10.77.0.1",
                vec![
                    "default via 10.77.0.1 dev eth1 proto policy-table onlink",
                    peer,
                ],
            ),
            (
                "address 10.10.0.10/32\n gateway 10.77.0.1",
                vec!["default via 10.77.0.1 dev eth1 proto policy-table onlink"],
            ),
            (
                "address 10.10.0.10/32\n pointopoint 10.99.0.1\n policy-gateway none",
                vec![peer],
            ),
        ] {
            lab.interfaces(&format!(
                "iface eth1 inet static\n {options}\n policy-table rt2\n"
            ));
            let (said, _) = up(lab, "eth1");
            assert!(said.ours().is_empty(), "{options}: {said:?}");
            assert_eq!(table(lab, "-4"), routes, "{options}");
            assert_eq!(lab.rules("-4"), derived("10.10.0.10"), "{options}");
            down(lab, "eth1");
        }
        // The kernel's own word for it, where the stanza has none.
        lab.interfaces(
            "iface eth1 inet manual
                up ip link set $IFACE up; ip addr add 10.10.0.10 peer 10.99.0.1 dev $IFACE
                down ip addr flush dev $IFACE
                policy-table rt2",
        );
        up(lab, "eth1");
        assert_eq!(table(lab, "-4"), [device, peer]);
        down(lab, "eth1");
    });
}

/// An `ip` that makes a tun device of each tunnel, which this kernel may have none of.
const TUNNELS: &str = r#"#!/bin/sh
[ "$1 $2" = "-6 tunnel" ] && shift
case "$1 $2" in
    "tunnel add") exec /usr/bin/ip tuntap add "$3" mode tun ;;
    "tunnel del") exec /usr/bin/ip link del "$3" ;;
    # The relay of 6to4, an address that a tun device does not take for a neighbour's.
    "route add") [ "$5" = ::192.88.99.1 ] && exit 0 ;;
esac
exec /usr/bin/ip "$@"
"#;

/// `pon` and `pppd` in one: the device appears after `pon` is gone, has its addresses next, and
/// is up at last, the order of pppd's ipcp.c.
const PON: &str = r"#!/bin/sh
(
    sleep 0.3
    ip tuntap add ppp0 mode tun
    ip addr add 10.64.0.2 peer 10.64.0.1 dev ppp0
    sleep 0.2
    ip link set ppp0 up
) >/dev/null 2>&1 &
";

/// A lab with tunnels.
fn tunnels(test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        let _broom = Broom;
        let there = lab.sh("ip tuntap add probe mode tun").code == 0;
        if !or_skip(there, "no tun devices") {
            return;
        }
        lab.ok("ip link del probe");
        lab.script("/usr/local/sbin/ip", TUNNELS);
        test(lab);
    });
}

/// `ifup` that finds that `ip`.
fn up_tunnel(lab: &Lab, interface: &str, options: &str) -> Vec<String> {
    lab.interfaces(&format!(
        "iface {interface}\n {options}\n policy-table rt2\n"
    ));
    let device = interface.split(' ').next().unwrap();
    let said = lab.sh(&format!(
        "PATH=/usr/local/sbin:$PATH timeout 20 ifup {device}"
    ));
    assert_eq!(said.code, 0, "{said:?}");
    said.ours().into_iter().map(str::to_owned).collect()
}

fn down_tunnel(lab: &Lab, device: &str) {
    let said = lab.sh(&format!(
        "PATH=/usr/local/sbin:$PATH timeout 20 ifdown {device}"
    ));
    assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
    assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    lab.sh(&format!("ip link del {device}"));
}

#[test]
fn a_tunnels_other_end_is_its_router() {
    tunnels(|lab| {
        let options = "netmask 255.255.255.252\n mode gre\n endpoint 192.0.2.1";
        for (own, peer) in [("10.9.0.1", "10.9.0.2"), ("10.9.0.2", "10.9.0.1")] {
            let options = format!("address {own}\n dstaddr {peer}\n {options}");
            assert_eq!(up_tunnel(lab, "tun0 inet tunnel", &options), [""; 0]);
            assert_eq!(
                table(lab, "-4"),
                [
                    "default dev tun0 proto policy-table scope link".to_owned(),
                    format!("{peer} dev tun0 proto policy-table scope link src {own}"),
                ]
            );
            assert_eq!(lab.rules("-4"), derived(own));
            down_tunnel(lab, "tun0");
        }
        let options = format!("address 10.9.0.2\n gateway 10.9.0.1\n {options}");
        assert_eq!(up_tunnel(lab, "tun0 inet tunnel", &options), [""; 0]);
        assert_eq!(
            table(lab, "-4"),
            [
                "default via 10.9.0.1 dev tun0 proto policy-table",
                "10.9.0.0/30 dev tun0 proto policy-table scope link src 10.9.0.2",
            ]
        );
        down_tunnel(lab, "tun0");
    });
}

#[test]
fn a_tunnel_of_ipv6_over_ipv4_has_its_gateway_or_says_that_it_lacks_one() {
    tunnels(|lab| {
        let connected = "2001:db8:6::/64 dev tun6 proto policy-table metric 1024 pref medium";
        let options = "address 2001:db8:6::2\n netmask 64\n endpoint 192.0.2.1";
        let said = up_tunnel(
            lab,
            "tun6 inet6 v4tunnel",
            &format!("{options}\n gateway 2001:db8:6::1"),
        );
        assert_eq!(said, [""; 0]);
        let default =
            "default via 2001:db8:6::1 dev tun6 proto policy-table metric 1024 pref medium";
        assert_eq!(table(lab, "-6"), [connected, default]);
        assert_eq!(lab.rules("-6"), derived("2001:db8:6::2"));
        down_tunnel(lab, "tun6");

        let said = up_tunnel(lab, "tun6 inet6 v4tunnel", options);
        assert_eq!(
            said,
            [
                "tun6: no default route in table rt2: the router of 2001:db8:6::/64 is not \
                 known; write policy-gateway ADDRESS, or policy-gateway none"
            ]
        );
        assert_eq!(table(lab, "-6"), [connected]);
        down_tunnel(lab, "tun6");

        let own = format!("{options}\n policy-route default dev $IFACE");
        assert_eq!(up_tunnel(lab, "tun6 inet6 v4tunnel", &own), [""; 0]);
        let default = "default dev tun6 proto policy-table metric 1024 pref medium";
        assert_eq!(table(lab, "-6"), [connected, default]);
        down_tunnel(lab, "tun6");
    });
}

/// ifupdown works its address out and keeps it to itself.
#[test]
fn the_address_of_6to4_is_asked_of_the_kernel() {
    tunnels(|lab| {
        let options = "local 192.0.2.10\n policy-route default dev $IFACE";
        assert_eq!(up_tunnel(lab, "six inet6 6to4", options), [""; 0]);
        assert_eq!(
            table(lab, "-6"),
            [
                "2002::/16 dev six proto policy-table metric 1024 pref medium",
                "default dev six proto policy-table metric 1024 pref medium",
            ]
        );
        assert_eq!(lab.rules("-6"), derived("2002:c000:20a::1"));
        down_tunnel(lab, "six");
    });
}

#[test]
fn a_ppp_device_is_waited_for_until_it_is_up() {
    tunnels(|lab| {
        lab.script("/usr/bin/pon", PON);
        lab.script("/usr/bin/poff", "#!/bin/sh\nip link del ppp0\n");
        assert_eq!(
            up_tunnel(lab, "ppp0 inet ppp", "provider dsl-provider"),
            [""; 0]
        );
        assert_eq!(
            table(lab, "-4"),
            [
                "default dev ppp0 proto policy-table scope link",
                "10.64.0.1 dev ppp0 proto policy-table scope link src 10.64.0.2",
            ]
        );
        assert_eq!(lab.rules("-4"), derived("10.64.0.2"));
        // The other end is the router: main never had to name one.
        let told = lab.sh("policy-table status");
        assert_eq!(
            (told.code, told.out.contains("keeps")),
            (0, false),
            "{told:?}"
        );
        down_tunnel(lab, "ppp0");
    });
}

// Stanzas that are not simply the interface's.

const STATIC: [&str; 2] = [
    "default via 10.10.0.7 dev eth1 proto policy-table",
    "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
];

#[test]
fn what_a_stanza_inherits_counts() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface base inet static
                netmask 24
                gateway 10.10.0.7
                policy-table rt2
                policy-rule fwmark 1
             iface eth1 inet static inherits base
                address 10.10.0.10
                policy-rule fwmark 2",
        );
        let (said, _) = up(lab, "eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(table(lab, "-4"), STATIC);
        let rules = [
            vec![
                "20701: from all fwmark 0x1 lookup rt2 proto policy-table".to_owned(),
                "20702: from all fwmark 0x2 lookup rt2 proto policy-table".to_owned(),
            ],
            derived("10.10.0.10").to_vec(),
        ];
        assert_eq!(lab.rules("-4"), rules.concat());
        down(lab, "eth1");
    });
}

#[test]
fn the_stanza_of_a_logical_name_is_for_the_real_interface() {
    lab(|lab| {
        lab.device("eth1");
        lab.script(
            "/usr/local/bin/where",
            "#!/bin/sh\nread -r line\necho \"${line#* }\"\n",
        );
        let stanzas = "iface home inet static
                address 10.10.0.10/24
                gateway 10.10.0.7
                policy-table rt2
             iface work inet static
                address 10.20.0.10/24
                policy-table auto\n";
        for (mapping, up_as) in [
            ("", "eth1=home"),
            (
                "mapping eth*\n script /usr/local/bin/where\n map at home\n",
                "eth1",
            ),
        ] {
            lab.interfaces(&format!("{mapping}{stanzas}"));
            let (said, _) = up(lab, up_as);
            assert!(said.ours().is_empty(), "{said:?}");
            assert_eq!(table(lab, "-4"), STATIC);
            assert_eq!(lab.rules("-4"), derived("10.10.0.10"));
            down(lab, "eth1");
        }
        // One place after another, with a table that bears the interface's name, not the place's.
        up(lab, "eth1=home");
        down(lab, "eth1");
        up(lab, "eth1=work");
        assert_eq!(lab.routes("-4", "eth1").len(), 2);
        assert!(table(lab, "-4").is_empty());
        down(lab, "eth1");
    });
}

// Devices made in a stanza.

#[test]
fn a_bridge_made_by_its_stanza_has_its_table() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface br0 inet manual
                pre-up ip link add $IFACE type bridge && ip link set eth1 up master $IFACE
                up ip link set $IFACE up && ip addr add 10.10.0.10/24 dev $IFACE
                post-down ip link del $IFACE
                policy-table auto
                policy-gateway 10.10.0.7
             iface br1 inet static
                pre-up ip link add $IFACE type bridge
                address 10.11.0.10/24
                post-down ip link del $IFACE
                policy-table auto",
        );
        for (bridge, network, gateway) in [("br0", "10.10.0", 7), ("br1", "10.11.0", 1)] {
            let (said, took) = up(lab, bridge);
            assert!(
                said.ours().is_empty() && took < seconds(NO_WAIT),
                "{took:?} {said:?}"
            );
            let routes = lab.routes("-4", bridge);
            let routes: Vec<&str> = routes
                .iter()
                .map(|r| r.trim_end_matches(" linkdown"))
                .collect();
            let connected = format!("{network}.0/24 dev {bridge} proto policy-table scope link");
            assert_eq!(
                routes,
                [
                    format!("default via {network}.{gateway} dev {bridge} proto policy-table"),
                    format!("{connected} src {network}.10"),
                ]
            );
            down(lab, bridge);
        }
    });
}

/// Two interfaces in one network, each with a table.
#[test]
fn a_macvlan_beside_its_device_has_its_own_table() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                gateway 10.10.0.7
                policy-table rt2
             iface mac0 inet static
                pre-up ip link add link eth1 name $IFACE type macvlan mode bridge
                address 10.10.0.11/24
                post-down ip link del $IFACE
                policy-table rt3",
        );
        up(lab, "eth1");
        let (said, _) = up(lab, "mac0");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(table(lab, "-4"), STATIC);
        assert_eq!(
            lab.routes("-4", "rt3"),
            [
                "default via 10.10.0.1 dev mac0 proto policy-table",
                "10.10.0.0/24 dev mac0 proto policy-table scope link src 10.10.0.11",
            ]
        );
        let before = lab.rules("-4");
        assert_eq!(before.len(), 4, "{before:?}");
        let said = lab.sh("timeout 20 ifdown mac0");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(
            (table(lab, "-4"), lab.rules("-4")),
            (
                STATIC.map(str::to_owned).to_vec(),
                derived("10.10.0.10").to_vec()
            )
        );
        down(lab, "eth1");
    });
}
