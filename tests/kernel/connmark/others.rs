//! Marks of others, and connections that belong to others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::net::{
    all, answered, counted, host, marking_lab, publish_by_nft, stanza, up, while_served, within,
    MARKED, PUBLISHED, SERVED,
};
use crate::packets::inside;

/// Nothing here is expected to take so long.
const PATIENCE: Duration = Duration::from_secs(3);

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
            assert_eq!(answered(2, PUBLISHED, 3000), all([0, 1]));
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

/// FTP's second connection is opened by the server and belongs to the first: it leaves by the uplink
/// of that. Nobody but that uplink's router knows the server's network, and no address is translated.
#[test]
fn the_second_connection_of_ftp_leaves_by_the_uplink_of_the_first() {
    marking_lab(|lab| {
        host(lab, 2);
        up(lab, 2, &(stanza(0, "") + &stanza(1, MARKED)));
        inside(lab, "client", "ip route add 172.17.0.0/16 via 203.0.113.2");
        inside(
            lab,
            "router1",
            "ip route add 172.17.0.0/16 via 10.10.1.10
            ip rule add priority 11 iif host from 172.17.0.0/16 lookup main",
        );
        let helper = lab.sh("nft -f - <<'EOF'
            table inet helper {
                ct helper ftp { type \"ftp\" protocol tcp; }
                chain prerouting {
                    type filter hook prerouting priority 0;
                    tcp dport 80 ct helper set \"ftp\"
                }
            }
EOF");
        if helper.code != 0 {
            eprintln!(
                "skipped: this kernel has no conntrack helper for FTP: {}",
                helper.err
            );
            return;
        }
        second_connection();
    });
}

/// Asks a server in the container to connect to the client, and hears it.
fn second_connection() {
    let server = within(Some("container"), || {
        TcpListener::bind(("0.0.0.0", SERVED)).unwrap()
    });
    let waiting = within(Some("client"), || {
        TcpListener::bind("203.0.113.100:0").unwrap()
    });
    let port = waiting.local_addr().unwrap().port();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (stream, _) = accepted(&server);
            let mut lines = BufReader::new(&stream).lines();
            lines.next().unwrap().unwrap();
            (&stream).write_all(b"331 go on\r\n").unwrap();
            let line = lines.next().unwrap().unwrap();
            let numbers: Vec<u16> = line
                .trim()
                .trim_start_matches("PORT ")
                .split(',')
                .map(|number| number.parse().unwrap())
                .collect();
            let back = SocketAddr::from(([203, 0, 113, 100], numbers[4] * 256 + numbers[5]));
            within(Some("container"), || {
                let mut data = TcpStream::connect_timeout(&back, PATIENCE).unwrap();
                data.write_all(b"data").unwrap();
            });
        });
        let mut asking = within(Some("client"), || {
            TcpStream::connect_timeout(&([172, 17, 0, 2], SERVED).into(), PATIENCE).unwrap()
        });
        asking.set_read_timeout(Some(PATIENCE)).unwrap();
        // The kernel reads commands that stand behind a line's end alone.
        asking.write_all(b"USER somebody\r\n").unwrap();
        assert_eq!(asking.read(&mut [0; 64]).unwrap(), 11);
        // In one piece, or the kernel drops it and waits for the whole of it.
        let line = format!("PORT 203,0,113,100,{},{}\r\n", port / 256, port % 256);
        asking.write_all(line.as_bytes()).unwrap();
        let (mut data, _) = accepted(&waiting);
        let mut said = String::new();
        data.read_to_string(&mut said).unwrap();
        assert_eq!(said, "data");
    });
}

/// Waits for a connection, but not for ever.
fn accepted(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    listener.set_nonblocking(true).unwrap();
    let limit = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, from)) => {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return (stream, from);
            }
            Err(error) => assert!(Instant::now() < limit, "nobody came: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}
