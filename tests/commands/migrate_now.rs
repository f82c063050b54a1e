//! `migrate --write --now --confirm`: what is up moves over to the options, and stays so with the new
//! file where somebody says yes; else, whatever happens, file and kernel are as they were.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::lab::{lab, Lab};
use crate::support::needs::{have, STRACE};
use crate::support::others::Ifupdown;
use crate::support::terminal::InTerminal;
use crate::support::tree::top;

/// Rules with and without a priority, both families, a route in main, and a line that stays.
const FILE: &str = "\
auto eth1
auto eth2
iface eth1 inet static
    address 10.10.0.10/24
    up ip route add 10.10.0.0/24 dev eth1 src 10.10.0.10 table 102
    up ip route add default via 10.10.0.1 dev eth1 table 102
    up ip rule add from 10.10.0.10 lookup 102
    up ip rule add to 10.10.0.10 lookup 102
    up ip route add 10.77.0.0/16 via 10.10.0.1 dev eth1
    down ip rule del from 10.10.0.10 lookup 102
    down ip rule del to 10.10.0.10 lookup 102
iface eth2 inet static
    address 10.20.0.10/24
    up ip route add default via 10.20.0.1 dev eth2 table 103
    up ip rule add from 10.20.0.10 lookup 103 pref 900
    up echo 1 >/run/marked
iface eth2 inet6 static
    address 2001:db8:20::10/64
    dad-attempts 0
    up ip -6 route add default via 2001:db8:20::1 dev eth2 table 103
    up ip -6 rule add from 2001:db8:20::10 lookup 103
";

const NOW: &str = "exec policy-table migrate --write --now --confirm 60";

