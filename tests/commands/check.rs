//! `policy-table check`: each finding by a file that has it and one that has not, its place, what
//! the host adds, and what no file may do to the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::lab::{lab, Lab, Said};
use crate::support::needs::{have, STRACE};
use crate::support::tree::text;
use policy_table::check::{examine, Code, Severity};
use policy_table::ifupdown::interfaces::Interfaces;
use policy_table::tables::derived_id;

const PROGRAM: &str = env!("CARGO_BIN_EXE_policy-table");

/// A folder of its own for a test's files.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Checks the file `interfaces` of a folder, which is the working directory.
fn check(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.arg("check").args(arguments).arg("interfaces");
    command.current_dir(folder).stdin(Stdio::null());
    Said::new(&command.output().unwrap())
}

/// What `check --offline` prints for a text, the summary aside.
fn offline(folder: &Path, text: &str) -> String {
    fs::write(folder.join("interfaces"), text).unwrap();
    let said = check(folder, &["--offline"]);
    assert_eq!(said.err, "", "{text}");
    let (first, rest) = said.out.split_once('\n').unwrap();
    assert!(first.starts_with("policy-table check: "), "{first}");
    rest.trim_start_matches('\n').to_owned()
}

/// The numbers of what is found in a text.
fn codes(folder: &Path, text: &str) -> Vec<Code> {
    fs::write(folder.join("interfaces"), text).unwrap();
    let interfaces = Interfaces::read(&folder.join("interfaces"));
    let findings = examine(&interfaces, None);
    findings.iter().map(|finding| finding.code).collect()
}

/// A stanza of an interface, with an address and options.
fn stanza(interface: &str, address: &str, options: &str) -> String {
    let options = options.replace("; ", "\n    ");
    format!(
        "auto {interface}\niface {interface} inet static\n    address {address}\n    {options}\n"
    )
}

