//! Connections that go on while what is around them changes, and those that come in by another
//! interface than their address is on.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::net::{
    asks, counted, host, marking_lab, publish_by_nft, stanza, up, while_served, within, MARKED,
    PROTOCOLS, PUBLISHED, SERVED,
};
use crate::packets::{addresses, inside};
use crate::support::lab::Lab;

/// What is lost is sent again within it.
const PATIENCE: Duration = Duration::from_secs(3);

/// From now on the client reaches an address of the host by the router of uplink `n`.
fn reached_by(lab: &Lab, [inet, inet6]: [IpAddr; 2], n: usize) {
    inside(
        lab,
        "client",
        &format!(
            "ip route replace {inet} via 203.0.113.{0}; ip route replace {inet6} via 2001:db8:cafe::{0}",
            n + 1
        ),
    );
    let [to_inet, to_inet6] = addresses(n);
    inside(
        lab,
        &format!("router{n}"),
        &format!(
            "ip route replace {inet} via {to_inet} || true; ip route replace {inet6} via {to_inet6} || true
            ip rule add priority 10 iif host from {inet} lookup main
            ip -6 rule add priority 10 iif host from {inet6} lookup main"
        ),
    );
}

/// Counts what leaves from the addresses of uplink `of`, by the uplink that it leaves by.
fn count_what_leaves(lab: &Lab, of: usize) {
    let [inet, inet6] = addresses(of);
    let rules: String = [0, 1]
        .map(|n| {
            format!(
                "ip saddr {inet} oifname eth{n} counter name by{n}
                ip6 saddr {inet6} meta l4proto {{ tcp, udp }} oifname eth{n} counter name by{n}\n"
            )
        })
        .concat();
    lab.ok(&format!(
        "nft -f - <<'EOF'
            table inet counts {{
                counter by0 {{}}
                counter by1 {{}}
                chain out {{
                    type filter hook postrouting priority 300;
                    {rules}
                }}
            }}
EOF"
    ));
}

/// A port of the host itself, asked by the address of another interface than the one that the
/// question comes in by: it is answered by that one.
#[test]
fn a_port_of_the_host_asked_by_another_interfaces_address() {
    marking_lab(|lab| {
        host(lab, 2);
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        reached_by(lab, addresses(0), 1);
        count_what_leaves(lab, 0);
        while_served(None, 7000, || {
            for to in addresses(0) {
                for over in PROTOCOLS {
                    assert!(asks("client", (to, 7000), over, 3000), "{to} {over:?}");
                }
            }
        });
        assert!(counted(lab, "by1") > 5);
        assert_eq!(counted(lab, "by0"), 0);
    });
}

/// A client that comes by another uplink in the middle of a connection: what it sends goes where it
/// would go without a mark, and is answered by the uplink that it came by first.
#[test]
fn a_client_that_changes_its_uplink_is_answered_by_the_first() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        while_served(Some("container"), SERVED, || {
            let mut open = addresses(1).map(Open::at);
            assert!(open.iter_mut().all(Open::goes_on));
            reached_by(lab, addresses(1), 0);
            count_what_leaves(lab, 1);
            for one in &mut open {
                assert!(one.goes_on());
            }
        });
        assert!(counted(lab, "by1") >= 2);
        assert_eq!(counted(lab, "by0"), 0);
    });
}

/// A stream that is open while its interface goes down and comes up goes on.
#[test]
fn a_stream_outlives_ifdown() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, "") + &stanza(1, MARKED)));
        while_served(Some("container"), SERVED, || {
            let [to, _] = addresses(1);
            let mut open = Open::at(to);
            assert!(open.goes_on());
            lab.ok("ifdown eth1");
            open.stream.write_all(b"lost").unwrap();
            lab.ok("ifup eth1");
            assert!(open.gets(b"lost") && open.goes_on());
        });
    });
}

/// A stream of the client's to the published port, and a socket beside it.
struct Open {
    stream: TcpStream,
    socket: UdpSocket,
}

impl Open {
    fn at(to: IpAddr) -> Self {
        within(Some("client"), || {
            let at = (to, PUBLISHED).into();
            let stream = TcpStream::connect_timeout(&at, PATIENCE).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(at).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            Self { stream, socket }
        })
    }

    fn goes_on(&mut self) -> bool {
        self.stream.write_all(b"on").unwrap();
        self.socket.send(b"on").unwrap();
        self.gets(b"on") && self.socket.recv(&mut [0; 8]).is_ok()
    }

    fn gets(&mut self, expected: &[u8]) -> bool {
        let mut back = vec![0; expected.len()];
        self.stream.read_exact(&mut back).is_ok() && back == expected
    }
}
