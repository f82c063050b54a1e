//! Commands and hooks under the limits of whoever calls them: a file that may not grow is an error that is
//! told, and no end in the middle of what is done.

use crate::support::lab::lab;

#[test]
fn a_file_that_may_not_grow_is_an_error_like_others() {
    lab(|lab| {
        lab.device("eth1");
        let stanza = |more: &str| {
            lab.interfaces(&format!(
                "iface eth1 inet static\n    address 10.10.0.10/24\n    \
                 policy-gateway 10.10.0.1\n    {more}\n"
            ));
        };
        stanza("policy-table rt2");
        lab.ok("ifup eth1");
        stanza("policy-table rt3");
        let said = lab.sh("ulimit -f 0; policy-table apply eth1");
        assert_eq!(said.code, 0, "{said:?}");
        for told in ["table rt3 is not registered", "no record"] {
            let line = said.ours().into_iter().find(|line| line.contains(told));
            let line = line.unwrap_or_else(|| panic!("{told}: {said:?}"));
            assert!(line.contains("File too large"), "{line}");
        }
        assert_eq!(lab.rules("-4").len(), 2, "{:?}", lab.rules("-4"));
        assert_eq!(lab.tagged().len(), 4, "{:?}", lab.tagged());
        let said = lab.sh("ulimit -f 0; policy-table plan eth1 > /run/plan");
        let told = "policy-table: cannot write: File too large (os error 27)\n";
        assert_eq!((said.code, said.err.as_str()), (2, told));
        let said = lab.sh("ulimit -f 0; policy-table flush eth1");
        assert_eq!(said.code, 0, "{said:?}");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

/// The limit of whoever started `ifup`, which the hook inherits; here it is the hook's alone, since
/// `ifup` itself keeps a file of what is up.
#[test]
fn a_hook_that_may_write_no_file_says_so_and_does_its_work() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-gateway 10.10.0.1\n    \
             policy-table rt2\n",
        );
        for (folder, name) in [
            ("if-up.d", "00-policy-table"),
            ("if-down.d", "zz-policy-table"),
        ] {
            let link = format!("/etc/network/{folder}/{name}");
            lab.ok(&format!(
                "mkdir -p /run/real/{folder}; ln -s \"$(readlink -f {link})\" /run/real/{folder}/{name}
                rm {link}; printf '#!/bin/sh\\nulimit -f 0\\nexec /run/real/{folder}/{name}\\n' >{link}
                chmod 755 {link}"
            ));
        }
        let said = lab.sh("ifup eth1 2>&1 | cat >&2; ifquery --state eth1");
        assert!(said.out.contains("eth1=eth1"), "{said:?}");
        for told in ["table rt2 is not registered", "no record"] {
            let line = said.ours().into_iter().find(|line| line.contains(told));
            let line = line.unwrap_or_else(|| panic!("{told}: {said:?}"));
            assert!(line.contains("File too large"), "{line}");
        }
        assert_eq!(lab.tagged().len(), 4, "{:?}", lab.tagged());
        // Standard error may be such a file, too.
        let said = lab.sh("ifdown eth1 2>/run/said");
        assert_eq!(said.code, 0, "{said:?}");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        let said = lab.sh("ifup eth1 2>/run/said");
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(lab.tagged().len(), 4, "{:?}", lab.tagged());
    });
}