/// A finding, a file that has it, what is printed, and the file without it.
type Case = (Code, String, &'static str, String);

fn eth1(options: &str) -> String {
    stanza("eth1", "10.1.0.10/24", options)
}

/// Two interfaces with these options, and a third that main's default route is of.
fn both(one: &str, two: &str) -> String {
    only_both(one, two) + "iface eth3 inet dhcp\n"
}

fn only_both(one: &str, two: &str) -> String {
    eth1(one) + &stanza("eth2", "10.2.0.10/24", two)
}

const A: &str = "policy-table a; policy-gateway 10.1.0.1";
const ALL: &str = "policy-table b; policy-gateway 10.4.0.1; policy-source all";
const B: &str = "policy-table b; policy-gateway 10.2.0.1";

fn good() -> String {
    eth1(A)
}

/// Two uplinks by lease, the second with a metric.
fn leases(metric: &str) -> String {
    format!(
        "auto eth1 eth2\niface eth1 inet dhcp\n    metric 1\n    policy-table a\n\
         iface eth2 inet dhcp\n    metric {metric}\n    policy-table b\n"
    )
}

/// Two tables with IDs.
fn ids(one: &str, two: &str) -> String {
    both(
        &format!("{A}; policy-table-id {one}"),
        &format!("{B}; policy-table-id {two}"),
    )
}

fn inet6(gateway: &str) -> String {
    format!(
        "iface eth1 inet6 static\n    address 2001:db8::9/64\n    policy-table a\n    \
         policy-gateway {gateway}\n"
    )
}

/// Each finding that a file can have.
fn cases() -> Vec<Case> {
    let all = [
        of_lines(),
        of_stanzas(),
        of_tables(),
        of_networks(),
        of_last_resorts(),
        of_marks(),
    ];
    all.into_iter().flatten().collect()
}

/// What is wrong in a line.
fn of_lines() -> Vec<Case> {
    vec![
        (
            Code::Refused,
            eth1("up"),
            "interfaces:4:5: error: option 'up' has no value [PT102]\n    up\n    ^~\n",
            eth1("up true"),
        ),
        (
            Code::Ignored,
            good().replace("static", "static x"),
            "interfaces:2:24: warning: 'x' on an 'iface' line is not understood and ignored [PT103]\n\
             iface eth1 inet static x\n                       ^\n",
            good(),
        ),
        (
            Code::UnknownOption,
            eth1("policy-tabel a"),
            "interfaces:4:5: error: policy-tabel: no such option [PT104]\n    policy-tabel a\n    \
             ^~~~~~~~~~~~\nhint: did you mean \"policy-table\"?\n",
            good(),
        ),
        (
            Code::Value,
            eth1("policy-table a; policy-gateway 10.1.0.10"),
            "interfaces:5:20: error: policy-gateway \"10.1.0.10\": it is the interface's own \
             address; expected the router's [PT105]\n    policy-gateway 10.1.0.10\n                   \
             ^~~~~~~~~\n",
            good(),
        ),
        (
            Code::Line,
            good() + "    policy-rule from 10.9.0.0/16;form 10.8.0.0/16\n",
            "interfaces:6:34: error: policy-rule \"form 10.8.0.0/16\": unknown word \"form\" \
             [PT106]\n    policy-rule from 10.9.0.0/16;form 10.8.0.0/16\n                                 \
             ^~~~\nhint: did you mean \"from\"?\n",
            good() + "    policy-rule from 10.9.0.0/16;from 10.8.0.0/16\n",
        ),
        (
            Code::Together,
            eth1("policy-mode main"),
            "interfaces:4:17: error: policy-mode \"main\": it needs policy-table in the same \
             stanza [PT107]\n    policy-mode main\n                ^~~~\n",
            good() + "    policy-mode main\n",
        ),
    ]
}

/// What is doubtful in a stanza.
fn of_stanzas() -> Vec<Case> {
    vec![
        (
            Code::Guessed,
            eth1("policy-table a"),
            "interfaces:4:18: warning: no gateway is named; 10.1.0.1, the first address of the \
             network, will be taken for the router [PT201]\n    policy-table a\n                 ^\n\
             hint: write policy-gateway 10.1.0.1 if that is right, or policy-gateway none\n",
            good(),
        ),
        (
            Code::NoDefault,
            inet6("auto"),
            "interfaces:3:18: warning: no default route in table a: the router of 2001:db8::/64 \
             is not known [PT202]\n    policy-table a\n                 ^\n\
             hint: write policy-gateway ADDRESS, or policy-gateway none\n",
            inet6("fe80::1"),
        ),
        (
            Code::Onlink,
            eth1("policy-table a; policy-gateway 10.3.0.1"),
            "interfaces:5:20: warning: gateway 10.3.0.1 is outside 10.1.0.0/24; its route will be \
             marked onlink [PT203]\n    policy-gateway 10.3.0.1\n                   ^~~~~~~~\n\
             hint: the router has to answer ARP for it on this link\n",
            stanza("eth1", "10.1.0.10/32", "policy-table a; policy-gateway 10.3.0.1"),
        ),
        (
            Code::Leftover,
            good() + "    post-up ip rule add from 10.1.0.10 lookup a\n",
            "interfaces:6:13: warning: 'post-up' with a rule, or a route of another table, beside \
             policy-* options [PT204]\n    post-up ip rule add from 10.1.0.10 lookup a\n            \
             ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n\
             hint: policy-table migrate makes options of such lines\n",
            good() + "    post-up ip route add 10.9.0.0/16 via 10.1.0.1\n",
        ),
        (
            Code::Leftover,
            good() + &stanza("eth1:1", "10.1.0.11/24", "pre-down ip route flush table a"),
            "interfaces:9:14: warning: 'pre-down' takes out rules or routes that policy-* options \
             put in [PT204]\n    pre-down ip route flush table a\n             \
             ^~~~~~~~~~~~~~~~~~~~~~\n\
             hint: remove the line: ifdown takes out what the options put in\n",
            good() + &stanza("eth1:1", "10.1.0.11/24", "pre-down ip route flush table other"),
        ),
        (
            Code::LowPriority,
            good() + "    policy-rule fwmark 1 priority 1\n",
            "interfaces:6:17: warning: a rule at priority 1: rules that come later without a \
             priority, as those of wg-quick, all get 0 and stand in reversed order [PT205]\n    \
             policy-rule fwmark 1 priority 1\n                ^~~~~~~~~~~~~~~~~~~\n\
             hint: write priority 2 or higher\n",
            good() + "    policy-rule fwmark 1 priority 2\n",
        ),
        (
            Code::LikeWgQuick,
            eth1("policy-table 518201; policy-gateway 10.1.0.1"),
            "interfaces:4:18: warning: \"lookup 518201\" begins like the rules that wg-quick looks \
             for, and wg-quick down deletes them or fails [PT206]\n    policy-table 518201\n                 ^~~~~~\nhint: choose one that does not begin with 51820\n",
            eth1("policy-table 151820; policy-gateway 10.1.0.1"),
        ),
        (
            Code::NoScripts,
            good() + "no-scripts eth*\n",
            "interfaces:4:18: warning: no-scripts keeps ifupdown from running hooks for eth1: its \
             policy-* options do nothing [PT207]\n    policy-table a\n                 ^\n\
             hint: take its name out of the no-scripts line\n",
            good() + "no-scripts eth2\n",
        ),
    ]
}

/// What stanzas do to tables and rules.
fn of_tables() -> Vec<Case> {
    vec![
        (
            Code::TwoIds,
            both(
                &format!("{A}; policy-table-id 7"),
                "policy-table a; policy-gateway none; policy-table-id 8",
            ),
            "interfaces:12:21: error: table a is given ID 8 here and 7 by eth1 (interfaces:2) \
             [PT301]\n    policy-table-id 8\n                    ^\n\
             hint: write the same ID, or policy-table-id in one stanza alone\n",
            both(
                &format!("{A}; policy-table-id 7"),
                "policy-table a; policy-gateway none; policy-table-id 7",
            ),
        ),
        (
            Code::TwoNames,
            ids("7", "7"),
            "interfaces:12:21: error: ID 7 is given to table b here and to a by eth1 \
             (interfaces:2) [PT302]\n    policy-table-id 7\n                    ^\n\
             hint: choose another ID\n",
            ids("7", "8"),
        ),
        (
            Code::SamePlace,
            both(A, "policy-table a; policy-gateway 10.2.0.1"),
            "interfaces:9:18: warning: the default route by 10.2.0.1 dev eth2 and that of eth1 \
             (interfaces:2) are in one table; only the first is used [PT303]\n    \
             policy-table a\n                 ^\nhint: give each interface a table of its own, or \
             one of the routes a metric\n",
            both(
                A,
                "policy-table a; policy-route default via 10.2.0.1 metric 9",
            ),
        ),
        (
            Code::RuleOrder,
            both(
                &format!("{A}; policy-rule from 10.8.0.0/16"),
                &format!("{B}; policy-rule from 10.8.9.0/24"),
            ),
            "interfaces:12:17: warning: the rule \"from 10.8.9.0/24\" and \"from 10.8.0.0/16\" of \
             eth1 (interfaces:2) have priority 20701 and can match the same packet; only the \
             first is used [PT304]\n    policy-rule from 10.8.9.0/24\n                \
             ^~~~~~~~~~~~~~~~\nhint: write priority in both rules\n",
            both(
                &format!("{A}; policy-rule from 10.8.0.0/16 fwmark 1"),
                &format!("{B}; policy-rule from 10.8.9.0/24 fwmark 2"),
            ),
        ),
    ]
}

/// What default routes that drop packets do to rules.
fn of_last_resorts() -> Vec<Case> {
    let main = format!("{A}; policy-mode main");
    let line = "policy-route unreachable default metric 9";
    let elsewhere = format!("policy-table-id 8; {line} table a");
    vec![
        (
            Code::Stopped,
            both(&main, &format!("{B}; {elsewhere}")),
            "interfaces:13:18: warning: \"unreachable default metric 9\" is taken by the rule of \
             eth1 (interfaces:2) with suppress_prefixlength on that table, which passes over no \
             route that drops packets: it refuses what later rules know [PT312]\n    policy-route \
             unreachable default metric 9 table a\n                 \
             ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\nhint: write it into the stanza with policy-mode \
             main, which makes a rule of it, or a policy-rule that drops in its place\n",
            both(&format!("{main}; {line}"), &format!("{B}; {line}")),
        ),
        (
            Code::Stopped,
            eth1(&format!(
                "{A}; {line}; policy-rule fwmark 1 suppress_prefixlength 0"
            )),
            "interfaces:6:18: warning: \"unreachable default metric 9\" is taken by the rule of \
             this stanza with suppress_prefixlength on that table, which passes over no route that \
             drops packets: it refuses what later rules know [PT312]\n    policy-route \
             unreachable default metric 9\n                 ^~~~~~~~~~~~~~~~~~~~~~~~~~~~\n\
             hint: write it into the stanza with policy-mode main, which makes a rule of it, or a \
             policy-rule that drops in its place\n",
            eth1(&format!(
                "{main}; {line}; policy-rule fwmark 1 suppress_prefixlength 0"
            )),
        ),
        (
            Code::LetThrough,
            eth1(&format!("{main}; {line}")) + &stanza("eth1:1", "10.1.0.11/24", &main),
            "interfaces:11:18: warning: the default route that drops packets is, by policy-mode \
             main of eth1 (interfaces:2), rules for what that stanza selects: what this one brings \
             to the table goes on to the main table when its default route is gone [PT313]\n    \
             policy-table a\n                 ^\nhint: write that policy-route here as well, if \
             this stanza has the table\n",
            eth1(&format!("{main}; {line}"))
                + &stanza("eth1:1", "10.1.0.11/24", &format!("{main}; {line}")),
        ),
    ]
}

/// What is wrong with marks of connections.
fn of_marks() -> Vec<Case> {
    let main = format!("{A}; policy-mode main");
    let given = "policy-connmark 0x100/0xff00";
    vec![
        (
            Code::NoHairpin,
            eth1(&format!("{A}; policy-connmark auto")),
            "interfaces:6:21: note: with policy-mode strict the host itself does not reach ports \
             that it publishes by this address [PT213]\n    policy-connmark auto\n                    \
             ^~~~\nhint: policy-mode main lets it, where that is wanted\n",
            eth1(&format!("{main}; policy-connmark auto")),
        ),
        (
            Code::MarkClash,
            eth1(&format!("{main}; {given}; policy-rule fwmark 0x5")),
            "interfaces:7:21: warning: mark 0x100/0xff00 has bits that a rule of eth1 \
             (interfaces:2) goes by: \"priority 20701 from all fwmark 0x5 lookup 22220 proto 157\" \
             [PT314]\n    policy-connmark 0x100/0xff00\n                    ^~~~~~~~~~~~\nhint: \
             write policy-connmark MARK/MASK with bits that nobody else uses, or give the rule's \
             fwmark a mask\n",
            eth1(&format!("{main}; {given}; policy-rule fwmark 0x5/0xff")),
        ),
    ]
}

/// What stanzas do to networks and to the main table.
fn of_networks() -> Vec<Case> {
    vec![
        (
            Code::ArpFlux,
            stanza("eth0", "10.1.0.9/24", "") + &good(),
            "interfaces:7:13: warning: 10.1.0.0/24 is also the network of eth0 (interfaces:2); by \
             default each answers ARP for the other [PT305]\n    address 10.1.0.10/24\n            \
             ^~~~~~~~~~~~\nhint: set the sysctls arp_ignore=1 and arp_announce=2 of net.ipv4.conf \
             for both\n",
            stanza("eth1:1", "10.1.0.9/24", "") + &good(),
        ),
        (
            Code::SameAddress,
            good() + &stanza("eth2", "10.1.0.10/16", "policy-table b; gateway 10.1.1.1"),
            "interfaces:8:13: warning: 10.1.0.10 is also an address of eth1 (interfaces:2) \
             [PT306]\n    address 10.1.0.10/16\n            ^~~~~~~~~~~~\n\
             hint: rules on an address cannot tell the two interfaces apart\n",
            good() + &stanza("eth2", "10.1.0.11/16", "policy-table b; gateway 10.1.1.1"),
        ),
        (
            Code::OwnGateway,
            stanza("eth0", "10.1.0.1/32", "") + &good(),
            "interfaces:9:20: warning: gateway 10.1.0.1 is this host's own address, that of eth0 \
             (interfaces:2) [PT307]\n    policy-gateway 10.1.0.1\n                   ^~~~~~~~\n\
             hint: expected the router's address\n",
            stanza("eth0", "10.1.0.2/32", "") + &good(),
        ),
        (
            Code::SameMetric,
            leases("1"),
            "interfaces:6:12: warning: a lease with metric 1, as eth1 (interfaces:2) has one: the \
             main table takes one such default route, and the router of the second is not known \
             [PT308]\n    metric 1\n           ^\nhint: write metric, with another number\n",
            leases("2"),
        ),
        (
            Code::TwoGateways,
            both("gateway 10.1.0.1", "gateway 10.2.0.1"),
            "interfaces:8:13: warning: a gateway with metric 0, as eth1 (interfaces:2) has one: \
             the main table takes one such default route, and ifup of the second fails [PT309]\n    \
             gateway 10.2.0.1\n            ^~~~~~~~\nhint: write metric, with another number\n",
            both("gateway 10.1.0.1", "gateway 10.2.0.1; metric 5"),
        ),
        (
            Code::AllTwice,
            good() + "    policy-source all\n" + &stanza("eth1", "10.4.0.9/24", ALL),
            "interfaces:12:19: warning: eth1 (interfaces:2) asks for all addresses of eth1 too; the \
             first to come up gets them [PT310]\n    policy-source all\n                  ^~~\n\
             hint: write policy-source all in one stanza of an interface\n",
            good() + "    policy-source all\n" + &stanza("eth2", "10.4.0.9/24", ALL)
                + "iface eth3 inet dhcp\n",
        ),
        (
            Code::NoMainDefault,
            only_both(A, B),
            "interfaces:4:18: warning: every interface has a table of its own, and no stanza gives \
             the main table a default route: what is not bound to an address has no way out \
             [PT311]\n    policy-table a\n                 ^\n\
             hint: write gateway in the stanza whose router is to be the usual one\n",
            only_both(A, "policy-table b; gateway 10.2.0.1"),
        ),
    ]
}

#[test]
fn each_finding_is_told_where_it_is_and_not_where_it_is_not() {
    let folder = folder("cases");
    let (mut shown, mut wrong) = (BTreeSet::new(), String::new());
    for (code, bad, expected, good) in cases() {
        let told = offline(&folder, &bad);
        if told != expected {
            wrong += &format!("{bad}{told}instead of\n{expected}\n");
        }
        assert_eq!(offline(&folder, &good), "", "{code}: {good}");
        shown.insert(code);
    }
    assert!(wrong.is_empty(), "{wrong}");
    // Those from 400 on are the host's, 101 is not of a text, and those from 208 to 212 are in
    // `dialects.rs`.
    let rest = Code::ALL.iter().filter(|code| !shown.contains(code));
    let rest: Vec<u16> = rest.map(|code| *code as u16).collect();
    assert_eq!(
        rest,
        [
            101, 208, 209, 210, 211, 212, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411,
            412, 413, 414, 415
        ]
    );
}

/// Selectors of which only some bits count, too: two rules clash where one packet can match both.
#[test]
fn rules_of_one_priority_clash_where_a_packet_can_match_both() {
    let folder = folder("masks");
    for (one, two, clash) in [
        ("dport 0x1000/0xf000", "dport 4100", true),
        ("dport 0x1000/0xf000", "dport 8192", false),
        ("dscp 8/0x38", "dscp 10", true),
        ("dscp 8/0x38", "dscp 46", false),
        ("fwmark 0x100/0xf00", "fwmark 0x1ff", true),
        ("fwmark 0x100/0xf00", "fwmark 0x2ff", false),
    ] {
        let text = both(
            &format!("{A}; policy-rule {one}"),
            &format!("{B}; policy-rule {two}"),
        );
        let told = offline(&folder, &text);
        assert_eq!(told.contains("PT304"), clash, "{one}, {two}: {told}");
    }
}

/// What the file does not decide is not told: a lease, PPP, an advertisement, a script may bring the
/// route.
#[test]
fn that_main_has_no_default_route_is_told_where_the_file_decides() {
    let folder = folder("main-default");
    let manual = "iface eth2 inet manual\n    policy-table b\n    policy-gateway 10.2.0.1\n";
    let asks = "iface eth2 inet manual\n    policy-table b\n";
    let six = |device: &str, more: &str| {
        format!(
            "iface {device} inet6 static\n    address 2001:db8:{n}::1/64\n    policy-table t{n}\n    \
             policy-gateway fe80::1\n{more}",
            n = &device[3..]
        )
    };
    let both6 = |first: &str, second: &str| six("eth1", first) + &six("eth2", second);
    let off = "    accept_ra 0\n";
    for (text, told) in [
        (only_both(A, B), 1),
        (eth1(A) + manual, 1),
        (eth1(A), 0),
        (eth1(A) + asks, 0),
        (only_both(A, B) + "iface eth3 inet manual\n", 1),
        (
            only_both(A, B) + "iface eth3 inet manual\n    up ip link set eth3 up\n",
            1,
        ),
        (
            only_both(A, B) + "iface eth3 inet manual\n    up /root/vpn\n",
            0,
        ),
        (only_both(A, B) + "iface eth3 inet ppp\n    provider x\n", 0),
        (
            only_both(A, B) + "iface eth3 inet static\n    address 10.3.0.1/24\n",
            0,
        ),
        (
            only_both(A, &format!("{B}; up ip route add 0.0.0.0/0 via 10.2.0.1")),
            0,
        ),
        (
            only_both(
                A,
                &format!("{B}; policy-route default via 10.2.0.1 table main"),
            ),
            0,
        ),
        (both6(off, off), 1),
        (both6(off, ""), 0),
        (both6(off, off) + "iface eth3 inet dhcp\n", 0),
        (
            both6(off, "    accept_ra 0\n    gateway 2001:db8:2::2\n"),
            0,
        ),
        (
            both6(off, off) + "iface eth3 inet6 auto\n    accept_ra 1\n",
            0,
        ),
        // A router of the other family.
        (
            both6(off, off)
                + "iface eth2 inet static\n    address 10.2.0.9/24\n    gateway 10.2.0.1\n",
            1,
        ),
    ] {
        let found = offline(&folder, &text);
        assert_eq!(found.matches("PT311").count(), told, "{text}{found}");
    }
}

/// Offline a name stands for the table that ifup would make of it, which is none that a stanza
/// names by number.
#[test]
fn a_name_gets_no_number_that_a_stanza_uses() {
    let folder = folder("numbers");
    let derived = derived_id(&"a".parse().unwrap());
    let text = both(
        A,
        &format!("policy-table {derived}; policy-gateway 10.2.0.1"),
    );
    let told = offline(&folder, &text);
    assert!(!told.contains("PT303"), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = folder("unread");
    fs::create_dir(folder.join("interfaces")).unwrap();
    let said = check(&folder, &["--offline"]);
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    assert_eq!(
        said.out,
        "policy-table check: 1 error\n\n\
         error: cannot read interfaces: Is a directory (os error 21) [PT101]\n"
    );
}

#[test]
fn places_hold_in_any_layout() {
    let folder = folder("places");
    fs::write(
        folder.join("sourced"),
        "iface eth2 inet static\n\taddress 10.2.0.1/24\n\tpolicy-table 0\n",
    )
    .unwrap();
    let text = "source sourced\n\
        iface base inet manual\n\
        \tpolicy-rule from 10.7.0.0/16 lookup 7\n\
        \tpolicy-rule from 10.7.0.5/16 lookup 7\n\
        # r\u{e4}tsel\n\
        iface eth1 inet static inherits base\n\
        \taddress 10.1.0.10\n\
        \tnetmask 255.255.255.1\n\
        policy-table\t\\\n\
        \u{e4}\u{4e2d}#\n\
        \tpolicy-rule  from 10.8.0.0/16 ; ;\t to 1.1.1.1 lookup x y\r\n\
        \tpolicy-rule dev $IFACE to \\\n\
        \t1.2.3.4/24\n\
        \tpolicy-route-2 10.9.0.0/16 via\n\
        \tpolicy-route-2 10.9.0.0/16 via; 10.9.0.0/16 mtu $IFACE\n\
        \tPOLICY_MODE none\n";
    let told = offline(&folder, text);
    let places: Vec<&str> = told
        .lines()
        .filter(|line| line.ends_with(']'))
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "interfaces:4:19",
            "interfaces:8:10",
            "interfaces:10:3",
            "interfaces:11:57",
            "interfaces:13:2",
            "interfaces:14:29",
            "interfaces:15:29",
            "interfaces:15:50",
            "interfaces:16:14",
            "./sourced:3:15",
        ],
        "{told}"
    );
    for shown in [
        "\tpolicy-table 0\n\t             ^\n",
        "\tpolicy-rule from 10.7.0.5/16 lookup 7\n\t                 ^~~~~~~~~~~\n",
        "\n\u{e4}\u{4e2d}#\n  ^\n",
        "\t1.2.3.4/24\n\t^~~~~~~~~~\n",
        "\tpolicy-route-2 10.9.0.0/16 via\n\t                           ^~~\n",
        " mtu $IFACE\n\t                                                ^~~~~~\n",
    ] {
        assert!(told.contains(shown), "{shown}\n{told}");
    }
}

