//! What administrators and environments can get wrong: each is told in a line of its own, and
//! neither the network nor the kernel's routing nor a file of names suffers for it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::lab::{lab, Lab, Said, NAMES};

const HOWTO: &str = "policy-table rt2";
const COMMENT: &str = "interfaces(5) has no comments behind a value, all of it arrived here; \
                       put the comment on a line of its own";
const NO_NAME: &str =
    "a table name has 1 to 255 bytes, without white space, \"#\" or control characters";
const NO_ID: &str = "expected a table ID of 1 to 4294967295, in decimal or 0x notation";
const NO_PRIORITY: &str = "expected a number of 301 to 32765";
const NO_GATEWAY: &str = "expected an IPv4 address, auto, first or none";
const NO_INTERFACE: &str = "expected an interface name: 1 to 127 characters, without \"/\", \
                            white space or control characters";
const NO_LENGTH: &str = "expected a prefix length of 0 to 32, or a netmask without holes";

/// An `inet static` stanza of `interface` with an address and options.
fn stanza(interface: &str, address: &str, options: &str) -> String {
    format!("iface {interface} inet static\naddress {address}\n{options}\n")
}

fn not_in_force(interface: &str) -> String {
    format!(
        "{interface}: policy routing is not in force, the interface itself is up; correct the \
         cause, then run: ifup --force --ignore-errors {interface}"
    )
}

/// Nothing of ours anywhere but for what `names` had before.
fn assert_untouched(lab: &Lab, names: &str, of: &str) {
    assert_eq!(lab.tagged(), [""; 0], "{of}");
    assert_eq!(
        lab.sh("ls -A /run/policy-table 2>/dev/null").out,
        "",
        "{of}"
    );
    assert_eq!(lab.text(NAMES), names, "{of}");
}

/// Brings eth1 up with a stanza that has errors, and checks all that must hold then.
fn refused(lab: &Lab, address: &str, options: &str, expected: &[&str]) {
    let names = lab.text(NAMES);
    lab.interfaces(&stanza("eth1", address, options));
    let said = lab.sh("ifup eth1");
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{options}");
    let mut lines: Vec<String> = expected
        .iter()
        .map(|line| format!("eth1: {line}"))
        .collect();
    lines.push(not_in_force("eth1"));
    assert_eq!(said.ours(), lines, "{options}");
    assert_eq!(said.err.lines().count(), lines.len(), "{said:?}");
    assert_eq!(lab.ok("ifquery --state eth1"), "eth1=eth1\n", "{options}");
    let own = address.split('/').next().unwrap();
    assert!(
        lab.ok("ip addr show dev eth1 up").contains(own),
        "{options}"
    );
    assert_untouched(lab, &names, options);
    let said = lab.sh("ifdown eth1");
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{options}");
}

/// As [`refused`], for options with one error each, at 10.10.0.10/24.
fn refuses_each<'a>(cases: impl IntoIterator<Item = (&'a str, String)> + Send) {
    lab(|lab| {
        lab.device("eth1");
        for (options, expected) in cases {
            refused(lab, "10.10.0.10/24", options, &[&expected]);
        }
    });
}

/// Runs the hook itself in an environment of lines `NAME=value`; a later one for the same name
/// counts, and a bare `NAME` takes it out again.
fn hook(folder: &str, lines: &[&[u8]]) -> Said {
    let link = match folder {
        "if-up.d" => "/etc/network/if-up.d/00-policy-table",
        _ => "/etc/network/if-down.d/zz-policy-table",
    };
    let mut hook = Command::new(link);
    hook.env_clear().stdin(Stdio::null());
    for line in lines {
        match line.iter().position(|byte| *byte == b'=') {
            Some(at) => hook.env(
                OsStr::from_bytes(&line[..at]),
                OsStr::from_bytes(&line[at + 1..]),
            ),
            None => hook.env_remove(OsStr::from_bytes(line)),
        };
    }
    Said::new(&hook.output().unwrap())
}

const UP: [&[u8]; 8] = [
    b"IFACE=eth1",
    b"ADDRFAM=inet",
    b"METHOD=static",
    b"MODE=start",
    b"PHASE=post-up",
    b"IF_ADDRESS=10.10.0.10",
    b"IF_NETMASK=255.255.255.0",
    b"IF_POLICY_TABLE=rt2",
];

/// A lab in which eth1 is up with the address of [`UP`], so that what is wrongly accepted shows.
fn hooks(test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
        test(lab);
    });
}

/// Runs the hook in the environment of [`UP`] and `changes`, which has errors.
fn hook_refuses(lab: &Lab, changes: &[&[u8]], interface: &str, expected: &[&str]) {
    let names = lab.text(NAMES);
    let said = hook("if-up.d", &[&UP, changes].concat());
    let of = String::from_utf8_lossy(&changes.concat()).into_owned();
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{of}");
    let mut lines: Vec<String> = expected
        .iter()
        .map(|line| format!("{interface}: {line}"))
        .collect();
    lines.push(not_in_force(interface));
    assert_eq!(said.ours(), lines, "{of}");
    assert_untouched(lab, &names, &of);
}

