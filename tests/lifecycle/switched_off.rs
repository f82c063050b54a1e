//! `ENABLED=no`: nothing is put in or put back, and what is in force still leaves.

use crate::support::lab::{lab, Lab};

const FILE: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
";

const DEFAULTS: &str = "/etc/default/ifupdown-policy-table";

fn up(lab: &Lab) {
    lab.device("eth1");
    lab.interfaces(FILE);
    lab.ok("ifup eth1");
}

#[test]
fn nothing_is_put_in_and_status_says_why() {
    lab(|lab| {
        lab.write(DEFAULTS, "ENABLED=no\n");
        up(lab);
        assert_eq!(lab.tagged(), [""; 0]);
        let said = lab.sh("policy-table status");
        let first = said.out.lines().next().unwrap_or_default();
        assert!(
            first.starts_with(&format!(
                "policy-table status: switched off by ENABLED=no in {DEFAULTS}; "
            )),
            "{said:?}"
        );
        // Who asks for it by name gets it.
        lab.ok("policy-table apply eth1");
        assert_eq!(lab.tagged().len(), 4);
        // And what is in force is not put back by the keeper, and leaves with ifdown.
        lab.ok("ip rule flush protocol 157");
        let said = lab.sh("policy-table keep --once");
        let why = format!("switched off by ENABLED=no in {DEFAULTS}; nothing is put back");
        assert!(said.code == 1 && said.err.contains(&why), "{said:?}");
        assert_eq!(lab.tagged().len(), 2);
        lab.ok("ifdown eth1");
        assert_eq!(lab.tagged(), [""; 0]);
        assert_eq!(lab.sh("ls -A /run/policy-table").out, "");
    });
}

#[test]
fn without_the_no_all_is_as_ever() {
    for text in ["", "#ENABLED=no\n", "ENABLED=nein\n"] {
        lab(|lab| {
            lab.write(DEFAULTS, text);
            up(lab);
            assert_eq!(lab.tagged().len(), 4, "{text}");
            let status = lab.sh("policy-table status").out;
            assert!(!status.contains("switched off"), "{status}");
            let told = format!("{DEFAULTS}: ENABLED=nein: expected yes or no; taken for yes");
            assert_eq!(status.contains(&told), text.contains("nein"), "{status}");
        });
    }
}