#[test]
fn exit_codes_and_json_say_the_same() {
    let folder = folder("json");
    let good = stanza(
        "eth1",
        "10.1.0.10/24",
        "policy-table a; policy-gateway 10.1.0.1",
    );
    let guessed = stanza("eth1", "10.1.0.10/24", "policy-table a");
    let bad = guessed.clone() + &stanza("eth2", "10.2.0.1/24", "policy-table 254");
    for (text, code, counts) in [
        (&good, 0, "no findings"),
        (&guessed, 1, "1 warning"),
        (&bad, 2, "1 error, 1 warning"),
    ] {
        fs::write(folder.join("interfaces"), text).unwrap();
        let said = check(&folder, &["--offline"]);
        assert_eq!((said.code, said.err.as_str()), (code, ""));
        let first = said.out.lines().next().unwrap();
        assert_eq!(first, format!("policy-table check: {counts}"));
        assert!(!said.out.contains('\x1b'), "{}", said.out);
        let said = check(&folder, &["--offline", "--json"]);
        assert_eq!(said.code, code);
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(json["version"], 1);
        assert_eq!(json["summary"], counts);
    }
    let said = check(&folder, &["--offline", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[0]["number"], "PT201");
    assert_eq!(findings[0]["severity"], "warning");
    assert_eq!(findings[1]["number"], "PT105");
    assert_eq!(findings[1]["file"], "interfaces");
    assert_eq!(
        (&findings[1]["line"], &findings[1]["column"]),
        (&8.into(), &18.into())
    );
    assert!(findings[1]["hint"].is_null());
}

/// The examples of a document: its literal blocks that hold stanzas, with the heading above.
fn examples(path: &str, open: &str, close: &str, heading: &str) -> Vec<(String, String)> {
    let text = text(path);
    let (mut title, mut block, mut found) = (String::new(), None, Vec::new());
    for line in text.lines() {
        match &mut block {
            None if line == open => block = Some(String::new()),
            Some(_) if line == close => found.extend(block.take().map(|b| (title.clone(), b))),
            Some(block) => *block += &format!("{}\n", line.replace("\\-", "-")),
            None => title = line.strip_prefix(heading).unwrap_or(&title).to_owned(),
        }
    }
    found.retain(|(_, block)| block.starts_with("auto ") || block.starts_with("iface "));
    assert!(found.len() > 2, "{path}");
    found
}

#[test]
fn the_documents_examples_have_no_finding_that_is_not_meant() {
    let folder = folder("examples");
    let mut all = examples("man/policy-table-interfaces.5", ".EX", ".EE", ".SS ");
    all.extend(examples("README.md", "```", "```", "## "));
    let mut found = Vec::new();
    for (title, text) in all {
        for code in codes(&folder, &text) {
            found.push((title.clone(), code));
        }
    }
    let found: Vec<(&str, Code)> = found.iter().map(|(t, code)| (t.as_str(), *code)).collect();
    assert_eq!(
        found,
        [
            // The howto's example names no router.
            ("", Code::Guessed),
            // What the page says of ARP.
            ("Two interfaces in one subnet", Code::ArpFlux),
            // What the page says of the host itself.
            (
                "Published ports of containers and virtual machines",
                Code::NoHairpin,
            ),
            // The same, on the first screen of README.
            ("", Code::Guessed),
        ]
    );
}

#[test]
fn the_documents_show_what_is_printed() {
    let folder = folder("shown");
    let stanza = stanza("eth1", "10.10.0.10/24", "policy-tabel rt2");
    fs::write(folder.join("interfaces"), stanza).unwrap();
    let said = check(&folder, &["--offline"]);
    for document in ["README.md", "man/policy-table.8"] {
        let shown = text(document).replace("\\-", "-");
        assert!(shown.contains(&said.out), "{document}: {}", said.out);
    }
}

#[test]
fn the_page_explains_each_number() {
    let page = text("man/policy-table.8");
    let section = page.split(".SH FINDINGS\n").nth(1).unwrap();
    let section = section.split("\n.SH ").next().unwrap();
    let told: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix(".BR PT"))
        .collect();
    let known = Code::ALL.map(|code| format!("{} \" ({})\"", code as u16, code.severity()));
    assert_eq!(told, known);
    for entry in section.split("\n.TP\n").skip(1) {
        assert!(entry.lines().count() > 2, "explained in a line: {entry}");
    }
}

