//! The recipes of policy-table-interfaces(5) for what rules on addresses cannot mend, and that of
//! policy-table(8) for VPN software, taken from the pages and proven in packets.

use std::path::Path;

use crate::support::lab::{lab, Lab};
use crate::support::needs::have;
use crate::support::tree::text;

const PROGRAM: &str = "man/policy-table.8";
const PAGE: &str = "man/policy-table-interfaces.5";

/// The examples behind a heading of the page.
pub fn recipes(heading: &str) -> Vec<String> {
    let page = text(PAGE).replace("\\-", "-");
    let section = page
        .split(".SS ")
        .find(|section| section.trim_start_matches('"').starts_with(heading));
    let examples = section.expect("the heading").split(".EX\n").skip(1);
    let examples = examples.map(|rest| rest.split(".EE").next().unwrap().to_owned());
    examples.collect()
}

/// The first of them that begins in a certain way.
fn recipe(heading: &str, beginning: &str) -> String {
    let mut examples = recipes(heading).into_iter();
    let fitting = examples.find(|example| example.starts_with(beginning));
    fitting.expect("an example")
}

/// The host on two networks, each with a router; behind both, the same far-off client,
/// which is no neighbour of anybody's. The second router is the one of the page's examples.
pub fn host(lab: &Lab) {
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
pub fn up(lab: &Lab, example: &str, whole: bool) {
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
    for whole in [false, true] {
        lab(|lab| {
            host(lab);
            container(lab);
            up(lab, &example, whole);
            assert_eq!(is_served(lab), whole);
        });
    }
}

/// What a strict `rp_filter` drops, either of the page's lines lets in.
#[test]
fn a_published_port_behind_a_strict_filter() {
    if !have(&["nft of nftables"]) {
        return;
    }
    let lines = recipe("Published ports", "net.ipv4");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    lab(|lab| {
        host(lab);
        container(lab);
        lab.ok("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
        up(lab, &recipe("Published ports", "auto eth1"), true);
        assert!(!is_served(lab));
        for line in lines.lines() {
            lab.write("/run/sysctl.conf", line);
            lab.ok("sysctl -q -p /run/sysctl.conf");
            assert!(is_served(lab), "{line}");
            lab.ok("cd /proc/sys/net/ipv4/conf/eth1; echo 0 >src_valid_mark; echo 0 >rp_filter");
        }
    });
}

/// Whether the port is answered to who asks by the second router.
fn is_served(lab: &Lab) -> bool {
    lab.ok(
        "echo served | timeout 5 ip netns exec container nc -l -p 80 >/dev/null 2>&1 &
        for n in 1 2 3 4 5 6 7 8 9; do
        ip netns exec container ss -ltn | grep -q :80 && break; sleep 0.1; done",
    );
    let ask = "timeout 3 ip netns exec r1 nc -w 2 -s 203.0.113.9 198.51.100.10 8080 </dev/null";
    let is_served = lab.sh(ask).out == "served\n";
    lab.sh("ip netns pids container | xargs -r kill");
    is_served
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

/// The examples of policy-table(8) about VPN software: wg-quick's commands, and the stanza.
pub fn of_vpns() -> (String, String) {
    let page = text(PROGRAM).replace("\\-", "-");
    let section = page
        .split(".SH ")
        .find(|section| section.starts_with("\"WITH WG-QUICK AND OPENVPN\""));
    let examples = section.expect("the heading").split(".EX\n").skip(1);
    let mut examples = examples.map(|rest| rest.split(".EE").next().unwrap().to_owned());
    (examples.next().unwrap(), examples.next().unwrap())
}

const UPLINK: &str = "\
iface eth1 inet static
    address 198.51.100.10/24
    policy-table uplink2
    policy-gateway 198.51.100.1
";

/// A stand-in for wg-quick(8), with its own commands, and its own way to find what it deletes.
pub fn wg_quick(lab: &Lab, commands: &str) {
    let path = "/usr/local/bin/wg-quick";
    lab.script(
        path,
        &format!(
            "#!/bin/bash
set -e
if [ \"$1\" = up ]; then
ip link add wg0 type veth peer name wg0p; ip link set wg0 up; ip link set wg0p up
{commands}
else
while [[ $(ip -4 rule show) == *\"lookup 51820\"* ]]; do ip -4 rule delete table 51820; done
while [[ $(ip -4 rule show) == *\"from all lookup main suppress_prefixlength 0\"* ]]
do ip -4 rule delete table main suppress_prefixlength 0; done
ip link del wg0
fi
"
        ),
    );
}

fn leaves_by(lab: &Lab, device: &str) {
    let way = lab.ok("ip route get 203.0.113.9 from 198.51.100.10");
    assert!(way.contains(&format!(" dev {device} ")), "{way}");
}

#[test]
fn a_tunnel_that_is_brought_up_by_its_stanza_leaves_answers_alone() {
    let (commands, stanza) = of_vpns();
    lab(|lab| {
        host(lab);
        wg_quick(lab, &commands);
        lab.interfaces(&format!("{UPLINK}\n{stanza}"));
        lab.ok("ifup eth1");
        // Without the stanza it is as the page says, and told; halves in main do nothing.
        lab.ok("wg-quick up wg0");
        leaves_by(lab, "wg0");
        assert!(lab.sh("policy-table check").out.contains("[PT408]"));
        lab.ok("wg-quick down wg0");
        lab.ok("ip link add tun0 type veth peer name tun0p; ip link set tun0 up");
        lab.ok("ip route add 0.0.0.0/1 dev tun0; ip route add 128.0.0.0/1 dev tun0");
        leaves_by(lab, "eth1");
        lab.ok("ip link del tun0");
        // With it, and again.
        for _ in 0..2 {
            let said = lab.sh("ifup wg0");
            assert_eq!((said.code, said.err.as_str()), (0, ""));
            leaves_by(lab, "eth1");
            let from = "ip netns exec r1 ping -n -c 1 -W 2 -I 203.0.113.9 198.51.100.10";
            assert_eq!(lab.sh(from).code, 0);
            assert!(lab.ok("ip route get 203.0.113.9").contains(" dev wg0 "));
            // What is local stays so: the two rules of wg-quick stand in their order.
            assert!(lab.ok("ip route get 192.0.2.77").contains(" dev eth0 "));
            let said = lab.sh("policy-table status");
            assert!(said.code == 0 && !said.out.contains("warning"), "{said:?}");
            assert!(!lab.sh("policy-table check").out.contains("[PT408]"));
            lab.ok("ifdown wg0");
            assert_eq!(lab.tagged().len(), 4);
        }
        // Where wg-quick alone is run again, as the page warns.
        lab.ok("ifup wg0; wg-quick down wg0; wg-quick up wg0");
        leaves_by(lab, "wg0");
    });
}

/// What a priority below 2 does to rules that come without one.
#[test]
fn rules_that_find_no_room_below_ours_stand_in_reversed_order() {
    let (commands, _) = of_vpns();
    for (priority, device) in [(0, "wg0"), (1, "wg0"), (2, "eth0")] {
        lab(|lab| {
            host(lab);
            wg_quick(lab, &commands);
            lab.interfaces(&format!(
                "{UPLINK}    policy-rule from 198.51.100.10 priority {priority}\n"
            ));
            lab.ok("ifup eth1; wg-quick up wg0");
            let local = lab.ok("ip route get 192.0.2.77");
            assert!(
                local.contains(&format!(" dev {device} ")),
                "{priority}: {local}"
            );
            let told = lab.sh("policy-table check").out.contains("[PT205]");
            assert_eq!(told, priority < 2);
        });
    }
}

/// A table whose number begins like wg-quick's.
#[test]
fn a_table_number_like_that_of_wg_quick_comes_to_harm() {
    let (commands, _) = of_vpns();
    for (table, is_harmed) in [("518201", true), ("151820", false)] {
        lab(|lab| {
            host(lab);
            wg_quick(lab, &commands);
            lab.interfaces(&UPLINK.replace("uplink2", table));
            lab.ok("ifup eth1; wg-quick up wg0");
            let said = lab.sh("wg-quick down wg0");
            assert_eq!(said.code != 0, is_harmed, "{table}: {said:?}");
            assert_eq!(
                lab.sh("policy-table check").out.contains("[PT206]"),
                is_harmed
            );
        });
    }
}
