//! Theirs and ours: what `policy-table` makes must be what the howto's lines by hand make, but
//! for the priority of the rules and the tag that says whose it is.

use crate::support::lab::{lab, lines, Lab};

/// A stanza that can be written both ways.
struct Interface {
    name: &'static str,
    /// `inet` or `inet6`, and from there to the last option that is not of policy routing.
    stanza: &'static str,
    table: &'static str,
    network: &'static str,
    own: &'static str,
    router: &'static str,
}

impl Interface {
    fn is_inet6(&self) -> bool {
        self.own.contains(':')
    }

    /// With the howto's four lines, or their like for IPv6: there without `src`, which the
    /// kernel refuses while the address is tentative.
    fn by_hand(&self) -> String {
        let Self {
            name,
            table,
            network,
            own,
            router,
            ..
        } = self;
        let (ip, src, host) = if self.is_inet6() {
            ("ip -6", String::new(), 128)
        } else {
            ("ip", format!(" src {own}"), 32)
        };
        self.with(&[
            format!("post-up {ip} route add {network} dev {name}{src} table {table}"),
            format!("post-up {ip} route add default via {router} dev {name} table {table}"),
            format!("post-up {ip} rule add from {own}/{host} table {table}"),
            format!("post-up {ip} rule add to {own}/{host} table {table}"),
        ])
    }

    fn by_policy_table(&self) -> String {
        let mut options = vec![format!("policy-table {}", self.table)];
        // In IPv4 the first host address goes for the router.
        if self.is_inet6() {
            options.push(format!("policy-gateway {}", self.router));
        }
        self.with(&options)
    }

    fn with(&self, options: &[String]) -> String {
        let Self { name, stanza, .. } = self;
        let options = options.join("\n");
        format!("auto {name}\niface {name} {stanza}\n{options}\n")
    }
}

const ETH1: Interface = Interface {
    name: "eth1",
    stanza: "inet static\naddress 10.10.0.10\nnetmask 255.255.255.0",
    table: "rt2",
    network: "10.10.0.0/24",
    own: "10.10.0.10",
    router: "10.10.0.1",
};

const ETH1_6: Interface = Interface {
    name: "eth1",
    stanza: "inet6 static\naddress 2001:db8:1::10/64\ndad-attempts 0",
    table: "rt2",
    network: "2001:db8:1::/64",
    own: "2001:db8:1::10",
    router: "2001:db8:1::1",
};

const ETH2: Interface = Interface {
    name: "eth2",
    stanza: "inet static\naddress 192.0.2.77/26",
    table: "rt3",
    network: "192.0.2.64/26",
    own: "192.0.2.77",
    router: "192.0.2.65",
};

const ETH2_6: Interface = Interface {
    name: "eth2",
    stanza: "inet6 static\naddress 2001:db8:2::10/56\ndad-attempts 0",
    table: "rt3",
    network: "2001:db8:2::/56",
    own: "2001:db8:2::10",
    router: "2001:db8:2::1",
};

/// A line of `ip` without the words that may differ.
fn plain(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let priority = |word: &str| word.strip_suffix(':').map(str::parse::<u32>);
    words.retain(|word| !matches!(priority(word), Some(Ok(_))));
    while let Some(at) = words.iter().position(|word| *word == "proto") {
        words.drain(at..=at + 1);
    }
    words.join(" ")
}

/// What is compared: each table by its name, and all rules but the kernel's own.
fn seen(lab: &Lab, tables: &[&str]) -> Vec<String> {
    let mut seen = Vec::new();
    for family in ["-4", "-6"] {
        for table in tables {
            let routes = lab.routes(family, table);
            seen.extend(
                routes
                    .iter()
                    .map(|line| format!("{family} {table}: {}", plain(line))),
            );
        }
        let mut rules: Vec<String> = lab.rules(family).iter().map(|line| plain(line)).collect();
        // By hand each rule is put before the last; in what order makes no difference.
        rules.sort();
        seen.extend(rules.iter().map(|line| format!("{family} rule: {line}")));
    }
    seen
}

