//! What gets lost, and comes back: all of it, and in the state that the record says.

use crate::keeper::{ours, up, Keeper};
use crate::support::lab::lab;

const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-rule iif eth1 fwmark 5
    policy-route 192.0.2.0/24 via 10.10.0.254
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt3
";

/// What is lost, and how much of it can come back by itself.
const LOSSES: [(&str, &str); 9] = [
    ("a rule", "ip rule del pref 21000 from 10.10.0.10 lookup 20611 protocol 157"),
    ("a route", "ip route del default table 20611"),
    ("all rules", "ip rule flush protocol 157; ip -6 rule flush protocol 157"),
    ("a table", "ip route flush table 20611; ip -6 route flush table 20611"),
    (
        "everything",
        "ip rule flush protocol 157; ip -6 rule flush protocol 157; \
         ip route flush table 20611; ip -6 route flush table 20611; ip route flush table rt3",
    ),
    (
        "the link, taken down and up",
        "ip link set eth1 down; ip link set eth1 up; ip -6 addr add 2001:db8:10::10/64 dev eth1 nodad",
    ),
    (
        "the address, taken away and back",
        "ip addr del 10.10.0.10/24 dev eth1; ip addr add 10.10.0.10/24 dev eth1",
    ),
    ("the name, there and back", "ip link set eth1 name wan0; ip link set wan0 name eth1"),
    ("a rule of both", "ip rule del pref 21000 from 10.10.0.10; ip rule del pref 21000 from 10.20.0.10"),
];

#[test]
fn what_is_lost_comes_back_and_nothing_is_sent_before_and_after() {
    lab(|lab| {
        let before = up(lab, FILE);
        for (what, loss) in LOSSES {
            println!("{what}");
            let mut keeper = Keeper::start(lab);
            assert_eq!((ours(lab), Keeper::repairs()), (before.clone(), 0));
            lab.ok(loss);
            keeper.until(what, || ours(lab) == before);
            keeper.quiet();
            assert_eq!(ours(lab), before, "{what}");
            assert_eq!(keeper.stop(), 0);
            assert_eq!(ours(lab), before, "what is in force stays");
        }
        lab.ok("ifdown eth1 eth2");
        assert!(ours(lab).is_empty());
    });
}
