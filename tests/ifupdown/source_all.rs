//! `policy-source all`: every address of the interface is served, but for those that another stanza
//! of the device serves.

use crate::support::lab::{lab, Lab};

/// Whether the table of an interface is looked up for packets from an address, and for no other.
fn served(lab: &Lab) -> Vec<String> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        let rules = lab.rules(family);
        let from = rules.iter().filter(|rule| !rule.contains("from all"));
        found.extend(from.map(|rule| {
            let words: Vec<&str> = rule.split(' ').collect();
            format!("{} {}", words[2], words[4])
        }));
    }
    found.sort();
    found
}

fn stanza(name: &str, address: &str, options: &str) -> String {
    let options = options.replace("; ", "\n    ");
    format!("iface {name} inet static\n    address {address}\n    {options}\n")
}

const ALL: &str = "policy-table isp; policy-gateway 198.51.100.1; policy-source all";

#[test]
fn addresses_that_lines_of_the_stanza_add_are_served() {
    lab(|lab| {
        lab.device("eth1");
        let lines = "up ip addr add 203.0.113.50/32 dev eth1; up ip addr add 192.0.2.9/24 dev eth1";
        lab.interfaces(&stanza(
            "eth1",
            "198.51.100.10/24",
            &format!("{ALL}; {lines}"),
        ));
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let expected = ["192.0.2.9 isp", "198.51.100.10 isp", "203.0.113.50 isp"];
        assert_eq!(served(lab), expected);
        // A /32 has no network, any other address has one.
        let mut routes = lab.routes("-4", "isp");
        routes.sort();
        assert_eq!(
            routes,
            [
                "192.0.2.0/24 dev eth1 proto policy-table scope link src 192.0.2.9",
                "198.51.100.0/24 dev eth1 proto policy-table scope link src 198.51.100.10",
                "default via 198.51.100.1 dev eth1 proto policy-table",
            ]
        );
        assert_eq!(lab.sh("policy-table status").code, 0);
        lab.ok("ifdown eth1");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// As keepalived(8) puts one on and takes it off.
#[test]
fn an_address_that_comes_and_goes_is_missing_and_then_stale_until_apply() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&stanza("eth1", "198.51.100.10/24", ALL));
        lab.ok("ifup eth1");
        lab.ok("ip addr add 198.51.100.99/32 dev eth1");
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 1);
        let missing = said.out.lines().filter(|line| line.contains("✗ missing"));
        assert_eq!(missing.count(), 2, "{}", said.out);
        lab.ok("policy-table apply eth1");
        assert_eq!(served(lab), ["198.51.100.10 isp", "198.51.100.99 isp"]);
        assert_eq!(lab.sh("policy-table status").code, 0);
        lab.ok("ip addr del 198.51.100.99/32 dev eth1");
        assert_eq!(lab.sh("policy-table status").code, 1);
        lab.ok("policy-table apply eth1");
        assert_eq!(served(lab), ["198.51.100.10 isp"]);
        // The router's own address, taken over: the stanza's routing does not fail for it.
        lab.ok("ip addr add 198.51.100.1/32 dev eth1; policy-table apply eth1");
        assert_eq!(served(lab), ["198.51.100.1 isp", "198.51.100.10 isp"]);
    });
}

/// As often as it likes, where the keeper looks.
#[test]
fn an_address_that_comes_and_goes_is_followed_by_the_keeper() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&stanza("eth1", "198.51.100.10/24", ALL));
        lab.ok("ifup eth1");
        for _ in 0..2 {
            lab.ok("ip addr add 198.51.100.99/32 dev eth1; policy-table keep --once");
            assert_eq!(served(lab), ["198.51.100.10 isp", "198.51.100.99 isp"]);
            lab.ok("policy-table status");
            lab.ok("ip addr del 198.51.100.99/32 dev eth1; policy-table keep --once");
            assert_eq!(served(lab), ["198.51.100.10 isp"]);
            lab.ok("policy-table status");
        }
    });
}

