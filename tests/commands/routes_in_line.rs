//! Routes of several stanzas that lead to one destination in one table: the kernel uses the foremost,
//! which is the one that was put in first, or the one of lowest metric. Whatever was edited or lost,
//! `apply` and what `plan` prints leave them as `ifdown` and `ifup` of the same file would.

use crate::support::lab::{lab, Lab};
use crate::support::random::{number_in, Random};

/// What a stanza of `eth1` asks for.
#[derive(Clone, Debug, Default)]
struct Wish {
    /// Its own router, if it has options at all.
    gateway: Option<u8>,
    /// A route that another stanza may have, too, by one of these routers.
    route: Option<u8>,
}

const STANZAS: usize = 3;

/// Both families of a stanza each.
fn file(wishes: &[Wish]) -> String {
    let mut text = String::new();
    for (n, wish) in wishes.iter().enumerate() {
        for family in ["inet", "inet6"] {
            let (start, destination) = match family {
                "inet" => ("10.10.0.", "192.0.2.0/24"),
                _ => ("2001:db8::", "2001:db8:2::/64"),
            };
            let length = if family == "inet" { 24 } else { 64 };
            text += &format!("iface eth1 {family} static\n    address {start}1{n}/{length}\n");
            if family == "inet6" {
                text += "    dad-attempts 0\n";
            }
            if let Some(gateway) = wish.gateway {
                text += &format!("    policy-table rt2\n    policy-gateway {start}{gateway}\n");
                if let Some(route) = wish.route {
                    text += &format!("    policy-route {destination} via {start}{route}\n");
                }
            }
        }
    }
    text
}

fn some(random: &mut Random) -> Wish {
    let routers = [1, 2, 3, 4];
    Wish {
        gateway: (!random.one_in(4)).then(|| random.pick(&routers)),
        route: random.one_in(2).then(|| random.pick(&routers)),
    }
}

/// The routes of the table as the kernel has them, by family.
fn routes(lab: &Lab) -> String {
    let mut text = String::new();
    for family in ["-4", "-6"] {
        for route in lab.routes(family, "rt2") {
            // Which address comes first is ifupdown's.
            if route.contains("via") {
                text += &format!("{route}\n");
            }
        }
    }
    text
}

#[test]
fn after_any_edit_they_stand_as_a_fresh_ifup_puts_them() {
    let first = number_in("ORDER_SEED", 1);
    for seed in first..first + number_in("ORDER_COUNT", 3) {
        println!("ORDER_SEED={seed}");
        let mut random = Random::new(seed, 1);
        lab(|lab| {
            lab.device("eth1");
            lab.ok("echo 20000 rt2 >>/etc/iproute2/rt_tables");
            for _ in 0..number_in("ORDER_EDITS", 4) {
                let before: Vec<Wish> = (0..STANZAS).map(|_| some(&mut random)).collect();
                let mut after = before.clone();
                match random.below(3) {
                    0 => random.shuffle(&mut after),
                    1 => after[random.place(STANZAS)] = some(&mut random),
                    _ => {}
                }
                let lose = random.one_in(3).then(|| random.place(1000));
                let said = format!("{before:?}\n{after:?}, lost {lose:?}");
                let begin = || {
                    lab.interfaces(&file(&before));
                    lab.ok("ifup eth1");
                    let there =
                        lab.ok("ip -4 route show table rt2; echo; ip -6 route show table rt2");
                    let there: Vec<&str> = there.lines().collect();
                    let place = lose.map(|n| n % there.len().max(1));
                    if let Some(line) = place.and_then(|place| there.get(place)) {
                        let line = line.split(" pref").next().unwrap();
                        if !line.is_empty() {
                            lab.ok(&format!("ip route del {line} table rt2"));
                        }
                    }
                    lab.interfaces(&file(&after));
                };
                begin();
                lab.write("/run/plan", &lab.ok("policy-table plan eth1"));
                let status = lab.sh("policy-table status eth1");
                let there = routes(lab);
                lab.ok("policy-table apply eth1");
                let applied = routes(lab);
                let settled = lab.sh("policy-table status eth1");
                lab.ok("ifdown eth1");
                assert_eq!(lab.tagged(), [""; 0]);
                begin();
                let plan = lab.text("/run/plan");
                let done = lab.sh("sh -e /run/plan");
                assert_eq!(done.code, 0, "{done:?}: {said}\n{there}\n{plan}");
                let planned = routes(lab);
                lab.ok("policy-table flush eth1; ifdown eth1");
                lab.ok("ifup eth1");
                let fresh = routes(lab);
                lab.ok("ifdown eth1");
                assert_eq!(applied, fresh, "apply: {said}\n{there}");
                assert_eq!(planned, fresh, "plan: {said}\n{there}\n{plan}");
                assert_eq!(settled.code, 0, "{said}\n{}", settled.out);
                // Only what is as a fresh one is in step.
                assert!(status.code == 1 || there == fresh, "{said}\n{status:?}");
            }
        });
    }
}
