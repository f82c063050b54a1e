//! The commonest refusals of the kernel, each got from it by the real `ifup`: every error gives
//! the object in the syntax of `ip`, the kernel's own text, and what to do.

use crate::support::lab::{lab, Lab, Said};

/// A name, what is done before, the stanza's lines, the object, the kernel's text and the advice.
struct Refusal {
    name: &'static str,
    before: &'static str,
    lines: &'static str,
    object: &'static str,
    text: &'static str,
    advice: &'static str,
}

const INET: &str = "iface eth1 inet static\naddress 10.10.0.10/24\npolicy-table 200\n";
const INET6: &str = "iface eth1 inet6 static\naddress 2001:db8:10::10/64\ndad-attempts 0\n\
                     policy-table 200\npolicy-gateway none\n";

const NOT_REACHED: &str =
    "; the gateway is not reached through this device: correct its address, or add onlink";
const NOT_A_ROUTER: &str = "; the gateway is no address that a router can have here: is it this \
                            host's own, or a broadcast or multicast address?";
const NO_SOURCE: &str = "; the address is not on this host, or not yet";

const IPV4: [Refusal; 7] = [
    Refusal {
        name: "gateway not on the link",
        before: "",
        lines: "policy-route 192.0.2.0/24 via 10.99.0.1",
        object: "ip route add 192.0.2.0/24 via 10.99.0.1 dev eth1 table 200 proto 157",
        text: "Nexthop has invalid gateway (Network is unreachable)",
        advice: NOT_REACHED,
    },
    Refusal {
        name: "gateway of a device without address",
        before: "ip link set spare up",
        lines: "policy-route 192.0.2.0/24 via 10.77.0.1 dev spare",
        object: "ip route add 192.0.2.0/24 via 10.77.0.1 dev spare table 200 proto 157",
        text: "Nexthop has invalid gateway (Network is unreachable)",
        advice: NOT_REACHED,
    },
    Refusal {
        name: "device down",
        before: "",
        lines: "policy-route 192.0.2.0/24 dev spare",
        object: "ip route add 192.0.2.0/24 dev spare table 200 proto 157 scope link",
        text: "Device for nexthop is not up (Network is down)",
        advice: "; the device is down; ip link set spare up takes it up",
    },
    Refusal {
        name: "no such device",
        before: "",
        lines: "policy-route 192.0.2.0/24 dev eth9",
        object: "ip route add 192.0.2.0/24 dev eth9 table 200 proto 157 scope link",
        text: "No such device",
        advice: "; there is no device eth9 now: is the name right, and does something make the \
                 device first?",
    },
    Refusal {
        name: "address missing as src",
        before: "",
        lines: "policy-route 192.0.2.0/24 via 10.10.0.1 src 10.99.0.9",
        object: "ip route add 192.0.2.0/24 via 10.10.0.1 dev eth1 table 200 proto 157 \
                 src 10.99.0.9",
        text: "Invalid prefsrc address (Invalid argument)",
        advice: NO_SOURCE,
    },
    Refusal {
        name: "congestion control unknown",
        before: "",
        lines: "policy-route 192.0.2.0/24 via 10.10.0.1 congctl nosuch",
        object: "ip route add 192.0.2.0/24 via 10.10.0.1 dev eth1 table 200 proto 157 \
                 congctl nosuch",
        text: "Unknown tcp congestion algorithm (Invalid argument)",
        advice: "; net.ipv4.tcp_available_congestion_control lists those that are loaded",
    },
    Refusal {
        name: "foreign route in the place",
        before: "ip link set spare up; ip route add 192.0.2.0/24 dev spare table 200",
        lines: "policy-route 192.0.2.0/24 via 10.10.0.1",
        object: "ip route add 192.0.2.0/24 via 10.10.0.1 dev eth1 table 200 proto 157",
        text: "\"route 192.0.2.0/24 dev spare table 200 proto 3 scope link\" is in the way and \
               not ours",
        advice: "; remove it, or name another table",
    },
];

