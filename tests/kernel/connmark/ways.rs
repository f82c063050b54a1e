//! What goes another way than a reply: networks behind the interface, the host's own packets, and two
//! interfaces in one network.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::net::{
    all, asks, assert_answered, counted, host, marking_lab, publish_by_nft, published_to, stanza,
    up, while_served, within, Protocol, MARKED, PROTOCOLS, PUBLISHED, SERVED,
};
use crate::packets::{addresses, inside};

/// A network behind a marked interface goes out by another uplink; without the rule that passes over
/// the look-up it would be sent back to where it came from.
#[test]
fn a_network_behind_the_interface_goes_its_own_way() {
    marking_lab(|lab| {
        host(lab, 1);
        lab.ok(
            "ip netns add behind; ip link add eth1 type veth peer name eth0 netns behind
            echo 0 >/proc/sys/net/ipv6/conf/eth1/accept_dad",
        );
        inside(
            lab,
            "behind",
            "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set eth0 up; ip link set lo up
            ip address add 10.9.0.2/24 dev eth0; ip address add fd09::2/64 dev eth0 nodad
            ip route add default via 10.9.0.1; ip route add default via fd09::1",
        );
        lab.interfaces(&format!(
            "{}iface eth1 inet static\n    address 10.9.0.1/24\n    policy-table lan\n    \
             policy-gateway 10.9.0.2\n{MARKED}iface eth1 inet6 static\n    address fd09::1/64\n    \
             dad-attempts 0\n    policy-table lan\n    policy-gateway fd09::2\n{MARKED}",
            stanza(0, MARKED)
        ));
        lab.ok("ifup eth0 eth1");
        lab.ok("nft -f - <<'EOF'
            table inet engine {
                chain postrouting {
                    type nat hook postrouting priority srcnat;
                    iifname eth1 oifname eth0 masquerade
                }
            }
EOF");
        let far: [IpAddr; 2] =
            ["203.0.113.100", "2001:db8:cafe::100"].map(|it| it.parse().unwrap());
        let asked = || {
            let each = far.iter().flat_map(|to| PROTOCOLS.map(|over| (*to, over)));
            let answered = each.filter(|(to, over)| asks("behind", (*to, 9000), *over, 3000));
            answered.count()
        };
        while_served(Some("client"), 9000, || {
            // The first packet may go while a neighbour is being found.
            asks("behind", (far[0], 9000), Protocol::Tcp, 1);
            asks("behind", (far[1], 9000), Protocol::Tcp, 1);
            assert_eq!(asked(), 4);
            lab.ok("ip rule del pref 20850 iif eth1; ip -6 rule del pref 20850 iif eth1");
            assert_eq!(asked(), 0, "with two rules alone");
        });
    });
}

/// Two interfaces in one network: what was asked of the second is answered by the second.
#[test]
fn two_interfaces_in_one_network() {
    marking_lab(|lab| {
        host(lab, 1);
        publish_by_nft(lab);
        // Router 0 has a second cable to the host, on a bridge with the first.
        lab.ok("ip link add eth1 type veth peer name second netns router0
            echo 0 >/proc/sys/net/ipv6/conf/eth1/accept_dad");
        inside(
            lab,
            "router0",
            "ip link add both type bridge mcast_snooping 0; ip link set both up
            echo 0 >/proc/sys/net/ipv6/conf/both/accept_dad
            ip address flush dev host; ip link set host master both; ip link set second master both
            ip link set second up; ip address add 10.10.0.1/24 dev both
            ip address add 2001:db8::1/64 dev both nodad
            for family in -4 -6; do ip $family rule flush; ip $family rule add priority 100 lookup main
                ip $family rule add priority 0 lookup local || true; done",
        );
        lab.ok("for conf in all eth0 eth1; do
            echo 1 >/proc/sys/net/ipv4/conf/$conf/arp_ignore
            echo 2 >/proc/sys/net/ipv4/conf/$conf/arp_announce; done");
        let in_network_0 = stanza(1, MARKED)
            .replace("10.10.1.10", "10.10.0.11")
            .replace("10.10.1.1", "10.10.0.1")
            .replace("2001:db8:1::10", "2001:db8::11")
            .replace("2001:db8:1::1", "2001:db8::1");
        lab.interfaces(&(stanza(0, MARKED) + &in_network_0));
        let said = lab.sh("ifup eth0 eth1");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        lab.ok("nft -f - <<'EOF'
            table inet counts {
                counter first {}
                counter second {}
                chain out {
                    type filter hook postrouting priority 300;
                    ip saddr 10.10.0.11 oifname eth0 counter name first
                    ip saddr 10.10.0.11 oifname eth1 counter name second
                    ip6 saddr 2001:db8::11 meta l4proto { tcp, udp } oifname eth0 counter name first
                    ip6 saddr 2001:db8::11 meta l4proto { tcp, udp } oifname eth1 counter name second
                }
            }
EOF");
        while_served(Some("container"), SERVED, || {
            for at in ["10.10.0.11", "2001:db8::11"].map(|it| it.parse::<IpAddr>().unwrap()) {
                let before = counted(lab, "second");
                asks("client", (at, PUBLISHED), Protocol::Tcp, 1);
                for over in PROTOCOLS {
                    assert!(asks("client", (at, PUBLISHED), over, 3000), "{at} {over:?}");
                }
                assert!(counted(lab, "second") > before + 5, "{at}");
            }
        });
        assert_eq!(counted(lab, "first"), 0);
    });
}

/// The limit of the page: a server behind the interface itself, in its own network, answers by it, and
/// what comes in by it takes the way that it would take without a mark.
#[test]
fn a_server_behind_the_interface_itself_is_answered_for_by_main() {
    marking_lab(|lab| {
        host(lab, 2);
        published_to(lab, ["10.10.1.1", "2001:db8:1::1"]);
        lab.ok(
            "nft add rule ip engine postrouting ip daddr 10.10.1.1 masquerade
            nft add rule ip6 engine postrouting ip6 daddr 2001:db8:1::1 masquerade",
        );
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        while_served(Some("router1"), SERVED, || {
            assert_answered(2, PUBLISHED, 100, &all([0]));
        });
    });
}

/// A connection that was there before the rules is answered from the next packet on. One that is open
/// when the interface goes down goes on with the next ifup; one that is open when the stanza gets
/// another table does not, as the page says.
#[test]
fn connections_older_than_the_rules_and_younger() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, "") + &stanza(1, "")));
        // The way back is another one at first, which a strict filter would not let in.
        lab.ok("echo 2 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
        while_served(Some("container"), SERVED, || {
            let [to, _] = addresses(1);
            let socket = within(Some("client"), || {
                let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_millis(500)))
                    .unwrap();
                socket
            });
            let mut asked = 0_u32;
            let mut answers = || {
                asked += 1;
                let question = asked.to_be_bytes();
                socket.send_to(&question, (to, PUBLISHED)).unwrap();
                let mut bytes = [0; 4];
                // The answer to an earlier one may have waited for a neighbour.
                loop {
                    match socket.recv_from(&mut bytes) {
                        Ok((_, from)) if bytes == question => return from.ip() == to,
                        Ok(_) => {}
                        Err(_) => return false,
                    }
                }
            };
            assert!(!answers());
            lab.interfaces(&(stanza(0, "") + &stanza(1, MARKED)));
            lab.ok("policy-table apply eth1");
            assert!(answers());
            let said = lab.sh("ifdown eth1");
            assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
            assert_eq!(lab.sh("nft list table inet policy-table").code, 1);
            assert!(!lab.tagged().join("\n").contains("fwmark"));
            assert!(!answers());
            up(lab, 2, &(stanza(0, "") + &stanza(1, MARKED)));
            assert!(answers());
            lab.interfaces(&(stanza(0, "") + &stanza(1, MARKED).replace("rt1", "other")));
            lab.ok("policy-table apply eth1");
            assert!(!answers());
            assert_answered(2, PUBLISHED, 100, &all([0, 1]));
        });
    });
}
