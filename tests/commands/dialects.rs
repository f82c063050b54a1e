//! The commands where ifupdown2 or ifupdown-ng is in charge: they read its file as it does, and know
//! what it has brought up.

use std::fs;
use std::path::Path;

use crate::support::lab::{lab, Lab};
use crate::support::others::Ifupdown;
use crate::support::tree::top;
use policy_table::check::{examine, examine_beside, Code};
use policy_table::ifupdown::interfaces::Interfaces;
use policy_table::ifupdown::Caller;

/// A host with these devices, of which one of the two is in charge.
fn host(program: Ifupdown, test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        lab.ok("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
        for name in ["eth1", "eth2", "eth3"] {
            lab.device(name);
        }
        test(lab);
    });
}

/// What all commands find right, and `apply` puts in force.
fn all_is_well(lab: &Lab, rules: [&[&str]; 2]) {
    let said = lab.sh("policy-table apply --all");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for (family, expected) in ["-4", "-6"].into_iter().zip(rules) {
        let found = lab.rules(family);
        // The order is of the hooks' making, and no concern of this.
        let mut found: Vec<&str> = found
            .iter()
            .map(|rule| rule.split(" proto ").next().unwrap())
            .collect();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", said.out);
    }
    for command in ["status", "check", "migrate"] {
        let said = lab.sh(&format!("policy-table {command}"));
        assert_eq!(said.code, 0, "{command}: {}{}", said.out, said.err);
    }
    let plan = lab.ok("policy-table plan eth1 eth3");
    assert!(plan.lines().all(|line| line.starts_with('#')), "{plan}");
    let said = lab.sh("policy-table apply --all");
    assert!(said.code == 0 && said.err.is_empty(), "{said:?}");
    // What was never up is no concern, not even where it is named.
    assert!(!lab.ok("policy-table status").contains("eth2"));
    let said = lab.sh("policy-table apply eth2");
    assert_eq!(
        (said.code, said.err.as_str()),
        (2, "policy-table: eth2 is not up; run: ifup eth2\n")
    );
}

const TWO: &str = "\
auto lo
iface lo inet loopback

auto eth1
iface eth1
    address 10.10.0.10/24
    address 10.11.0.10/24
    address 2001:db8:1::10/64
    gateway 10.10.0.1
    policy_table rt1
    policy-gateway 10.10.0.1
    policy-gateway 2001:db8:1::1

iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt2
    policy-gateway none

