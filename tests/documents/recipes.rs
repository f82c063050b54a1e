//! The recipes of policy-table-interfaces(5) for what rules on addresses cannot mend, taken from
//! the page and proven in packets.

use std::path::Path;

use crate::support::lab::{lab, Lab};
use crate::support::needs::have;
use crate::support::tree::text;

const PAGE: &str = "man/policy-table-interfaces.5";

/// The first example behind a heading of the page that begins in a certain way.
fn recipe(heading: &str, beginning: &str) -> String {
    let page = text(PAGE).replace("\\-", "-");
    let section = page
        .split(".SS ")
        .find(|section| section.starts_with(heading));
    let examples = section.expect("the heading").split(".EX\n").skip(1);
    let examples = examples.map(|rest| rest.split(".EE").next().unwrap());
    let mut fitting = examples.filter(|example| example.starts_with(beginning));
    fitting.next().expect("an example").to_owned()
}

/// The host on two networks, each with a router; behind both, the same far-off client,
/// which is no neighbour of anybody's. The second router is the one of the page's examples.
fn host(lab: &Lab) {
    // Loose: with the mark, what comes in by eth1 is not what main would send out there.
    lab.ok("echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 1 >/proc/sys/net/ipv4/ip_forward");
    for (n, router, address) in [
        (0, "192.0.2.1", "192.0.2.10"),
        (1, "198.51.100.1", "198.51.100.10"),
    ] {
        lab.ok(&format!(
            "ip netns add r{n}
            ip link add eth{n} type veth peer name host netns r{n}
            ip -n r{n} link set lo up; ip -n r{n} link set host up
            ip -n r{n} address add {router}/24 dev host
            ip -n r{n} address add 203.0.113.9/32 dev lo
            ip -n r{n} route add default via {address}
            ip netns exec r{n} sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'"
        ));
    }
    lab.ok("ip link set eth0 up; ip address add 192.0.2.10/24 dev eth0");
    lab.ok("ip route add default via 192.0.2.1");
}

/// Brings eth1 up by an example, with or without its last line.
fn up(lab: &Lab, example: &str, whole: bool) {
    let mut lines: Vec<&str> = example.trim_end().lines().collect();
    if !whole {
        lines.pop();
    }
    lab.interfaces(&lines.join("\n"));
    let said = lab.sh("ifup eth1");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn a_program_bound_to_the_interface_uses_its_router() {
    let example = recipe("Programs bound", "auto eth1");
    for (whole, code) in [(false, 1), (true, 0)] {
        lab(|lab| {
            host(lab);
            up(lab, &example, whole);
            let said = lab.sh("ping -n -c 2 -i 0.3 -W 1 -I eth1 203.0.113.9");
            assert_eq!(said.code, code, "{said:?}");
        });
    }
}

#[test]
fn a_published_port_of_a_container_answers() {
    if !have(&["nft of nftables"]) {
        return;
    }
    let example = recipe("Published ports", "auto eth1");
    let marks = recipe("Published ports", "table inet");
    for whole in [false, true] {
        lab(|lab| {
            host(lab);
            container(lab);
            up(lab, &example, whole);
            lab.write("/run/marks", &marks);
            let loaded = lab.sh("nft -f /run/marks");
            assert_eq!(loaded.code, 0, "{loaded:?}");
            lab.ok("echo served | timeout 5 ip netns exec container nc -l -p 80 >/dev/null 2>&1 &");
            lab.ok("for n in 1 2 3 4 5 6 7 8 9; do
                ip netns exec container ss -ltn | grep -q :80 && break; sleep 0.1; done");
            let said = lab.sh(
                "timeout 3 ip netns exec r1 nc -w 2 -s 203.0.113.9 198.51.100.10 8080 </dev/null",
            );
            assert_eq!(said.out == "served\n", whole, "{said:?}");
        });
    }
}

/// A container behind a bridge, with port 8080 of eth1 forwarded to its port 80.
fn container(lab: &Lab) {
    lab.ok("ip netns add container
        ip link add docker0 type bridge; ip link set docker0 up
        ip address add 172.17.0.1/16 dev docker0
        ip link add port type veth peer name eth0 netns container
        ip link set port master docker0 up
        ip -n container link set lo up; ip -n container link set eth0 up
        ip -n container address add 172.17.0.2/16 dev eth0
        ip -n container route add default via 172.17.0.1");
    lab.write(
        "/run/forward",
        "table ip forward {
            chain prerouting {
                type nat hook prerouting priority dstnat;
                iifname \"eth1\" tcp dport 8080 dnat to 172.17.0.2:80
            }
        }\n",
    );
    if Path::new("/usr/sbin/nft").exists() {
        lab.ok("nft -f /run/forward");
    }
}
