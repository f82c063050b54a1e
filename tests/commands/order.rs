//! The order of our rules of equal priority: the kernel tries them in the order in which they were
//! put in, so that one that is put in late leads packets elsewhere. After `apply` they stand as
//! `ifdown` and `ifup` of the same file put them in; before it, `status` and `plan` say so.

use std::fs::File;
use std::process::Command;

use policy_table::netlink::Kernel;
use policy_table::routing::{Family, Rule, PROTOCOL};
use serde_json::Value;

use crate::support::lab::{lab, Lab};
use crate::support::random::{number_in, Random};

/// Rules that one packet can match several of, and that do different things.
const RULES: [&str; 8] = [
    "to 192.0.2.0/24 lookup 601",
    "to 192.0.2.0/25 lookup 602",
    "fwmark 5 lookup 603",
    "fwmark 4/4 lookup 601",
    "from 10.10.0.0/24 lookup 602",
    "to 192.0.2.0/24 fwmark 5 lookup 601",
    "ipproto tcp prohibit",
    "to 198.51.100.0/24 lookup 604",
];

/// One route in each table tells which of them a packet found.
const ROUTES: &str = "\
default via 10.10.0.101 table 601; default via 10.10.0.102 table 602; \
default via 10.10.0.103 table 603; default via 10.10.0.104 table 604";

/// A stanza of these rules, at priority 500 or 501.
fn stanza(interface: &str, address: &str, routes: &str, rules: &[String]) -> String {
    let mut text = format!("iface {interface} inet static\n    address {address}\n");
    if !routes.is_empty() {
        text += &format!("    policy-route {routes}\n");
    }
    if !rules.is_empty() {
        text += &format!("    policy-rule {}\n", rules.join("; "));
    }
    text
}

fn numbered(rules: &[&str]) -> Vec<String> {
    let rules = rules.iter();
    rules.map(|rule| format!("{rule} priority 500")).collect()
}

/// `eth1` with these rules.
fn file(rules: &[&str]) -> String {
    stanza("eth1", "10.10.0.10/24", ROUTES, &numbered(rules))
}

fn ours() -> Vec<Rule> {
    let mut rules = Kernel::open().unwrap().rules(Family::Inet).unwrap();
    rules.retain(|rule| rule.protocol == PROTOCOL);
    rules
}

/// Each two rules whose order matters, as they stand.
fn pairs(rules: &[Rule]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (n, first) in rules.iter().enumerate() {
        for second in &rules[n + 1..] {
            if first.priority == second.priority && first.order_matters(second) {
                pairs.push((first.to_string(), second.to_string()));
            }
        }
    }
    pairs.sort();
    pairs
}

/// Where packets of all kinds go.
fn ways(lab: &Lab) -> String {
    let mut ways = String::new();
    for to in ["192.0.2.1", "192.0.2.200", "198.51.100.1", "203.0.113.1"] {
        for mark in ["", "mark 4", "mark 5"] {
            for more in ["", "from 10.10.0.10", "ipproto tcp"] {
                let said = lab.sh(&format!("ip route get {to} {mark} {more}"));
                ways += &format!("{to} {mark} {more}: {}{}", said.out, said.err);
            }
        }
    }
    ways
}

fn in_order(lab: &Lab, wanted: &[&str]) {
    let priority = |rule: &String| rule.starts_with("500:");
    let rules: Vec<String> = lab.rules("-4").into_iter().filter(priority).collect();
    assert_eq!(rules.len(), wanted.len(), "{rules:?}");
    for (rule, wanted) in rules.iter().zip(wanted) {
        let selector = wanted.split(" lookup").next().unwrap();
        let selector = selector.replace("fwmark ", "fwmark 0x");
        assert!(rule.contains(&selector), "{rules:?}, wanted {wanted:?}");
    }
}

#[test]
fn a_rule_that_is_added_in_front_of_others_stands_there_after_apply() {
    let [wide, narrow, apart] = [RULES[0], RULES[1], RULES[7]];
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&file(&[wide, apart]));
        lab.ok("ifup eth1");
        lab.interfaces(&file(&[narrow, wide, apart]));
        let status = lab.sh("policy-table status eth1");
        assert_eq!(status.code, 1, "{status:?}");
        assert!(status.out.contains("~ order"), "{status:?}");
        assert!(status
            .out
            .contains("to stand behind rule priority 500 to 192.0.2.0/25"));
        lab.write("/run/plan", &lab.ok("policy-table plan eth1"));
        let said = lab.ok("policy-table apply eth1");
        assert!(
            said.contains("1 added, 0 removed, 1 put in order"),
            "{said}"
        );
        in_order(lab, &[apart, narrow, wide]);
        assert!(lab.ok("ip route get 192.0.2.1").contains("10.10.0.102"));
        assert_eq!(lab.sh("policy-table status eth1").code, 0);
        let again = lab.ok("policy-table apply eth1");
        assert!(again.ends_with("0 added, 0 removed\n"), "{again}");
        // The plan of before does the same.
        lab.interfaces(&file(&[wide, apart]));
        lab.ok("policy-table apply eth1");
        lab.ok("sh -e /run/plan");
        in_order(lab, &[apart, narrow, wide]);
    });
}