#[test]
fn table_names_and_ids_that_cannot_be() {
    let reserved = ["local", "main", "default", "unspec", "all", "cache"].map(|name| {
        let expected = format!(
            "policy-table \"{name}\": \"{name}\" is a name of the kernel's or ip's own; \
             choose another"
        );
        (name, expected)
    });
    let own = [
        ("0", 0),
        ("253", 253),
        ("254", 254),
        ("255", 255),
        ("0xfe", 254),
        ("0x0", 0),
    ]
    .map(|(text, id)| {
        let expected = format!(
            "policy-table \"{text}\": table ID {id} is the kernel's own; \
                 expected 1 to 4294967295, but not 253 to 255"
        );
        (text, expected)
    });
    let numbers = [
        "0100",
        "08",
        "-5",
        "+5",
        "0x",
        "-",
        "4294967296",
        "0x100000000",
        "99999999999999999999",
    ]
    .map(|text| (text, format!("policy-table \"{text}\": {NO_ID}")));
    let names = [
        ("a b", "a b"),
        ("a\tb", "a\\tb"),
        ("a\u{1}b", "a\\u{1}b"),
        ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
        ("a\u{85}b", "a\\u{85}b"),
        ("a\u{7f}b", "a\\u{7f}b"),
    ]
    .map(|(text, shown)| (text, format!("policy-table \"{shown}\": {NO_NAME}")));
    let comments = ["rt2 # x", "rt2 #", "#", "a#b", "200 # x"]
        .map(|text| (text, format!("policy-table \"{text}\": {COMMENT}")));
    let cases: Vec<(String, String)> = reserved
        .into_iter()
        .chain(own)
        .chain(numbers)
        .chain(names)
        .chain(comments)
        .map(|(value, expected)| (format!("policy-table {value}"), expected))
        .collect();
    refuses_each(
        cases
            .iter()
            .map(|(line, expected)| (line.as_str(), expected.clone())),
    );
}

#[test]
fn the_id_option_takes_an_id_that_is_free() {
    let own = "is the kernel's own; expected 1 to 4294967295, but not 253 to 255";
    let twice = "policy-table is a number here, which is the ID; remove one of the two";
    lab(|lab| {
        lab.device("eth1");
        for (options, expected) in [
            (
                "policy-table rt2\npolicy-table-id rt2",
                format!("policy-table-id \"rt2\": {NO_ID}"),
            ),
            (
                "policy-table rt2\npolicy-table-id -1",
                format!("policy-table-id \"-1\": {NO_ID}"),
            ),
            (
                "policy-table rt2\npolicy-table-id 4294967296",
                format!("policy-table-id \"4294967296\": {NO_ID}"),
            ),
            (
                "policy-table rt2\npolicy-table-id 0100",
                format!("policy-table-id \"0100\": {NO_ID}"),
            ),
            (
                "policy-table rt2\npolicy-table-id 0xFE",
                format!("policy-table-id \"0xFE\": table ID 254 {own}"),
            ),
            (
                "policy-table auto\npolicy-table-id 0",
                format!("policy-table-id \"0\": table ID 0 {own}"),
            ),
            (
                "policy-table rt2\npolicy-table-id 200 # x",
                format!("policy-table-id \"200 # x\": {COMMENT}"),
            ),
            (
                "policy-table 200\npolicy-table-id 200",
                format!("policy-table-id \"200\": {twice}"),
            ),
            (
                "policy-table 200\npolicy-table-id 201",
                format!("policy-table-id \"201\": {twice}"),
            ),
        ] {
            refused(lab, "10.10.0.10/24", options, &[&expected]);
        }
    });
}

#[test]
fn the_id_beside_a_numeric_table_is_shown_as_written() {
    let expected = "policy-table-id \"0xc8\": policy-table is a number here, which is the ID; \
                    remove one of the two";
    refuses_each([(
        "policy-table 200\npolicy-table-id 0xc8",
        expected.to_owned(),
    )]);
}

/// The option at fault is policy-table-id, so the message must name it and its value.
#[test]
fn an_id_that_the_files_contradict_is_told_with_its_option() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok(&format!("printf '777\\tbefore\\n' >> {NAMES}"));
        for (options, expected) in [
            (
                "policy-table rt2\npolicy-table-id 777",
                "policy-table-id \"777\": ID 777 belongs to table before; \
                 expected an ID that no other table has",
            ),
            (
                "policy-table rt2\npolicy-table-id 0x309",
                "policy-table-id \"0x309\": ID 777 belongs to table before; \
                 expected an ID that no other table has",
            ),
            (
                "policy-table before\npolicy-table-id 778",
                "policy-table-id \"778\": table before has ID 777 already, \
                 in /etc/iproute2/rt_tables; expected that, or no ID",
            ),
        ] {
            refused(lab, "10.10.0.10/24", options, &[expected]);
        }
    });
}

