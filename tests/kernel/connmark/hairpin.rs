//! The host and its containers ask a port that the host publishes itself, by the address of an uplink.

use std::net::IpAddr;

use super::net::{
    asks, asks_from, host, marking_lab, publish_as_docker, publish_by_nft, stanza, up,
    while_served, Protocol, MARKED, PROTOCOLS, PUBLISHED, SERVED,
};
use crate::packets::{addresses, inside};
use crate::support::needs::have;

/// The host asks its own published port by its address: in strict mode that leaves by the router, as
/// all that this address sends does.
#[test]
fn a_published_port_asked_by_the_host_itself_takes_mode_main() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        for (mode, answers) in [("strict", false), ("main", true)] {
            let options = format!("{MARKED}    policy-mode {mode}\n");
            lab.sh("ifdown eth0 eth1");
            up(lab, 2, &(stanza(0, "") + &stanza(1, &options)));
            while_served(Some("container"), SERVED, || {
                for over in PROTOCOLS {
                    let [inet, _] = addresses(1);
                    let socket = || asks_here((inet, PUBLISHED), over);
                    assert_eq!(socket(), answers, "{mode} {over:?}");
                    for to in addresses(1) {
                        assert!(
                            asks("client", (to, PUBLISHED), over, 100),
                            "{mode} {over:?} {to}"
                        );
                    }
                }
            });
        }
    });
}

fn asks_here(at: (IpAddr, u16), over: Protocol) -> bool {
    asks_from(None, at, over, 100)
}

/// A container in another network of the host reaches the port by the published address, in strict
/// mode as well: what it sends does not come in by the interface, and bears no mark.
#[test]
fn a_container_asks_a_published_port() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, "") + &stanza(1, MARKED)));
        lab.ok(
            "ip netns add other; ip link add docker1 type veth peer name eth0 netns other
            ip link set docker1 up; ip address add 172.18.0.1/16 dev docker1
            ip address add fd18::1/64 dev docker1 nodad",
        );
        inside(
            lab,
            "other",
            "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set eth0 up
            ip address add 172.18.0.2/16 dev eth0; ip address add fd18::2/64 dev eth0 nodad
            ip route add default via 172.18.0.1; ip route add default via fd18::1",
        );
        while_served(Some("container"), SERVED, || {
            for to in addresses(1) {
                for over in PROTOCOLS {
                    // The first may go while a neighbour is being found.
                    let answered = (0..3).any(|_| asks("other", (to, PUBLISHED), over, 3000));
                    assert!(answered, "{to} {over:?}");
                }
            }
        });
    });
}

/// A container asks its own port. Docker answers it by a program of the host's (its userland proxy):
/// the answer bears the address of the uplink, which reaches a bridge with `policy-mode main` alone, and
/// `check` says so of strict.
#[test]
fn a_container_asks_its_own_port_by_dockers_proxy() {
    if !have(&["iptables-nft of iptables"]) {
        return;
    }
    for (mode, answers) in [("strict", false), ("main", true)] {
        marking_lab(|lab| {
            host(lab, 2);
            publish_as_docker(lab);
            let options = format!("{MARKED}    policy-mode {mode}\n");
            up(lab, 2, &(stanza(0, &options) + &stanza(1, &options)));
            while_served(None, PUBLISHED, || {
                for to in addresses(1) {
                    let asked = asks("container", (to, PUBLISHED), Protocol::Tcp, 100);
                    assert_eq!(asked, answers, "{mode} {to}");
                }
            });
            let findings = lab.sh("policy-table check").out;
            for cut_off in ["172.17.0.0/16 (docker0)", "fd17::/64 (docker0)", "[PT213]"] {
                assert_eq!(findings.contains(cut_off), !answers, "{mode} {findings}");
            }
        });
    }
}

/// Without that program the port is translated for the bridge, too, and the source with it (hairpin):
/// nothing bears the address of the uplink, and either mode will do.
#[test]
fn a_container_asks_its_own_port_by_translation() {
    for mode in ["strict", "main"] {
        marking_lab(|lab| {
            host(lab, 2);
            publish_by_nft(lab);
            lab.ok("ip link set port type bridge_slave hairpin on
                nft add rule ip engine postrouting ip saddr 172.17.0.2 ip daddr 172.17.0.2 masquerade
                nft add rule ip6 engine postrouting ip6 saddr fd17::2 ip6 daddr fd17::2 masquerade");
            let options = format!("{MARKED}    policy-mode {mode}\n");
            up(lab, 2, &(stanza(0, &options) + &stanza(1, &options)));
            while_served(Some("container"), SERVED, || {
                for to in addresses(1) {
                    for over in PROTOCOLS {
                        let asked = asks("container", (to, PUBLISHED), over, 100);
                        assert!(asked, "{mode} {to} {over:?}");
                    }
                }
            });
        });
    }
}
