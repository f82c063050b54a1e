//! What goes another way than a reply: networks behind the interface, the host's own packets, and two
//! interfaces in one network.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::net::{
    asks, host, marking_lab, publish_by_nft, stanza, up, while_served, within, Protocol, MARKED,
    PROTOCOLS, PUBLISHED, SERVED,
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
    super::net::asks_from(None, at, over, 100)
}

/// Two interfaces in one network: what was asked of the second is answered by the second.
#[test]
fn two_interfaces_in_one_network() {
    marking_lab(|lab| {
        host(lab, 1);
        publish_by_nft(lab);
        // Router 0 has a second cable to the host, on a bridge with the first.
        lab.ok("ip link add eth1 type veth peer name second netns router0");
        inside(
            lab,
            "router0",
            "ip link add both type bridge mcast_snooping 0; ip link set both up
            ip address flush dev host; ip link set host master both; ip link set second master both
            ip link set second up; ip address add 10.10.0.1/24 dev both
            ip rule flush; ip rule add priority 100 lookup main; ip rule add priority 0 lookup local",
        );
        lab.ok("for conf in all eth0 eth1; do
            echo 1 >/proc/sys/net/ipv4/conf/$conf/arp_ignore
            echo 2 >/proc/sys/net/ipv4/conf/$conf/arp_announce; done");
        let stanza = |n: usize, more: &str| {
            format!(
                "iface eth{n} inet static\n    address 10.10.0.1{n}/24\n    policy-table rt{n}\n    \
                 policy-gateway 10.10.0.1\n{MARKED}{more}"
            )
        };
        lab.interfaces(
            &(stanza(0, "    gateway 10.10.0.1\n").replace("    policy-gateway 10.10.0.1\n", "")
                + &stanza(1, "")),
        );
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
                }
            }
EOF");
        while_served(Some("container"), SERVED, || {
            let at: IpAddr = "10.10.0.11".parse().unwrap();
            asks("client", (at, PUBLISHED), Protocol::Tcp, 1);
            for over in PROTOCOLS {
                assert!(asks("client", (at, PUBLISHED), over, 3000), "{over:?}");
            }
        });
        let counted = |name| super::net::counted(lab, name);
        assert_eq!(counted("first"), 0);
        assert!(counted("second") > 5);
    });
}

/// A connection that was there before the rules is answered from the next packet on; one that is open
/// when the interface goes down keeps nothing of ours.
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
            let mut bytes = [0; 16];
            let mut answers = || {
                socket.send_to(b"still there?", (to, PUBLISHED)).unwrap();
                socket
                    .recv_from(&mut bytes)
                    .is_ok_and(|(_, from)| from.ip() == to)
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
        });
    });
}