const IPV6: [Refusal; 7] = [
    Refusal {
        name: "IPv6 gateway not on the link",
        before: "",
        lines: "policy-route 2001:db8:2::/48 via 2001:db8:99::1",
        object: "ip -6 route add 2001:db8:2::/48 via 2001:db8:99::1 dev eth1 table 200 proto 157 metric 1024",
        text: "No route to host",
        advice: NOT_REACHED,
    },
    Refusal {
        name: "IPv6 gateway is the own address",
        before: "",
        lines: "policy-route 2001:db8:2::/48 via 2001:db8:10::10",
        object: "ip -6 route add 2001:db8:2::/48 via 2001:db8:10::10 dev eth1 table 200 proto 157 metric 1024",
        text: "Gateway can not be a local address (Invalid argument)",
        advice: "; the gateway is this host's own address: write the router's",
    },
    Refusal {
        name: "IPv6 gateway is a group",
        before: "",
        lines: "policy-route 2001:db8:2::/48 via ff02::1",
        object: "ip -6 route add 2001:db8:2::/48 via ff02::1 dev eth1 table 200 proto 157 metric 1024",
        text: "Invalid gateway address (Invalid argument)",
        advice: NOT_A_ROUTER,
    },
    Refusal {
        name: "IPv6 source missing",
        before: "",
        lines: "policy-route 2001:db8:2::/48 via fe80::1 src 2001:db8:99::9",
        object: "ip -6 route add 2001:db8:2::/48 via fe80::1 dev eth1 table 200 proto 157 \
                 src 2001:db8:99::9 metric 1024",
        text: "Invalid source address (Invalid argument)",
        advice: NO_SOURCE,
    },
    Refusal {
        name: "IPv6 source tentative",
        before: "",
        lines: "up ip addr add 2001:db8:11::11/64 dev eth1\n\
                policy-route 2001:db8:2::/48 via fe80::1 src 2001:db8:11::11",
        object: "ip -6 route add 2001:db8:2::/48 via fe80::1 dev eth1 table 200 proto 157 \
                 src 2001:db8:11::11 metric 1024",
        text: "Invalid source address (Invalid argument)",
        advice: NO_SOURCE,
    },
    Refusal {
        name: "IPv6 device down",
        before: "",
        lines: "policy-route 2001:db8:2::/48 via fe80::1 dev spare",
        object: "ip -6 route add 2001:db8:2::/48 via fe80::1 dev spare table 200 proto 157 metric 1024",
        text: "Nexthop device is not up (Network is down)",
        advice: "; the device is down; ip link set spare up takes it up",
    },
    Refusal {
        name: "IPv6 switched off on the device",
        before: "ip link set spare up; echo 1 >/proc/sys/net/ipv6/conf/spare/disable_ipv6",
        lines: "policy-route 2001:db8:2::/48 via fe80::1 dev spare",
        object: "ip -6 route add 2001:db8:2::/48 via fe80::1 dev spare table 200 proto 157 metric 1024",
        text: "IPv6 is disabled on nexthop device (Permission denied)",
        advice: "; IPv6 is switched off on spare: set net.ipv6.conf.spare.disable_ipv6 to 0",
    },
];

const CONSEQUENCE: &str = "eth1: policy routing is not in force, the interface itself is up; \
                           correct the cause, then run: ifup --force --ignore-errors eth1";

/// Brings eth1 up, and holds what is said of the refusal against what is expected; afterwards
/// nothing of the stanza is there, and with the line gone all of it.
fn refused(lab: &Lab, stanza: &str, case: &Refusal) {
    lab.device("eth1");
    lab.device("spare");
    lab.ok(&format!("{}\ntrue", case.before));
    lab.interfaces(&format!("{stanza}{}\n", case.lines));
    let said = lab.sh("ifup eth1");
    let expected = format!("eth1: \"{}\": {}{}", case.object, case.text, case.advice);
    assert_eq!(
        said.ours(),
        [expected.as_str(), CONSEQUENCE],
        "{}",
        case.name
    );
    assert_eq!((said.code, lab.tagged()), (0, Vec::new()), "{}", case.name);
    lab.interfaces(stanza);
    let said = lab.sh("ifup --force --ignore-errors eth1");
    assert_eq!(said.ours(), [""; 0], "{}", case.name);
    assert!(lab.tagged().len() >= 3, "{}: {:?}", case.name, lab.tagged());
}