#[test]
fn a_rule_that_was_lost_comes_back_to_its_place() {
    let rules = [RULES[1], RULES[0], RULES[4]];
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&file(&rules));
        lab.ok("ifup eth1");
        let was = ways(lab);
        lab.ok("ip rule del pref 500 to 192.0.2.0/25 protocol 157");
        lab.ok("policy-table apply eth1");
        in_order(lab, &rules);
        assert_eq!(ways(lab), was);
        // A hook that runs again does it, too.
        lab.ok("ip rule del pref 500 to 192.0.2.0/25 protocol 157");
        lab.ok("ifup --force --ignore-errors eth1");
        in_order(lab, &rules);
        // Somebody put it in again by hand: all is there, and in the wrong order.
        lab.ok("ip rule del pref 500 to 192.0.2.0/25 protocol 157");
        lab.ok("ip rule add pref 500 to 192.0.2.0/25 lookup 602 protocol 157");
        let status = lab.sh("policy-table status --json eth1");
        assert_eq!(status.code, 1, "{status:?}");
        let status: Value = serde_json::from_str(&status.out).unwrap();
        let objects = status["stanzas"][0]["objects"].as_array().unwrap();
        let order = objects.iter().filter(|it| it["condition"] == "order");
        let order: Vec<&Value> = order.collect();
        assert_eq!(order.len(), 2, "{status}");
        let by = order[0]["by"].as_str().unwrap();
        assert!(by.contains("192.0.2.0/25"), "{status}");
        let plan = lab.ok("policy-table plan eth1");
        assert_eq!(plan.matches("ip rule del").count(), 2, "{plan}");
        assert!(plan.contains("has to stand behind"), "{plan}");
        lab.ok("policy-table apply eth1");
        in_order(lab, &rules);
        assert_eq!(ways(lab), was);
    });
}

#[test]
fn stanzas_of_a_device_stand_in_the_order_of_the_file() {
    let first = |rules: &[&str]| stanza("eth1", "10.10.0.10/24", ROUTES, &numbered(rules));
    let second = |rules: &[&str]| stanza("eth1", "10.20.0.10/24", "", &numbered(rules));
    let [wide, narrow, mark] = [RULES[0], RULES[1], RULES[2]];
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&(first(&[mark]) + &second(&[wide])));
        lab.ok("ifup eth1");
        in_order(lab, &[mark, wide]);
        // The first stanza's new rule comes before the second one's.
        lab.interfaces(&(first(&[mark, narrow]) + &second(&[wide])));
        assert_eq!(lab.sh("policy-table status eth1").code, 1);
        let said = lab.ok("policy-table apply eth1");
        assert_eq!(said.matches("put in order").count(), 1, "{said}");
        in_order(lab, &[mark, narrow, wide]);
        assert_eq!(lab.sh("policy-table status eth1").code, 0);
        // Between interfaces the order in which they came up stays.
        lab.device("eth2");
        let file = lab.text("/etc/network/interfaces");
        let third = stanza("eth2", "10.30.0.10/24", "", &numbered(&[RULES[4]]));
        lab.interfaces(&(third + &file));
        lab.ok("ifup eth2");
        in_order(lab, &[mark, narrow, wide, RULES[4]]);
        assert_eq!(lab.sh("policy-table status").code, 0);
        lab.ok("policy-table apply --all");
        in_order(lab, &[mark, narrow, wide, RULES[4]]);
    });
}

/// `ifup -a` goes by the `auto` lines, and takes all stanzas of a name together; what no such line
/// names comes up by hand, in any order.
#[test]
fn aliases_stand_in_the_order_of_ifup_a() {
    let first = stanza("eth1", "10.10.0.10/24", ROUTES, &numbered(&[RULES[1]]));
    let second = stanza("eth1", "10.20.0.10/24", "", &numbered(&[RULES[2]]));
    let alias = |n: u8, rule| {
        let (name, address) = (format!("eth1:{n}"), format!("10.30.{n}.10/24"));
        stanza(&name, &address, "", &numbered(&[rule]))
    };
    let (one, two) = (alias(1, RULES[0]), alias(2, RULES[4]));
    for (text, by_hand) in [
        (
            // What is sourced is read where the line stands.
            format!(
                "source /etc/network/interfaces.d/more\nauto eth1 eth1:1\n{first}{one}{second}"
            ),
            "",
        ),
        (
            format!("auto eth1 eth1:2 eth1:1\n{one}{first}{second}{two}"),
            "",
        ),
        (
            format!("{one}auto eth1:1\n{first}{second}auto eth1\n{two}auto eth1:2\n"),
            "",
        ),
        (
            format!("{first}auto eth1\n{two}{second}{one}allow-auto eth1:1\n"),
            "ifup eth1:2",
        ),
        (
            format!("auto eth1\n{two}{first}{second}{one}"),
            "ifup eth1:2 eth1:1",
        ),
    ] {
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(&text);
            let more = format!("auto eth1:2\n{two}");
            lab.write("/etc/network/interfaces.d/more", &more);
            lab.ok(&format!("ifup -a; {by_hand}"));
            let (fresh, was) = (ours(), ways(lab));
            let fresh = pairs(&fresh);
            let stands = |after: &str| {
                assert_eq!(
                    (pairs(&ours()), ways(lab)),
                    (fresh.clone(), was.clone()),
                    "{after}: {text}"
                );
                let status = lab.sh("policy-table status");
                assert_eq!(status.code, 0, "{after}: {text}{}", status.out);
            };
            stands("fresh");
            lab.ok("policy-table flush --all; policy-table apply --all");
            stands("flush");
            // ifdown takes the routing of the aliases along, and ifup notes the interface last.
            lab.ok("ifdown eth1; ifup eth1; policy-table apply --all");
            stands("ifdown");
            lab.ok("policy-table flush --all; ifdown eth1:2; ifup eth1:2");
            lab.write("/run/plan", &lab.ok("policy-table plan eth1"));
            lab.ok("sh -e /run/plan");
            assert_eq!(
                (pairs(&ours()), ways(lab)),
                (fresh.clone(), was.clone()),
                "{text}"
            );
        });
    }
}