#[test]
fn of_two_stanzas_with_one_id_and_two_names_the_second_is_refused() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        let first = stanza(
            "eth1",
            "10.10.0.10/24",
            "policy-table rt2\npolicy-table-id 777",
        );
        let second = stanza(
            "eth2",
            "10.20.0.10/24",
            "policy-table rt3\npolicy-table-id 777",
        );
        lab.interfaces(&format!("{first}{second}"));
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let said = lab.sh("ifup eth2");
        assert_eq!(said.code, 0);
        let ours = said.ours();
        assert_eq!(ours.len(), 2, "{ours:?}");
        assert!(ours[0]
            .ends_with("ID 777 belongs to table rt2; expected an ID that no other table has"));
        assert_eq!(ours[1], not_in_force("eth2"));
        assert_eq!(lab.tagged().len(), 4, "the first one's stay");
        assert!(lab.tagged().iter().all(|line| !line.contains("10.20.0")));
        assert!(!lab.text(NAMES).contains("rt3"));
        assert_eq!(lab.ok("ls -A /run/policy-table"), "eth1\n");
    });
}

#[test]
fn gateways_that_no_router_can_have() {
    let other = "it is an IPv6 address and the stanza is IPv4";
    let own = "it is the interface's own address; expected the router's";
    let ends = "it is the network's own or its broadcast address; expected the router's address";
    let multicast = "it is a multicast address; expected the router's address";
    let cases = [
        ("2001:db8::1", other),
        ("::ffff:10.10.0.1", other),
        ("10.10.0.10", own),
        ("10.10.0", NO_GATEWAY),
        ("010.10.0.1", NO_GATEWAY),
        ("10.10.0.1/24", NO_GATEWAY),
        ("router", NO_GATEWAY),
        ("FIRST", NO_GATEWAY),
        ("first none", NO_GATEWAY),
        ("10.10.0.1 10.10.0.2", NO_GATEWAY),
        ("10.10.0.1 dev eth1", NO_GATEWAY),
        ("fe80::1%eth1", NO_GATEWAY),
        ("224.0.0.1", multicast),
        ("239.255.255.250", multicast),
        (
            "0.0.0.0",
            "it is no address; expected the router's address, or none for no default route",
        ),
        (
            "127.0.0.1",
            "it is a loopback address; expected the router's address",
        ),
        ("255.255.255.255", ends),
        ("10.10.0.255", ends),
        ("10.10.0.0", ends),
        ("10.10.0.1 # router", COMMENT),
    ]
    .map(|(value, fault)| {
        let options = format!("{HOWTO}\npolicy-gateway {value}");
        (options, format!("policy-gateway \"{value}\": {fault}"))
    });
    refuses_each(
        cases
            .iter()
            .map(|(line, expected)| (line.as_str(), expected.clone())),
    );
}

#[test]
fn first_where_there_is_no_first_host() {
    lab(|lab| {
        lab.device("eth1");
        for (address, fault) in [
            (
                "10.10.0.10/32",
                "network 10.10.0.10 has no first host address; write the router's address, or none",
            ),
            (
                "10.10.0.10/31",
                "network 10.10.0.10/31 has no first host address; \
                 write the router's address, or none",
            ),
            (
                "10.10.0.1/24",
                "the first address of the network is this interface's own; \
                 write the router's, or none",
            ),
        ] {
            let expected = format!("policy-gateway \"first\": {fault}");
            refused(
                lab,
                address,
                "policy-table rt2\npolicy-gateway first",
                &[&expected],
            );
        }
    });
}

#[test]
fn an_inet6_stanza_is_judged_as_ipv6() {
    let table = |options: &str| format!("policy-table rt2\n{options}");
    lab(|lab| {
        lab.device("eth1");
        let names = lab.text(NAMES);
        for (value, fault) in [
            (
                "first",
                "network 2001:db8:1::/64 has no first host address; \
                 write the router's address, or none",
            ),
            ("10.10.0.1", "it is an IPv4 address and the stanza is IPv6"),
            (
                "2001:db8:1::10",
                "it is the interface's own address; expected the router's",
            ),
            (
                "ff02::2",
                "it is a multicast address; expected the router's address",
            ),
            (
                "::",
                "it is no address; expected the router's address, or none for no default route",
            ),
            (
                "::1",
                "it is a loopback address; expected the router's address",
            ),
            (
                "fe80::1%eth1",
                "expected an IPv6 address, auto, first or none",
            ),
            (
                "2001:db8:1::g",
                "expected an IPv6 address, auto, first or none",
            ),
        ] {
            lab.interfaces(&format!(
                "iface eth1 inet6 static\naddress 2001:db8:1::10/64\ndad-attempts 0\n{}\n",
                table(&format!("policy-gateway {value}"))
            ));
            let said = lab.sh("ifup eth1");
            assert_eq!(said.code, 0, "{value}");
            let expected = format!("eth1: policy-gateway \"{value}\": {fault}");
            assert_eq!(said.ours(), [expected, not_in_force("eth1")]);
            assert_eq!(lab.ok("ifquery --state eth1"), "eth1=eth1\n");
            assert_untouched(lab, &names, value);
            lab.ok("ifdown eth1");
        }
    });
}

