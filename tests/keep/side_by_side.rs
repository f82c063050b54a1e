//! ifup, ifdown, edits, apply, flush and losses at random beside the keeper, which is killed now and
//! then: what is down stays out, and in the end all is as without it.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::keeper::{ours, Keeper};
use crate::support::lab::lab;
use crate::support::random::{number_in, Random};

const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
iface eth1 inet6 static
    address 2001:db8:10::10/64
    dad-attempts 0
    policy-table rt2
    policy-gateway none
iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt3
";

/// What the file is edited to: other options, the stanzas in another order and some missing, and
/// the editor saved too early.
const EDITS: [(&str, &str); 4] = [
    ("/run/edits/usual", FILE),
    (
        "/run/edits/other",
        "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-priority 5000
    policy-route unreachable 192.0.2.0/24
iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt4
    policy-mode main
",
    ),
    (
        "/run/edits/fewer",
        "\
iface eth2 inet static
    address 10.20.0.10/24
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
",
    ),
    (
        "/run/edits/half",
        "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-tab",
    ),
];

/// What is done; each is something that an administrator or a program does.
const DEEDS: [&str; 13] = [
    "ifup eth1",
    "ifdown eth1",
    "ifup eth2",
    "ifdown eth2",
    "policy-table apply --all",
    "policy-table flush eth1",
    "ip rule flush protocol 157; ip -6 rule flush protocol 157",
    "ip route flush table rt2; ip -6 route flush table rt2",
    "ip link set eth1 down; ip link set eth1 up",
    "sh /run/edit usual",
    "sh /run/edit other",
    "sh /run/edit fewer",
    "sh /run/edit half",
];

#[test]
fn what_is_down_stays_out_whatever_happens_beside_it() {
    lab(|lab| {
        lab.interfaces(FILE);
        for (path, text) in EDITS {
            lab.write(path, text);
        }
        // In one step: of an interface that the file does not have, as while it is empty, ifdown
        // takes nothing down and forgets that it is up.
        lab.write(
            "/run/edit",
            "cp /run/edits/$1 /etc/network/$$; mv /etc/network/$$ /etc/network/interfaces",
        );
        lab.device("eth1");
        lab.device("eth2");
        let mut random = Random::seeded("KEEP_SEED", 20_261_128, 0);
        lab.ok("ifup eth1 eth2");
        let all = ours(lab);
        let mut keeper = Keeper::start(lab);
        for _ in 0..number_in("KEEP_COUNT", 120) {
            let deed = random.pick(&DEEDS);
            // Some at the same time.
            let beside = random.one_in(3).then(|| random.pick(&DEEDS));
            let mut others: Vec<_> = beside
                .into_iter()
                .map(|deed| {
                    let quiet = format!("{{ {deed}; }} >/dev/null 2>&1");
                    Command::new("/bin/sh")
                        .args(["-c", &quiet])
                        .spawn()
                        .unwrap()
                })
                .collect();
            lab.sh(deed);
            for other in &mut others {
                drop(other.wait());
            }
            sleep(Duration::from_millis(random.below(150)));
            if random.one_in(20) {
                keeper = keeper.killed_and_started(lab);
            }
            for device in ["eth1", "eth2"] {
                // Of a file that cannot be read ifquery says nothing.
                let up = format!("{device}=");
                let state = || lab.text("/run/network/ifstate");
                let is_down = || !state().lines().any(|line| line.starts_with(&up));
                if random.one_in(6) && is_down() {
                    keeper.quiet();
                    let subnet = if device == "eth1" {
                        "10.10.0."
                    } else {
                        "10.20.0."
                    };
                    let left = ours(lab);
                    let left: Vec<_> = left.iter().filter(|it| it.contains(subnet)).collect();
                    assert!(
                        left.is_empty(),
                        "{device} is down: {left:?}\n{}",
                        Keeper::log()
                    );
                }
            }
        }
        lab.interfaces(FILE);
        lab.sh("ifdown eth1 eth2; ip addr flush dev eth1; ip addr flush dev eth2");
        keeper.quiet();
        assert!(ours(lab).is_empty(), "{:?}", ours(lab));
        lab.ok("ifup eth1 eth2");
        keeper.quiet();
        assert_eq!(ours(lab), all);
        assert_eq!(keeper.stop(), 0);
        lab.ok("ifdown eth1 eth2");
        assert!(ours(lab).is_empty());
    });
}