#[test]
fn a_rule_is_never_missing_while_it_moves() {
    let rules = [RULES[1], RULES[0]];
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&file(&rules));
        lab.ok("ifup eth1");
        lab.ok("ip rule del pref 500 to 192.0.2.0/25 protocol 157");
        let seen = File::create("/run/seen").unwrap();
        let mut monitor = Command::new("ip")
            .args(["monitor", "rule"])
            .stdout(seen)
            .spawn()
            .unwrap();
        // It listens once it has seen something.
        let mark = "ip rule add pref 9 lookup 9; ip rule del pref 9; sleep 0.1";
        while lab.text("/run/seen").is_empty() {
            lab.ok(mark);
        }
        lab.ok("policy-table apply eth1");
        lab.ok(mark);
        monitor.kill().unwrap();
        monitor.wait().unwrap();
        let seen = lab.text("/run/seen");
        let of_wide = seen.lines().filter(|line| line.contains("192.0.2.0/24"));
        let of_wide: Vec<bool> = of_wide.map(|line| line.starts_with("Deleted")).collect();
        assert_eq!(of_wide, [false, true], "{seen}");
    });
}

/// Some of the rules in some order, each at one of two priorities.
fn some(random: &mut Random) -> Vec<String> {
    let mut rules = RULES.to_vec();
    random.shuffle(&mut rules);
    rules.truncate(random.place(5) + 1);
    let priority = |random: &mut Random| if random.one_in(3) { 501 } else { 500 };
    let rules = rules.into_iter();
    rules
        .map(|rule| format!("{rule} priority {}", priority(random)))
        .collect()
}

/// An edit: a rule more, one less, two exchanged, or all others.
fn edit(rules: &mut Vec<String>, random: &mut Random) {
    match random.below(4) {
        0 => {
            let more = some(random);
            let place = random.place(rules.len() + 1);
            if !rules.contains(&more[0]) {
                rules.insert(place, more[0].clone());
            }
        }
        1 if rules.len() > 1 => {
            rules.remove(random.place(rules.len()));
        }
        2 => random.shuffle(rules),
        _ => *rules = some(random),
    }
}

#[test]
fn after_any_edits_rules_stand_as_a_fresh_ifup_puts_them() {
    let first = number_in("ORDER_SEED", 1);
    for seed in first..first + number_in("ORDER_COUNT", 3) {
        println!("ORDER_SEED={seed}");
        let mut random = Random::new(seed, 0);
        lab(|lab| {
            lab.device("eth1");
            let mut stanzas = [some(&mut random), some(&mut random)];
            let write = |stanzas: &[Vec<String>; 2]| {
                let [one, two] = stanzas;
                let one = stanza("eth1", "10.10.0.10/24", ROUTES, one);
                lab.interfaces(&(one + &stanza("eth1", "10.20.0.10/24", "", two)));
            };
            write(&stanzas);
            lab.ok("ifup eth1");
            for _ in 0..number_in("ORDER_EDITS", 4) {
                let place = random.place(2);
                edit(&mut stanzas[place], &mut random);
                let there = ours();
                if random.one_in(2) && !there.is_empty() {
                    let rule = &there[random.place(there.len())];
                    lab.ok(&format!("ip rule del {rule}"));
                }
                write(&stanzas);
                let before = (pairs(&ours()), ways(lab));
                let status = lab.sh("policy-table status eth1");
                lab.ok("policy-table apply eth1");
                let after = (pairs(&ours()), ways(lab));
                let settled = lab.sh("policy-table status eth1");
                assert_eq!(settled.code, 0, "{settled:?}");
                let count = ours().len();
                lab.ok("ifdown eth1; ifup eth1");
                assert_eq!(after, (pairs(&ours()), ways(lab)), "{stanzas:?}");
                assert_eq!(count, ours().len());
                // Only what is as a fresh one is in step.
                assert!(status.code == 1 || before == after, "{status:?}");
            }
        });
    }
}