source /etc/network/interfaces.d/*
";

/// As Proxmox writes it for its virtual networks.
const SDN: &str = "\
#version:9

auto eth3
iface eth3
\taddress 10.30.0.1/24
\tpost-up true
\tpolicy-table rt3
\tpolicy-gateway none
";

const RULES: [&[&str]; 2] = [
    &[
        "21000: from 10.10.0.10 lookup rt1",
        "21000: from all to 10.10.0.10 lookup rt1",
        "21000: from 10.11.0.10 lookup rt1",
        "21000: from all to 10.11.0.10 lookup rt1",
        "21000: from 10.30.0.1 lookup rt3",
        "21000: from all to 10.30.0.1 lookup rt3",
    ],
    &[
        "21000: from 2001:db8:1::10 lookup rt1",
        "21000: from all to 2001:db8:1::10 lookup rt1",
    ],
];

#[test]
fn all_commands_read_what_ifupdown2_reads() {
    host(Ifupdown::Two, |lab| {
        lab.interfaces(TWO);
        lab.write("/etc/network/interfaces.d/sdn", SDN);
        lab.ok("ifup -a");
        all_is_well(lab, RULES);
        // Debian's ifupdown would read none of it.
        for command in ["check", "status", "plan", "migrate"] {
            let said = lab.sh(&format!("policy-table {command} --as ifupdown"));
            assert_eq!(said.code, 2, "{command}: {}", said.out);
        }
        lab.ok("ifdown eth3");
        lab.sh("policy-table apply --all");
        assert!(!lab.ok("policy-table status").contains("eth3"));
        assert_eq!(lab.rules("-4").len(), 4);
    });
}

const NG: &str = "\
auto lo
template common # of all
    policy-gateway none

auto eth1
interface eth1 inherits common
    address 10.10.0.10/24 # the first
    address 10.11.0.10/24
    address 2001:db8:1::10/64
    gateway 10.10.0.1
    policy-table rt1

iface eth2
    address 10.20.0.10/24
    policy-table rt2
    inherit common

auto eth3
iface eth3
    requires eth1
    inherit common
    address 10.30.0.1/24
    policy-table rt3
";

#[test]
fn all_commands_read_what_ifupdown_ng_reads() {
    host(Ifupdown::Ng, |lab| {
        lab.interfaces(NG);
        lab.ok("ifup -a");
        all_is_well(lab, RULES);
        lab.ok("ifdown eth3");
        lab.sh("policy-table apply --all");
        assert!(!lab.ok("policy-table status").contains("eth3"));
    });
}

/// Debian 13 can have ifupdown-ng beside its ifupdown, under names of its own.
#[test]
fn what_a_second_program_has_up_is_read_as_that_reads_it() {
    lab(|lab| {
        let Some(from) = Ifupdown::Ng.unpacked() else {
            return;
        };
        lab.ok(&format!(
            "cp -r {from}/usr/libexec/ifupdown-ng /usr/libexec/; mkdir /opt/ng; \
             for top in sbin usr/sbin; do cp -a {from}/$top/. /opt/ng/ 2>/dev/null; done; \
             cd /opt/ng; [ -e ifup ] || ln -s ifup-ng ifup",
            from = from.display()
        ));
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(
            "iface eth1 inet static\n address 10.10.0.10/24\n policy-table rt1\n \
             policy-gateway none\niface eth2 inet static\n address 10.20.0.10/24\n \
             address 10.21.0.10/24\n policy-table rt2 # of the second line\n policy-gateway none\n",
        );
        lab.ok("ifup eth1");
        lab.ok("/opt/ng/ifup eth2");
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        assert_eq!(said.out.matches("eth2 inet").count(), 2, "{}", said.out);
        let said = lab.sh("policy-table apply --all");
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
        assert_eq!(lab.rules("-4").len(), 6);
        // Who says whose it is is believed.
        let said = lab.sh("policy-table status --as ifupdown eth2");
        assert_eq!(said.code, 2, "{}", said.out);
    });
}

#[test]
fn a_template_of_ifupdown2_is_left_to_it() {
    host(Ifupdown::Two, |lab| {
        let eth1 = "auto eth1\niface eth1\n address 10.10.0.10/24\n policy-table rt1\n \
                    policy-gateway none\n";
        lab.interfaces(eth1);
        lab.ok("ifup -a");
        lab.ok("policy-table apply eth1");
        assert_eq!(lab.rules("-4").len(), 2);
        // Now the stanza is one that only a template says.
        lab.interfaces(&format!(
            "%for n in (1,):\n{}%endfor\n",
            eth1.replace("eth1", "eth${n}")
        ));
        for command in ["apply --all", "status", "plan"] {
            let said = lab.sh(&format!("policy-table {command}"));
            assert_eq!(said.code, 0, "{command}: {}{}", said.out, said.err);
        }
        assert_eq!(lab.rules("-4").len(), 2);
        let said = lab.sh("policy-table apply eth1");
        assert!(
            said.code == 2 && said.err.contains("a template"),
            "{said:?}"
        );
        assert!(lab.ok("policy-table status").contains("a template"));
    });
}

/// What is found in a file, to the web interface of Proxmox, too; each number once.
fn found(path: &str, text: &str, caller: Caller) -> Vec<Code> {
    let interfaces = Interfaces::of(Path::new(path), text.as_bytes(), caller);
    let findings = examine_beside(&interfaces, None, true);
    let mut codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

const ETH1: &str =
    "auto eth1\niface eth1 inet static\n\taddress 10.10.0.10/24\n\tgateway 10.10.0.1\n\t\
                    policy-table rt1\n";

/// Each is told of the first file by the programs that are named, and not of the second, nor of any
/// by the others.
#[test]
fn what_bites_with_one_program_is_told_there_alone() {
    use Caller::{Ifupdown2, IfupdownNg};
    let blank = ETH1.replace("\tpolicy", "\n\tpolicy");
    let two = ETH1.replace("\tgateway", "\taddress 10.10.0.11/24\n\tgateway");
    let twice = format!("{ETH1}iface eth1 inet static\n\taddress 10.10.0.11/24\n");
    let both = ETH1.replace(
        "\tgateway",
        "\taddress 2001:db8::1/64\n\tgateway 2001:db8::2\n\tgateway",
    );
    let template = format!("%for n in (1,):\n{ETH1}%endfor\n");
    for (code, callers, bad, good) in [
        (
            Code::BlankLine,
            &[Ifupdown2][..],
            &blank,
            &format!("{ETH1}\n\n"),
        ),
        (Code::LostAddress, &[Ifupdown2], &two, &both),
        (Code::LostAddress, &[Ifupdown2], &twice, &both),
        (
            Code::NoFail,
            &[Ifupdown2, IfupdownNg],
            &format!("{ETH1}\tpolicy-on-error fail\n"),
            &format!("{ETH1}\tpolicy-on-error warn\n"),
        ),
        (
            Code::AutoOne,
            &[IfupdownNg],
            &format!("auto lo eth1\n{ETH1}"),
            &format!("auto lo # eth1\n{ETH1}"),
        ),
        (Code::Templated, &[Ifupdown2], &template, &ETH1.to_owned()),
    ] {
        for caller in [Ifupdown2, IfupdownNg] {
            let told = found("/x", bad, caller);
            let expected = callers.contains(&caller);
            assert_eq!(told.contains(&code), expected, "{code}, {caller}: {bad}");
            assert_eq!(found("/x", good, caller), [], "{code}, {caller}: {good}");
        }
        assert!(
            !found("/x", bad, Caller::Ifupdown).contains(&code),
            "{code}: {bad}"
        );
        // Without Proxmox nothing moves.
        let plain = examine(
            &Interfaces::of(Path::new("/x"), bad.as_bytes(), Ifupdown2),
            None,
        );
        let moves = plain
            .iter()
            .any(|found| [Code::BlankLine, Code::LostAddress].contains(&found.code));
        assert!(!moves, "{bad}");
    }
}

#[test]
fn a_finding_says_where_and_what_to_do() {
    let text = ETH1.replace("\tpolicy", "\n\tpolicy");
    lab(|lab| {
        lab.write("/etc/network/interfaces.new", &text);
        let said =
            lab.sh("policy-table check --as ifupdown2 --offline /etc/network/interfaces.new");
        assert_eq!((said.code, said.err.as_str()), (1, ""), "{}", said.out);
        let told =
            "interfaces.new:6:2: warning: it stands behind a blank line: the web interface of \
                    Proxmox, when it writes the file anew, moves it to another stanza [PT208]\n\
                    \tpolicy-table rt1\n\t^~~~~~~~~~~~\nhint: remove line 5, which is blank\n";
        assert!(said.out.contains(told), "{}", said.out);
        // On a host that has it without being asked, on others with --as alone.
        let check = "policy-table check /etc/network/interfaces.new | grep -c PT208 || true";
        assert_eq!(lab.ok(check), "0\n");
        lab.ok("mkdir -p /usr/share/perl5/PVE /usr/share/ifupdown2");
        assert_eq!(lab.ok(check), "1\n");
        lab.ok("rmdir /usr/share/perl5/PVE");
        assert_eq!(lab.ok(check), "0\n");
    });
}

/// Of several lines of one option, some are of one family's call alone.
#[test]
fn a_mistake_is_told_at_its_line_among_several() {
    let text =
        "iface eth1\n address 10.10.0.10/24\n address 2001:db8:1::10/64\n policy-table rt1\n \
                policy-gateway 10.10.0.1\n policy-gateway 2001:db8:1::10\n \
                policy-rule from 10.0.0.0/8\n policy-rule from 2001:db8::/32 proto 5; iif lo\n";
    let interfaces = Interfaces::of(Path::new("/x"), text.as_bytes(), Caller::Ifupdown2);
    let findings = examine(&interfaces, None);
    let places = findings.iter().map(|finding| {
        let place = finding.place.as_ref().unwrap();
        (finding.code, place.line, place.column)
    });
    let expected = [(Code::Value, 6, 17), (Code::Line, 8, 33)];
    assert_eq!(places.collect::<Vec<_>>(), expected, "{findings:?}");
}

/// What Proxmox' web interface makes of files, in words of our own: what is found before it has
/// written them tells what is lost then.
#[test]
fn what_proxmox_makes_of_a_file_is_told_before() {
    let folder = top().join("tests/commands/proxmox");
    let read = |name: &str, when: &str| {
        let file = folder.join(format!("{name}.{when}"));
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let calls = |text: &str| {
        let interfaces = Interfaces::of(Path::new("/x"), text.as_bytes(), Caller::Ifupdown2);
        interfaces.calls("vmbr1")
    };
    for (name, before, after, is_kept) in [
        ("blank-line", &[Code::BlankLine][..], &[][..], false),
        ("several-addresses", &[Code::LostAddress], &[], false),
        (
            "two-stanzas",
            &[Code::LostAddress],
            &[Code::LostAddress],
            false,
        ),
        ("comments-and-repeats", &[], &[], true),
        ("both-families", &[], &[], true),
    ] {
        let (old, new) = (read(name, "before"), read(name, "after"));
        assert_eq!(found("/x", &old, Caller::Ifupdown2), before, "{name}");
        assert_eq!(
            found("/x", &new, Caller::Ifupdown2),
            after,
            "{name}, afterwards"
        );
        assert_eq!(calls(&old) == calls(&new), is_kept, "{name}");
        assert!(
            calls(&old).iter().any(|call| !call.options.is_empty()),
            "{name}"
        );
    }
    let found: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(found.len(), 10);
}