/// Two stanzas of one interface: each address has the table of the stanza that names it, in
/// whichever order they come up and whatever is applied.
#[test]
fn what_another_stanza_serves_is_left_to_it() {
    let other = "policy-table two; policy-gateway 203.0.113.1";
    let all = stanza("eth1", "198.51.100.10/24", ALL);
    let named = stanza("eth1", "203.0.113.10/24", other);
    for text in [format!("{all}{named}"), format!("{named}{all}")] {
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(&text);
            lab.ok("ifup eth1");
            let expected = ["198.51.100.10 isp", "203.0.113.10 two"];
            assert_eq!(served(lab), expected, "{text}");
            lab.ok("ip addr add 198.51.100.11/32 dev eth1; policy-table apply eth1");
            let expected = ["198.51.100.10 isp", "198.51.100.11 isp", "203.0.113.10 two"];
            assert_eq!(served(lab), expected, "{text}");
            assert_eq!(lab.sh("policy-table status").code, 0);
            assert!(!lab
                .ok("policy-table status --json")
                .contains("no rule is about"));
            // From nothing, too.
            lab.ok("policy-table flush eth1; policy-table apply eth1");
            assert_eq!(served(lab), expected, "{text}");
            lab.ok("ifdown eth1");
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

/// An alias without options is served by the interface's stanza, one with options by its own; also
/// where the options come later.
#[test]
fn an_alias_is_served_by_its_own_options_where_it_has_some() {
    let interface = stanza("eth1", "198.51.100.10/24", ALL);
    let without = stanza("eth1:1", "198.51.100.11/24", "broadcast -");
    let with = stanza(
        "eth1:1",
        "198.51.100.11/24",
        "policy-table two; policy-gateway 198.51.100.2",
    );
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&format!("{interface}{without}"));
        lab.ok("ifup eth1 eth1:1; policy-table apply eth1");
        assert_eq!(served(lab), ["198.51.100.10 isp", "198.51.100.11 isp"]);
        lab.interfaces(&format!("{interface}{with}"));
        lab.ok("policy-table apply eth1");
        assert_eq!(served(lab), ["198.51.100.10 isp", "198.51.100.11 two"]);
        assert_eq!(lab.sh("policy-table status").code, 0);
        lab.interfaces(&format!("{interface}{without}"));
        lab.ok("policy-table apply eth1");
        assert_eq!(served(lab), ["198.51.100.10 isp", "198.51.100.11 isp"]);
        lab.ok("ifdown eth1:1 eth1");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// Temporary and deprecated IPv6 addresses are valid; those that are still checked are not there yet.
#[test]
fn ipv6_addresses_are_served_while_they_are_valid() {
    let text = "iface eth1 inet6 static\n    address 2001:db8::10/64\n    dad-attempts 0\n    \
                policy-table isp\n    policy-gateway 2001:db8::1\n    policy-source all\n";
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(text);
        lab.ok("ifup eth1");
        lab.ok("ip addr add 2001:db8::20/128 dev eth1 nodad preferred_lft 0
            ip addr add 2001:db8:5::30/64 dev eth1 nodad");
        lab.ok("policy-table apply eth1");
        let expected = ["2001:db8:5::30 isp", "2001:db8::10 isp", "2001:db8::20 isp"];
        assert_eq!(served(lab), expected);
        let routes = lab.routes("-6", "isp");
        assert_eq!(routes.len(), 3, "{routes:?}");
        assert!(routes
            .iter()
            .any(|route| route.starts_with("2001:db8:5::/64")));
        lab.ok("ip addr del 2001:db8::20/128 dev eth1; policy-table apply eth1");
        assert_eq!(served(lab).len(), 2);
    });
}

/// A stanza without an address of its own waits for one, and has all of them then; the other end of
/// a further address is no network.
#[test]
fn a_stanza_without_an_address_has_all_there_are() {
    let text = "iface eth1 inet manual\n    up ip addr add 10.4.0.10/24 dev eth1; ip link set eth1 up\n    \
                up ip addr add 10.5.0.1 peer 10.5.0.2/32 dev eth1\n    policy-table isp\n    \
                policy-gateway 10.4.0.1\n    policy-source all\n";
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(text);
        lab.ok("ifup eth1");
        assert_eq!(served(lab), ["10.4.0.10 isp", "10.5.0.1 isp"]);
        assert_eq!(lab.routes("-4", "isp").len(), 2);
        assert_eq!(lab.sh("policy-table status").code, 0);
    });
}

/// A stanza that names no address has those that it finds, whichever of the two comes first: after
/// one `apply`, and after `ifup` again.
#[test]
fn what_a_stanza_without_an_address_finds_is_left_to_it() {
    let all = stanza("eth1", "198.51.100.10/24", ALL);
    let alias =
        "iface eth1:1 inet manual\n    policy-table two\n    policy-gateway 203.0.113.1\n    \
                 up ip addr add 203.0.113.10/24 dev eth1 label eth1:1 || true\n    \
                 down ip addr del 203.0.113.10/24 dev eth1 || true\n";
    let manual =
        "iface eth1 inet manual\n    policy-table two\n    policy-gateway 203.0.113.1\n    \
                  up ip addr add 203.0.113.10/24 dev eth1 || true\n";
    // Without a label there is nothing to tell its address by, but that no other stanza names it.
    let expected = ["198.51.100.10 isp", "203.0.113.10 two"];
    for (other, ifup) in [
        (alias, "ifup eth1 eth1:1"),
        (alias, "ifup eth1:1 eth1"),
        (manual, "ifup eth1"),
    ] {
        for text in [format!("{all}{other}"), format!("{other}{all}")] {
            lab(|lab| {
                lab.device("eth1");
                lab.ok("ip link set eth1 up");
                lab.interfaces(&text);
                // The address is there before any of the hooks is called.
                lab.ok("ip addr add 203.0.113.10/24 dev eth1 label eth1:1");
                lab.ok(ifup);
                // The hook of one that comes first knows of no address that comes later.
                if !text.starts_with(manual) {
                    assert_eq!(served(lab), expected, "{ifup}: {text}");
                }
                for again in ["true", "flush eth1", "apply eth1"] {
                    if again != "true" {
                        lab.ok(&format!("policy-table {again}"));
                    }
                    lab.ok("policy-table apply eth1");
                    assert_eq!(served(lab), expected, "{ifup}, {again}: {text}");
                    let status = lab.sh("policy-table status");
                    assert_eq!(status.code, 0, "{}{text}", status.out);
                }
                lab.ok(&format!("{ifup} --force"));
                assert_eq!(served(lab), expected, "{ifup}: {text}");
            });
        }
    }
}
