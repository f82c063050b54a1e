//! What policy routing is for, in packets: a host on several networks, behind each a router
//! that drops what does not come from its own network, must answer a far-off client on each of
//! its addresses with `policy-table`, and answers on the one of the default gateway without.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{setns, CloneFlags};

use crate::support::lab::{lab, Lab};

/// How long nothing must come for it to be no answer. Here an answer takes microseconds; TCP
/// asks again after a second.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A port for the exchange over TCP.
const PORT: u16 = 7007;

/// Enough for several segments.
const REPLY: usize = 100_000;

/// The host's address on the network of uplink `n`, which has the same number in both families.
pub fn addresses(n: usize) -> [IpAddr; 2] {
    [
        format!("10.10.{n}.10").parse().unwrap(),
        format!("2001:db8:{n}::10").parse().unwrap(),
    ]
}

/// The router of uplink `n`, as `addresses`.
pub fn routers(n: usize) -> [IpAddr; 2] {
    [
        format!("10.10.{n}.1").parse().unwrap(),
        format!("2001:db8:{n}::1").parse().unwrap(),
    ]
}

/// Lays the wires of a host with uplinks `eth0`, `eth1`... each to a router of its own, and a
/// client on a network behind all of them.
pub fn wire(lab: &Lab, uplinks: usize, rp_filter: u8) {
    // Inherited by no namespace made later, so each is told.
    let settings = |rp_filter: u8| {
        format!(
            "set -e; cd /proc/sys/net
            echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding
            for conf in all default; do
                echo {rp_filter} >ipv4/conf/$conf/rp_filter; echo 0 >ipv6/conf/$conf/accept_dad
            done"
        )
    };
    lab.ok(&format!(
        "echo {rp_filter} >/proc/sys/net/ipv4/conf/all/rp_filter
        echo {rp_filter} >/proc/sys/net/ipv4/conf/default/rp_filter"
    ));
    lab.ok("ip netns add client");
    inside(lab, "client", &settings(0));
    inside(
        lab,
        "client",
        "ip link set lo up; ip link add lan type bridge mcast_snooping 0; ip link set lan up
        ip address add 203.0.113.100/24 dev lan; ip address add 2001:db8:cafe::100/64 dev lan",
    );
    for n in 0..uplinks {
        let (router, gateway) = (format!("router{n}"), n + 1);
        lab.ok(&format!("ip netns add {router}"));
        inside(lab, &router, &settings(0));
        lab.ok(&format!(
            "ip link add eth{n} type veth peer name host netns {router}
            ip -n {router} link add lan type veth peer name router{n} netns client"
        ));
        // It knows its own two networks, and of the host's packets it forwards its own alone.
        inside(
            lab,
            &router,
            &format!(
                "set -e; ip link set host up; ip link set lan up
                ip address add 10.10.{n}.1/24 dev host; ip address add 2001:db8:{n}::1/64 dev host
                ip address add 203.0.113.{gateway}/24 dev lan
                ip address add 2001:db8:cafe::{gateway}/64 dev lan
                ip rule add priority 10 iif host from 10.10.{n}.0/24 lookup main
                ip rule add priority 20 iif host blackhole
                ip -6 rule add priority 10 iif host from 2001:db8:{n}::/64 lookup main
                ip -6 rule add priority 11 iif host from fe80::/10 lookup main
                ip -6 rule add priority 20 iif host blackhole"
            ),
        );
        inside(
            lab,
            "client",
            &format!(
                "set -e; ip link set router{n} master lan up
                ip route add 10.10.{n}.0/24 via 203.0.113.{gateway}
                ip route add 2001:db8:{n}::/64 via 2001:db8:cafe::{gateway}"
            ),
        );
    }
}

pub fn inside(lab: &Lab, namespace: &str, commands: &str) -> String {
    lab.ok(&format!(
        "ip netns exec {namespace} sh -c '{}'",
        commands.replace('\'', r"'\''")
    ))
}

/// The stanzas of uplink `n`: the first has main's default gateway, as ifupdown gives one.
fn stanzas(n: usize, table: Option<&str>) -> String {
    let mut text = String::new();
    for ((family, length), (address, router)) in [("inet", 24), ("inet6", 64)]
        .into_iter()
        .zip(addresses(n).into_iter().zip(routers(n)))
    {
        writeln!(text, "iface eth{n} {family} static").unwrap();
        writeln!(text, "    address {address}/{length}").unwrap();
        if family == "inet6" {
            writeln!(text, "    dad-attempts 0").unwrap();
        }
        if n == 0 {
            writeln!(text, "    gateway {router}").unwrap();
        }
        if let Some(table) = table {
            writeln!(text, "    policy-table {table}").unwrap();
            // The first host address goes for the router in IPv4; IPv6 has no such habit.
            if n != 0 && family == "inet6" {
                writeln!(text, "    policy-gateway {router}").unwrap();
            }
        }
    }
    text
}

