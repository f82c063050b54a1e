//! The real `ifup` and `ifdown` of ifupdown-ng and ifupdown2, which call a hook once for all
//! stanzas of an interface, with the package's links, judged by `ip`. `tests/run` unpacks them.

use crate::same_on_all_three::devices_of_links;
use crate::support::lab::{lab, Lab};
use crate::support::others::Ifupdown;

fn stanza(table: &str) -> String {
    format!(
        "auto eth1\niface eth1 inet static\n    address 10.10.0.10/24\n    policy-table {table}\n    \
         policy-gateway 10.10.0.1\n    policy-rule-1 to 192.0.2.0/24 lookup {table} priority 900\n    \
         policy-rule-2 iif lo lookup {table} priority 901\n"
    )
}

fn in_table(table: &str) -> [String; 4] {
    [
        "900: from all to 192.0.2.0/24".to_owned(),
        "901: from all iif lo".to_owned(),
        "21000: from 10.10.0.10".to_owned(),
        "21000: from all to 10.10.0.10".to_owned(),
    ]
    .map(|rule| format!("{rule} lookup {table} proto policy-table"))
}

fn in_force(lab: &Lab, table: &str) {
    assert_eq!(lab.rules("-4"), in_table(table));
    let routes = [
        "default via 10.10.0.1 dev eth1 proto policy-table",
        "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
    ];
    assert_eq!(lab.routes("-4", table), routes);
    assert_eq!(lab.tagged().len(), 6, "and nothing else");
    let said = lab.sh("policy-table status");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let second = said.out.lines().nth(1).unwrap_or_default();
    let beginning = format!("eth1 inet static 10.10.0.10, table {table} ");
    assert!(second.starts_with(&beginning), "{}", said.out);
    assert_eq!(said.out.matches("eth1 inet").count(), 1, "{}", said.out);
}

