//! What else of a host looks at packets, or sends some of its own: tunnels, firewalls that ask for the
//! way back, and errors of ICMP.

use std::net::IpAddr;

use super::net::{
    all, asks, assert_answered, host, marking_lab, publish_by_nft, published_to, stanza, up,
    while_served, CONTAINER, MARKED, PROTOCOLS, PUBLISHED, SERVED,
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
            assert_answered(2, PUBLISHED, 100, &all([0, 1]));
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
            assert_answered(2, PUBLISHED, 100, &all([0, 1]));
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

/// The uplink is a bridge with a virtual machine beside it, whose own packets the kernel shows to nft(8)
/// as well once Docker has asked for that (`br_netfilter`): they go on as they did.
#[test]
fn a_virtual_machine_on_the_uplinks_bridge() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        lab.ok(
            "ip link add br1 type bridge mcast_snooping 0; ip link set br1 up
            echo 0 >/proc/sys/net/ipv6/conf/br1/accept_dad; ip link set eth1 master br1 up
            ip netns add vm; ip link add tap type veth peer name eth0 netns vm
            ip link set tap master br1 up",
        );
        inside(
            lab,
            "vm",
            "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set lo up; ip link set eth0 up
            ip address add 10.10.1.50/24 dev eth0; ip address add 2001:db8:1::50/64 dev eth0 nodad
            ip route add default via 10.10.1.1; ip route add default via 2001:db8:1::1",
        );
        let asks_nft = lab.sh("cd /proc/sys/net/bridge && for of in iptables ip6tables; do
            echo 1 >bridge-nf-call-$of; done");
        or_skip(asks_nft.code == 0, "br_netfilter");
        let second = stanza(1, MARKED).replace("eth1", "br1");
        lab.interfaces(&(stanza(0, MARKED) + &second));
        let said = lab.sh("ifup eth0 br1");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        let all_asked = |from, at: [&str; 2], port| {
            let each = at.map(|it| it.parse().unwrap());
            for at in each.iter().flat_map(|at| PROTOCOLS.map(|over| (*at, over))) {
                // The first may go while a neighbour is being found, or a port of the bridge learns.
                let answered = (0..3).any(|_| asks(from, (at.0, port), at.1, 3000));
                assert!(answered, "{from} {at:?} {port}");
            }
        };
        let ours = ["10.10.1.10", "2001:db8:1::10"];
        while_served(Some("container"), SERVED, || {
            all_asked("client", ours, PUBLISHED);
            all_asked("vm", ours, PUBLISHED);
        });
        while_served(Some("vm"), SERVED, || {
            for from in ["client", "container"] {
                all_asked(from, ["10.10.1.50", "2001:db8:1::50"], SERVED);
            }
        });
        while_served(Some("client"), SERVED, || {
            all_asked("vm", ["203.0.113.100", "2001:db8:cafe::100"], SERVED);
        });
    });
}
