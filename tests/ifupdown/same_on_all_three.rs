//! The same file gives the same rules and routes on ifupdown, ifupdown2 and ifupdown-ng.
//!
//! Debian's ifupdown is the judge: what a fresh `ifup -a` of a file leaves in the kernel there,
//! the other two must leave, too, at once and after any edits that led to the file; what `ip`
//! prints is compared, with the order of rules of one priority.

use std::fmt::Write;
use std::net::IpAddr;

use crate::support::lab::{lab, lines, Lab, Said};
use crate::support::needs::{have, DHCLIENT};
use crate::support::others::Ifupdown;
use crate::support::router::{only_client, Broom, Router};

/// What the devices of a host lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// To links that are up, with nobody there.
    Links,
    /// `eth1` to a router that gives out 10.10.0.100.
    Leases,
}

/// Makes the devices that files of these tests are about: `eth1`, `eth2`, `eth3` and the bridge
/// `vmbr0`. Nothing in them comes from chance, or has to settle.
pub fn devices_of_links(lab: &Lab) {
    lab.ok("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
    let mut made = String::new();
    for name in ["eth1", "eth2", "eth3"] {
        if lab.sh(&format!("ip link show {name}")).code == 0 {
            continue;
        }
        let _ = write!(
            made,
            "link add {name} type veth peer name {name}p\nlink set {name} addrgenmode none\n\
             link set {name}p addrgenmode none up\n"
        );
    }
    made += "link add vmbr0 type bridge\nlink set vmbr0 addrgenmode none\n";
    lab.write("/run/devices", &made);
    lab.ok("ip -batch /run/devices");
}

/// What stands between a file and one that it sources.
pub const SOURCED: &str = "\n---- interfaces.d/more ----\n";

/// Writes a file with what it sources.
fn write(lab: &Lab, text: &str) {
    let (main, sourced) = text.split_once(SOURCED).unwrap_or((text, ""));
    lab.interfaces(main);
    lab.write("/etc/network/interfaces.d/more", sourced);
}

/// The rules and our routes, as `ip` prints them. The order of tables is the kernel's own affair.
pub fn state(lab: &Lab) -> String {
    let mut state = String::new();
    for family in ["-4", "-6"] {
        let rules = lab.ok(&format!("ip {family} -d rule"));
        let routes = lab.sh(&format!("ip {family} -d route show table all proto 157"));
        let mut routes = lines(&routes.out);
        routes.sort_by_key(|route| {
            let table = route.split(" table ").nth(1);
            table.map(|table| table.split(' ').next().map(str::to_owned))
        });
        for line in lines(&rules).into_iter().chain(routes) {
            let _ = writeln!(state, "{family} {line}");
        }
    }
    state
}

/// What a fresh `ifup -a` of Debian's ifupdown makes of a file, and what it says.
pub fn of_debian(network: Network, file: &str) -> (String, Said) {
    let mut found = None;
    host(network, Ifupdown::Debian, |lab| {
        write(lab, file);
        let said = lab.sh("timeout -k 1 60 ifup -a");
        found = Some((state(lab), said));
    });
    found.unwrap()
}

/// A fresh host that one of the three is in charge of.
fn host(network: Network, program: Ifupdown, test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        let _broom = Broom;
        if network == Network::Links {
            devices_of_links(lab);
            return test(lab);
        }
        let router = Router::new(lab);
        devices_of_links(lab);
        only_client(lab, "dhclient");
        router.serve("--dhcp-range=10.10.0.100,10.10.0.100,255.255.255.0,1h");
        test(lab);
    });
}

/// Takes off the addresses that only lines of the old file have put on: nothing else does.
fn take_off(lab: &Lab, old: &str, new: &str) {
    let put_on = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter_map(|line| line.split("ip addr replace ").nth(1));
        lines.map(str::to_owned).collect()
    };
    let kept = put_on(new);
    for address in put_on(old).iter().filter(|address| !kept.contains(address)) {
        lab.sh(&format!("ip addr del {address}"));
    }
}

