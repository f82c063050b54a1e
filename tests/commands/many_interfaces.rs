//! Hosts of many interfaces, and stanzas of many lines: twice as many are twice the work, counted in
//! instructions, not in time.

use std::fmt::Write;

use crate::support::callgrind::{all_instructions, COUNTED, PROFILE};
use crate::support::lab::{lab, Lab};
use crate::support::needs::{have, STRACE};

/// The instructions of a run of the program.
fn instructions(lab: &Lab, arguments: &str) -> u64 {
    let said = lab.sh(&format!("{COUNTED} {arguments} >/run/said"));
    assert!(said.code <= 1, "{arguments}: {}", said.err);
    all_instructions(&lab.text(PROFILE))
}

/// Most that twice as many may cost, in tenths: less than in a quadratic half of it all.
const TWICE: u64 = 25;

fn assert_linear(what: &str, one: u64, two: u64) {
    println!("{what}: {one} instructions, {two} for twice as many");
    assert!(
        two * 10 <= one * TWICE,
        "{what}: {one} instructions, {two} for twice as many"
    );
}

/// Devices from a number to another, up, with an address and a default route each.
fn devices(lab: &Lab, from: usize, to: usize) {
    let (mut links, mut rest) = (String::new(), String::new());
    for n in from..to {
        let net = format!("10.1.{n}");
        writeln!(links, "link add x{n} type veth peer name y{n}").unwrap();
        writeln!(
            rest,
            "link set y{n} up\nlink set x{n} up\naddr add {net}.10/24 dev x{n}\n\
             route add default via {net}.1 dev x{n} metric {}",
            n + 100
        )
        .unwrap();
    }
    lab.write("/run/links", &links);
    lab.write("/run/rest", &rest);
    lab.ok("ip -batch /run/links && ip -batch /run/rest");
}

/// Stanzas of each method by turns, that share a rule; all of them up.
fn stanzas(lab: &Lab, many: usize, priority: u32) {
    let (mut text, mut up) = (String::new(), String::new());
    for n in 0..many {
        let method = match n % 3 {
            0 => format!("static\n    address 10.1.{n}.10/24\n    policy-gateway 10.1.{n}.1"),
            1 => format!("manual\n    policy-gateway 10.1.{n}.1"),
            _ => "dhcp".to_owned(),
        };
        writeln!(
            text,
            "iface x{n} inet {method}\n    policy-table t{n}\n    policy-priority {priority}\n    \
             policy-rule to 192.0.2.0/24 lookup main priority 400; fwmark {n} prohibit"
        )
        .unwrap();
        writeln!(up, "x{n}=x{n}").unwrap();
    }
    lab.interfaces(&text);
    lab.write("/run/network/ifstate", &up);
}

#[test]
fn twice_as_many_interfaces_are_twice_the_work() {
    const MANY: usize = 24;
    const COMMANDS: [&str; 2] = ["status", "apply --all"];
    lab(|lab| {
        lab.ok("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
        let mut before = 0;
        let counted = [MANY, 2 * MANY].map(|many| {
            devices(lab, before, many);
            before = many;
            stanzas(lab, many, 21_000);
            lab.ok("policy-table apply --all");
            let run = |command: &&str| instructions(lab, &format!("policy-table {command}"));
            let mut counted: Vec<u64> = COMMANDS.iter().map(run).collect();
            assert_eq!(lab.sh("policy-table status").code, 0);
            // All of them edited, and what is wanted no more taken out.
            stanzas(lab, many, 22_000);
            counted.push(run(&"plan"));
            lab.ok("policy-table apply --all");
            assert_eq!(lab.sh("policy-table status").code, 0);
            counted.push(run(&"flush --all"));
            assert_eq!(lab.tagged(), [""; 0]);
            counted
        });
        let edited = ["plan, edited", "flush --all"];
        for (place, what) in COMMANDS.iter().chain(&edited).enumerate() {
            assert_linear(what, counted[0][place], counted[1][place]);
        }
    });
}

#[test]
fn a_stanza_of_twice_as_many_rules_and_routes_is_twice_the_work() {
    const MANY: usize = 40;
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up && ip address add 10.10.0.10/24 dev eth1");
        lab.write("/run/network/ifstate", "eth1=eth1\n");
        let counted = [MANY, 2 * MANY].map(|many| {
            let write = |gateway: &str| {
                let mut text = "iface eth1 inet static\n    address 10.10.0.10/24\n    \
                                policy-table 500\n"
                    .to_owned();
                for n in 0..many {
                    writeln!(
                        text,
                        "    policy-rule-{n} fwmark {n} priority 900\n    \
                         policy-route-{n} 172.16.{}.{}/32 via {gateway}",
                        n / 256,
                        n % 256
                    )
                    .unwrap();
                }
                lab.interfaces(&text);
            };
            let run = |command: &str| instructions(lab, &format!("policy-table {command}"));
            write("10.10.0.1");
            lab.ok("policy-table apply eth1 && ip rule del priority 900");
            let again = run("apply eth1");
            // Every route has another router: the old one stands in its place.
            write("10.10.0.2");
            let counted = [again, run("plan")];
            lab.ok("policy-table flush eth1");
            assert_eq!(lab.tagged(), [""; 0]);
            counted
        });
        let what = ["apply, in step", "plan, edited"];
        for (place, what) in what.iter().enumerate() {
            assert_linear(what, counted[0][place], counted[1][place]);
        }
    });
}

