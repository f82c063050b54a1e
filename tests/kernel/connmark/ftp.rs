//! A protocol that opens a second connection, which belongs to the first: FTP.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::net::{
    counted, host, marking_lab, publish_by_nft, stanza, up, within, MARKED, PUBLISHED, SERVED,
};
use crate::packets::{addresses, bound, inside};
use crate::support::lab::Lab;
use crate::support::needs::or_skip;

/// Nothing here is expected to take so long.
const PATIENCE: Duration = Duration::from_secs(20);

const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 100);
const SERVER: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);

/// Whether the kernel reads along with FTP at the server's port; else it says so.
fn reads_along(lab: &Lab) -> bool {
    let said = lab.sh("nft -f - <<'EOF'
        table inet helper {
            ct helper ftp { type \"ftp\" protocol tcp; }
            chain prerouting {
                type filter hook prerouting priority 0;
                tcp dport 80 ct helper set \"ftp\"
            }
        }
EOF");
    or_skip(said.code == 0, &format!("ct helper for FTP: {}", said.err))
}

/// Nobody but the router of the second uplink knows the server's network, and no address is
/// translated: what the server opens leaves by the uplink of the first connection.
#[test]
fn a_second_connection_leaves_by_the_uplink_of_the_first() {
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
        if reads_along(lab) {
            let opened = opened_by_the_server((SERVER.into(), SERVED));
            assert_eq!(opened, IpAddr::from(SERVER));
        }
    });
}

/// Through a published port: whichever end opens the second connection, it has the published address,
/// and takes the uplink of it.
#[test]
fn a_second_connection_through_a_published_port() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, "") + &stanza(1, MARKED)));
        if !reads_along(lab) {
            return;
        }
        lab.ok("nft -f - <<'EOF'
            table inet counts {
                counter by0 {}
                counter by1 {}
                chain out {
                    type filter hook postrouting priority 300;
                    meta l4proto tcp oifname eth0 counter name by0
                    meta l4proto tcp oifname eth1 counter name by1
                }
            }
EOF");
        let [published, _] = addresses(1);
        assert_eq!(opened_by_the_server((published, PUBLISHED)), published);
        assert_eq!(opened_by_the_client((published, PUBLISHED)), published);
        assert_eq!(counted(lab, "by0"), 0);
        assert!(counted(lab, "by1") > 10);
    });
}

/// A server that hears one line, and answers with one; then it says `data` in a second connection.
fn served(asked: (IpAddr, u16), client: impl FnOnce(TcpStream) -> IpAddr) -> IpAddr {
    let server = within(Some("container"), || {
        bound(|| TcpListener::bind((SERVER, SERVED)))
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            let (stream, _) = accepted(&server);
            heard(&stream);
            say(&stream, "331 go on\r\n");
            let line = heard(&stream);
            let mut data = if let Some(numbers) = line.strip_prefix("PORT ") {
                let back = SocketAddr::from((CLIENT, port(numbers)));
                within(Some("container"), || {
                    TcpStream::connect_timeout(&back, PATIENCE).unwrap()
                })
            } else {
                let waiting = within(Some("container"), || {
                    TcpListener::bind((SERVER, 0)).unwrap()
                });
                let place = numbers(SERVER, &waiting);
                say(&stream, &format!("227 Entering Passive Mode ({place})\r\n"));
                accepted(&waiting).0
            };
            data.write_all(b"data").unwrap();
        });
        let asking = within(Some("client"), || {
            TcpStream::connect_timeout(&asked.into(), PATIENCE).unwrap()
        });
        asking.set_read_timeout(Some(PATIENCE)).unwrap();
        // The kernel reads commands that stand behind a line's end alone.
        say(&asking, "USER somebody\r\n");
        assert_eq!(heard(&asking), "331 go on");
        client(asking)
    })
}

/// The server is asked to connect to the client; returns where it comes from.
fn opened_by_the_server(asked: (IpAddr, u16)) -> IpAddr {
    served(asked, |asking| {
        let waiting = within(Some("client"), || TcpListener::bind((CLIENT, 0)).unwrap());
        say(&asking, &format!("PORT {}\r\n", numbers(CLIENT, &waiting)));
        let (data, from) = accepted(&waiting);
        assert_eq!(all_of(data), "data");
        from.ip()
    })
}

/// The server is asked where it waits; returns where that is for the client.
fn opened_by_the_client(asked: (IpAddr, u16)) -> IpAddr {
    served(asked, |asking| {
        say(&asking, "PASV\r\n");
        let line = heard(&asking);
        let (_, place) = line.split_once('(').unwrap();
        let (place, _) = place.split_once(')').unwrap();
        let parts: Vec<&str> = place.split(',').collect();
        let address: Ipv4Addr = parts[..4].join(".").parse().unwrap();
        let data = within(Some("client"), || {
            TcpStream::connect_timeout(&(address, port(place)).into(), PATIENCE).unwrap()
        });
        data.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(all_of(data), "data");
        address.into()
    })
}

/// An address and port as FTP writes them.
fn numbers(address: Ipv4Addr, at: &TcpListener) -> String {
    let port = at.local_addr().unwrap().port();
    let address = address.to_string().replace('.', ",");
    format!("{address},{},{}", port / 256, port % 256)
}

/// The port of it.
fn port(numbers: &str) -> u16 {
    let mut last = numbers.rsplit(',').map(|it| it.parse::<u16>().unwrap());
    let (low, high) = (last.next().unwrap(), last.next().unwrap());
    high * 256 + low
}

/// In one piece, or the kernel drops it and waits for the whole of it.
fn say(mut stream: &TcpStream, line: &str) {
    stream.write_all(line.as_bytes()).unwrap();
}

/// A line, without its end.
fn heard(mut stream: &TcpStream) -> String {
    let mut bytes = [0; 128];
    let length = stream.read(&mut bytes).unwrap();
    let line = std::str::from_utf8(&bytes[..length]).unwrap();
    line.strip_suffix("\r\n").unwrap().to_owned()
}

fn all_of(mut stream: TcpStream) -> String {
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
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