/// Takes over a changed file, as its administrator would.
fn reload(lab: &Lab, program: Ifupdown, old: &str, new: &str) -> String {
    let said = if program == Ifupdown::Two {
        take_off(lab, old, new);
        write(lab, new);
        lab.sh("timeout -k 1 60 ifreload -a")
    } else {
        write(lab, old);
        let mut said = lab.sh("timeout -k 1 60 ifdown -a");
        take_off(lab, old, new);
        write(lab, new);
        said.err += &lab.sh("timeout -k 1 60 ifup -a").err;
        said
    };
    said.out + &said.err
}

/// The states after `ifup -a` of a file and after a reload of another one, and what that says.
pub fn reloaded(program: Ifupdown, before: &str, after: &str) -> Option<(String, String, String)> {
    let mut found = None;
    host(Network::Links, program, |lab| {
        write(lab, before);
        lab.sh("timeout -k 1 60 ifup -a");
        let first = state(lab);
        let said = reload(lab, program, before, after);
        found = Some((first, state(lab), said));
    });
    found
}

/// What is compared after an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// All that `ip` prints, in its order; but rules of one priority that do the same, or that no
    /// packet matches both of, may stand in any order, and are not moved for nothing.
    Kept,
    /// All but the order between interfaces, where an alias is there that has rules of one priority, or
    /// routes to one destination in one table, with another interface than its own: with ifupdown2 it
    /// comes up with its interface, and on ifupdown behind all that stand before it. IPv6 routes have
    /// the order in their metric.
    ButForAliases,
}

impl Order {
    fn is_same(self, found: &str, expected: &str) -> bool {
        let (is_rule, is_route) = (|line: &&str| !is_route(line), |line: &&str| is_route(line));
        if self == Self::ButForAliases {
            let seen = |state: &str| {
                let all = state.lines();
                let without = all.map(|line| line.split(" metric ").next().unwrap().to_owned());
                sorted(without)
            };
            return seen(found) == seen(expected);
        }
        let rules: Vec<&str> = found.lines().filter(is_rule).collect();
        let wanted: Vec<&str> = expected.lines().filter(is_rule).collect();
        sorted(rules.iter()) == sorted(wanted.iter())
            && (wanted.windows(2)).all(|two| two[0] == two[1] || stand_so(&rules, &wanted, two[0]))
            && found
                .lines()
                .filter(is_route)
                .eq(expected.lines().filter(is_route))
    }
}

fn is_route(line: &str) -> bool {
    !line.contains(": from ")
}

fn sorted<T: Ord>(lines: impl Iterator<Item = T>) -> Vec<T> {
    let mut lines: Vec<T> = lines.collect();
    lines.sort_unstable();
    lines
}

/// Whether all that stands behind a rule in `wanted` does so in `rules`, too; but those of its priority
/// of which it makes no difference to a packet may stand on either side.
fn stand_so(rules: &[&str], wanted: &[&str], rule: &str) -> bool {
    let priority = |rule: &str| rule.split(": ").next().unwrap().to_owned();
    let deed = |rule: &str| rule.split(" lookup ").nth(1).map(str::to_owned);
    let place = |rule: &str| rules.iter().position(|own| *own == rule);
    let behind = wanted.iter().skip_while(|own| **own != rule).skip(1);
    let alike = |own: &&str| {
        priority(own) == priority(rule)
            && (deed(own).is_some() && deed(own) == deed(rule) || are_apart(own, rule))
    };
    let mut behind = behind.filter(|own| !alike(own));
    behind.all(|own| place(rule) <= place(own))
}