#[test]
fn what_others_inherit_is_told_once_and_held_against_nobody() {
    let folder = folder("inherits");
    let base = "iface base inet static\n    address 10.1.0.10/24\n    policy-table a\n    \
                policy-gateway 10.1.0.1\n    policy-rule form x\n";
    let child = "auto eth1 eth2\niface eth1 inherits base\niface eth2 inherits base\n";
    let text = base.to_owned() + child;
    assert_eq!(codes(&folder, &text), [Code::Line]);
    let text = text
        .replace("    policy-rule form x\n", "")
        .replace(" eth2\n", "\n");
    let good = text.replace("iface eth2 inherits base\n", "");
    assert_eq!(codes(&folder, &good), []);
    // A mapping may choose one of the two, and a name for no device may be long.
    let maps =
        "auto eth1\nmapping eth1\n    script s\n    map 1 home-with-a-long-name\n    map 2 work\n";
    let one = stanza(
        "home",
        "10.1.0.10/24",
        "policy-table a; policy-gateway 10.1.0.1",
    );
    let one = one
        .replace("auto home\n", "")
        .replace("home", "home-with-a-long-name");
    let two = stanza(
        "work",
        "10.1.0.10/24",
        "policy-table a; policy-gateway 10.1.0.2",
    );
    let two = two.replace("auto work\n", "");
    assert_eq!(codes(&folder, &format!("{maps}{one}{two}")), []);
}