#[test]
fn priorities_out_of_range() {
    let cases = [
        "300",
        "32766",
        "0",
        "-1",
        "+21000",
        "1e3",
        "x",
        "021000",
        "4294967296",
        "21000.0",
        "1 2",
    ]
    .map(|value| {
        let options = format!("{HOWTO}\npolicy-priority {value}");
        (
            options,
            format!("policy-priority \"{value}\": {NO_PRIORITY}"),
        )
    });
    refuses_each(
        cases
            .iter()
            .map(|(line, expected)| (line.as_str(), expected.clone())),
    );
}

#[test]
fn unknown_options_come_with_what_was_meant() {
    let hint =
        |option: &str, meant: &str| format!("{option}: no such option; did you mean \"{meant}\"?");
    refuses_each([
        ("policy-tabel rt2", hint("policy-tabel", "policy-table")),
        ("policy-tables rt2", hint("policy-tables", "policy-table")),
        (
            "policy-table rt2\npolicy-gatway none",
            hint("policy-gatway", "policy-gateway"),
        ),
        (
            "policy-table rt2\npolicy-table-di 7",
            hint("policy-table-di", "policy-table-id"),
        ),
        (
            "policy-table rt2\npolicy-on-eror fail",
            hint("policy-on-eror", "policy-on-error"),
        ),
        (
            "policy-table rt2\npolicy-prio 7",
            "policy-prio: no such option; policy-table-interfaces(5) has them all".to_owned(),
        ),
        (
            "policy-foo x",
            "policy-foo: no such option; policy-table-interfaces(5) has them all".to_owned(),
        ),
        (
            "policy-table rt2\npolicy- x",
            "policy-: no such option; policy-table-interfaces(5) has them all".to_owned(),
        ),
    ]);
}

#[test]
fn options_that_need_a_table_and_ways_to_take_errors() {
    let needs = "it needs policy-table in the same stanza";
    refuses_each([
        (
            "policy-gateway 10.10.0.1",
            format!("policy-gateway \"10.10.0.1\": {needs}"),
        ),
        (
            "policy-priority 400",
            format!("policy-priority \"400\": {needs}"),
        ),
        (
            "policy-table-id 7",
            format!("policy-table-id \"7\": {needs}"),
        ),
        (
            "policy-table rt2\npolicy-on-error maybe",
            "policy-on-error \"maybe\": expected warn or fail".to_owned(),
        ),
        (
            "policy-table rt2\npolicy-on-error fail # x",
            format!("policy-on-error \"fail # x\": {COMMENT}"),
        ),
    ]);
}

#[test]
fn every_error_of_a_stanza_is_told_on_its_own_line() {
    lab(|lab| {
        lab.device("eth1");
        refused(
            lab,
            "10.10.0.10/24",
            "policy-table main\npolicy-table-id 0\npolicy-gateway 10.10.0.10\n\
             policy-priority 1\npolicy-on-error x\npolicy-foo y\npolicy-tabel z",
            &[
                "policy-foo: no such option; policy-table-interfaces(5) has them all",
                "policy-tabel: no such option; did you mean \"policy-table\"?",
                "policy-table-id \"0\": table ID 0 is the kernel's own; \
                 expected 1 to 4294967295, but not 253 to 255",
                "policy-table \"main\": \"main\" is a name of the kernel's or ip's own; \
                 choose another",
                &format!("policy-priority \"1\": {NO_PRIORITY}"),
                "policy-on-error \"x\": expected warn or fail",
                "policy-gateway \"10.10.0.10\": it is the interface's own address; \
                 expected the router's",
            ],
        );
    });
}

#[test]
fn an_option_given_twice_must_say_the_same() {
    let several = "given more than once with different values";
    refuses_each([
        (
            "policy-table rt2\npolicy-table rt3",
            format!("policy-table: {several}: \"rt2\", \"rt3\""),
        ),
        (
            "policy-table rt2\npolicy-gateway 10.10.0.1\npolicy-gateway none",
            format!("policy-gateway: {several}: \"10.10.0.1\", \"none\""),
        ),
    ]);
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&stanza(
            "eth1",
            "10.10.0.10/24",
            "policy-table rt2\npolicy-table   rt2\npolicy-gateway first\npolicy-gateway first",
        ));
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert_eq!(lab.tagged().len(), 4);
    });
}

