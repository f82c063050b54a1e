//! The marks of connections, which a firewall that is loaded anew takes along.

use std::time::Instant;

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab};
use crate::support::needs::have;

const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-connmark auto
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
    policy-connmark auto
iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt3
    policy-connmark 0x100/0xff00
";

/// What of it gets lost, or into it.
const LOSSES: [(&str, &str); 3] = [
    (
        "all, and rules",
        "nft flush ruleset; ip rule flush protocol 157",
    ),
    (
        "a rule",
        "nft delete rule inet policy-table prerouting-eth2 handle $(nft -a list chain inet \
         policy-table prerouting-eth2 | sed -n 's/.*ct mark set.*handle //p')",
    ),
    (
        "one too many",
        "nft insert rule inet policy-table prerouting-eth1 accept",
    ),
];

/// What nft has of ours, whatever the order of its chains.
fn marks(lab: &Lab) -> String {
    let said = lab.sh("nft -s list table inet policy-table");
    let mut lines: Vec<&str> = said.out.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn what_nft_loses_comes_back() {
    if !have(&["nft of nftables"]) {
        return;
    }
    lab(|lab| {
        lab.interfaces(FILE);
        lab.device("eth1");
        lab.device("eth2");
        let said = lab.sh("ifup eth1 eth2");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        let before = (ours(lab), marks(lab));
        assert_eq!(
            before.1.matches("comment \"policy-table ").count(),
            17,
            "{}",
            before.1
        );
        // Nobody keeps it: it is told.
        lab.ok("nft flush ruleset");
        let said = lab.sh("policy-table status");
        assert_eq!(
            (said.code, said.out.matches("✗ missing").count()),
            (1, 2),
            "{}",
            said.out
        );
        let keeper = Keeper::start(lab);
        assert_eq!((ours(lab), marks(lab)), before);
        lab.ok("policy-table status");
        keeper.stop();
        for (what, loss) in LOSSES {
            // One that has repaired much takes its time.
            let mut keeper = Keeper::start(lab);
            let repairs = Keeper::repairs();
            lab.ok(loss);
            let lost = Instant::now();
            let is_back = || (ours(lab), marks(lab)) == before;
            keeper.until(what, is_back);
            println!("{what}: back after {:?}", lost.elapsed());
            keeper.quiet();
            assert!(
                is_back() && Keeper::repairs() > repairs,
                "{what}\n{}",
                Keeper::log()
            );
        }
        // What others do is no matter.
        let keeper = Keeper::start(lab);
        let repairs = Keeper::repairs();
        lab.ok("nft add table inet other; nft add chain inet other c; nft add rule inet other c accept");
        keeper.quiet();
        assert_eq!(Keeper::repairs(), repairs);
        lab.ok("ifdown eth1");
        keeper.quiet();
        assert!(
            marks(lab).contains("eth2") && !marks(lab).contains("eth1"),
            "{}",
            marks(lab)
        );
        lab.ok("ifdown eth2");
        keeper.quiet();
        assert_eq!((ours(lab), marks(lab)), (vec![], String::new()));
    });
}
