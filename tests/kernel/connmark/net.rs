//! The wires of `packets.rs` with a container behind the host, and who asks and answers.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{setns, CloneFlags};

use crate::packets::{addresses, bound, inside, routers, settle, wire};
use crate::support::lab::{lab, Lab};
use crate::support::needs::have;

/// How long nothing must come for it to be no answer: here one takes microseconds. Who waits for
/// none waits longer than one that is lost and asked for again over a second.
const PATIENCE: Duration = Duration::from_millis(700);
/// For an answer that comes, or the test fails. TCP may have asked twice by then; what is lost on the
/// way shows with UDP.
const LONG: Duration = Duration::from_secs(20);

/// The published port of the host, and that of the container.
pub const PUBLISHED: u16 = 8080;
/// As above.
pub const SERVED: u16 = 80;

/// The container's addresses.
pub const CONTAINER: [&str; 2] = ["172.17.0.2", "fd17::2"];

/// The protocols that are asked over.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// The option, for [`stanza`].
pub const MARKED: &str = "    policy-connmark auto\n";

/// A test in a lab that can mark connections; else it is skipped.
pub fn marking_lab(test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        if can_mark(lab) {
            test(lab);
        }
    });
}

/// Whether nft(8) is there, and the kernel tracks connections; else it says so.
fn can_mark(lab: &Lab) -> bool {
    if !have(&["nft of nftables"]) {
        return false;
    }
    let tried = lab.sh("nft add table inet trial && nft 'add chain inet trial c {
        type filter hook prerouting priority 0; }' && nft 'add rule inet trial c ct mark 1 ct mark set 2'
        code=$?; nft delete table inet trial; exit $code");
    if tried.code != 0 {
        assert!(std::env::var_os("CI").is_none(), "{tried:?}");
        eprintln!(
            "skipped: this kernel does not track connections: {}",
            tried.err
        );
    }
    tried.code == 0
}

/// The stanza of uplink `n` in both families, with more options in each.
pub fn stanza(n: usize, more: &str) -> String {
    let mut text = String::new();
    for ((family, length), (address, router)) in [("inet", 24), ("inet6", 64)]
        .into_iter()
        .zip(addresses(n).into_iter().zip(routers(n)))
    {
        let gateway = if n == 0 { "gateway" } else { "policy-gateway" };
        let dad = if family == "inet6" {
            "    dad-attempts 0\n"
        } else {
            ""
        };
        writeln!(
            text,
            "iface eth{n} {family} static\n    address {address}/{length}\n{dad}    \
             {gateway} {router}\n    policy-table rt{n}\n{more}"
        )
        .unwrap();
    }
    text
}

/// Lays the wires: uplinks, a client behind them all, strict `rp_filter` that looks at marks, and a
/// container.
pub fn host(lab: &Lab, uplinks: usize) {
    wire(lab, uplinks, 1);
    lab.ok("echo 1 >/proc/sys/net/ipv4/conf/all/src_valid_mark
        echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
        ip netns add container
        ip link add docker0 type bridge mcast_snooping 0; ip link set docker0 up
        ip address add 172.17.0.1/16 dev docker0; ip address add fd17::1/64 dev docker0 nodad
        ip link add port type veth peer name eth0 netns container
        ip link set port master docker0 up");
    inside(
        lab,
        "container",
        "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
        ip link set lo up; ip link set eth0 up
        ip address add 172.17.0.2/16 dev eth0; ip address add fd17::2/64 dev eth0 nodad
        ip route add default via 172.17.0.1; ip route add default via fd17::1",
    );
}

/// Brings all uplinks up by a file.
pub fn up(lab: &Lab, uplinks: usize, file: &str) {
    lab.interfaces(file);
    for n in 0..uplinks {
        crate::packets::up(lab, &format!("eth{n}"));
    }
    settle(lab, uplinks);
}

/// Publishes the port as a container engine does by nft, with masquerade for what leaves.
pub fn publish_by_nft(lab: &Lab) {
    published_to(lab, CONTAINER);
}

/// The same of a server at other addresses.
pub fn published_to(lab: &Lab, [inet, inet6]: [&str; 2]) {
    let dnat = |family: &str, to: &str| {
        format!(
            "table {family} engine {{
                chain prerouting {{
                    type nat hook prerouting priority dstnat;
                    fib daddr type local meta l4proto {{ tcp, udp }} th dport {PUBLISHED} dnat to {to}:{SERVED}
                }}
                chain output {{
                    type nat hook output priority -100;
                    fib daddr type local meta l4proto {{ tcp, udp }} th dport {PUBLISHED} dnat to {to}:{SERVED}
                }}
                chain postrouting {{
                    type nat hook postrouting priority srcnat;
                    oifname != \"docker0\" iifname \"docker0\" masquerade
                }}
            }}\n"
        )
    };
    let text = dnat("ip", inet) + &dnat("ip6", &format!("[{inet6}]"));
    lab.write("/run/engine", &text);
    lab.ok("nft -f /run/engine");
}