/// Of two that differ neither counts, and the network does not suffer for it.
#[test]
fn fail_given_twice_is_still_fail() {
    for (second, table, code, error) in [
        ("fail", "main", 1, "policy-table \"main\": "),
        (
            "warn",
            "rt2",
            0,
            "policy-on-error: given more than once with different values: \"fail\", \"warn\"",
        ),
    ] {
        lab(|lab| {
            lab.device("eth1");
            let options =
                format!("policy-on-error fail\npolicy-on-error {second}\npolicy-table {table}");
            lab.interfaces(&stanza("eth1", "10.10.0.10/24", &options));
            let said = lab.sh("ifup eth1");
            let ours = said.ours();
            assert_eq!((said.code, ours.len()), (code, 2), "{said:?}");
            assert!(ours[0].starts_with(&format!("eth1: {error}")), "{ours:?}");
            assert_eq!(
                ours[1].contains("(policy-on-error fail)"),
                code == 1,
                "{ours:?}"
            );
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

#[test]
fn long_values_give_short_messages() {
    let (letters, digits) = ("x".repeat(10_000), "1".repeat(10_000));
    let many: String = (0..2000).map(|n| format!("policy-table rt{n}\n")).collect();
    lab(|lab| {
        lab.device("eth1");
        for options in [
            format!("policy-table {letters}"),
            format!("policy-table {digits}"),
            format!("policy-table rt2\npolicy-gateway {letters}"),
            format!("policy-table rt2\npolicy-priority {digits}"),
            format!("policy-table rt2\npolicy-table-id {digits}"),
            format!("policy-table rt2\npolicy-{letters} x"),
            format!("policy-table {letters}\npolicy-table {digits}"),
            many,
        ] {
            lab.interfaces(&stanza("eth1", "10.10.0.10/24", &options));
            let said = lab.sh("ifup eth1");
            let start: String = options.chars().take(60).collect();
            assert_eq!((said.code, said.ours().len()), (0, 2), "{start}");
            assert!(said.err.len() < 1000, "{start}: {} bytes", said.err.len());
            assert!(lab.tagged().is_empty(), "{start}");
            lab.ok("ifdown eth1");
        }
    });
}

/// `from 0.0.0.0` matches every packet whose source is not chosen yet: all the host sends.
#[test]
fn the_address_that_is_none_gets_no_rules() {
    lab(|lab| {
        lab.device("eth0");
        lab.device("eth1");
        lab.ok("ip link set eth0 up; ip addr add 192.0.2.2/24 dev eth0");
        lab.ok("ip route add default via 192.0.2.1");
        for (stanza, address) in [
            (
                "inet static\naddress 0.0.0.0\nnetmask 255.255.255.0",
                "0.0.0.0",
            ),
            (
                "inet manual\naddress 0.0.0.0\nup ip link set eth1 up",
                "0.0.0.0",
            ),
            ("inet6 manual\naddress ::\nup ip link set eth1 up", "::"),
        ] {
            lab.interfaces(&format!(
                "iface eth1 {stanza}\npolicy-table rt2\npolicy-gateway none\n"
            ));
            let said = lab.sh("ifup eth1");
            let ours = said.ours();
            assert_eq!((said.code, ours.len()), (0, 2), "{said:?}");
            assert!(
                ours[0].starts_with(&format!("eth1: address \"{address}\": ")),
                "{ours:?}"
            );
            assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
            lab.sh("ifdown eth1; ip link set eth1 down");
        }
        lab.interfaces("iface eth1 inet static\naddress 0.0.0.0/24\npolicy-table rt2\n");
        lab.ok("ifup eth1");
        let way = lab.ok("ip route get 203.0.113.9");
        assert!(
            way.contains("via 192.0.2.1 dev eth0"),
            "the host lost its way: {way}"
        );
    });
}

/// Errors of each concern: options, files of names, kernel.
const FAILING: [&str; 6] = [
    "policy-table main",
    "policy-tabel rt2",
    "policy-table rt2\npolicy-gateway 10.10.0.10",
    "policy-gateway 10.10.0.1",
    "policy-table rt2\npolicy-table-id 777",
    "policy-table rt2\npolicy-route 192.0.2.0/24 via 10.99.0.1",
];

/// Brings `interface` up by a stanza called `name` in each failing way, and follows the message.
fn fails_and_recovers(interface: &str, name: &str) {
    let own = interface.split('=').next().unwrap();
    lab(|lab| {
        lab.device("eth1");
        lab.ok(&format!("printf '777\\tbefore\\n' >> {NAMES}"));
        for options in FAILING {
            lab.ok("ip link set eth1 up");
            let failing = format!("{options}\npolicy-on-error fail");
            lab.interfaces(&stanza(name, "10.10.0.10/24", &failing));
            let said = lab.sh(&format!("ifup {interface}"));
            assert_eq!((said.code, said.out.as_str()), (1, ""), "{options}");
            let ours = said.ours();
            let last = format!(
                "{own}: policy routing is not in force and ifup fails (policy-on-error fail); \
                 correct the cause, then run: ifdown --force {interface}; ifup {interface}"
            );
            assert_eq!(ours.last().copied(), Some(last.as_str()), "{options}");
            assert!(ours.len() > 1, "{said:?}");
            assert_eq!(lab.tagged(), [""; 0], "{options}");
            assert_eq!(
                lab.sh(&format!("ifquery --state {own}")).out,
                "",
                "{options}"
            );

            lab.interfaces(&stanza(name, "10.10.0.10/24", HOWTO));
            recovers(lab, &last, own, name);
        }
    });
}

/// Does what the message says, after which all is as if nothing had been wrong.
fn recovers(lab: &Lab, message: &str, own: &str, name: &str) {
    let (_, way_out) = message.split_once("then run: ").unwrap();
    let said = lab.sh(way_out);
    assert_eq!(
        (said.code, said.ours().len()),
        (0, 0),
        "{way_out}: {said:?}"
    );
    assert_eq!(lab.tagged().len(), 4, "{way_out}");
    let state = lab.ok(&format!("ifquery --state {own}"));
    assert_eq!(state, format!("{own}={name}\n"));
    lab.ok(&format!("ifdown {own}; ip addr flush dev eth1"));
    assert!(lab.tagged().is_empty(), "{way_out}");
}

#[test]
fn with_fail_ifup_fails_and_the_way_out_it_names_is_one() {
    fails_and_recovers("eth1", "eth1");
    fails_and_recovers("eth1:1", "eth1:1");
}

#[test]
fn the_way_out_of_a_failure_names_the_logical_interface() {
    fails_and_recovers("eth1=home", "home");
}

/// As [`fails_and_recovers`] without `policy-on-error`.
fn warns_and_recovers(interface: &str, name: &str) {
    let own = interface.split('=').next().unwrap();
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up");
        lab.interfaces(&stanza(name, "10.10.0.10/24", "policy-tabel rt2"));
        let said = lab.sh(&format!("ifup {interface}"));
        lab.interfaces(&stanza(name, "10.10.0.10/24", HOWTO));
        recovers(lab, said.ours().last().unwrap(), own, name);
    });
}

#[test]
fn with_warn_the_way_out_it_names_is_one() {
    warns_and_recovers("eth1", "eth1");
    warns_and_recovers("eth1:1", "eth1:1");
}

#[test]
fn the_way_out_of_an_error_names_the_logical_interface() {
    warns_and_recovers("eth1=home", "home");
}

/// The stanza that came up before the failing one must not stand in the way of the repair.
#[test]
fn the_way_out_serves_where_the_second_stanza_of_an_interface_failed() {
    let stanzas = |six: &str| {
        format!(
            "{}iface eth1 inet6 static\naddress 2001:db8:1::10/64\ngateway fe80::1\n\
             dad-attempts 0\npolicy-on-error fail\n{six}\n",
            stanza("eth1", "10.10.0.10/24", HOWTO)
        )
    };
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&stanzas("policy-table main"));
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, lab.tagged().len()), (1, 4), "{said:?}");
        lab.interfaces(&stanzas(HOWTO));
        let (_, way_out) = said.ours()[1].split_once("then run: ").unwrap();
        assert_eq!(lab.sh(way_out).code, 0, "{way_out}");
        assert_eq!(lab.tagged().len(), 8);
        lab.ok("ifdown eth1");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn addresses_as_all_ifupdowns_give_them() {
    hooks(|lab| {
        for changes in [
            vec![],
            vec![&b"IF_NETMASK=24"[..]],
            vec![b"IF_ADDRESS=10.10.0.10/24", b"IF_NETMASK"],
            vec![b"IF_ADDRESS=10.10.0.10/255.255.255.0", b"IF_NETMASK"],
            vec![b"IF_ADDRESS=10.10.0.10/24", b"IF_NETMASK=255.0.0.0"],
            vec![b"ADDRFAM", b"METHOD"],
        ] {
            let said = hook("if-up.d", &[&UP, changes.as_slice()].concat());
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{changes:?}");
            assert_eq!(lab.tagged().len(), 4, "{changes:?}");
            assert_eq!(lab.routes("-4", "rt2").len(), 2, "{changes:?}");
            let down: [&[u8]; 2] = [b"MODE=stop", b"PHASE=pre-down"];
            let said = hook("if-down.d", &[&UP, changes.as_slice(), &down].concat());
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{changes:?}");
            assert!(lab.tagged().is_empty(), "{changes:?}");
        }
    });
}