/// All that the kernel has, but for what it counts.
fn kernel(lab: &Lab) -> String {
    let all = lab.ok("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all");
    // What the kernel has of addresses itself comes when it comes.
    let own = ["fe80:", "ff00:", "table local"];
    let lines = all.lines();
    let lines = lines.filter(|line| !own.iter().any(|own| line.contains(own)));
    lines.collect::<Vec<_>>().join("\n")
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// File, kernel and what is noted: what must be as before.
fn all(lab: &Lab) -> (String, String, Vec<String>) {
    (
        lab.text("/etc/network/interfaces"),
        kernel(lab),
        lab.tagged(),
    )
}

fn up(lab: &Lab, file: &str) {
    lab.device("eth1");
    lab.device("eth2");
    lab.interfaces(file);
    lab.ok("ifup -a");
}

fn asked(run: &mut InTerminal) -> String {
    run.until("otherwise it goes back.")
}

#[test]
fn a_yes_keeps_file_and_kernel() {
    lab(|lab| {
        up(lab, FILE);
        let mut run = InTerminal::start(NOW);
        let said = asked(&mut run);
        assert!(
            lab.tagged().join("\n").contains("from 10.10.0.10"),
            "{said}"
        );
        // A host that is started anew finds the old one.
        assert_eq!(lab.text("/etc/network/interfaces"), FILE);
        let foreign = lab.ok("ip rule; ip -6 rule");
        let lines = foreign.lines().filter(|line| line.contains("lookup 10"));
        for line in lines {
            assert!(line.contains("proto policy-table"), "{foreign}");
        }
        let heard = lab.ok("policy-table confirm");
        assert!(heard.contains("keeps its change"), "{heard}");
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
        let file = lab.text("/etc/network/interfaces");
        assert!(
            file.contains("policy-table 102") && !file.contains("ip rule"),
            "{file}"
        );
        assert!(file.contains("echo 1 >/run/marked"), "{file}");
        lab.ok("policy-table status");
        let now = kernel(lab);
        // The new file leaves the same by the real ifup.
        lab.ok("ifdown -a; ifup -a");
        assert_eq!(sorted(&kernel(lab)), sorted(&now));
        lab.ok("ifdown -a");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn everything_else_goes_back() {
    lab(|lab| {
        up(lab, FILE);
        let was = all(lab);
        for (typed, kill) in [
            ("no\n", ""),
            ("", "kill -HUP PID"),
            ("", "kill -TERM PID"),
            ("", "kill -KILL PID"),
        ] {
            let mut run = InTerminal::start(NOW);
            asked(&mut run);
            run.typed(typed);
            if !kill.is_empty() {
                lab.ok(&kill.replace("PID", &run.child.id().to_string()));
            }
            let (_, said) = run.end();
            assert!(
                said.contains("gone back to what was before"),
                "{kill}: {said}"
            );
            assert_eq!(all(lab), was, "{typed} {kill} {said}");
        }
        // Nobody says anything.
        let said = lab.sh("policy-table migrate --write --now --confirm 1 </dev/null");
        assert!(said.err.contains("no confirmation: gone back"), "{said:?}");
        assert_eq!(all(lab), was);
    });
}

/// The file in two, of which the second is sourced.
fn in_two(lab: &Lab) {
    let (first, second) = FILE.split_at(FILE.find("iface eth2 inet static").unwrap());
    lab.interfaces(&format!("{first}source /etc/network/interfaces.d/*\n"));
    lab.write("/etc/network/interfaces.d/two", second);
    lab.ok("chmod 640 /etc/network/interfaces.d/two");
}

/// Both files, and the kernel.
fn files_and_kernel(lab: &Lab) -> [String; 3] {
    [
        lab.text("/etc/network/interfaces"),
        lab.text("/etc/network/interfaces.d/two"),
        kernel(lab),
    ]
}

/// A run under something, to which another session says yes as soon as it can.
fn confirmed(lab: &Lab, under: &str) -> String {
    let run = format!("{under} policy-table migrate --write --now --confirm 60 </dev/null");
    let shell = format!(
        "{run} & while kill -0 $! 2>/dev/null; do policy-table confirm >/dev/null 2>&1; done; \
         wait $! || true"
    );
    // Until the guard has closed it, too.
    let said = lab.sh(&shell);
    said.out + &said.err
}

/// What a run does that leaves something, or is between two that do.
const CALLS: &str = "sendto,write,rename,linkat,unlink,fchown,fsync,flock,accept4";

/// Killed at any moment, before and after the yes: file and kernel are both as they were, or both as
/// they are to be.
#[test]
fn killed_anywhere_file_and_kernel_fit_together() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        in_two(lab);
        lab.ok("ifup -a");
        let old = files_and_kernel(lab);
        let reset = |lab: &Lab| {
            in_two(lab);
            lab.ok(
                "rm -f /etc/network/.interfaces.* /etc/network/interfaces.d/.*migrate*
                    ifdown -a --force >/dev/null 2>&1; ip rule flush; ip -6 rule flush
                    ip rule add pref 32766 lookup main; ip -6 rule add pref 32766 lookup main
                    ip rule add pref 32767 lookup default
                    ifup -a",
            );
        };
        let said = confirmed(lab, &format!("strace -qq -o /run/calls -e trace={CALLS}"));
        let new = files_and_kernel(lab);
        assert!(
            new[0] != old[0] && new[1] != old[1] && new[2] != old[2],
            "{said}"
        );
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in lab.text("/run/calls").lines() {
            if let Some((name, _)) = line.split_once('(') {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        println!("{counts:?}");
        let every = std::env::var("NOW_KILL_EVERY").map_or(9, |every| every.parse().unwrap());
        let (mut back, mut forth) = (0, 0);
        reset(lab);
        for (name, count) in counts {
            for place in (1..=count).step_by(if count > 12 { every } else { 1 }) {
                assert_eq!(files_and_kernel(lab), old, "reset before {name} {place}");
                let kill = format!(
                    "timeout 60 strace -qq -o /dev/null -e trace={name} \
                     -e inject={name}:signal=KILL:when={place}"
                );
                let said = confirmed(lab, &kill);
                let found = files_and_kernel(lab);
                if found == old {
                    back += 1;
                } else {
                    assert_eq!(found, new, "{name} {place}: {said}");
                    let mode = lab.ok("stat -c %a /etc/network/interfaces.d/two");
                    assert_eq!(mode, "640\n", "{name} {place}");
                    forth += 1;
                    reset(lab);
                }
            }
        }
        println!("{back} went back, {forth} stayed");
        assert!(back > 0 && forth > 0);
    });
}

fn host(lab: &Lab) {
    up(lab, FILE);
}

/// What ends a trial from outside, while it asks: each time all is as before, but for what that did.
#[test]
fn what_happens_meanwhile() {
    lab(|lab| {
        host(lab);
        let was = all(lab);
        // The guard is killed, and the run that asks does not wait any longer.
        let mut run = InTerminal::start(NOW);
        asked(&mut run);
        let guard = lab.ok(&format!("cat /proc/{0}/task/{0}/children", run.child.id()));
        lab.ok(&format!("kill -KILL {guard}"));
        let (code, said) = run.end();
        assert!(
            said.contains("is not there any more: gone back to what"),
            "{said}"
        );
        assert_eq!((code, all(lab)), (Some(2), was.clone()));
        // A second one at the same time.
        let mut run = InTerminal::start(NOW);
        asked(&mut run);
        for second in [
            "migrate --write --now --confirm 9",
            "apply --all --confirm 9",
        ] {
            let said = lab.sh(&format!("policy-table {second} </dev/null"));
            assert_eq!(said.code, 2, "{said:?}");
            assert!(
                said.err.contains("waits for a confirmation already"),
                "{said:?}"
            );
        }
        run.typed("no\n");
        run.end();
        assert_eq!(all(lab), was);
        // The file is another one by the time of the yes: that stays, and the kernel goes back.
        let mut run = InTerminal::start(NOW);
        asked(&mut run);
        let edited = format!("{FILE}# edited\n");
        lab.interfaces(&edited);
        let heard = lab.sh("policy-table confirm");
        assert!(heard.err.contains("went back before it heard"), "{heard:?}");
        let (code, said) = run.end();
        assert!(
            said.contains("it has changed meanwhile; all files are as they were"),
            "{said}"
        );
        assert!(said.contains("gone back to what was before"), "{said}");
        assert_eq!(
            (code, all(lab)),
            (Some(2), (edited, was.1.clone(), was.2.clone()))
        );
        lab.interfaces(FILE);
        // So does what comes up again, with the old file.
        let mut run = InTerminal::start(NOW);
        asked(&mut run);
        lab.sh("ifdown eth1; ifup eth1");
        lab.sh("policy-table confirm");
        let (code, said) = run.end();
        assert!(
            said.contains("eth1 has been brought up or down meanwhile, with the old"),
            "{said}"
        );
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(lab.text("/etc/network/interfaces"), FILE);
        assert_eq!(lab.tagged(), [""; 0]);
        let rules = lab.ok("ip rule");
        for rule in ["from 10.10.0.10 lookup 102", "to 10.10.0.10 lookup 102"] {
            assert_eq!(rules.matches(rule).count(), 1, "{rules}");
        }
        assert!(lab.ok("ip route").contains("10.77.0.0/16 via 10.10.0.1"));
        // What is down by then stays down, and without its lines.
        let mut run = InTerminal::start(NOW);
        asked(&mut run);
        lab.sh("ifdown eth1");
        run.typed("no\n");
        let (_, said) = run.end();
        let rules = lab.ok("ip rule");
        assert!(
            !rules.contains("10.10.0.10") && rules.contains("10.20.0.10"),
            "{said}{rules}"
        );
        lab.ok("ifup eth1");
        // Another program took our options out: their lines are there again.
        let was = all(lab);
        let mut run = InTerminal::start(NOW);
        asked(&mut run);
        lab.ok("policy-table apply --all");
        run.typed("no\n");
        let (_, said) = run.end();
        assert_eq!(all(lab), was, "{said}");
    });
}

#[test]
fn what_cannot_be_is_said_before_anything_is_done() {
    lab(|lab| {
        host(lab);
        let was = all(lab);
        for (words, told) in [
            ("--now --confirm 9", "--now: expected --write beside it"),
            (
                "--write --now",
                "--now: expected --confirm SECONDS beside it",
            ),
            (
                "--write --confirm 9",
                "--confirm: expected --write --now beside it",
            ),
            (
                "--write --now --confirm 0",
                "--confirm \"0\": expected seconds",
            ),
            (
                "--write --now --confirm 9 /run/x",
                "--now: expected /etc/network/interfaces, by which",
            ),
        ] {
            let said = lab.sh(&format!("policy-table migrate {words} </dev/null"));
            assert_eq!(said.code, 2, "{words}: {said:?}");
            assert!(said.err.contains(told), "{words}: {said:?}");
        }
        // A full disk.
        lab.ok(
            "mkdir /run/small; mount -t tmpfs -o size=64k small /run/small
                cp -a /etc/network/. /run/small/; mount --bind /run/small /etc/network
                dd if=/dev/zero of=/etc/network/full bs=4k 2>/dev/null || true",
        );
        let said = lab.sh("policy-table migrate --write --now --confirm 9 </dev/null");
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("No space left"), "{said:?}");
        assert!(!said.out.contains("otherwise it goes back"), "{said:?}");
        assert_eq!(all(lab), was);
        lab.ok("rm /etc/network/full");
        // One that is full by the time of the yes.
        let mut run = InTerminal::start(NOW);
        asked(&mut run);
        lab.ok("dd if=/dev/zero of=/etc/network/full bs=4k 2>/dev/null || true");
        lab.sh("policy-table confirm");
        let (code, said) = run.end();
        assert!(said.contains("No space left"), "{said}");
        assert!(said.contains("gone back to what was before"), "{said}");
        assert_eq!((code, all(lab)), (Some(2), was));
        assert_eq!(lab.ok("ls -A /etc/network | grep migrate || true"), "");
    });
}

/// A connection from afar to the second uplink, which only the rules keep on it, loses no packet on
/// the way there and back.
#[test]
fn packets_flow_on() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.ok(
            "for n in 1 2; do ip netns add r$n; ip link set eth${n}p netns r$n
                ip -n r$n link set lo up; ip -n r$n link set eth${n}p up
                ip -n r$n addr add 10.${n}0.0.1/24 dev eth${n}p
                ip -n r$n addr add 2001:db8:${n}0::1/64 dev eth${n}p nodad
                ip -n r$n addr add 198.51.100.7/32 dev lo
                ip -n r$n addr add 2001:db8:99::7/128 dev lo; done
                ip -n r1 route add blackhole 10.20.0.0/24
                ip -n r1 route add blackhole 2001:db8:20::/64",
        );
        let file = FILE.replacen(
            "10.10.0.10/24\n",
            "10.10.0.10/24\n    gateway 10.10.0.1\n",
            1,
        );
        lab.interfaces(&file);
        lab.ok("ifup -a");
        let from = |to: &str, source: &str| {
            format!("ip netns exec r2 ping -n -i 0.002 -W 1 -I {source} {to} >/run/{source} 2>&1 &")
        };
        let (four, six) = (
            ("10.20.0.10", "198.51.100.7"),
            ("2001:db8:20::10", "2001:db8:99::7"),
        );
        for (to, source) in [four, six] {
            let there = format!("ip netns exec r2 ping -q -c 1 -W 1 -I {source} {to}");
            lab.ok(&format!("until {there}; do sleep 0.1; done"));
            lab.ok(&from(to, source));
        }
        lab.ok("ip monitor rule >/run/told 2>&1 </dev/null & echo $! >/run/pid; sleep 0.2");
        for typed in ["no\n", "no\n", "\n"] {
            let mut run = InTerminal::start(NOW);
            asked(&mut run);
            run.typed(typed);
            run.end();
        }
        assert!(lab.text("/etc/network/interfaces").contains("policy-table"));
        lab.ok(
            "sleep 0.2; kill $(cat /run/pid); kill -INT $(ip netns pids r2)
                while [ \"$(ip netns pids r2)\" ]; do sleep 0.05; done",
        );
        for source in [four.1, six.1] {
            let said = lab.text(&format!("/run/{source}"));
            // What came behind the last one that was read was on its way as it ended.
            let answered = said.lines().filter_map(|line| {
                let (_, rest) = line.split_once("icmp_seq=")?;
                rest.split(' ').next()?.parse::<usize>().ok()
            });
            let answered: Vec<usize> = answered.collect();
            let all: Vec<usize> = (1..=answered.len()).collect();
            assert!(answered == all && all.len() > 10, "{said}");
        }
        // Nor is that luck: the kernel is never without a rule, however short.
        let told = lab.text("/run/told");
        for rule in ["10.20.0.10 lookup 103", "2001:db8:20::10 lookup 103"] {
            let mut there = 1;
            for line in told.lines().filter(|line| line.contains(rule)) {
                there += if line.starts_with("Deleted") { -1 } else { 1 };
                assert!(there > 0, "{rule}:\n{told}");
            }
            assert!(there == 1 && told.contains(rule), "{rule}:\n{told}");
        }
    });
}