/// Small numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

#[test]
fn no_file_makes_it_panic_or_point_nowhere() {
    let folder = folder("mutated");
    let path = folder.join("interfaces");
    let seeds: Vec<Vec<u8>> = cases()
        .into_iter()
        .map(|case| case.1.into_bytes())
        .collect();
    let scraps: [&[u8]; 14] = [
        b"\n",
        b"\\\n",
        b"\t",
        b";",
        b"#",
        b"\xff",
        b"\0",
        b" inherits eth1\n",
        b"$IFACE",
        b"policy-rule from ",
        b"\xe4\xb8\xad",
        b"iface x inet6 auto\n",
        b"?",
        b"/0",
    ];
    let mut numbers = Numbers(7);
    let mut told = 0;
    for _ in 0..1500 {
        let mut text = seeds[numbers.below(seeds.len())].clone();
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(text.len() + 1);
            let end = (at + numbers.below(9)).min(text.len());
            match numbers.below(4) {
                0 => drop(text.drain(at..end)),
                1 => text.extend_from_within(at..end),
                2 => text.extend(&seeds[numbers.below(seeds.len())]),
                _ => drop(text.splice(at..at, scraps[numbers.below(scraps.len())].to_vec())),
            }
        }
        fs::write(&path, &text).unwrap();
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        for finding in examine(&Interfaces::read(&path), None) {
            let place = finding.place.clone().unwrap();
            let line = String::from_utf8_lossy(lines[place.line - 1]);
            let length = line.chars().count();
            assert!((1..=length + 1).contains(&place.column), "{finding:?}");
            assert!(place.column + place.width <= length + 2, "{finding:?}");
            told += finding.told(false).lines().count();
        }
    }
    assert!(told > 5000, "{told}");
}