/// Whether no packet can match both of two rules: they are for networks that are apart.
fn are_apart(one: &str, other: &str) -> bool {
    let network = |rule: &str, key: &str| {
        let word = rule
            .split_whitespace()
            .skip_while(|word| *word != key)
            .nth(1)?;
        let whole = if word.contains(':') { "128" } else { "32" };
        let (address, length) = word.split_once('/').unwrap_or((word, whole));
        let bits = match address.parse().ok()? {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        Some((bits, length.parse::<u32>().ok()?))
    };
    ["from", "to"].into_iter().any(|key| {
        let both = network(one, key).zip(network(other, key));
        both.is_some_and(|((one, length), (other, length_of_other))| {
            (one ^ other).leading_zeros() < length.min(length_of_other)
        })
    })
}

/// What is different on one of the other two in the course of some edits; each state is held
/// against Debian's of the same file, given beside it.
pub fn differences(
    network: Network,
    program: Ifupdown,
    order: Order,
    states: &[(String, String)],
) -> Option<String> {
    let mut found = None;
    host(network, program, |lab| {
        found = differences_in(lab, program, order, states);
    });
    found
}

fn differences_in(
    lab: &Lab,
    program: Ifupdown,
    order: Order,
    states: &[(String, String)],
) -> Option<String> {
    let mut old: Option<&str> = None;
    for (n, (file, expected)) in states.iter().enumerate() {
        for again in [false, true] {
            // Once in each course is enough.
            if again && n + 1 < states.len() {
                continue;
            }
            let said = match old {
                None => {
                    write(lab, file);
                    let said = lab.sh("timeout -k 1 60 ifup -a");
                    said.out + &said.err
                }
                // Only a reload is something to be done twice.
                Some(_) if again && program == Ifupdown::Ng => continue,
                Some(old) => reload(lab, program, old, file),
            };
            old = Some(file);
            let found = state(lab);
            let has_alias = file.contains("iface eth1:1 ");
            let order = if has_alias && program == Ifupdown::Two {
                order
            } else {
                Order::Kept
            };
            // Seen on a busy machine: ifupdown2 deletes an address that has gone with the first one of
            // its network already, and ends before it adds those that are missing.
            if said.contains(": cannot delete address ") {
                println!("{}: {said}", program.package());
                return None;
            }
            // What another interface has put in, too, is ours.
            let is_mistaken = said.contains("proto 157") && said.contains("and not ours");
            if is_mistaken || !order.is_same(&found, expected) {
                return Some(format!(
                    "{} at file {} of {}{}:\n{}\n--- Debian's ifupdown\n+++ {0}\n{}\n{said}",
                    program.package(),
                    n + 1,
                    states.len(),
                    if again { ", reloaded" } else { "" },
                    states[..=n]
                        .iter()
                        .map(|(file, _)| file.as_str())
                        .collect::<Vec<_>>()
                        .join("\n    ---- edited ----\n"),
                    by_line(expected, &found),
                ));
            }
        }
    }
    // What the hooks have left is in step for the commands and the keeper, too: nothing moves.
    let before = state(lab);
    let said = lab.sh("policy-table apply --all; policy-table keep --once");
    let after = state(lab);
    if before != after {
        return Some(format!(
            "{}, after apply --all:\n{}\n{}{}\n{}",
            program.package(),
            by_line(&before, &after),
            said.out,
            said.err,
            states.last().map_or("", |(file, _)| file)
        ));
    }
    let said = lab.sh("timeout -k 1 60 ifdown -a");
    let left = lab.tagged();
    let records = lab.sh("ls -A /run/policy-table").out;
    (!left.is_empty() || !records.is_empty()).then(|| {
        format!(
            "{}, after ifdown -a, is left:\n{}\n{records}{}{}\n{}",
            program.package(),
            left.join("\n"),
            said.out,
            said.err,
            states.last().map_or("", |(file, _)| file)
        )
    })
}

/// The lines of two texts, with `-` before those that only the first has and `+` for the second.
fn by_line(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), found.lines().collect());
    let mut said = String::new();
    for line in &expected {
        let mark = if found.contains(line) { ' ' } else { '-' };
        let _ = writeln!(said, "{mark} {line}");
    }
    for line in found.iter().filter(|line| !expected.contains(line)) {
        let _ = writeln!(said, "+ {line}");
    }
    if !said.contains("\n- ") && !said.contains("\n+ ") {
        let _ = writeln!(said, "in another order:\n{}", found.join("\n"));
    }
    said
}