fn all(stanza: &str, cases: &[Refusal]) {
    for case in cases {
        lab(|lab| refused(lab, stanza, case));
    }
    println!("{} refusals explained", cases.len());
}

#[test]
fn what_the_kernel_refuses_of_ipv4_is_explained() {
    all(INET, &IPV4);
}

#[test]
fn what_the_kernel_refuses_of_ipv6_is_explained() {
    all(INET6, &IPV6);
}

/// The hook of eth1's stanza, run by another kind of user.
fn hook_as(lab: &Lab, user: &str) -> Said {
    lab.device("eth1");
    lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
    lab.sh(&format!(
        "{user} env -i IFACE=eth1 LOGICAL=eth1 ADDRFAM=inet METHOD=static MODE=start \
         PHASE=post-up IF_ADDRESS=10.10.0.10 IF_NETMASK=255.255.255.0 IF_POLICY_TABLE=200 \
         /etc/network/if-up.d/00-policy-table"
    ))
}

/// Neither a user nor root without the capability gets anything done, and both are told why.
#[test]
fn without_the_right_to_it_root_is_asked_for() {
    let users = [
        "setpriv --reuid 65534 --regid 65534 --clear-groups",
        "setpriv --bounding-set=-net_admin --inh-caps=-net_admin",
    ];
    for user in users {
        lab(|lab| {
            let said = hook_as(lab, user);
            let told = said
                .ours()
                .iter()
                .any(|line| line.contains("root") && line.contains("CAP_NET_ADMIN"));
            assert!(said.code == 0 && told, "{user}: {said:?}");
            assert_eq!(lab.tagged(), [""; 0], "{user}");
        });
    }
    println!("{} refusals explained", users.len());
}

/// What the kernel takes is no error: a route by a device without carrier, and our rule beside
/// another's that is the same.
#[test]
fn no_carrier_and_a_foreign_rule_are_no_obstacles() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1p down");
        lab.ok("ip rule add pref 21000 from 10.10.0.10 lookup 200 protocol static");
        lab.interfaces(INET);
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
        assert_eq!(
            (lab.routes("-4", "200").len(), lab.rules("-4").len()),
            (2, 3)
        );
        lab.ok("ifdown eth1");
        assert_eq!(
            lab.rules("-4"),
            ["21000: from 10.10.0.10 lookup 200 proto static"]
        );
    });
}

/// What the kernel never took in is not there to be taken out: of the stanza it says the same again
/// at `ifdown`, and that is no news.
#[test]
fn what_the_kernel_refused_at_ifup_leaves_no_ghost() {
    lab(|lab| {
        lab.device("eth1");
        let refused = format!("{INET} policy-route 192.0.2.0/24 via 10.99.0.1\n");
        lab.interfaces(&refused);
        assert_eq!(lab.sh("ifup eth1").ours().len(), 2);
        let said = lab.sh("ifdown eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(lab.sh("ls -A /run/policy-table").out, "");
        // The kernel refuses these also when they are to be taken out.
        lab.ok("ip link set eth1 up");
        for ghost in [
            "rule priority 20701 from all dport 65535 lookup 200 proto 157",
            "-6 rule priority 20702 from all sport 1-65535 lookup 200 proto 157",
        ] {
            let record =
                format!("# of 0.1.0\niface eth1 inet static 10.10.0.10\n\t{ghost}\n# end\n");
            for command in [
                "ifdown eth1",
                "policy-table apply eth1",
                "policy-table flush eth1",
            ] {
                lab.interfaces(INET);
                lab.ok("ifup eth1");
                lab.write("/run/policy-table/eth1", &record);
                let said = lab.sh(command);
                assert_eq!(
                    (said.code, said.err.as_str()),
                    (0, ""),
                    "{command}: {said:?}"
                );
                lab.ok("ifdown --force eth1; policy-table flush --all");
                let left = lab.sh("cat /run/policy-table/eth1");
                assert_eq!(left.out, "", "{command}");
            }
        }
    });
}