/// Does something in a network namespace; what sockets it opens stay there.
pub fn within<T: Send>(namespace: Option<&str>, deed: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let done = scope.spawn(|| {
            if let Some(namespace) = namespace {
                let file = File::open(format!("/run/netns/{namespace}")).unwrap();
                setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            }
            deed()
        });
        done.join().unwrap()
    })
}

/// Answers at a port of a namespace, over both protocols and families, while something is done.
pub fn while_served<T>(namespace: Option<&str>, port: u16, deed: impl FnOnce() -> T) -> T {
    let (listener, socket) = within(namespace, || {
        let listener = bound(|| TcpListener::bind(("::", port)));
        (listener, bound(|| UdpSocket::bind(("::", port))))
    });
    listener.set_nonblocking(true).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let over = Over(AtomicBool::new(false));
    let is_over = || over.0.load(Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over() {
                match listener.accept() {
                    Ok((stream, _)) => {
                        scope.spawn(move || repeat(stream));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        scope.spawn(|| {
            let mut bytes = vec![0; 65_536];
            while !is_over() {
                if let Ok((length, from)) = socket.recv_from(&mut bytes) {
                    let _ = socket.send_to(&bytes[..length], from);
                }
            }
        });
        // Also where the test fails.
        let _end = End(&over);
        deed()
    })
}

struct Over(AtomicBool);

struct End<'a>(&'a Over);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0 .0.store(true, Ordering::Relaxed);
    }
}

/// Sends back what comes, as long as something does.
fn repeat(mut stream: TcpStream) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(4 * PATIENCE)).unwrap();
    let mut bytes = vec![0; 16_384];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

/// Whether who asks from a namespace gets back all of a message.
pub fn asks(from: &str, at: (IpAddr, u16), over: Protocol, length: usize) -> bool {
    asks_from(Some(from), at, over, length)
}

/// The same; `None` is the host itself.
pub fn asks_from(from: Option<&str>, at: (IpAddr, u16), over: Protocol, length: usize) -> bool {
    asks_for(PATIENCE, from, at, over, length)
}

/// The same, with its own patience.
fn asks_for(
    patience: Duration,
    from: Option<&str>,
    at: (IpAddr, u16),
    over: Protocol,
    length: usize,
) -> bool {
    within(from, || {
        let message: Vec<u8> = (0..length)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        let at = SocketAddr::from(at);
        match over {
            Protocol::Tcp => TcpStream::connect_timeout(&at, patience)
                .is_ok_and(|stream| gets_back(stream, &message, patience)),
            Protocol::Udp => {
                let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).unwrap();
                socket.set_read_timeout(Some(patience)).unwrap();
                let mut back = vec![0; length + 1];
                socket.send_to(&message, at).is_ok()
                    && socket
                        .recv_from(&mut back)
                        .is_ok_and(|(length, from)| from == at && back[..length] == message)
            }
        }
    })
}

