//! What else of a host looks at packets, or sends some of its own: tunnels, firewalls that ask for the
//! way back, and errors of ICMP.

use std::net::IpAddr;

use super::net::{
    all, answered, asks, host, marking_lab, publish_by_nft, published_to, stanza, up, while_served,
    CONTAINER, MARKED, PROTOCOLS, PUBLISHED, SERVED,
};
use crate::packets::{addresses, inside};
use crate::support::lab::Lab;
use crate::support::needs::or_skip;

/// A tunnel of the host's, from an address of its own to a namespace.
struct Tunnel {
    name: &'static str,
    network: u8,
    from: &'static str,
    to: &'static str,
    namespace: &'static str,
}

impl Tunnel {
    /// Whether the kernel knows such tunnels.
    fn dig(&self, lab: &Lab) -> bool {
        let Self {
            name,
            network,
            from,
            to,
            namespace,
        } = *self;
        let end = |local: &str, remote: &str, n: u8| {
            format!(
                "ip link add {name} type vxlan id {network} local {local} remote {remote} dstport 4789 &&
                echo 0 >/proc/sys/net/ipv6/conf/{name}/accept_dad && ip link set {name} up &&
                ip address add 192.168.{network}.{n}/24 dev {name} &&
                ip address add fd{network}::{n}/64 dev {name} nodad"
            )
        };
        let said = lab.sh(&end(from, to, 1));
        let is_there = or_skip(said.code == 0, &format!("vxlan: {}", said.err));
        if is_there {
            inside(lab, namespace, &end(to, from, 2));
        }
        is_there
    }
}

/// What comes out of a tunnel, and what goes into one, bears no mark of the packet around or inside:
/// it would be sent by the interface of that.
#[test]
fn tunnels_hand_no_mark_on() {
    marking_lab(|lab| {
        host(lab, 2);
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        let over_eth1 = Tunnel {
            name: "tun1",
            network: 77,
            from: "10.10.1.10",
            to: "203.0.113.100",
            namespace: "client",
        };
        let over_eth0 = Tunnel {
            name: "tun0",
            network: 78,
            from: "10.10.0.10",
            to: "10.10.0.1",
            namespace: "router0",
        };
        if !(over_eth1.dig(lab) && over_eth0.dig(lab)) {
            return;
        }
        // A client behind the one asks the container: it is the first to send something.
        inside(
            lab,
            "client",
            "ip route add 172.17.0.0/16 via 192.168.77.1; ip route add fd17::/64 via fd77::1",
        );
        while_served(Some("container"), SERVED, || {
            for to in CONTAINER.map(|it| it.parse::<IpAddr>().unwrap()) {
                for over in PROTOCOLS {
                    // The first may go while a neighbour is being found.
                    let answered = (0..3).any(|_| asks("client", (to, SERVED), over, 100));
                    assert!(answered, "{to} {over:?}");
                }
            }
        });
        // Behind the other is a server whose port is published on both uplinks.
        published_to(lab, ["192.168.78.2", "fd78::2"]);
        lab.ok("nft add rule ip engine postrouting oifname tun0 masquerade
            nft add rule ip6 engine postrouting oifname tun0 masquerade");
        while_served(Some("router0"), SERVED, || {
            assert_eq!(answered(2, PUBLISHED, 100), all([0, 1]));
        });
    });
}

/// As firewalld asks by default (`IPv6_rpfilter`) where an IPv6 packet should have come from, by its
/// mark; and as a filter of one's own may ask for IPv4.
#[test]
fn filters_that_ask_for_the_way_back_let_all_through() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        lab.ok("nft -f - <<'EOF'
            table inet firewalld {
                chain filter_PREROUTING {
                    type filter hook prerouting priority filter + 10;
                    icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
                    fib saddr . mark . iif oif missing drop
                }
            }
EOF");
        while_served(Some("container"), SERVED, || {
            assert_eq!(answered(2, PUBLISHED, 100), all([0, 1]));
        });
    });
}

/// The host says that a packet is too big for the way to where it goes, from an address of its other
/// uplink unless the port is published: it leaves by that uplink, and whoever sent it hears of it.
#[test]
fn an_error_of_the_hosts_leaves_by_the_interface_of_its_address() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, "") + &stanza(1, MARKED)));
        lab.ok("ip link set docker0 mtu 1300");
        inside(
            lab,
            "client",
            "ip route add 172.17.0.0/16 via 203.0.113.2
            ip route add fd17::/64 via 2001:db8:cafe::2",
        );
        inside(
            lab,
            "router1",
            "ip route add 172.17.0.0/16 via 10.10.1.10; ip route add fd17::/64 via 2001:db8:1::10
            ip rule add priority 11 iif host from 172.17.0.0/16 lookup main
            ip -6 rule add priority 11 iif host from fd17::/64 lookup main",
        );
        while_served(Some("container"), SERVED, || {
            let published = addresses(1).map(|to| (to, PUBLISHED));
            let routed = CONTAINER.map(|to| (to.parse().unwrap(), SERVED));
            for at in published.into_iter().chain(routed) {
                for over in PROTOCOLS {
                    // The first is what the error is about.
                    let answers = (0..3).any(|_| asks("client", at, over, 1400));
                    assert!(answers, "{at:?} {over:?}");
                }
            }
        });
    });
}