/// Holds both against Debian's ifupdown.
fn same(network: Network, files: &[&str]) {
    same_on(&[Ifupdown::Two, Ifupdown::Ng], network, files);
}

fn same_on(programs: &[Ifupdown], network: Network, files: &[&str]) {
    if network == Network::Leases && !have(&[DHCLIENT]) {
        return;
    }
    let states: Vec<(String, String)> = files
        .iter()
        .map(|file| ((*file).to_owned(), of_debian(network, file).0))
        .collect();
    assert!(
        states
            .iter()
            .any(|(_, state)| state.contains("policy-table")),
        "nothing is in force on Debian's: {states:?}"
    );
    let found: Vec<String> = programs
        .iter()
        .filter_map(|program| differences(network, *program, Order::Kept, &states))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

/// A file with the loopback interface and some stanzas, each of an interface that comes up by
/// itself.
fn file(stanzas: &[&str]) -> String {
    let mut text = "auto lo\niface lo inet loopback\n".to_owned();
    let mut up: Vec<&str> = Vec::new();
    for stanza in stanzas {
        let name = stanza.split(' ').nth(1).unwrap();
        if !up.contains(&name) {
            up.push(name);
            let _ = write!(text, "\nauto {name}");
        }
        let _ = writeln!(text, "\n{stanza}");
    }
    text
}

/// A stanza with lines below it.
macro_rules! stanza {
    ($first:literal $(, $line:literal)* $(,)?) => { concat!($first, $("\n    ", $line,)*) };
}

const ETH1: &str = stanza!(
    "iface eth1 inet static",
    "address 10.10.0.10/24",
    "policy-table rt2",
    "policy-gateway 10.10.0.1",
);
const ETH1_SIX: &str = stanza!(
    "iface eth1 inet6 static",
    "address 2001:db8:1::10/64",
    "policy-table rt2",
    "policy-gateway 2001:db8:1::1",
);
const ETH2: &str = stanza!(
    "iface eth2 inet static",
    "address 10.20.0.10/24",
    "policy-table rt2",
    "policy-rule to 192.0.2.0/24",
);

fn links(files: &[&[&str]]) {
    let files: Vec<String> = files.iter().map(|stanzas| file(stanzas)).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    same(Network::Links, &files);
}

fn leases(files: &[&[&str]]) {
    let files: Vec<String> = files.iter().map(|stanzas| file(stanzas)).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    same(Network::Leases, &files);
}

#[test]
fn one_stanza() {
    links(&[&[ETH1]]);
    links(&[&[ETH1_SIX]]);
}

#[test]
fn an_address_changed_and_options_taken_out() {
    let moved = ETH2.replace("10.20.", "10.21.");
    let without = moved.replace("    policy-rule to 192.0.2.0/24", "    mtu 1400");
    let bare = "iface eth2 inet static\n    address 10.21.0.10/24";
    links(&[&[ETH2], &[&moved], &[&without], &[bare], &[ETH2]]);
}

#[test]
fn a_table_changed() {
    let other = ETH2.replace("rt2", "rt3");
    links(&[&[ETH1, ETH2], &[ETH1, &other], &[ETH1, ETH2]]);
}

#[test]
fn a_table_changed_where_the_address_is_a_lease() {
    let two = stanza!("iface eth1 inet dhcp", "policy-table rt2");
    let three = two.replace("rt2", "rt3");
    let bare = "iface eth1 inet dhcp";
    leases(&[&[two], &[&three], &[bare], &[&three, ETH2]]);
}

/// Stanzas of the interface that has a lease, which know their addresses. ifupdown2 puts none of these
/// on, neither an alias's nor one of the other family, of which it asks for a lease, too.
#[test]
fn a_lease_beside_other_stanzas() {
    let lease = stanza!("iface eth1 inet dhcp", "policy-table rt2");
    let other = lease.replace("rt2", "rt3") + "\n    policy-rule to 192.0.2.0/24";
    let alias = stanza!(
        "iface eth1:1 inet static",
        "address 10.12.0.10/24",
        "policy-table rt4",
        "policy-gateway 10.12.0.1",
    );
    let files = [
        file(&[lease, ETH1_SIX, alias]),
        file(&[&other, ETH1_SIX, alias, ETH2]),
    ];
    let programs = [Ifupdown::Debian, Ifupdown::Ng];
    same_on(&programs, Network::Leases, &[&files[0], &files[1]]);
}

#[test]
fn a_method_changed() {
    let lease = stanza!("iface eth1 inet dhcp", "policy-table rt2");
    let fixed = stanza!(
        "iface eth1 inet static",
        "address 10.10.0.9/24",
        "policy-table rt2"
    );
    leases(&[&[lease], &[fixed], &[lease]]);
}

#[test]
fn stanzas_removed_and_put_back() {
    links(&[
        &[ETH1, ETH2],
        &[ETH2],
        &[ETH2, ETH1],
        &[ETH1],
        &[ETH1, ETH2],
    ]);
    links(&[&[ETH1, ETH1_SIX], &[ETH1], &[ETH1_SIX], &[ETH1_SIX, ETH1]]);
}

#[test]
fn both_families() {
    links(&[&[ETH1, ETH1_SIX]]);
    links(&[&[ETH1_SIX, ETH1]]);
    let bare = "iface eth1 inet static\n    address 10.10.0.10/24";
    links(&[
        &[bare, ETH1_SIX],
        &[
            ETH1,
            "iface eth1 inet6 static\n    address 2001:db8:1::10/64",
        ],
    ]);
}

#[test]
fn each_stanza_with_its_own_options() {
    let four = stanza!(
        "iface eth1 inet static",
        "address 10.10.0.10/24",
        "gateway 10.10.0.1",
        "policy-table rt2",
    );
    let six = stanza!(
        "iface eth1 inet6 static",
        "address 2001:db8:1::10/64",
        "gateway 2001:db8:1::1",
        "policy-table rt6",
        "policy-mode main",
    );
    links(&[&[four, six]]);
    let none = stanza!(
        "iface eth1 inet6 static",
        "address 2001:db8:1::10/64",
        "policy-table rt6",
        "policy-gateway none",
        "policy-mode main",
    );
    links(&[&[four, none], &[four, six], &[none, four]]);
}

#[test]
fn two_addresses_of_one_family() {
    let second = stanza!(
        "iface eth1 inet static",
        "address 10.11.0.10/24",
        "policy-table rt3",
        "policy-gateway 10.11.0.1",
    );
    links(&[&[ETH1, second], &[second, ETH1], &[second]]);
}

#[test]
fn an_alias() {
    let alias = stanza!(
        "iface eth1:1 inet static",
        "address 10.12.0.10/24",
        "policy-table rt4",
        "policy-gateway 10.12.0.1",
    );
    let bare = "iface eth1 inet static\n    address 10.10.0.10/24";
    links(&[&[bare, alias]]);
    links(&[&[ETH1, alias], &[ETH1], &[ETH1, alias]]);
    // With ifupdown2 it comes up with its interface.
    let behind = file(&[ETH1, ETH2, alias]);
    same_on(&[Ifupdown::Ng], Network::Links, &[&behind]);
}

#[test]
fn repeated_lines() {
    let repeated = stanza!(
        "iface eth1 inet static",
        "address 10.10.0.10/24",
        "policy-table rt2",
        "policy-gateway 10.10.0.1",
        "policy-rule to 192.0.2.0/24",
        "policy-rule to 198.51.100.0/24",
        "policy-rule to 203.0.113.0/24",
        "policy-route 192.0.2.0/24 via 10.10.0.3",
        "policy-route 198.51.100.0/24 via 10.10.0.4",
    );
    let fewer = repeated.replace("    policy-rule to 198.51.100.0/24\n", "");
    let turned = repeated
        .replace("to 192.0.2", "to 9.9.9")
        .replace("to 203.0.113", "to 192.0.2");
    links(&[&[repeated], &[&fewer], &[&turned], &[repeated]]);
}

#[test]
fn rules_of_the_loopback_interface() {
    let with = |rules: &str| ONLY_LO.replace("loopback\n", &format!("loopback\n{rules}"));
    let one =
        with("    policy-rule fwmark 1 lookup 100\n    policy-route local 0.0.0.0/0 table 100\n");
    let two = with("    policy-rule fwmark 1 lookup 100; fwmark 2 lookup 101\n");
    same(Network::Links, &[&one, &two, ONLY_LO, &two]);
}

const ONLY_LO: &str = "auto lo\niface lo inet loopback\n";

#[test]
fn an_address_put_on_by_a_line() {
    let manual = stanza!(
        "iface eth1 inet manual",
        "post-up ip addr replace 10.10.0.10/24 dev eth1",
        "post-up ip link set eth1 up",
        "policy-table rt1",
    );
    let by_up = manual.replace("post-up", "up");
    links(&[&[manual], &[&by_up], &[manual]]);
}

#[test]
fn an_address_of_two_ends() {
    let static_ = stanza!(
        "iface eth1 inet static",
        "address 10.9.0.2/32",
        "pointopoint 10.9.0.1",
        "policy-table rt9",
    );
    links(&[&[static_]]);
}

#[test]
fn bridges() {
    let bridge = stanza!(
        "iface vmbr0 inet static",
        "address 10.30.0.1/24",
        "bridge-ports none",
        "bridge-stp off",
        "bridge-fd 0",
        "policy-table rt5",
        "policy-gateway none",
        "policy-source subnet",
        "policy-rule from 10.31.0.0/24",
    );
    let moved = bridge.replace("10.30", "10.40");
    links(&[&[ETH1, bridge], &[ETH1, &moved], &[&moved], &[&moved, ETH1]]);
}

#[test]
fn a_table_of_two_interfaces() {
    let bare = "iface eth2 inet static\n    address 10.20.0.10/24";
    links(&[&[bare, ETH1], &[ETH2, ETH1], &[ETH1, ETH2], &[ETH2]]);
}

#[test]
fn a_table_of_two_interfaces_for_ipv6() {
    // The same route of all three, whose device is none of theirs, serves all.
    let first = ETH1_SIX.to_owned() + "\n    policy-route unreachable 2001:db8:f9::/48";
    let two = first
        .replace("eth1", "eth2")
        .replace("2001:db8:1:", "2001:db8:2:");
    let three = two.replace("eth2", "eth3").replace("db8:2:", "db8:3:");
    let bare = "iface eth2 inet6 static\n    address 2001:db8:2::10/64";
    let own = first.replace("rt2", "rt3");
    links(&[
        &[bare, &first, &three],
        &[&two, &first, &three],
        &[&two, &own, &three],
        &[&three, &first, &two],
    ]);
}

/// Each has a table, and the priority of its rules is the one that all have. First the `auto` lines, one
/// in a sourced file, are in another order than the stanzas, by which ifupdown2 goes. What the second has of 900 the kernel
/// takes out only after what the first has, which is narrower and leads to the same table.
#[test]
fn a_priority_of_three_interfaces() {
    let with = |stanza: &str, rule: &str| format!("{stanza}\n    policy-rule {rule} priority 900");
    let two = ETH2.replace("rt2", "rt3");
    let three = two.replace("eth2", "eth3").replace("10.20.", "10.30.");
    let one = with(ETH1, "from 10.9.0.0/16 to 198.51.100.0/24 lookup rt5");
    let two = with(&two, "to 198.51.100.0/24 lookup rt5");
    let three = with(&three, "fwmark 7");
    let moved = one.replace("10.10.", "10.15.");
    let sourced = format!("{SOURCED}auto eth3\n{three}\n");
    let backwards = "source /etc/network/interfaces.d/more\nauto eth2\nauto eth1\n".to_owned()
        + &file(&[&one, &two])
        + &sourced;
    let files = [
        backwards,
        file(&[&moved, &two, &three]),
        file(&[&moved, &three, &two]),
        file(&[&two, &three]),
        file(&[&one, &two, &three]),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    same(Network::Links, &files);
}

/// After it no record, nor what records share, is left either.
#[test]
fn a_table_that_stanzas_share_and_one_leaves_for_another() {
    let first = stanza!(
        "iface eth1 inet6 static",
        "address 2001:db8:10::20/64",
        "gateway 2001:db8:10::1",
        "policy_table rt2",
        "policy-rule from 2001:db8:f2::/48",
        "policy-rule -4 to 192.0.2.64/26 lookup 1008",
    );
    let second = stanza!(
        "iface eth1 inet6 static",
        "address 2001:db8:11::10/64",
        "policy_table rt2",
        "policy-gateway 2001:db8:11::1",
    );
    let moved = second.replace("11::10", "11::20").replace("rt2", "rt3");
    let other = stanza!(
        "iface eth2 inet manual",
        "up ip link set eth2 up",
        "up ip addr replace 10.21.0.10/24 dev eth2",
        "policy-table rt2",
        "policy-gateway 10.250.0.1",
        "policy-mode main",
        "policy-rule -6 to 2001:db8:f5::/48 lookup 1008",
    );
    let (before, after) = (file(&[first, second]), file(&[first, &moved, other]));
    let files: [&str; 3] = [&before, &after, &after];
    same(Network::Links, &files);
}

#[test]
fn options_given_to_another_stanza() {
    let bare = "iface eth2 inet static\n    address 10.20.0.10/24";
    let first = "iface eth1 inet static\n    address 10.10.0.10/24";
    links(&[&[first, ETH2], &[ETH1, bare], &[ETH1, ETH2]]);
}

/// On Debian's an alias comes up behind all stanzas of its device, wherever it stands among them.
#[test]
fn an_alias_between_two_stanzas_of_its_device() {
    let bare = "iface eth1 inet static\n    address 10.12.0.20/24";
    let alias = stanza!(
        "iface eth1:1 inet static",
        "address 10.17.0.10/24",
        "policy-table rt2",
    );
    let second = stanza!(
        "iface eth1 inet static",
        "address 10.12.0.10/24",
        "policy-table rt2",
    );
    links(&[&[bare, alias, second]]);
    links(&[&[bare, alias], &[bare, alias, second]]);
}

/// What nobody names any more is not known from when somebody did.
#[test]
fn a_router_that_is_named_no_more() {
    let manual = stanza!(
        "iface eth2 inet manual",
        "up ip link set eth2 up",
        "up ip addr replace 10.20.0.10/24 dev eth2",
        "policy-table 1007",
    );
    let named = manual.to_owned() + "\n    policy-gateway 10.250.0.1";
    links(&[&[&named], &[manual]]);
    let by_line = manual.to_owned() + "\n    policy-route default via 10.20.0.7";
    links(&[&[&by_line], &[manual]]);
    let fixed = stanza!(
        "iface eth2 inet static",
        "address 10.20.0.10/24",
        "gateway 10.20.0.9",
        "policy-table 1007",
    );
    links(&[&[fixed], &[manual]]);
}

/// An administrator who edits first, and takes everything down and up then.
#[test]
fn a_file_changed_before_ifdown() {
    let other = ETH1.replace("rt2", "rt3").replace("10.10.", "10.15.");
    let lines = ETH1.to_owned() + "\n    policy-rule to 192.0.2.0/24\n    policy-mode main";
    let files = [
        file(&[ETH1, ETH1_SIX, ETH2]),
        file(&[&other, ETH1_SIX, ETH2]),
        file(&[&lines, ETH1_SIX, ETH2]),
        file(&[ETH1, ETH1_SIX, ETH2]),
    ];
    for program in [Ifupdown::Ng, Ifupdown::Two] {
        host(Network::Links, program, |lab| {
            for text in &files {
                write(lab, text);
                lab.sh("timeout -k 1 60 ifdown -a");
                lab.sh("timeout -k 1 60 ifup -a");
                let (found, expected) = (state(lab), of_debian(Network::Links, text).0);
                let program = program.package();
                assert_eq!(found, expected, "{program}: {}", by_line(&expected, &found));
            }
        });
    }
}