/// Waits until each router that the host has a link to can be reached, by the host from the
/// network they share and by the client: so that what stays unanswered afterwards does for no
/// other reason than routing. The kernel takes up to a second to let packets through a link that
/// came up. And where the host would first ask for the link address of a router in the name of a
/// foreign address, which is the fault that is tested for, it gets no answer for other packets.
pub fn settle(lab: &Lab, uplinks: usize) {
    for n in 0..uplinks {
        if lab.ok(&format!("ip link show eth{n} up")).is_empty() {
            continue;
        }
        for router in routers(n) {
            for from in ["", "ip netns exec client"] {
                let command = format!("{from} ping -n -c1 -W1 {router}");
                let reached = (0..10).any(|_| {
                    let reached = lab.sh(&command).code == 0;
                    if !reached {
                        thread::sleep(Duration::from_millis(100));
                    }
                    reached
                });
                assert!(reached, "{command}");
            }
        }
    }
}

/// A probe that a client can make of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Icmp,
    Tcp,
}

/// Each probe of each address, in order.
fn probes(uplinks: impl IntoIterator<Item = usize>) -> Vec<(IpAddr, Probe)> {
    uplinks
        .into_iter()
        .flat_map(addresses)
        .flat_map(|address| [(address, Probe::Icmp), (address, Probe::Tcp)])
        .collect()
}

/// A socket at a port that another had a moment ago: what a test beside this one starts has that one
/// open, too, until it runs its program.
pub fn bound<T>(bind: impl Fn() -> io::Result<T>) -> T {
    for _ in 0..500 {
        match bind() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                thread::sleep(Duration::from_millis(20));
            }
            done => return done.unwrap(),
        }
    }
    bind().unwrap()
}

/// Which of the probes of `uplinks` the client gets an answer to; all are made at once.
fn answered(lab: &Lab, uplinks: usize) -> Vec<(IpAddr, Probe)> {
    settle(lab, uplinks);
    let listener = bound(|| TcpListener::bind(("::", PORT)));
    listener.set_nonblocking(true).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, &over));
        let asked: Vec<_> = probes(0..uplinks)
            .into_iter()
            .map(|(address, probe)| {
                let ask = move || match probe {
                    Probe::Icmp => ping(lab, address),
                    Probe::Tcp => exchange(address),
                };
                ((address, probe), scope.spawn(ask))
            })
            .collect();
        let answered = asked
            .into_iter()
            .filter_map(|(probe, asked)| asked.join().unwrap().then_some(probe))
            .collect();
        over.store(true, Ordering::Relaxed);
        server.join().unwrap();
        answered
    })
}

fn ping(lab: &Lab, address: IpAddr) -> bool {
    let command = format!("ip netns exec client ping -n -c2 -i0.5 -W1 {address}");
    let said = lab.sh(&command);
    // 1 is ping's word for no answer; anything else is trouble of its own.
    assert!(matches!(said.code, 0 | 1), "{command}: {said:?}");
    said.code == 0
}

/// From the client: a request, its length doubled back and more. Anything but silence or the
/// right reply is no result but a fault in the test.
fn exchange(address: IpAddr) -> bool {
    let client = File::open("/run/netns/client").unwrap();
    setns(client, CloneFlags::CLONE_NEWNET).unwrap();
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::new(address, PORT), PATIENCE)
    else {
        return false;
    };
    stream.set_read_timeout(Some(4 * PATIENCE)).unwrap();
    stream.write_all(address.to_string().as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, reply_to(&address.to_string()));
    true
}

fn reply_to(request: &str) -> String {
    let mut reply = format!("you asked {request} ");
    reply.extend(std::iter::repeat_n('.', REPLY));
    reply
}

/// On the host: answers until it is over.
fn serve(listener: &TcpListener, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(4 * PATIENCE)).unwrap();
        let mut request = String::new();
        stream.read_to_string(&mut request).unwrap();
        stream.write_all(reply_to(&request).as_bytes()).unwrap();
    }
}

