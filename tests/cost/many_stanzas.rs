//! Commands that read the whole file: twice as many stanzas are twice the work. Counted in a release
//! build, since it takes some hundred stanzas until more than that shows.

use std::fmt::Write;

use crate::is_release;
use crate::support::callgrind::{all_instructions, COUNTED, PROFILE};
use crate::support::lab::{lab, Lab};

/// Most that twice as many may cost, in tenths: lists that are sorted cost some more than twice, and
/// a part that grows with the square shows as soon as it is a fifth of it all.
const TWICE: u64 = 22;

/// Lines that name neither a device nor a priority, with those that take them out again, and one
/// that stays.
fn by_hand(many: usize) -> String {
    (0..many).fold(String::new(), |mut text, n| {
        let net = format!("10.{}.{}", n / 250 + 1, n % 250);
        write!(
            text,
            "auto x{n}\niface x{n} inet static\n    address {net}.10/24\n    \
             up ip route add {net}.0/24 dev x{n} src {net}.10 table {table}\n    \
             up ip route add default via {net}.1 table {table}\n    \
             up ip rule add from {net}.10 lookup {table}\n    \
             down ip rule del from {net}.10 lookup {table}\n    \
             down ip route flush table {table}\n    down ip route del 192.0.2.{}\n",
            n % 256,
            table = 1000 + n
        )
        .unwrap();
        text
    })
}

/// Rules of which each looks first whether it is there.
fn behind_guards(many: usize) -> String {
    (0..many).fold(String::new(), |mut text, n| {
        let net = format!("10.{}.{}", n / 250 + 1, n % 250);
        write!(
            text,
            "auto x{n}\niface x{n} inet static\n    address {net}.10/24\n    \
             up ip route add default via {net}.1 table {table}\n    \
             up ip rule | grep -q 'from {net}.10' || ip rule add from {net}.10 lookup {table}\n",
            table = 1000 + n
        )
        .unwrap();
        text
    })
}

/// One stanza for each of many routes that fail at `ifup`, the second of its lines.
fn that_stays(many: usize) -> String {
    (0..many).fold(String::new(), |mut text, n| {
        write!(
            text,
            "auto x{n}\niface x{n} inet manual\n    \
             up ip route add 192.0.2.0/24 dev x{n} table {table}\n    \
             up ip route add 192.0.2.0/24 dev x{n} table {table}\n",
            table = 1000 + n
        )
        .unwrap();
        text
    })
}

/// Stanzas of which each inherits all that stands above it, and so has that many options: what is
/// looked up in one is looked for in all of them. That is no work yet beside reading the file.
fn line_of_parents(many: usize) -> String {
    let first = "iface x0 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n";
    (1..many).fold(first.to_owned(), |mut text, n| {
        write!(
            text,
            "iface x{n} inherits x{}\n    policy-rule-{n} fwmark {n}\n",
            n - 1
        )
        .unwrap();
        text
    })
}

/// The same with a line of each, which stays.
fn line_of_parents_by_hand(many: usize) -> String {
    let first = "iface x0 inet static\n    address 10.10.0.10/24\n".to_owned();
    (1..many).fold(first, |mut text, n| {
        write!(
            text,
            "iface x{n} inherits x{}\n    up ip rule add fwmark {n} lookup 100\n",
            n - 1
        )
        .unwrap();
        text
    })
}

/// Interfaces of which each has what the first says.
fn heirs(many: usize) -> String {
    let first = "iface x0 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n    \
                 down ip rule flush\n";
    (1..many).fold(first.to_owned(), |mut text, n| {
        write!(text, "auto x{n}\niface x{n} inherits x{}\n", n - 1).unwrap();
        text
    })
}

/// A file of some stanzas.
type File = fn(usize) -> String;

fn instructions(lab: &Lab, command: &str, text: &str) -> u64 {
    lab.write("/run/file", text);
    let said = lab.sh(&format!(
        "{COUNTED} policy-table {command} /run/file >/run/said 2>&1"
    ));
    assert!(said.code <= 2, "{command}: {said:?}");
    all_instructions(&lab.text(PROFILE))
}

#[test]
fn a_file_of_twice_as_many_stanzas_is_twice_the_work() {
    if !is_release() {
        return;
    }
    lab(|lab| {
        let cases: [(&str, File, usize, &str); 8] = [
            ("migrate", by_hand, 150, "policy-table"),
            ("migrate", behind_guards, 200, "policy-rule from"),
            ("migrate", that_stays, 250, "up ip route add"),
            (
                "check",
                line_of_parents,
                100,
                "rules without a priority in one",
            ),
            ("check", heirs, 250, "is also an address of"),
            ("migrate", line_of_parents, 200, "policy-rule-199 fwmark"),
            (
                "migrate --as ifupdown-ng",
                line_of_parents,
                200,
                "policy-rule-199 fwmark",
            ),
            ("migrate", line_of_parents_by_hand, 150, "inherits"),
        ];
        for (command, file, many, expected) in cases {
            let [one, two] = [many, 2 * many].map(|many| instructions(lab, command, &file(many)));
            let said = lab.text("/run/said");
            println!("{command} of {many}: {one} instructions, {two} for twice as many");
            assert!(
                said.contains(expected),
                "{command}: {}",
                &said[..said.len().min(2000)]
            );
            assert!(two * 10 <= one * TWICE, "{command} of {many}: {one}, {two}");
        }
    });
}