/// Stanzas by the thousand, each with a table and a network of its own and one rule; and one that
/// has main's default route.
fn thousands() -> String {
    let mut text = "iface eth9 inet dhcp\n".to_owned();
    for n in 0..4000 {
        text += &stanza(
            &format!("veth{n}"),
            &format!("10.{}.{}.10/24", n / 250, n % 250),
            &format!(
                "policy-table t{n}; policy-gateway 10.{}.{}.1; policy-rule fwmark {}",
                n / 250,
                n % 250,
                n + 1
            ),
        );
    }
    text
}

/// A command for bash, which says on standard error what processor time the command took: how long
/// that is by the clock is up to what else the machine does.
fn in_processor_time(command: &str) -> String {
    format!("TIMEFORMAT=\"%U seconds\"; time {command}")
}

/// In seconds.
fn processor_time(said: &Said) -> f64 {
    let last = said.err.lines().last().unwrap_or_default();
    eprintln!("{last}");
    last.strip_suffix(" seconds").unwrap().parse().unwrap()
}

#[test]
fn thousands_of_stanzas_take_no_time() {
    let folder = folder("thousands");
    fs::write(folder.join("interfaces"), thousands()).unwrap();
    let timed = format!("{PROGRAM} check --offline interfaces");
    let mut command = Command::new("/bin/bash");
    command.args(["-c", &in_processor_time(&timed)]);
    command.current_dir(&folder).stdin(Stdio::null());
    let said = Said::new(&command.output().unwrap());
    assert_eq!(said.out, "policy-table check: no findings\n");
    // A second for what users run; this one is not optimised.
    assert!(processor_time(&said) < 15.0, "{}", said.err);
}

#[test]
fn offline_opens_no_socket_and_needs_no_root() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        let program = "/usr/sbin/policy-table check";
        lab.interfaces(&stanza("eth1", "10.1.0.10/24", "policy-table a"));
        lab.ok("mkdir -m 777 /run/traces");
        let trace = |arguments: &str| {
            let traced = lab.sh(&format!(
                "setpriv --reuid 65534 --regid 65534 --clear-groups \
                 strace -f -e trace=socket,open,openat -o /run/traces/one {program} {arguments}"
            ));
            assert_eq!((traced.code, traced.err.as_str()), (1, ""));
            let trace = lab.text("/run/traces/one");
            lab.ok("rm /run/traces/one");
            trace
        };
        let alone = trace("--offline");
        assert!(alone.contains("/etc/network/interfaces"), "{alone}");
        assert!(
            !alone.contains("socket(") && !alone.contains("rt_tables"),
            "{alone}"
        );
        let with_host = trace("");
        assert!(
            with_host.contains("socket(") && with_host.contains("rt_tables"),
            "{with_host}"
        );
    });
}