/// Brings interfaces up in a lab of their own and tells what is there then. The main table is
/// part of it: nothing of ours may be there.
fn brought_up(interfaces: &str, names: &str) -> Vec<String> {
    let mut result = Vec::new();
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        let file = "/etc/iproute2/rt_tables";
        lab.write(file, &(lab.text(file) + names));
        lab.interfaces(interfaces);
        let said = lab.sh("ifup -a");
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{interfaces}");
        let main = lines(&lab.ok("ip -4 route show; ip -6 route show | sed /^fe80:/d"));
        result = seen(lab, &["rt2", "rt3"]);
        result.extend(main.into_iter().map(|line| format!("main: {line}")));
    });
    result
}

/// Compares both ways to bring interfaces up.
fn compare(interfaces: &[Interface]) {
    let [theirs, ours] = [Interface::by_hand, Interface::by_policy_table]
        .map(|written| interfaces.iter().map(written).collect::<String>());
    let theirs = brought_up(&theirs, "200 rt2\n201 rt3\n");
    assert_eq!(brought_up(&ours, ""), theirs);
    // Where no lab can be made, neither has anything.
    let compared = theirs.iter().filter(|line| !line.starts_with("main:"));
    assert!(
        theirs.is_empty() || compared.count() == 4 * interfaces.len(),
        "{theirs:#?}"
    );
}

#[test]
fn the_howtos_interface_by_hand_and_by_policy_table() {
    compare(&[ETH1]);
}

#[test]
fn ipv6_by_hand_and_by_policy_table() {
    compare(&[ETH1_6]);
}

#[test]
fn two_interfaces_of_both_families_by_hand_and_by_policy_table() {
    compare(&[ETH1, ETH1_6, ETH2, ETH2_6]);
}

/// Whoever writes the new line and forgets to strike the old four loses nothing, is told, and
/// has at `ifdown` what the old four alone would have left.
#[test]
fn the_lines_by_hand_and_policy_table_together() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("echo 200 rt2 >>/etc/iproute2/rt_tables");
        lab.interfaces(&(ETH1.by_hand() + "policy-table rt2\n"));
        // After our hook and before ifdown takes the address, and the routes with it.
        let look = "#!/bin/sh\nip route list table rt2 >/run/look\n";
        lab.script("/etc/network/if-down.d/zzz-look", look);

        let said = lab.sh("ifup eth1");
        assert_eq!(said.code, 0, "{said:?}");
        let warnings = said.ours();
        assert_eq!(warnings.len(), 2, "{said:?}");
        for (warning, route) in warnings.iter().zip(["10.10.0.0/24 dev", "default via"]) {
            assert!(
                warning.contains(route) && warning.contains("is there already and not ours"),
                "{warning}"
            );
        }
        let foreign = [
            "default via 10.10.0.1 dev eth1",
            "10.10.0.0/24 dev eth1 scope link src 10.10.0.10",
        ];
        assert_eq!(lab.routes("-4", "rt2"), foreign);
        let rules = [
            "21000: from 10.10.0.10 lookup rt2 proto policy-table",
            "21000: from all to 10.10.0.10 lookup rt2 proto policy-table",
            "32764: from all to 10.10.0.10 lookup rt2",
            "32765: from 10.10.0.10 lookup rt2",
        ];
        assert_eq!(lab.rules("-4"), rules);
        assert_eq!(lab.tagged(), rules[..2], "the rules alone are ours");

        let said = lab.sh("ifdown eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert_eq!(lines(&lab.text("/run/look")), foreign, "after our hook");
        assert_eq!(lab.rules("-4"), rules[2..], "as without policy-table");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        assert!(lab.routes("-4", "rt2").is_empty(), "gone with the address");
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
        assert_eq!(lab.ok("grep -c rt2 /etc/iproute2/rt_tables"), "1\n");
    });
}
