//! Marks of others, and connections that belong to others.

use std::net::UdpSocket;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use super::net::{
    all, assert_answered, counted, host, marking_lab, publish_by_nft, stanza, up, while_served,
    within, MARKED, PUBLISHED, SERVED,
};

/// Who saves and restores marks without a mask, as scripts for several uplinks do, saves ours, too.
#[test]
fn who_saves_all_bits_saves_ours() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        lab.ok("nft -f - <<'EOF'
            table inet script {
                chain restore {
                    type filter hook prerouting priority mangle;
                    meta mark set ct mark
                }
                chain save {
                    type filter hook postrouting priority 300;
                    ct mark set meta mark
                }
            }
EOF");
        while_served(Some("container"), SERVED, || {
            assert_answered(2, PUBLISHED, 3000, &all([0, 1]));
        });
    });
}

/// Bits that are not ours stay, of packets and of connections; and what wg-quick has marked keeps its
/// mark to the last bit, also for a peer that called first.
#[test]
fn bits_of_others_stay() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        lab.ok("nft -f - <<'EOF'
            table inet counts {
                counter kept {}
                counter lost {}
                counter exact {}
                counter other {}
                chain before {
                    type filter hook prerouting priority -150;
                    ct mark set ct mark | 0x20
                    meta mark set 0x10
                }
                chain forward {
                    type filter hook forward priority 0;
                    meta mark and 0x00ffffff == 0x10 ct mark and 0x00ffffff == 0x20 counter name kept
                    meta mark and 0x00ffffff != 0x10 counter name lost
                    ct mark and 0x00ffffff != 0x20 counter name lost
                }
                chain out {
                    type filter hook postrouting priority 300;
                    udp sport 51820 meta mark 0xca6c counter name exact
                    udp sport 51820 meta mark != 0xca6c counter name other
                }
            }
EOF");
        while_served(Some("container"), SERVED, || {
            assert_answered(2, PUBLISHED, 3000, &all([0, 1]));
        });
        assert!(counted(lab, "kept") > 20);
        assert_eq!(counted(lab, "lost"), 0);
        let tunnel = within(None, || UdpSocket::bind("10.10.1.10:51820").unwrap());
        setsockopt(&tunnel, sockopt::Mark, &0xca6c).unwrap();
        tunnel
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let peer = within(Some("client"), || UdpSocket::bind("0.0.0.0:51820").unwrap());
        peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        peer.send_to(b"first", "10.10.1.10:51820").unwrap();
        let (length, from) = tunnel.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(length, 5);
        tunnel.send_to(b"back", from).unwrap();
        assert_eq!(peer.recv_from(&mut [0; 16]).unwrap().0, 4);
        assert_eq!((counted(lab, "exact"), counted(lab, "other")), (1, 0));
    });
}