/// What the program asked the kernel for, by the type of the message.
fn requests(lab: &Lab, command: &str) -> Vec<String> {
    let said = lab.sh(&format!(
        "strace -f -qq -o /run/calls -e trace=sendto,sendmsg,sendmmsg,flock,fcntl,openat,rename,renameat \
         policy-table {command}"
    ));
    assert!(said.code <= 1, "{said:?}");
    let calls = lab.text("/run/calls");
    calls.lines().map(str::to_owned).collect()
}

#[test]
fn all_interfaces_in_step_are_looked_at_and_left_alone() {
    const MANY: usize = 24;
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        lab.ok("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
        devices(lab, 0, MANY);
        stanzas(lab, MANY, 21_000);
        lab.ok("policy-table apply --all");
        let calls = requests(lab, "apply --all");
        let with = |word: &str| calls.iter().filter(|call| call.contains(word)).count();
        assert_eq!(with("RTM_GETRULE"), 2, "{calls:#?}");
        for change in ["RTM_NEW", "RTM_DEL", "records.lock", "rename"] {
            assert_eq!(with(change), 0, "{change}: {calls:#?}");
        }
        // Nor does the keeper ask again for each of them.
        let looked = requests(lab, "keep --once");
        let asked = looked.iter().filter(|call| call.contains("RTM_GETRULE"));
        assert_eq!(asked.count(), 2, "{looked:#?}");
        // One that is not in step is mended, and the others are left alone.
        lab.ok("ip rule del from 10.1.3.10");
        let calls = requests(lab, "apply --all");
        let with = |word: &str| calls.iter().filter(|call| call.contains(word)).count();
        assert!(with("RTM_NEW") > 0, "{calls:#?}");
        // For the stanza, and for what is orphaned.
        assert_eq!(with("records.lock"), 2, "{calls:#?}");
        assert_eq!(lab.sh("policy-table status").code, 0);
    });
}

/// Routers of ports that have an address and none that is known may be on their way for six
/// seconds (DHCP for IPv6 names none).
#[test]
fn interfaces_wait_side_by_side_and_after_those_that_need_not() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        let mut text = String::new();
        let mut up = String::new();
        for n in 1..=5 {
            lab.device(&format!("x{n}"));
            lab.ok(&format!(
                "ip link set x{n} up && ip addr add 2001:db8:{n}::10/64 dev x{n} nodad"
            ));
            writeln!(text, "iface x{n} inet6 dhcp\n    policy-table t{n}").unwrap();
            writeln!(up, "x{n}=x{n}").unwrap();
        }
        lab.device("eth1");
        lab.ok("ip link set eth1 up && ip addr add 10.10.0.10/24 dev eth1");
        text += "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt1\n    \
                 policy-gateway 10.10.0.1\n";
        up += "eth1=eth1\n";
        lab.interfaces(&text);
        lab.write("/run/network/ifstate", &up);
        let said = lab.sh("strace -f -qq -o /run/calls -e trace=poll,sendto,sendmsg \
                           policy-table apply --all");
        assert_eq!(said.code, 0, "{said:?}");
        let calls = lab.text("/run/calls");
        // In vain for six seconds in all, not for six each; what news ended is not counted.
        let in_vain = calls.lines().filter_map(|call| {
            let wait = call.strip_suffix(" = 0 (Timeout)")?;
            let (_, timeout) = wait.trim_end().strip_suffix(')')?.rsplit_once(", ")?;
            timeout.parse::<u32>().ok()
        });
        let milliseconds: u32 = in_vain.sum();
        assert!((1..=7_000).contains(&milliseconds), "{calls}");
        let first_wait = calls.find("events=POLLIN").unwrap();
        let mended = calls
            .find("RTM_NEWRULE, nlmsg_flags=NLM_F_REQUEST")
            .unwrap();
        assert!(mended < first_wait, "{calls}");
        let first = said.out.lines().next().unwrap_or_default();
        assert!(first.starts_with("eth1 inet: "), "{}", said.out);
        assert_eq!(lab.rules("-6").len(), 10);
    });
}