fn serves(program: Ifupdown) {
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        lab.device("eth1");
        lab.interfaces(&stanza("rt2"));
        lab.ok("ifup eth1");
        in_force(lab, "rt2");
        assert_eq!(lab.ok("policy-table plan | grep -v '^#' || true"), "");

        lab.interfaces(&stanza("rt3"));
        lab.ok("policy-table apply eth1");
        in_force(lab, "rt3");

        // The hook stands for the part that apply has made of the stanza, too. That the address is
        // there already is an error to ifupdown-ng.
        lab.interfaces(&stanza("rt4"));
        lab.sh("ifup --force eth1");
        in_force(lab, "rt4");

        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

const BOTH_FAMILIES: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-gateway none
iface eth1 inet6 static
    address 2001:db8:1::10/64
    policy-table rt2
    policy-gateway none
";

/// A hook that is called once is told one address, and finds the other in the file.
fn both_families_are_served(program: Ifupdown) {
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        lab.device("eth1");
        lab.ok("sysctl -q net.ipv6.conf.eth1.accept_dad=0");
        lab.interfaces(BOTH_FAMILIES);
        lab.ok("ifup eth1");
        assert_eq!((lab.rules("-4").len(), lab.rules("-6").len()), (2, 2));
        assert_eq!(lab.sh("policy-table status").code, 0);
        let said = lab.ok("policy-table apply eth1");
        assert_eq!(said.matches(" 0 added, 0 removed").count(), 2, "{said}");

        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

const BOTH: [Ifupdown; 2] = [Ifupdown::Two, Ifupdown::Ng];

/// A lab for each of the two.
fn with_both(test: impl Fn(&Lab, Ifupdown) + Send + Sync) {
    for program in BOTH {
        lab(|lab| {
            if program.install(lab) {
                lab.device("eth1");
                test(lab, program);
            }
        });
    }
}

#[test]
fn the_file_that_they_are_told_to_read_says_the_stanzas() {
    with_both(|lab, _| {
        lab.interfaces("auto eth1\niface eth1 inet manual\n");
        lab.write("/etc/network/other", &stanza("rt5"));
        lab.ok("ifup -i /etc/network/other eth1");
        assert_eq!(lab.rules("-4"), in_table("rt5"));
        // Where there are no options at all, what the record says still goes.
        lab.sh("ifup --force eth1");
        assert_eq!(lab.tagged(), [""; 0]);
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

/// Their order of folders is another one than ifupdown's.
#[test]
fn what_a_hook_in_a_folder_of_ifupdown_is_told_by_them_is_not_acted_on() {
    with_both(|lab, _| {
        lab.script(
            "/etc/network/if-up.d/01-after",
            "#!/bin/sh\nip -4 rule >/run/at-up; exit 0\n",
        );
        lab.interfaces(&stanza("rt2"));
        lab.ok("ifup eth1");
        assert!(!lab.text("/run/at-up").contains("rt2"));
        assert_eq!(lab.rules("-4"), in_table("rt2"));
    });
}

#[test]
fn who_starts_ifupdown2_gives_no_options() {
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        lab.device("eth1");
        lab.device("eth2");
        // What comes in over a pipe nobody else can read.
        let piped = "auto eth1\niface eth1 inet static\n    address 10.10.0.10/24\n\n\
             auto eth2\niface eth2 inet static\n    address 10.20.0.10/24\n    \
             policy-table rt2\n    policy-gateway 10.20.0.1\n";
        lab.write("/run/piped", piped);
        let started = "IF_POLICY_TABLE=leak IF_POLICY_GATEWAY=10.10.0.9 ifup";
        lab.ok(&format!("cat /run/piped | {started} -i - -a"));
        let rules = [
            "21000: from 10.20.0.10 lookup rt2 proto policy-table",
            "21000: from all to 10.20.0.10 lookup rt2 proto policy-table",
        ];
        assert_eq!(lab.rules("-4"), rules);
        assert!(!lab.text("/etc/iproute2/rt_tables").contains("leak"));
        lab.interfaces(&stanza("rt3"));
        lab.ok(&format!("{started} -a"));
        let mut expected = in_table("rt3").to_vec();
        expected.splice(2..2, rules.map(str::to_owned));
        assert_eq!(lab.rules("-4"), expected);
        lab.ok("ifdown -a");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn who_waits_for_an_address_lets_others_go_on_and_is_told_what_to_run() {
    lab(|lab| {
        if !Ifupdown::Ng.install(lab) {
            return;
        }
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual\n    policy-table rt2\n    policy-on-error fail\n\
             iface eth1 inet6 manual\n    policy-table rt2\n",
        );
        let said = lab.sh(
            "ip link set eth1p addrgenmode none; ip link set eth1 addrgenmode none; \
                           ifup eth1",
        );
        assert_eq!(said.code, 0, "{said:?}");
        let waiting = |family| {
            format!(
                "eth1: waiting for an {family} address: none came in a second; policy routing is not \
                 in force until then; when it is there, run: policy-table apply eth1"
            )
        };
        assert_eq!(said.ours(), [waiting("IPv4"), waiting("IPv6")]);
        lab.interfaces(
            "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-tabel rt2\n    \
                        policy-on-error fail\n",
        );
        let said = lab.sh("ifdown eth1; ifup eth1");
        let last = *said.ours().last().unwrap();
        assert_eq!(
            last,
            "eth1: policy routing is not in force, the interface itself is up (policy-on-error fail \
             has no effect with ifupdown-ng); correct the cause, then run: policy-table apply eth1"
        );
    });
}

#[test]
fn options_that_an_edit_took_away_are_missed() {
    lab(|lab| {
        if !Ifupdown::Ng.install(lab) {
            return;
        }
        lab.device("eth1");
        lab.interfaces(BOTH_FAMILIES);
        lab.ok("sysctl -q net.ipv6.conf.eth1.accept_dad=0; ifup eth1");
        let without =
            BOTH_FAMILIES.replacen("    policy-table rt2\n    policy-gateway none\n", "", 1);
        lab.interfaces(&without);
        let said = lab.sh("ifup --force eth1");
        let missed = "eth1: had policy-table rt2, its stanza has none now; taken out";
        assert_eq!(said.ours(), [missed], "{said:?}");
        assert_eq!((lab.rules("-4").len(), lab.rules("-6").len()), (0, 2));
        // A stanza that is gone.
        lab.interfaces("iface eth1 inet manual\n");
        let said = lab.sh("ifup --force eth1");
        assert_eq!(said.ours(), [missed], "{said:?}");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn ifupdown_ng_is_served() {
    serves(Ifupdown::Ng);
    both_families_are_served(Ifupdown::Ng);
}

#[test]
fn ifupdown2_is_served() {
    serves(Ifupdown::Two);
    both_families_are_served(Ifupdown::Two);
}

const BY_HAND: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    post-up ip route add 10.10.0.0/24 dev eth1 src 10.10.0.10 table 102
    post-up ip route add default via 10.10.0.1 dev eth1 table 102
    post-up ip rule add from 10.10.0.10 lookup 102 priority 21000
    pre-down ip rule del from 10.10.0.10 lookup 102 priority 21000
";

/// What they know of their interfaces is theirs: a trial has its own.
fn verify_leaves_its_state_alone(program: Ifupdown) {
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        lab.ok("mount -t tmpfs lab /var/tmp"); // where others work, too
        lab.device("eth1");
        lab.interfaces(BY_HAND);
        lab.ok("ifup eth1");
        let state = || {
            lab.ok(
                "find /var/tmp /var/log /var/lib /run /etc -xdev -newer /usr/sbin/policy-table \
                 -type f ! -path '/run/lab/*' | sort | xargs md5sum",
            )
        };
        let (before, routing) = (state(), lab.routing());
        assert!(before.contains("state"), "{before}");
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.err.contains(" 6 rules and ")
                && said.err.contains(" are equal before and after\n"),
            "{said:?}"
        );
        assert_eq!(state(), before);
        assert_eq!(lab.routing(), routing);
        let said = lab.sh("ifdown eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        assert!(lab.rules("-4").is_empty(), "{:?}", lab.rules("-4"));
    });
}

#[test]
fn ifupdown2_knows_its_interfaces_after_a_trial() {
    verify_leaves_its_state_alone(Ifupdown::Two);
}

#[test]
fn ifupdown_ng_knows_its_interfaces_after_a_trial() {
    verify_leaves_its_state_alone(Ifupdown::Ng);
}

/// ifupdown2 keeps to itself what hooks print: it is told where ifupdown2 prints.
#[test]
fn what_is_wrong_is_seen_on_ifupdown2() {
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        lab.device("eth1");
        lab.ok("ip link set eth1p addrgenmode none; ip link set eth1 addrgenmode none");
        lab.interfaces(
            "auto eth1\niface eth1 inet static\n    address 10.10.0.10/24\n    policy-tabel rt2\n    \
             policy-on-error fail\n",
        );
        let expected = [
            "error: eth1: policy-tabel: no such option; did you mean \"policy-table\"?",
            "error: eth1: policy-on-error \"fail\": it needs policy-table in the same stanza",
            "error: eth1: policy routing is not in force, the interface itself is up (policy-on-error fail \
             has no effect with ifupdown2); correct the cause, then run: ifreload -a",
        ];
        let told = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.contains("eth1: "));
            lines.map(str::to_owned).collect()
        };
        let said = lab.sh("ifup -a");
        assert_eq!(
            (said.code, told(&said.err).as_slice()),
            (0, &expected.map(str::to_owned)[..])
        );
        // Behind what stands in a file, and what ifupdown2 itself says there.
        lab.ok("echo begin >/run/said; ifreload -v -a >>/run/said 2>&1; echo end >>/run/said");
        let said = lab.text("/run/said");
        assert!(
            said.starts_with("begin\n") && said.ends_with("end\n"),
            "{said}"
        );
        let errors = told(&said)
            .into_iter()
            .filter(|line| line.starts_with("error: "));
        assert_eq!(errors.collect::<Vec<_>>(), expected, "{said}");
        // What an edit takes away.
        lab.interfaces(BOTH_FAMILIES);
        lab.ok("ifreload -a");
        lab.interfaces("auto eth1\niface eth1 inet static\n    address 10.10.0.10/24\n");
        let missed = "warning: eth1: had policy-table rt2, its stanza has none now; taken out";
        assert_eq!(told(&lab.sh("ifreload -a").err), [missed, missed]);
        assert_eq!(lab.tagged(), [""; 0]);
        // What waits.
        lab.interfaces("auto eth1\niface eth1 inet6 manual\n    policy-table rt2\n");
        let waits =
            "warning: eth1: policy-table: waiting for an IPv6 address: none came in a second; \
             policy routing is not in force until then; when it is there, run: ifreload -a";
        assert_eq!(
            told(&lab.sh("ip addr flush dev eth1; ifreload -a").err),
            [waits]
        );
        lab.ok("ifdown -a");
    });
}

/// An administrator may have put a script in the link's place; newer ones send what hooks print to
/// /dev/null.
#[test]
fn ifupdown2_is_found_over_a_shell() {
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        lab.device("eth1");
        lab.ok(
            "mkdir -p /run/own/if-post-up.d; mv /etc/network/if-post-up.d/* /run/own/if-post-up.d/",
        );
        lab.script(
            "/etc/network/if-post-up.d/own",
            "#!/bin/sh\n/run/own/if-post-up.d/00-policy-table >/dev/null 2>&1\nexit 0\n",
        );
        lab.interfaces("auto eth1\niface eth1 inet manual\n");
        lab.write("/etc/network/other", &stanza("rt5"));
        lab.ok("ifup -i /etc/network/other eth1");
        assert_eq!(lab.rules("-4"), in_table("rt5"));
        let said = lab.sh("IF_POLICY_TABLE=leak ifup --force eth1");
        let missed = "warning: eth1: had policy-table rt5, its stanza has none now; taken out";
        assert!(said.err.lines().any(|line| line == missed), "{said:?}");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// With ifupdown2 nothing of an interface is run behind a hook that fails, and the interface is not
/// noted; it is up all the same.
#[test]
fn what_a_failing_hook_of_others_keeps_ifupdown2_from_is_seen_and_can_be_done() {
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        devices_of_links(lab);
        lab.interfaces(
            "auto eth1\niface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n\
             \nauto eth2\niface eth2 inet static\n    address 10.20.0.10/24\n    policy-table rt3\n",
        );
        let failing = "/etc/network/if-up.d/fails";
        lab.write(failing, "#!/bin/sh\n[ $IFACE != eth1 ]\n");
        lab.ok(&format!("chmod +x {failing}"));
        lab.sh("ifup -a");
        let of_eth1 = || lab.sh("ip rule show to 10.10.0.10").out;
        assert_eq!(of_eth1(), "");
        let said = lab.sh("policy-table status eth1");
        assert_eq!(
            (said.code, said.out.contains("missing")),
            (1, true),
            "{said:?}"
        );
        lab.ok("policy-table apply eth1");
        assert!(of_eth1().contains("lookup rt2"), "{}", of_eth1());
        assert_eq!(lab.sh("policy-table status").code, 0);
        // Nor is it taken for what is left of one that is down.
        lab.sh("ifup -a");
        lab.ok("policy-table apply --all");
        assert!(of_eth1().contains("lookup rt2"), "{}", of_eth1());
        lab.ok(&format!("rm {failing}"));
        lab.sh("ifreload -a");
        lab.sh("ifdown -a");
        assert_eq!(lab.tagged(), [""; 0]);
        assert_eq!(lab.sh("policy-table status").code, 0);
    });
}

/// It is emptied before it is written, and may be left so: where it was killed, or the disk was full.
#[test]
fn what_an_empty_state_of_ifupdown2_says_nothing_of_stays_while_its_address_does() {
    const STATE: &str = "/var/tmp/network/ifstatenew";
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        lab.ok("mount -t tmpfs lab /var/tmp");
        devices_of_links(lab);
        lab.interfaces(
            "auto lo\niface lo inet loopback\n    policy-table rt9\n    policy-rule fwmark 7\n\
             \nauto eth1\niface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n\
             \nauto eth2\niface eth2 inet static\n    address 10.20.0.10/24\n    policy-table rt3\n    \
             policy-source none\n    policy-rule to 192.0.2.0/24\n\
             \nauto eth3\niface eth3 inet manual\n    up ip addr replace 10.30.0.10/24 dev eth3\n    \
             policy-table rt4\n    policy-source none\n    policy-rule to 198.51.100.0/24\n",
        );
        lab.ok("ifup -a");
        let sorted = || {
            let mut tagged = lab.tagged();
            tagged.sort_unstable();
            tagged
        };
        let routing = sorted();
        lab.ok(&format!("cp {STATE} /run/noted"));
        for lost in [format!(": >{STATE}"), format!("rm {STATE}")] {
            lab.ok(&lost);
            let said = lab.sh("policy-table status");
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{lost}: {said:?}");
            let said = lab.sh("policy-table apply --all");
            assert_eq!(said.code, 0, "{lost}: {said:?}");
            assert_eq!(sorted(), routing, "{lost}: {said:?}");
            lab.ok("policy-table keep --once");
            assert_eq!(sorted(), routing, "{lost}");
            // What was lost meanwhile is put in again.
            lab.ok("ip rule del to 192.0.2.0/24; policy-table apply --all");
            assert_eq!(sorted(), routing, "{lost}");
            lab.ok(&format!("cp /run/noted {STATE}"));
        }
        lab.ok(&format!(
            ": >{STATE}; ip addr flush dev eth1; ip addr flush dev eth2; ip link set eth3 down"
        ));
        lab.ok("policy-table apply --all");
        // What has no address and no device that goes down stays.
        let of_lo = "20701: from all fwmark 0x7 lookup rt9 proto policy-table";
        assert_eq!(lab.tagged(), [of_lo]);
    });
}

/// Where the device is gone, ifupdown2 runs no hook.
#[test]
fn what_only_waits_for_what_is_gone_is_forgotten() {
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        devices_of_links(lab);
        lab.interfaces("auto eth1\niface eth1 inet6 manual\n    policy-table rt2\n");
        let records = || lab.ok("ls -A /run/policy-table").trim_end().to_owned();
        let waits = "ip link show eth1 >/dev/null || ip link add eth1 type dummy; \
                     ip link set eth1 addrgenmode none; ifup -a";
        for forgets in ["apply --all", "flush eth1"] {
            lab.ok(waits);
            assert_eq!(records(), "eth1");
            lab.sh("ip link del eth1; ifdown -a");
            assert_eq!(records(), "eth1");
            assert_eq!(lab.sh("policy-table status").code, 0);
            lab.ok(&format!("policy-table {forgets}"));
            assert_eq!(records(), "", "{forgets}");
        }
    });
}
