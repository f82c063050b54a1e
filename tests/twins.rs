//! Rules that the kernel takes for one another, or for less than they say. Measured on 6.18: it
//! compares rules with absent selectors as wildcards, and ignores attributes that it does not
//! know.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lab;

use lab::{lab, Lab};
use policy_table::converge;
use policy_table::kernel::Kernel;
use policy_table::outcome::StepError;
use policy_table::rule::Rule;
use policy_table::state::{Object, State};

const STANZA: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table 501
";

/// The rules with our tag of somebody else's that a deletion of ours could take instead.
const TWINS: [&str; 3] = [
    "from 10.10.0.10 fwmark 5 iif eth2 lookup 501 pref 21000 protocol 157",
    "from 10.10.0.10 to 192.0.2.0/24 lookup 501 pref 21000 protocol 157",
    "to 10.10.0.10 ipproto tcp lookup 501 pref 21000 protocol 157",
];

fn add(lab: &Lab, rules: &[&str]) {
    for rule in rules {
        lab.ok(&format!("ip rule add {rule}"));
    }
}

#[test]
fn twins_in_front_of_ours_survive_ifdown() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(STANZA);
        add(lab, &TWINS);
        let before = lab.rules("-4");
        lab.ok("ifup eth1");
        assert_eq!(lab.rules("-4").len(), TWINS.len() + 2);
        lab.ok("ifdown eth1");
        let mut after = lab.rules("-4");
        after.sort();
        let mut expected = before;
        expected.sort();
        assert_eq!(after, expected);
    });
}

#[test]
fn a_false_file_exists_does_not_keep_ours_out() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table 501
                policy-rule to 192.0.2.0/24 pref 700
                policy-rule not from 10.0.0.0/8 pref 701",
        );
        add(
            lab,
            &[
                "from 10.0.0.0/8 to 192.0.2.0/24 lookup 501 pref 700 protocol 157",
                "from 10.0.0.0/8 lookup 501 pref 701 protocol 157",
            ],
        );
        let before = lab.rules("-4");
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let rules = lab.rules("-4");
        for ours in [
            "700: from all to 192.0.2.0/24 lookup 501 proto policy-table",
            "701: not from 10.0.0.0/8 lookup 501 proto policy-table",
        ] {
            assert_eq!(
                rules.iter().filter(|rule| *rule == ours).count(),
                1,
                "{rules:?}"
            );
        }
        // Once more: what is there is known for what it is, and nothing doubles.
        lab.ok("ifup --force --ignore-errors eth1");
        assert_eq!(lab.rules("-4"), rules);
        lab.ok("ifdown eth1");
        assert_eq!(lab.rules("-4"), before);
    });
}

#[test]
fn a_rule_of_which_the_kernel_leaves_something_out_is_taken_back() {
    lab(|lab| {
        let plain: Rule = "priority 900 from all lookup 501 proto 157"
            .parse()
            .unwrap();
        // No kernel knows this attribute; an old one knows none of the newer selectors.
        let newer = Rule {
            unread: vec![(200, vec![1, 2, 3, 4])],
            ..plain.clone()
        };
        let wanted: State = [Object::Rule(newer)].into_iter().collect();
        let nothing = State::default();
        let mut kernel = Kernel::open().unwrap();
        let done = converge::up(&mut kernel, &wanted, &nothing, &nothing, &nothing);
        let failed = done.expect_err("the kernel does not know it");
        match failed.errors.as_slice() {
            [StepError::Thinned { made, .. }] => assert_eq!(*made, Object::Rule(plain)),
            other => panic!("{other:?}"),
        }
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}