/// On the other two, which know of a file what they read last.
#[test]
fn on_each_ifupdown() {
    for program in [Ifupdown::Two, Ifupdown::Ng] {
        lab(|lab| {
            if !program.install(lab) {
                return;
            }
            lab.device("eth1");
            lab.device("eth2");
            lab.interfaces(FILE);
            lab.sh("ifup -a");
            let was = all(lab);
            assert!(was.1.contains("from 10.20.0.10 lookup 103"), "{was:?}");
            let mut run = InTerminal::start(NOW);
            asked(&mut run);
            // ifupdown2 empties it before it writes it, and may be killed then.
            let state = "/var/tmp/network/ifstatenew";
            let noted = std::fs::read(state);
            if noted.is_ok() {
                lab.write(state, "");
            }
            run.typed("no\n");
            let (_, said) = run.end();
            assert!(said.contains("gone back to what was before"), "{said}");
            assert_eq!(all(lab), was, "{program:?}: {said}");
            if let Ok(noted) = noted {
                std::fs::write(state, noted).unwrap();
            }
            let mut run = InTerminal::start(NOW);
            let said = asked(&mut run);
            run.typed("\n");
            let (code, more) = run.end();
            assert_eq!(code, Some(0), "{program:?}: {said}{more}");
            assert!(!lab.text("/etc/network/interfaces").contains("ip rule"));
            lab.ok("policy-table status");
            let now = sorted(&kernel(lab));
            // As the program itself takes over a file that was edited.
            match program {
                Ifupdown::Two => lab.ok("ifreload -a"),
                _ => lab.ok("ifdown -a; ifup -a"),
            };
            assert_eq!(sorted(&kernel(lab)), now, "{program:?}");
            lab.ok("policy-table status");
        });
    }
}

