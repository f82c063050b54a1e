//! Which files a `source` line leads to, each program says itself: what it brings up of them has its
//! rules, and what it does not has none.

use crate::same_on_all_three::devices_of_links;
use crate::support::lab::{lab, lines, Lab};
use crate::support::others::Ifupdown;

/// An interface with a table that bears its number.
fn file(name: &str, table: u32) -> String {
    format!(
        "auto {name}\niface {name} inet static\n    address 10.{table}.0.10/24\n    policy-table {table}\n"
    )
}

/// The tables of the interfaces that are up, by their addresses.
fn up(lab: &Lab) -> Vec<String> {
    let addresses = lab.ok("ip -4 -brief address");
    let addresses = lines(&addresses).into_iter();
    let tables = addresses.filter_map(|line| line.split(" 10.").nth(1).map(str::to_owned));
    let mut tables: Vec<String> = tables
        .filter_map(|rest| rest.split('.').next().map(str::to_owned))
        .collect();
    tables.sort();
    tables
}

/// The tables that rules look up.
fn served(lab: &Lab) -> Vec<String> {
    let rules = lab.rules("-4").into_iter();
    let tables = rules.filter_map(|rule| {
        let rest = rule.split(" lookup ").nth(1)?.to_owned();
        Some(rest.split(' ').next()?.to_owned())
    });
    let mut tables: Vec<String> = tables
        .filter(|table| table.parse::<u32>().is_ok())
        .collect();
    tables.sort();
    tables.dedup();
    tables
}

/// Brings up what a line leads to, and returns what came up.
fn sourced(lab: &Lab, line: &str) -> Vec<String> {
    let main = format!("auto lo\niface lo inet loopback\n{line}\n");
    lab.interfaces(&main);
    lab.sh("cd /etc && timeout -k 1 60 ifup -a");
    let found = up(lab);
    assert_eq!(found, served(lab), "{line}");
    let status = lab.sh("cd /etc && policy-table status");
    assert!(status.code == 0 || found.is_empty(), "{line}: {status:?}");
    lab.sh("cd /etc && timeout -k 1 60 ifdown -a");
    lab.sh("ip addr flush scope global; policy-table flush --all");
    found
}

/// With what each line leads to, with one release or the other.
fn each(program: Ifupdown, expected: &[(&str, &str)]) {
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        devices_of_links(lab);
        lab.ok("mkdir -p /etc/network/d");
        lab.write("/etc/network/d/plain", &file("eth1", 101));
        lab.write("/etc/network/d/with.dot", &file("eth2", 102));
        lab.write("/etc/network/beside", &file("eth3", 103));
        for (line, tables) in expected {
            let found = sourced(lab, line).join(" ");
            assert!(
                tables.split('|').any(|either| found == either),
                "{line}: {found}"
            );
        }
    });
}

#[test]
fn ifupdown2_takes_the_first_pattern() {
    each(
        Ifupdown::Two,
        &[
            ("source /etc/network/d/*", "101 102"),
            ("source network/d/p* /etc/network/beside", "101"),
            ("source beside", ""),
            ("source /etc/network/{beside,d/plain}", ""),
        ],
    );
}

#[test]
fn ifupdown_ng_takes_the_first_word() {
    // Debian's 0.12.1 expands it.
    each(
        Ifupdown::Ng,
        &[
            ("source /etc/network/d/plain /etc/network/beside", "101"),
            ("source network/beside", "103"),
            ("source /etc/network/d/*", "|101 102"),
            ("source network/d/w* /etc/network/beside", "|102"),
            ("source \"/etc/network/beside\"", "|103"),
            ("source /etc/network/{beside,d/plain}", ""),
            ("source-directory /etc/network/d", "101 102"),
            ("source-directory /etc/network/d*", ""),
            ("source beside", ""),
        ],
    );
}

/// A setting of ifupdown2's names the file that is read without `-i`.
#[test]
fn the_file_that_ifupdown2_is_set_to() {
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        devices_of_links(lab);
        lab.interfaces("");
        lab.write("/etc/network/mine", &file("eth1", 101));
        lab.ok("sed -i 's:^default_interfaces_configfile=.*:default_interfaces_configfile=/etc/network/mine:' \
             /etc/network/ifupdown2/ifupdown2.conf");
        lab.sh("timeout -k 1 60 ifup -a");
        assert_eq!(served(lab), ["101"]);
        assert_eq!(lab.sh("policy-table status").code, 0);
        let checked = lab.sh("policy-table check").out; // that main has no default route
        assert!(checked.contains("/etc/network/mine:"), "{checked}");
        lab.write(
            "/etc/network/mine",
            &file("eth1", 102).replace(".102.", ".101."),
        );
        lab.sh("timeout -k 1 60 ifreload -a");
        assert_eq!(served(lab), ["102"]);
    });
}