#[test]
fn an_address_without_a_mask_is_a_host() {
    hooks(|lab| {
        let said = hook("if-up.d", &[&UP, &[&b"IF_NETMASK"[..]][..]].concat());
        assert_eq!((said.code, said.ours().len()), (0, 1), "{said:?}");
        assert!(said.ours()[0].contains("the router of 10.10.0.10 is not known"));
        assert_eq!(lab.routes("-4", "rt2"), [""; 0]);
        assert_eq!(lab.rules("-4").len(), 2);
    });
}

#[test]
fn addresses_that_are_none() {
    let address = |value: &str, fault: &str| {
        (
            format!("IF_ADDRESS={value}"),
            format!("address \"{value}\": {fault}"),
        )
    };
    let netmask = |value: &str| {
        (
            format!("IF_NETMASK={value}"),
            format!("netmask \"{value}\": {NO_LENGTH}"),
        )
    };
    let gateway = |value: &str, fault: &str| {
        (
            format!("IF_GATEWAY={value}"),
            format!("gateway \"{value}\": {fault}"),
        )
    };
    hooks(|lab| {
        for (change, expected) in [
            address("10.10.0.10/255.0.255.0", NO_LENGTH),
            address("10.10.0.10/33", NO_LENGTH),
            address("10.10.0.10/", NO_LENGTH),
            address("10.10.0.10/-1", NO_LENGTH),
            address("10.10.0.10/24/24", NO_LENGTH),
            address("", "expected an address"),
            address("10.10.0", "expected an address"),
            address("10.10.0.10 10.10.0.11", "expected an address"),
            netmask(""),
            netmask("255.0.255.0"),
            netmask("0.0.0.255"),
            netmask("33"),
            netmask("0xffffff00"),
            gateway("", "expected an address"),
            gateway("router", "expected an address"),
            gateway(
                "10.10.0.10",
                "it is the interface's own address; expected the router's",
            ),
            gateway("fe80::1", "it is an IPv6 address and the stanza is IPv4"),
        ] {
            hook_refuses(lab, &[change.as_bytes()], "eth1", &[&expected]);
        }
    });
}