/// `ifup` without a word from us.
pub fn up(lab: &Lab, interface: &str) {
    let said = lab.sh(&format!("ifup {interface}"));
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.ours().is_empty(), "{said:?}");
}

fn two_uplinks(lab: &Lab, rp_filter: u8) {
    wire(lab, 2, rp_filter);
    let without = stanzas(0, None) + &stanzas(1, None);
    let with = stanzas(0, None) + &stanzas(1, Some("rt2"));

    lab.interfaces(&without);
    up(lab, "eth0");
    up(lab, "eth1");
    assert_eq!(answered(lab, 2), probes([0]), "before");

    lab.ok("ifdown eth1");
    lab.interfaces(&with);
    up(lab, "eth1");
    assert_eq!(answered(lab, 2), probes([0, 1]), "with policy-table");
    assert_eq!(lab.tagged().len(), 8, "{:?}", lab.tagged());

    lab.ok("ifdown eth1");
    assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    lab.interfaces(&without);
    up(lab, "eth1");
    assert_eq!(answered(lab, 2), probes([0]), "after");
}

#[test]
fn a_host_with_two_uplinks_answers_on_both() {
    lab(|lab| two_uplinks(lab, 0));
}

/// Debian's kernel has it off, `systemd` and many a hardening guide on.
#[test]
fn it_does_so_behind_a_strict_or_loose_reverse_path_filter() {
    thread::scope(|scope| {
        for rp_filter in [1, 2] {
            scope.spawn(move || lab(|lab| two_uplinks(lab, rp_filter)));
        }
    });
}

#[test]
fn a_host_with_five_uplinks_answers_on_all() {
    lab(|lab| {
        wire(lab, 5, 0);
        let all: Vec<String> = (0..5).map(|n| format!("eth{n}")).collect();
        let all = all.join(" ");
        let write = |table: fn(usize) -> Option<&'static str>| {
            lab.interfaces(&(0..5).map(|n| stanzas(n, table(n))).collect::<String>());
        };

        write(|_| None);
        up(lab, &all);
        assert_eq!(answered(lab, 5), probes([0]), "before");

        lab.ok(&format!("ifdown {all}"));
        write(|n| ["rt1", "rt2", "rt3", "auto", "auto"].get(n).copied());
        up(lab, &all);
        assert_eq!(answered(lab, 5), probes(0..5), "with policy-table");
        assert_eq!(lab.tagged().len(), 5 * 2 * 4, "{:?}", lab.tagged());

        // One network less is no matter to the others.
        lab.ok("ifdown eth2");
        assert_eq!(answered(lab, 5), probes([0, 1, 3, 4]), "without eth2");
        up(lab, "eth2");
        assert_eq!(answered(lab, 5), probes(0..5), "with eth2 again");

        lab.ok(&format!("ifdown {all}"));
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        write(|_| None);
        up(lab, &all);
        assert_eq!(answered(lab, 5), probes([0]), "after");
    });
}

/// Edits that `apply` moves between while the client keeps asking.
const EDITS: [&str; 4] = [
    "rt2",
    "rt3\n    policy-mode main",
    "rt2\n    policy-priority 700",
    "300",
];

#[test]
fn applying_an_edited_stanza_loses_no_packet() {
    lab(|lab| {
        wire(lab, 2, 0);
        let write = |table| lab.interfaces(&(stanzas(0, None) + &stanzas(1, Some(table))));
        write("rt2");
        up(lab, "eth0 eth1");
        settle(lab, 2);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let pings = addresses(1).map(|address| scope.spawn(move || flood(lab, address)));
            scope.spawn(|| {
                let mut moves = 0;
                while !over.load(Ordering::Relaxed) {
                    let edit = EDITS[moves % EDITS.len()];
                    write(edit);
                    lab.ok("policy-table apply eth1");
                    moves += 1;
                }
                assert!(moves > 20, "only {moves} moves while the client asked");
            });
            let said = pings.map(|ping| ping.join().unwrap());
            over.store(true, Ordering::Relaxed);
            for said in said {
                assert!(said.contains(" 0% packet loss"), "{said}");
            }
        });
    });
}

/// Fifteen hundred questions, two milliseconds apart; what `ping` says of the answers.
fn flood(lab: &Lab, address: IpAddr) -> String {
    let command = format!("ip netns exec client ping -n -q -c1500 -i0.002 -W1 {address}");
    lab.sh(&command).out
}
