//! The keeper killed at every system call that it makes: at its start, which repairs what was lost
//! meanwhile, and at a repair later on. Whatever it had got to, the next one, and the next `ifdown`,
//! reach what they would have reached without it.
//!
//! `KEEP_KILLS=1` tries all of these calls; else some of those of the start.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::keeper::ours;
use crate::support::lab::{lab, Lab, KEEPER};
use crate::support::needs::{have, STRACE};
use crate::support::wg_quick;

/// A lease, so that an address can be another one, and an address of the file's.
const FILE: &str = "\
iface eth1 inet manual
    policy-table rt2
    policy-gateway 10.10.0.77
    policy-mode main
iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt3
    policy-route unreachable 192.0.2.0/24
";

/// Both have lost all; eth1 has another lease, and needs copies in front of a tunnel's rules.
const LOSS: &str = "ip addr flush dev eth1; ip addr add 10.10.0.51/24 dev eth1
    ip rule flush protocol 157; ip route flush table rt3";

/// Lost while the keeper runs.
const LATER: &str = "ip addr flush dev eth1; ip addr add 10.10.0.52/24 dev eth1
    ip rule del from 10.20.0.10 lookup rt3; ip route flush table rt3";

const CALLS: &str = "/run/calls";
const LONGEST: Duration = Duration::from_secs(10);

/// In the gate one call of so many is tried.
const ONE_IN: usize = 31;

/// A system call, and which of those of its name it is.
struct Call {
    name: String,
    place: usize,
    /// Whether the keeper makes it before it waits for the first time.
    is_early: bool,
}

/// What there is of ours after the loss, and after the later one.
struct Wanted {
    early: Vec<String>,
    late: Vec<String>,
}

fn lay_out(lab: &Lab) {
    lab.device("eth1");
    lab.device("eth2");
    lab.ok(
        "for end in eth1 eth1p eth2 eth2p; do ip link set $end addrgenmode none; done
        ip link set eth1 up; ip addr add 10.10.0.50/24 dev eth1",
    );
    lab.interfaces(FILE);
    lab.ok("ifup eth1 eth2");
    wg_quick::tunnel(lab, "wg0");
    wg_quick::take_all(lab, "-4", "wg0", 51820);
}

/// As after `ifup`, and what the keeper has to mend at its start.
fn lose(lab: &Lab) {
    lab.ok("ip addr flush dev eth1; ip addr add 10.10.0.50/24 dev eth1; policy-table apply --all");
    lab.ok(LOSS);
}

/// A keeper, which ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts one under a program that becomes it.
fn keeper(under: &str) -> Running {
    let words = format!("{under} {KEEPER}");
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    // cargo's variable would have the loader look in many places.
    command.args(words).env_remove("LD_LIBRARY_PATH");
    let command = command.stdin(Stdio::null());
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(quiet.spawn().unwrap())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + LONGEST;
    while !holds() {
        assert!(Instant::now() < limit, "never: {what}");
        sleep(Duration::from_millis(3));
    }
}

/// The calls of a keeper that repairs at its start and once more, up to its sleep, and what that
/// comes to. Those of the allocator come and go.
fn calls(lab: &Lab) -> (Vec<Call>, Wanted) {
    lose(lab);
    // The child is the keeper, and strace somebody else's.
    let child = keeper(&format!("strace -D -qq -o {CALLS}"));
    let traced = || fs::read_to_string(CALLS).unwrap_or_default();
    let sleeps = || traced().lines().last().is_some_and(is_sleep);
    until("asleep", sleeps);
    let early = ours(lab);
    lab.ok(LATER);
    until("repaired", || {
        ours(lab).iter().any(|it| it.contains("from 10.20.0.10")) && sleeps()
    });
    sleep(Duration::from_millis(300));
    until("asleep again", sleeps);
    let late = ours(lab);
    drop(child);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut calls, mut is_early) = (Vec::new(), true);
    for line in lab.text(CALLS).lines() {
        let Some((name, _)) = line.split_once('(') else {
            continue;
        };
        let place = counts.entry(name.to_owned()).or_default();
        *place += 1;
        let is_the_allocators = ["brk", "mmap", "munmap", "poll"].contains(&name);
        if !is_the_allocators {
            calls.push(Call {
                name: name.to_owned(),
                place: *place,
                is_early,
            });
        }
        is_early &= !is_sleep(line);
    }
    (calls, Wanted { early, late })
}

/// Waits in poll(2) for longer than a burst may last.
fn is_sleep(line: &str) -> bool {
    let arguments = line.strip_prefix("poll([{fd=");
    let timeout = arguments.and_then(|rest| rest.split_once("], ")?.1.split(", ").nth(1));
    let digits = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    timeout.is_some_and(|text| digits(text).parse().is_ok_and(|it: u64| it > 5000))
}

#[test]
fn killed_anywhere_the_next_one_goes_on_from_there() {
    if !have(&[STRACE]) {
        return;
    }
    let all = env::var_os("KEEP_KILLS").is_some();
    lab(|lab| {
        lay_out(lab);
        let (calls, wanted) = calls(lab);
        assert_ne!(wanted.early, wanted.late);
        let (mut runs, mut kills) = (0, 0);
        for (number, call) in calls.iter().enumerate() {
            if !all && (!call.is_early || number % ONE_IN != 0) {
                continue;
            }
            let case = format!("killed at {} {}", call.name, call.place);
            lose(lab);
            let (name, place) = (&call.name, call.place);
            let mut child = keeper(&format!(
                "strace -D -qq -o /dev/null -e trace={name} \
                 -e inject={name}:signal=KILL:when={place}"
            ));
            let mut wanted_now = &wanted.early;
            if !call.is_early {
                until(&case, || ours(lab) == wanted.early);
                lab.ok(LATER);
                wanted_now = &wanted.late;
            }
            let limit = Instant::now() + Duration::from_secs(2);
            let mut status = None;
            while status.is_none() && Instant::now() < limit {
                status = child.0.try_wait().unwrap();
                sleep(Duration::from_millis(2));
            }
            runs += 1;

            kills += usize::from(status.is_some_and(|it| it.signal() == Some(9)));
            drop(child);
            match number % 3 {
                0 => {
                    let said = lab.sh("policy-table keep --once");
                    assert_eq!(said.code, 0, "{case}: {}", said.err);
                    assert_eq!(ours(lab), *wanted_now, "{case}");
                }
                1 => {
                    let next = keeper("env");
                    until(&case, || ours(lab) == *wanted_now);
                    drop(next);
                }
                _ => {
                    lab.ok("ifdown eth1 eth2");
                    assert_eq!(ours(lab), [""; 0], "{case}");
                    assert_eq!(
                        lab.ok("ls -A /run/policy-table | grep -v keeper: || true"),
                        "",
                        "{case}"
                    );
                    // ifdown takes the lease along, too.
                    lab.ok("ip addr replace 10.10.0.50/24 dev eth1; ifup eth1 eth2");
                }
            }
        }
        // A call more or less in a run is nothing, as where a message came with another; kills that
        // do not kill are.
        assert!(kills + 2 + runs / 10 >= runs, "{kills} of {runs}");
        println!("{} system calls, {kills} of {runs} killed", calls.len());
        lab.ok("ifdown eth1 eth2");
        assert_eq!(ours(lab), [""; 0]);
    });
}
