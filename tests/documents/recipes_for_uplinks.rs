//! The recipes of policy-table-interfaces(5) for what people ask who have two uplinks, a VPN or a
//! hoster, taken from the page and proven in packets.

use std::time::{Duration, Instant};

use crate::recipes::{host, of_vpns, recipes, up, wg_quick};
use crate::support::lab::{lab, Lab};

/// The far-off client and server of the labs, behind both routers.
pub const FAR: &str = "203.0.113.9";

/// An example without its lines that contain a word.
fn without(example: &str, word: &str) -> String {
    let lines = example.lines().filter(|line| !line.contains(word));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Waits for one connection in a namespace, or here, and answers it with a word.
fn serve(lab: &Lab, namespace: Option<&str>, port: u16, word: &str) {
    let inside = namespace.map_or_else(String::new, |name| format!("ip netns exec {name} "));
    lab.ok(&format!(
        "echo {word} | timeout 5 {inside}nc -l -p {port} >/dev/null 2>&1 &
        for n in $(seq 50); do {inside}ss -Hltn sport = :{port} | grep -q . && break; sleep 0.1; done"
    ));
}

/// The device that a packet of this host takes.
pub fn way(lab: &Lab, packet: &str) -> String {
    let said = lab.ok(&format!("ip route get {packet}"));
    let mut words = said.split_whitespace().skip_while(|word| *word != "dev");
    words.nth(1).expect("a device").to_owned()
}

/// Waits until something is so.
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not so: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether eth0's address is answered from, with what is logged in by.
fn is_reachable(lab: &Lab) -> bool {
    serve(lab, None, 22, "login");
    let said = lab.sh(&format!(
        "timeout 3 ip netns exec r0 nc -w 2 -s {FAR} 192.0.2.10 22 </dev/null"
    ));
    said.out == "login\n"
}

#[test]
fn a_host_is_logged_in_to_beside_a_vpn_that_takes_everything() {
    let [example] = &recipes("ssh reachable")[..] else {
        panic!("one example")
    };
    for (text, reachable) in [
        (without(example, "policy-"), false),
        (example.to_owned(), true),
    ] {
        lab(|lab| {
            host(lab);
            lab.ok("ip address flush dev eth0");
            lab.interfaces(&text);
            assert_eq!(lab.sh("ifup eth0").code, 0);
            lab.ok("ip link add tun0 type veth peer name tun0p; ip link set tun0 up");
            lab.ok("ip link set tun0p up");
            lab.ok("ip route add 0.0.0.0/1 dev tun0; ip route add 128.0.0.0/1 dev tun0");
            assert_eq!(way(lab, FAR), "tun0");
            assert_eq!(is_reachable(lab), reachable);
            lab.ok("ip link del tun0");
            if reachable {
                // wg-quick's rules stand in front until ours are copied there.
                wg_quick(lab, &of_vpns().0);
                lab.ok("wg-quick up wg0");
                assert_eq!(way(lab, &format!("{FAR} from 192.0.2.10")), "wg0");
                lab.ok("policy-table apply eth0");
                assert!(is_reachable(lab));
                assert_eq!(way(lab, FAR), "wg0");
            }
        });
    }
}

#[test]
fn mail_leaves_by_one_uplink() {
    let [example] = &recipes("Mail leaves")[..] else {
        panic!("one example")
    };
    for (whole, of_mail) in [(false, "r0\n"), (true, "r1\n")] {
        lab(|lab| {
            host(lab);
            up(lab, example, whole);
            let connect = |from: &str, port: u16| {
                serve(lab, Some("r0"), port, "r0");
                serve(lab, Some("r1"), port, "r1");
                let said = lab.sh(&format!("timeout 3 nc -w 2 {from} {FAR} {port} </dev/null"));
                lab.ok(
                    "for name in r0 r1; do for n in $(ip netns pids $name); do kill $n; done; done",
                );
                said.out
            };
            assert_eq!(connect("", 25), of_mail);
            assert_eq!(connect("", 80), "r0\n");
            assert_eq!(connect("-s 198.51.100.10", 25), "r1\n");
            assert_eq!(way(lab, "10.1.2.3 ipproto tcp dport 25"), "eth0");
            // All that goes to one destination.
            assert_eq!(way(lab, FAR), "eth0");
            let rule = format!("    policy-rule to {FAR}");
            lab.interfaces(&format!("{}{rule}\n", without(example, "policy-rule")));
            lab.ok("policy-table apply eth1");
            assert_eq!(way(lab, FAR), "eth1");
        });
    }
}

/// Whether an address of the host answers by the second uplink.
fn answers(lab: &Lab, address: &str) -> bool {
    let ping = format!("ip netns exec r1 ping -n -c 1 -W 1 -I {FAR} {address}");
    lab.sh(&ping).code == 0
}

/// That of a lease is tried with the clients: `ifupdown/methods.rs`.
#[test]
fn a_card_with_one_address_answers_by_its_own_router() {
    let examples = recipes("A second network card");
    let example = examples.iter().find(|example| example.contains("static"));
    let example = example.unwrap().replace("ens6", "eth1");
    for (text, answered) in [(without(&example, "policy-"), false), (example, true)] {
        lab(|lab| {
            host(lab);
            up(lab, &text, true);
            assert_eq!(answers(lab, "198.51.100.10"), answered);
        });
    }
}

#[test]
fn a_pulled_cable_moves_new_connections_to_the_other_uplink() {
    let [example] = &recipes("The cable is pulled")[..] else {
        panic!("one example")
    };
    lab(|lab| {
        host(lab);
        lab.ok("ip address flush dev eth0");
        lab.interfaces(example);
        let said = lab.sh("ifup eth0 eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let from_the_first = format!("ping -n -c 1 -W 2 -I 192.0.2.10 {FAR}");
        assert_eq!(way(lab, FAR), "eth0");
        assert_eq!(lab.sh(&from_the_first).code, 0);
        lab.ok("ip -n r0 link set host down");
        eventually("the other uplink is taken", || way(lab, FAR) == "eth1");
        assert_eq!(lab.sh(&format!("ping -n -c 1 -W 2 {FAR}")).code, 0);
        // Refused by this host, and not sent by the other uplink.
        let said = lab.sh(&format!("ip route get {FAR} from 192.0.2.10"));
        assert!(said.err.contains("No route to host"), "{said:?}");
        assert_ne!(lab.sh(&from_the_first).code, 0);
        assert_eq!(lab.sh("policy-table status").code, 0);
        lab.ok("ip -n r0 link set host up");
        eventually("the first uplink is taken again", || {
            way(lab, FAR) == "eth0"
        });
        assert_eq!(lab.sh(&from_the_first).code, 0);
    });
}

#[test]
fn an_address_that_a_hoster_moves_here_answers_by_its_uplink() {
    let examples = recipes("Failover, floating");
    let [moved, elsewhere] = &examples[..] else {
        panic!("two examples")
    };
    let address = "203.0.113.50";
    let by_the_router = format!("ip -n r1 route add {address}/32 via 198.51.100.10");
    for whole in [false, true] {
        lab(|lab| {
            host(lab);
            up(lab, moved, whole);
            lab.ok(&by_the_router);
            let before = lab.tagged();
            lab.ok(&format!("ip address add {address}/32 dev eth1"));
            lab.ok("policy-table keep --once");
            assert_eq!(answers(lab, address), whole);
            lab.ok(&format!("ip address del {address}/32 dev eth1"));
            lab.ok("policy-table keep --once");
            assert_eq!(lab.tagged(), before);
        });
    }
    for (text, answered) in [
        (without(elsewhere, "policy-rule"), false),
        (elsewhere.to_owned(), true),
    ] {
        lab(|lab| {
            host(lab);
            up(lab, &text, true);
            lab.ok(&by_the_router);
            assert_eq!(answers(lab, address), answered);
            lab.ok("ifdown eth1");
            assert!(!lab.ok("ip address show dev lo").contains(address));
        });
    }
}