/// The shapes of files that `migrate` is tested with: back is as before, and there is as with a fresh
/// `ifup` of the new file.
#[test]
fn all_shapes() {
    let every = std::env::var("NOW_SHAPE_EVERY").map_or(24, |every| every.parse().unwrap());
    let folder = top().join("tests/commands/migrate");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let files = files.map(|file| file.path());
    let shapes = files.filter(|path| path.extension().is_some_and(|it| it == "interfaces"));
    let mut shapes: Vec<_> = shapes.collect();
    shapes.sort();
    let mut moved = 0;
    for shape in shapes.iter().step_by(every) {
        let text = std::fs::read_to_string(shape).unwrap();
        let shape = shape.display();
        let count = &mut moved;
        lab(|lab| {
            let stanzas = text.lines().filter_map(|line| line.strip_prefix("iface "));
            let names = stanzas.filter_map(|line| line.split(' ').next());
            let names: BTreeSet<&str> = names.filter(|name| *name != "lo").collect();
            let device = |name: &str| name.split(':').next().unwrap().to_owned();
            let devices: BTreeSet<String> = names.iter().map(|name| device(name)).collect();
            for device in &devices {
                lab.device(device);
            }
            lab.ok("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
            lab.ok("ip link set lo up");
            lab.interfaces(&text);
            let names = names.into_iter().collect::<Vec<_>>().join(" ");
            let said = lab.sh(&format!("timeout 20 ifup lo {names} </dev/null"));
            if said.code != 0 {
                return;
            }
            let was = all(lab);
            let said = lab.sh(&NOW.replace("exec", "").replace("60", "1</dev/null"));
            assert_eq!(all(lab), was, "{shape}: {said:?}");
            let said = confirmed(lab, "");
            let new = lab.text("/etc/network/interfaces");
            if new == text {
                assert!(
                    said.contains("no line becomes an option"),
                    "{shape}: {said}"
                );
                return;
            }
            *count += 1;
            let mut moved_over = lab.tagged();
            lab.ok(&format!("ifdown lo {names} --force 2>/dev/null || true"));
            lab.ok(
                "ip rule flush; ip -6 rule flush; ip rule add pref 32766 lookup main
                    ip -6 rule add pref 32766 lookup main; ip rule add pref 32767 lookup default
                    for f in 4 6; do ip -$f route flush table all proto boot; done || true",
            );
            if lab.sh(&format!("ifup lo {names}")).code != 0 {
                println!("{shape}: a line that stays fails");
                return;
            }
            let mut fresh = lab.tagged();
            moved_over.sort();
            fresh.sort();
            assert_eq!(moved_over, fresh, "{shape}: {said}");
        });
    }
    println!("{moved} moved over");
    assert!(moved > 0);
}