/// What `check` says of a lab's file, first lines alone, those of a number.
fn here(lab: &Lab, code: Code) -> Vec<String> {
    let said = lab.sh("policy-table check");
    assert_eq!(said.err, "");
    let mark = format!(" [{code}]");
    let told = said.out.lines().filter_map(|line| line.strip_suffix(&mark));
    told.map(str::to_owned).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_is_called_an_error_is_one_to_ifup() {
    lab(|lab| {
        let up = |text: &str| {
            for name in ["eth0", "eth1", "eth2"] {
                lab.device(name);
            }
            lab.interfaces(text);
            let said = lab.sh("ifup -a");
            lab.sh("ifdown -a --force");
            lab.ok("for n in 0 1 2; do ip link del eth$n; done
                rm -rf /run/network/* /run/policy-table
                sed -i '/ifupdown-policy-table/d' /etc/iproute2/rt_tables");
            let well = said.code == 0 && said.ours().is_empty();
            (well, said)
        };
        for (code, bad, _, good) in cases() {
            if code.severity() == Severity::Error || code == Code::TwoGateways {
                let (well, said) = up(&bad);
                assert!(!well, "{code}: {bad}{said:?}");
                let (well, said) = up(&good);
                assert!(well, "{code}: {good}{said:?}");
            }
        }
    });
}

#[test]
fn the_names_of_tables_are_held_against_the_stanzas() {
    lab(|lab| {
        lab.device("eth1");
        let gateway = "policy-gateway 10.1.0.1";
        lab.interfaces(&stanza(
            "eth1",
            "10.1.0.10/24",
            &format!("policy-table a; {gateway}; policy-table-id 7"),
        ));
        let said = lab.sh("policy-table check");
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "policy-table check: no findings\n")
        );
        lab.ok("printf '8 a\\nrubbish\\n' >>/etc/iproute2/rt_tables");
        assert_eq!(
            here(lab, Code::TableId),
            [
                "/etc/network/interfaces:6:21: error: table a has ID 8 already, in \
              /etc/iproute2/rt_tables; expected that, or no ID"
            ]
        );
        assert_eq!(
            here(lab, Code::TableFile),
            ["warning: /etc/iproute2/rt_tables:6: not a table ID and a name; ip stops reading there"]
        );
        lab.ok("sed -i '/rubbish/d; s/^8 a/7 b/' /etc/iproute2/rt_tables");
        assert_eq!(here(lab, Code::TableFile), NOTHING);
        assert_eq!(
            here(lab, Code::TableId),
            ["/etc/network/interfaces:6:21: error: ID 7 belongs to table b; expected an ID that \
              no other table has"]
        );
        // The name is known, and somebody else routes by it.
        lab.ok("sed -i 's/^7 b/7 a/' /etc/iproute2/rt_tables; ip link set eth1 up");
        assert_eq!(here(lab, Code::TableId), NOTHING);
        // As after an ifup in the middle of an upgrade to Debian 13, which finds no rt_tables.
        let second = "/etc/iproute2/rt_tables.d/policy-table.conf";
        lab.ok(&format!(
            "mkdir -p $(dirname {second}); echo '9 a' >{second}"
        ));
        assert_eq!(
            here(lab, Code::TableFile),
            [format!(
                "warning: table a has ID 7 in /etc/iproute2/rt_tables and ID 9 in {second}; taking 7 \
                 as ip does"
            )]
        );
        lab.ok(&format!("rm {second}"));
        assert_eq!(here(lab, Code::TableFile), NOTHING);
        assert_eq!(here(lab, Code::ForeignRoutes), NOTHING);
        lab.ok("ip route add 192.0.2.0/24 dev eth1 table 7");
        assert_eq!(
            here(lab, Code::ForeignRoutes),
            [
                "/etc/network/interfaces:4:18: warning: table a (ID 7) has routes that are not \
              policy-table's: 192.0.2.0/24 dev eth1 table 7 proto 3 scope link"
            ]
        );
        lab.ok("ip route flush table 7; ifup eth1");
        assert_eq!(here(lab, Code::ForeignRoutes), NOTHING);
    });
}

#[test]
fn devices_and_sysctls_are_looked_at() {
    lab(|lab| {
        lab.device("eth1");
        let policy = "policy-table a; policy-gateway 10.1.0.1";
        lab.interfaces(
            &(stanza(
                "eth1",
                "10.1.0.10/24",
                &policy.replace("policy-gateway", "gateway"),
            ) + &stanza("eth2", "10.1.0.11/24", &policy.replace(" a;", " b;"))),
        );
        assert_eq!(
            here(lab, Code::NoDevice),
            ["/etc/network/interfaces:7:7: note: there is no device eth2 now"]
        );
        lab.device("eth2");
        assert_eq!(here(lab, Code::NoDevice), NOTHING);
        assert_eq!(here(lab, Code::ArpFlux).len(), 1);
        lab.ok("echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
            echo 2 >/proc/sys/net/ipv4/conf/eth1/arp_announce");
        assert_eq!(here(lab, Code::ArpFlux).len(), 1);
        lab.ok("echo 2 >/proc/sys/net/ipv4/conf/eth2/arp_announce");
        let said = lab.sh("policy-table check");
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "policy-table check: no findings\n")
        );
    });
}

#[test]
fn the_reverse_path_filter_is_told_of_where_it_drops() {
    lab(|lab| {
        lab.ok("ip netns add r1
            ip link add eth1 type veth peer name host netns r1
            ip -n r1 link set host up; ip -n r1 link set lo up
            ip -n r1 address add 10.1.0.1/24 dev host
            ip -n r1 address add 203.0.113.9/32 dev lo");
        lab.device("eth0");
        lab.ok("ip link set eth0 up; ip address add 192.0.2.10/24 dev eth0
            ip route add default via 192.0.2.1
            for n in all default eth0; do echo 0 >/proc/sys/net/ipv4/conf/$n/rp_filter; done");
        let by_mark = |source: &str| {
            let policy = "policy-table a; policy-gateway 10.1.0.1; policy-rule fwmark 2";
            stanza(
                "eth1",
                "10.1.0.10/24",
                &format!("{policy}; policy-source {source}"),
            )
        };
        for source in ["none", "address"] {
            lab.interfaces(&by_mark(source));
            lab.ok("ifup eth1");
            for filter in ["0", "1", "2"] {
                lab.ok(&format!(
                    "echo {filter} >/proc/sys/net/ipv4/conf/eth1/rp_filter"
                ));
                let ping = "ping -n -m 2 -I 10.1.0.10 -c 3 -i 0.2 -W 1 203.0.113.9";
                let drops = lab.sh(ping).code != 0;
                let told = here(lab, Code::ReversePath);
                assert_eq!(
                    drops,
                    source == "none" && filter == "1",
                    "{source} {filter}"
                );
                assert_eq!(!told.is_empty(), drops, "{source} {filter}: {told:?}");
            }
            lab.ok("ifdown eth1");
        }
        lab.ok("echo 1 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
        assert_eq!(here(lab, Code::ReversePath), NOTHING);
        lab.ok("echo 1 >/proc/sys/net/ipv4/ip_forward");
        assert_eq!(
            here(lab, Code::ReversePath),
            [
                "/etc/network/interfaces:6:17: warning: rp_filter is 1 on eth1: replies to marked \
              packets that this host forwards are dropped, because the way back is looked up \
              without the mark"
            ]
        );
        lab.ok("echo 1 >/proc/sys/net/ipv4/conf/eth1/src_valid_mark");
        assert_eq!(here(lab, Code::ReversePath), NOTHING);
    });
}

#[test]
fn networkd_is_told_of_while_it_runs_and_takes_rules() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok(
            "rm -rf /etc/systemd/networkd.conf /etc/systemd/networkd.conf.d
            rm -rf /usr/lib/systemd/networkd.conf.d; mkdir -p /run/systemd/netif/links",
        );
        lab.interfaces(&stanza(
            "eth1",
            "10.1.0.10/24",
            "policy-table a; policy-gateway 10.1.0.1",
        ));
        // Where it runs it keeps notes of lo, at least.
        lab.write("/run/systemd/netif/links/1", "ADMIN_STATE=configured\n");
        assert_eq!(here(lab, Code::Networkd), NOTHING);
        // Its name is all of it that counts here; the real one is the business of `networkd`.
        let mut running = Command::new("/bin/bash")
            .args(["-c", "exec -a /lib/systemd/systemd-networkd sleep 60"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while here(lab, Code::Networkd).is_empty() && begin.elapsed() < Duration::from_secs(60) {}
        assert_eq!(
            here(lab, Code::Networkd),
            ["warning: systemd-networkd is running, and removes the rules of others"]
        );
        let drop_in = |folder: &str, value: &str| {
            lab.write(
                &format!("{folder}/systemd/networkd.conf.d/a.conf"),
                &format!("[Network]\nManageForeignRoutingPolicyRules={value}\n"),
            );
            here(lab, Code::Networkd).len()
        };
        assert_eq!(drop_in("/usr/lib", "no"), 0);
        assert_eq!(drop_in("/run", "yes"), 1);
        assert_eq!(drop_in("/etc", "no"), 0);
        lab.ok("rm -r /etc/systemd/networkd.conf.d");
        assert_eq!(here(lab, Code::Networkd).len(), 1);
        lab.write("/run/systemd/netif/links/1", "ADMIN_STATE=unmanaged\n");
        assert_eq!(here(lab, Code::Networkd), NOTHING);
        lab.write("/run/systemd/netif/links/2", "ADMIN_STATE=configured\n");
        assert_eq!(here(lab, Code::Networkd).len(), 1);
        lab.write("/run/systemd/netif/links/2", "ADMIN_STATE=unmanaged\n");
        assert_eq!(here(lab, Code::Networkd), NOTHING);
        lab.write("/etc/systemd/network/a.network", "");
        assert_eq!(here(lab, Code::Networkd).len(), 1);
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(here(lab, Code::Networkd), NOTHING);
    });
}

#[test]
fn what_is_sourced_and_is_no_file_is_told_and_not_waited_for() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("mkfifo /etc/network/pipe");
        for what in ["/etc/network/pipe", "/dev/zero"] {
            lab.interfaces(&format!(
                "source {what}\nsource /dev/null\n\
                 iface eth1 inet static\n address 192.0.2.10/24\n policy-table rt2\n \
                 policy-gateway 192.0.2.1\n"
            ));
            for command in ["check", "status", "plan", "apply --all", "migrate"] {
                let said = lab.sh(&format!(
                    "ulimit -v 1000000; timeout 20 policy-table {command}"
                ));
                assert!(said.code < 124, "{what} {command}: {said:?}");
            }
            let said = lab.sh("policy-table check");
            assert!(
                said.out.contains(what) && said.out.contains("no regular file"),
                "{said:?}"
            );
            assert!(!said.out.contains("/dev/null"), "{said:?}");
        }
        // As the main file, too: neither waited for nor read without end.
        lab.ok("truncate -s 20G /run/long");
        for (what, why) in [
            ("/etc/network/pipe", "no regular file"),
            ("/dev/zero", "no regular file"),
            ("/run/long", "longer than 16 MiB"),
        ] {
            for command in ["check", "migrate", "status -i", "plan -i", "apply --all -i"] {
                let said = lab.sh(&format!(
                    "ulimit -v 1000000; timeout 20 policy-table {command} {what}"
                ));
                let told = said.out + &said.err;
                assert!(
                    said.code == 2 && told.contains(why),
                    "{what} {command}: {told}"
                );
            }
        }
        // What somebody names himself may come from a pipe.
        let said = lab.sh("printf 'iface eth1 inet manual\n' | policy-table check /dev/stdin");
        assert_eq!(said.code, 0, "{said:?}");
    });
}

/// What nothing but other stanzas names may be half a stanza.
#[test]
fn what_is_wrong_in_a_parent_is_told_once_where_it_is_used() {
    let parent = "iface base inet static\n    address 10.10.0.10/24\n    policy-mode strict\n";
    let child = "auto eth1\niface eth1 inherits base\n    policy-table rt2\n    \
                 policy-gateway none\n";
    lab(|lab| {
        let check = |text: &str| {
            lab.interfaces(text);
            lab.sh("policy-table check --offline")
        };
        let whole = check(&format!("{parent}{child}"));
        assert_eq!(whole.code, 0, "{whole:?}");
        for named in [
            "auto base",
            "mapping eth2\n    script /bin/x\n    map x base",
        ] {
            let half = check(&format!("{parent}{child}{named}\n"));
            assert!(half.out.contains("policy-mode"), "{named}: {half:?}");
            assert_eq!(half.code, 2, "{named}: {half:?}");
        }
        let wrong = parent.replace("strict", "nothing");
        let wrong = check(&format!("{wrong}{child}"));
        assert!(wrong.out.contains("interfaces:3:17: error"), "{wrong:?}");
        assert_eq!(wrong.out.matches("error:").count(), 1, "{wrong:?}");
    });
}

#[test]
fn a_long_line_of_parents_takes_memory_as_its_length() {
    lab(|lab| {
        let mut file =
            "iface a0 inet static\n address 10.10.0.10/24\n policy-table rt2\n".to_owned();
        for n in 1..800 {
            file += &format!(
                "iface a{n} inherits a{}\n option-{n} {}\n",
                n - 1,
                "x".repeat(1500)
            );
        }
        lab.interfaces(&file);
        // A copy of all that each inherits would be 480 MB.
        for command in ["status", "plan a0", "check --offline"] {
            let said = lab.sh(&format!("ulimit -v 150000; policy-table {command}"));
            assert!(
                said.code < 2 || said.err.contains("not up"),
                "{command}: {said:?}"
            );
        }
    });
}

#[test]
fn a_large_main_table_is_not_read() {
    lab(|lab| {
        lab.device("eth0");
        lab.ok("ip link set eth0 up; ip address add 192.0.2.10/24 dev eth0
            seq 0 99999 | awk '{ printf \"route add 11.%d.%d.%d via 192.0.2.1\\n\", \
                $1 / 65536, $1 / 256 % 256, $1 % 256 }' >/run/many; ip -b /run/many");
        lab.interfaces(&thousands());
        let timed = in_processor_time("policy-table check");
        let said = lab.sh(&format!("bash -c '{timed}'"));
        assert!(
            said.out.starts_with("policy-table check: 4000 notes\n"),
            "{}",
            &said.out[..200]
        );
        assert_eq!(said.code, 0);
        assert!(processor_time(&said) < 30.0, "{}", said.err);
    });
}

/// A last resort that somebody else has put in, in the main table or in the stanza's.
#[test]
fn a_route_that_drops_and_is_not_passed_over_is_told_of() {
    lab(|lab| {
        lab.device("eth1");
        let stanza = format!("{A}; policy-table-id 7; policy-mode main");
        lab.interfaces(&eth1(&stanza));
        lab.ok("ip link set eth1 up; ip address add 10.1.0.10/24 dev eth1");
        assert_eq!(here(lab, Code::StoppedHere), NOTHING);
        for (line, place, there) in [
            ("unreachable default metric 9", "table 254", true),
            ("prohibit 128.0.0.0/1", "table 254", true),
            ("blackhole default table 7", "table 7", true),
            ("blackhole 10.9.0.0/16 table 7", "", false),
            ("throw default table 7", "", false),
            ("unreachable default table 8", "", false),
            ("-6 unreachable default", "", false),
        ] {
            let (family, line) = match line.strip_prefix("-6 ") {
                Some(line) => ("-6", line),
                None => ("-4", line),
            };
            lab.ok(&format!("ip {family} route add {line}"));
            let found = here(lab, Code::StoppedHere);
            assert_eq!(found.len(), usize::from(there), "{line}: {found:?}");
            assert!(found.iter().all(|found| found.contains(place)), "{found:?}");
            lab.ok(&format!("ip {family} route del {line}"));
        }
        lab.interfaces(&eth1(&stanza.replace("main", "strict")));
        lab.ok("ip route add unreachable default metric 9");
        assert_eq!(here(lab, Code::StoppedHere), NOTHING);
    });
}