#[test]
fn without_an_address_in_the_environment_the_interfaces_own_counts() {
    hooks(|lab| {
        let dhcp: [&[u8]; 3] = [b"IF_ADDRESS", b"IF_NETMASK", b"METHOD=dhcp"];
        let said = hook("if-up.d", &[&UP, &dhcp[..]].concat());
        let guessed = "eth1: no gateway is named; taking 10.10.0.1, the first address of the \
                       network, for the router (policy-gateway says otherwise); beside another \
                       default route dhcp needs a metric";
        assert_eq!((said.code, said.ours()), (0, vec![guessed]));
        assert_eq!((lab.tagged().len(), lab.routes("-4", "rt2").len()), (4, 2));
        let down: [&[u8]; 2] = [b"MODE=stop", b"PHASE=pre-down"];
        hook("if-down.d", &[&UP, &dhcp[..], &down].concat());
        lab.ok("ip addr flush dev eth1");
        let said = hook("if-up.d", &[&UP, &dhcp[..]].concat());
        let expected = "eth1: waiting for an IPv4 address: none came in 6 seconds; policy routing \
                        is not in force until then; when it is there, run: policy-table apply eth1";
        assert_eq!((said.code, said.ours()), (0, vec![expected]));
        assert_eq!(lab.tagged(), [""; 0]);
        assert!(lab
            .text("/run/policy-table/eth1")
            .contains("#: waiting address"));
        hook("if-down.d", &[&UP, &dhcp[..], &down].concat());
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

#[test]
fn bytes_that_are_no_text_and_values_that_are_empty() {
    hooks(|lab| {
        for (change, expected) in [
            (&b"IF_POLICY_TABLE="[..], "policy-table: the value is empty"),
            (b"IF_POLICY_TABLE= \t", "policy-table: the value is empty"),
            (b"IF_POLICY_TABLE=\n", "policy-table: the value is empty"),
            (b"IF_POLICY_GATEWAY=", "policy-gateway: the value is empty"),
            (
                b"IF_POLICY_ON_ERROR=",
                "policy-on-error: the value is empty",
            ),
            (
                b"IF_POLICY_TABLE=rt\xff",
                "policy-table \"rt\u{fffd}\": the value is not UTF-8",
            ),
            (
                b"IF_POLICY_GATEWAY=\xff\xfe",
                "policy-gateway \"\u{fffd}\u{fffd}\": the value is not UTF-8",
            ),
            (
                b"IF_POLICY_\xff=x",
                "policy-\u{fffd}: no such option; policy-table-interfaces(5) has them all",
            ),
            (
                b"IF_POLICY_\x1b[2J=x",
                "policy-\\u{1b}[2j: no such option; policy-table-interfaces(5) has them all",
            ),
            (
                b"IF_POLICY_A\nB=x",
                "policy-a\\nb: no such option; policy-table-interfaces(5) has them all",
            ),
            (
                b"IF_POLICY_=x",
                "policy-: no such option; policy-table-interfaces(5) has them all",
            ),
            (
                b"IF_POLICY_TABLE\xff=x",
                "policy-table\u{fffd}: no such option; did you mean \"policy-table\"?",
            ),
        ] {
            hook_refuses(lab, &[change], "eth1", &[expected]);
        }
    });
}

#[test]
fn names_that_no_interface_can_have() {
    let word = |name: &str| format!("IFACE \"{name}\": {NO_INTERFACE}");
    // One byte longer than an altname may be.
    let too_long = "0123456789abcdef".repeat(8);
    let shown = |name: &str| match name.get(..80) {
        Some(start) => format!("{start}... ({} characters)", name.len()),
        None => name.to_owned(),
    };
    hooks(|lab| {
        let passwd = lab.text("/etc/passwd");
        for name in [
            "../../etc/passwd",
            &too_long,
            "..",
            ".",
            "eth1 x",
            "eth1/x",
            ":1",
        ] {
            let change = format!("IFACE={name}");
            let name = &shown(name);
            hook_refuses(lab, &[change.as_bytes()], name, &[&word(name)]);
            let down = [change.as_bytes(), b"MODE=stop", b"PHASE=pre-down"];
            let said = hook("if-down.d", &[&UP, &down[..]].concat());
            assert_eq!(
                (said.code, said.err.as_str(), said.out.as_str()),
                (0, "", ""),
                "{name}"
            );
        }
        assert_eq!(lab.text("/etc/passwd"), passwd);
        for name in ["", "--all"] {
            let said = hook(
                "if-up.d",
                &[&UP, &[format!("IFACE={name}").as_bytes()][..]].concat(),
            );
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{name}");
        }
        assert!(lab.tagged().is_empty() && !Path::new("/run/policy-table").exists());
    });
}

/// One cause, one line: the table is not at fault.
#[test]
fn auto_adds_nothing_to_the_error_about_the_interface() {
    hooks(|lab| {
        let expected = format!("IFACE \"eth1/x\": {NO_INTERFACE}");
        let changes: [&[u8]; 2] = [b"IFACE=eth1/x", b"IF_POLICY_TABLE=auto"];
        hook_refuses(lab, &changes, "eth1/x", &[&expected]);
    });
}

#[test]
fn interfaces_that_cannot_lend_their_name_to_a_table() {
    let why = |interface: &str, fault: &str| {
        format!(
            "{interface}: policy-table \"auto\": interface {interface} cannot lend its name to a \
             table: {fault}; write a name"
        )
    };
    lab(|lab| {
        let names = lab.text(NAMES);
        let reserved = "\"main\" is a name of the kernel's or ip's own; choose another";
        let number = "a table name may not be a number; a number is taken as the table's ID";
        for (interface, fault) in [("100", number), ("0x1f", number), ("main", reserved)] {
            lab.ok(&format!(
                "ip link add name {interface} type veth peer name peer"
            ));
            lab.interfaces(&stanza(interface, "10.10.0.10/24", "policy-table auto"));
            let said = lab.sh(&format!("ifup {interface}"));
            assert_eq!(said.code, 0);
            assert_eq!(
                said.ours(),
                [why(interface, fault), not_in_force(interface)]
            );
            assert_untouched(lab, &names, interface);
            lab.ok(&format!(
                "ifdown {interface} && ip link del dev {interface}"
            ));
        }
        // Only with the name of a table is something to be had on such a device.
        lab.ok("ip link add name 100 type veth peer name peer");
        lab.interfaces(&stanza("100", "10.10.0.10/24", "policy-table rt2"));
        lab.ok("ifup 100");
        assert_eq!(lab.tagged().len(), 4);
    });
}

#[test]
fn a_device_that_is_gone_is_said_once() {
    hooks(|lab| {
        let said = hook("if-up.d", &[&UP, &[&b"IFACE=nosuch"[..]][..]].concat());
        assert_eq!(said.code, 0);
        assert!(!said.ours().is_empty());
        assert!(lab.tagged().is_empty());
        assert!(lab
            .text("/run/policy-table/nosuch")
            .contains("#: waiting device"));
        lab.ok("policy-table flush nosuch");
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
        for line in said.ours() {
            assert!(
                line.to_lowercase().matches("no such device").count() <= 1,
                "{line}"
            );
        }
    });
}