fn gets_back(mut stream: TcpStream, message: &[u8], patience: Duration) -> bool {
    stream.set_read_timeout(Some(4 * patience)).unwrap();
    let mut writing = stream.try_clone().unwrap();
    let mut back = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = writing.write_all(message);
            let _ = writing.shutdown(Shutdown::Write);
        });
        let _ = stream.read_to_end(&mut back);
    });
    back == message
}

/// Holds that of all that a client asks these answer and no other: each uplink's addresses are asked,
/// each over both protocols.
pub fn assert_answered(uplinks: usize, port: u16, length: usize, expected: &[(IpAddr, Protocol)]) {
    let found = answered(uplinks, port, length, expected);
    assert_eq!(found, expected, "port {port}, {length} bytes");
}

/// Who answers. What is expected may take its time on a machine that has other work.
pub fn answered(
    uplinks: usize,
    port: u16,
    length: usize,
    expected: &[(IpAddr, Protocol)],
) -> Vec<(IpAddr, Protocol)> {
    let asks = |asked: &(IpAddr, Protocol)| {
        let is_expected = expected.contains(asked);
        let patience = if is_expected { LONG } else { PATIENCE };
        asks_for(patience, Some("client"), (asked.0, port), asked.1, length)
    };
    let asked = (0..uplinks).flat_map(addresses);
    let asked: Vec<_> = asked
        .flat_map(|address| PROTOCOLS.map(|protocol| (address, protocol)))
        .collect();
    thread::scope(|scope| {
        let all: Vec<_> = asked
            .iter()
            .map(|asked| scope.spawn(|| asks(asked)))
            .collect();
        let answers = all.into_iter().map(|one| one.join().unwrap());
        let asked = asked.iter().zip(answers.collect::<Vec<_>>());
        asked
            .filter_map(|(asked, answer)| answer.then_some(*asked))
            .collect()
    })
}

/// All that [`answered`] can give.
pub fn all(uplinks: impl IntoIterator<Item = usize>) -> Vec<(IpAddr, Protocol)> {
    let addresses = uplinks.into_iter().flat_map(addresses);
    addresses
        .flat_map(|address| PROTOCOLS.map(|protocol| (address, protocol)))
        .collect()
}

/// Publishes the port as Docker does, by iptables.
pub fn publish_as_docker(lab: &Lab) {
    for (command, to, all, loopback) in [
        ("iptables-nft", "172.17.0.2", "172.17.0.0/16", "127.0.0.0/8"),
        ("ip6tables-nft", "[fd17::2]", "fd17::/64", "::1/128"),
    ] {
        let nat = format!("{command} -t nat");
        let published: String = ["tcp", "udp"]
            .map(|protocol| {
                format!(
                    "{nat} -A DOCKER ! -i docker0 -p {protocol} -m {protocol} --dport {PUBLISHED} \
                     -j DNAT --to-destination {to}:{SERVED}\n"
                )
            })
            .concat();
        lab.ok(&format!(
            "set -e; {nat} -N DOCKER
            {nat} -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
            {nat} -A OUTPUT ! -d {loopback} -m addrtype --dst-type LOCAL -j DOCKER
            {nat} -A POSTROUTING -s {all} ! -o docker0 -j MASQUERADE
            {command} -P FORWARD DROP
            {command} -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            {command} -A FORWARD -i docker0 -j ACCEPT
            {command} -A FORWARD -o docker0 -j ACCEPT
            {published}"
        ));
    }
}

/// How many packets a chain of the test's own has counted.
pub fn counted(lab: &Lab, name: &str) -> u64 {
    let said = lab.ok(&format!("nft list counter inet counts {name}"));
    let count = said.split("packets ").nth(1).unwrap();
    count.split(' ').next().unwrap().parse().unwrap()
}
