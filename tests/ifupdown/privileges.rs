//! The rights of a run: which it keeps and from when on, what it says without the one it needs,
//! and that its files are nobody else's way in.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::lab::{lab, lab_of, lines, Lab, Release, Said, DOWN, NAMES, UP};
use crate::support::needs::{have, STRACE};

const FOLDER: &str = "/run/policy-table";
const STANZA: &str = "iface eth1 inet static\naddress 10.10.0.10/24\npolicy-table rt2\n";

/// `CAP_NET_ADMIN` is bit 12 (`linux/capability.h`).
const NET_ADMIN: &str = "0000000000001000";
const NONE: &str = "0000000000000000";

/// The command that calls a hook for the stanza, with more variables.
fn hook(link: &str, more: &str) -> String {
    let phase = if link == UP {
        "MODE=start PHASE=post-up"
    } else {
        "MODE=stop PHASE=pre-down"
    };
    format!(
        "env -i IFACE=eth1 LOGICAL=eth1 ADDRFAM=inet METHOD=static {phase} \
         IF_ADDRESS=10.10.0.10 IF_NETMASK=255.255.255.0 {more} {link}"
    )
}

const TABLE: &str = "IF_POLICY_TABLE=rt2";

/// An interface that is up, with nothing of ours.
fn prepared(lab: &Lab) {
    lab.device("eth1");
    lab.ok("ip link set eth1 up && ip addr add 10.10.0.10/24 dev eth1");
}

fn brought_up(lab: &Lab, said: &Said) {
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(lab.rules("-4").len(), 2, "{said:?}");
    assert_eq!(lab.tagged().len(), 4, "{said:?}");
}

/// The system calls that a command makes once it runs, without the loader's.
fn traced(lab: &Lab, options: &str, command: &str) -> (Said, Vec<String>) {
    // strace would start the link's target under its own name; env does not.
    let said = lab.sh(&format!(
        "strace -f -qq -o /run/trace -e signal=none {options} {command}"
    ));
    let trace = lab.text("/run/trace");
    let own = trace.rsplit("execve(").next().unwrap();
    let calls = own.lines().skip(1).map(|line| {
        let call = line.split_once(' ').map_or(line, |(_, call)| call);
        call.trim_start().to_owned()
    });
    (said, calls.collect())
}

/// The value of a field of `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(own, _)| *own == name).unwrap().1.trim()
}

/// The status of a hook that is stopped as it sends its first message to the kernel.
fn status_at_first_message(lab: &Lab, command: &str) -> String {
    let mut running = Command::new("/bin/sh")
        .args(["-c", &format!("exec {command}")])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        assert!(started.elapsed() < Duration::from_secs(20), "no message");
        std::thread::sleep(Duration::from_millis(5));
        let trace = fs::read_to_string("/run/trace").unwrap_or_default();
        let Some(line) = trace.lines().find(|line| line.contains("SIGSTOP")) else {
            continue;
        };
        let process = line.split_whitespace().next().unwrap().to_owned();
        let status = lab.text(&format!("/proc/{process}/status"));
        lab.ok(&format!("kill -CONT {process}"));
        break status;
    };
    assert!(running.wait().unwrap().success());
    status
}

#[test]
fn the_first_message_to_the_kernel_is_sent_with_net_admin_alone() {
    lab(|lab| {
        if !have(&[STRACE]) {
            return;
        }
        prepared(lab);
        for link in [UP, DOWN] {
            let _ = fs::remove_file("/run/trace");
            // With something to inherit, so that it can be lost.
            let status = status_at_first_message(
                lab,
                &format!(
                    "setpriv --inh-caps +chown,+net_admin --ambient-caps +chown,+net_admin strace -f -qq -o /run/trace \
                     -e trace=sendto -e inject=sendto:signal=STOP:when=1 {}",
                    hook(link, TABLE)
                ),
            );
            assert_eq!(field(&status, "Name"), link.rsplit('/').next().unwrap());
            for (set, kept) in [
                ("CapPrm", NET_ADMIN),
                ("CapEff", NET_ADMIN),
                ("CapInh", NONE),
                ("CapAmb", NONE),
                ("NoNewPrivs", "1"),
            ] {
                assert_eq!(field(&status, set), kept, "{link}: {set}");
            }
        }
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn rights_are_given_up_in_three_calls_before_anything_else() {
    lab(|lab| {
        if !have(&[STRACE]) {
            return;
        }
        prepared(lab);
        let options = "-e trace=capget,capset,prctl,umask,openat,open,socket,connect,stat,lstat,\
                       newfstatat,statx";
        for link in [UP, DOWN] {
            let (said, calls) = traced(lab, options, &hook(link, TABLE));
            assert_eq!(said.code, 0, "{said:?}");
            let of = |name: &str| -> Vec<usize> {
                let place = |(at, call): (usize, &String)| call.starts_with(name).then_some(at);
                calls.iter().enumerate().filter_map(place).collect()
            };
            let given_up = ["umask(", "capset(", "prctl(PR_SET_NO_NEW_PRIVS, 1"].map(&of);
            let at = given_up[0][0];
            assert_eq!(given_up, [[at], [at + 1], [at + 2]], "{link}: {calls:#?}");
            assert!(calls[at + 1].contains("permitted=1<<CAP_NET_ADMIN, inheritable=0}) = 0"));
            assert!(of("capget(").is_empty(), "{calls:#?}");
            // Before it, only what is done before main: the loader, and Rust's own start.
            let early = calls[..at].iter().filter(|call| {
                ["/run", "/etc/iproute2", "/etc/network", "AF_"]
                    .iter()
                    .any(|word| call.contains(word))
            });
            assert_eq!(early.count(), 0, "{link}: {calls:#?}");
            assert!(of("socket(AF_NETLINK").iter().all(|socket| *socket > at));
            assert!(!of("socket(AF_NETLINK").is_empty());
        }
        // Who has no option pays for none of it.
        let (_, calls) = traced(lab, "-e trace=capget,capset,prctl,umask", &hook(UP, "A=1"));
        let paid = ["capset(", "capget(", "umask(", "NO_NEW_PRIVS"];
        let paid = |call: &&String| paid.iter().any(|name| call.contains(name));
        assert_eq!(calls.iter().find(paid), None);
    });
}

#[test]
fn without_net_admin_one_line_says_what_is_needed() {
    lab(|lab| {
        prepared(lab);
        let routing = lab.routing();
        let names = lab.text(NAMES);
        for who in [
            "setpriv --reuid=65534 --regid=65534 --clear-groups",
            // root as it is in most containers
            "setpriv --bounding-set -net_admin --inh-caps -net_admin",
        ] {
            for (link, more, code) in [
                (UP, TABLE.to_owned(), 0),
                (UP, format!("{TABLE} IF_POLICY_ON_ERROR=fail"), 1),
                (DOWN, TABLE.to_owned(), 0),
                (DOWN, format!("{TABLE} IF_POLICY_ON_ERROR=fail"), 0),
            ] {
                let said = lab.sh(&format!("{who} {}", hook(link, &more)));
                assert_eq!(said.code, code, "{who} {link}: {said:?}");
                assert_eq!(
                    said.err,
                    "policy-table: root is needed: without CAP_NET_ADMIN the kernel lets nobody \
                     change routes and rules; nothing was done for eth1\n",
                    "{who} {link}"
                );
            }
            let said = lab.sh(&format!("{who} {}", hook(UP, "IF_GATEWAY=10.10.0.1")));
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{who}");
        }
        for command in ["apply --all", "flush --all"] {
            let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
            let said = lab.sh(&format!("{nobody} /usr/sbin/policy-table {command}"));
            assert_eq!(said.code, 2, "{command}: {said:?}");
            let needed = "policy-table: root is needed: without CAP_NET_ADMIN";
            assert!(said.err.starts_with(needed), "{command}: {said:?}");
        }
        assert_eq!(lab.routing(), routing);
        assert_eq!(lab.text(NAMES), names);
        assert!(fs::symlink_metadata(FOLDER).is_err());
    });
}

/// As root of a user namespace, and as a user who was given the one capability.
#[test]
fn net_admin_is_enough_whoever_has_it() {
    lab(|lab| {
        prepared(lab);
        let said = lab.sh(&format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps +net_admin \
             --ambient-caps +net_admin {}",
            hook(UP, TABLE)
        ));
        brought_up(lab, &said);
        assert!(said.err.contains("is not registered in"), "{said:?}");
        assert!(said.err.contains("no record in"), "{said:?}");

        let script = format!(
            "ip link set lo up && ip link add eth1 type veth peer name eth1p && \
             ip link set eth1 up && ip addr add 10.10.0.10/24 dev eth1 && {} && \
             ip rule list pref 21000 && {} && echo then && ip rule list pref 21000",
            hook(UP, TABLE),
            hook(DOWN, TABLE)
        );
        lab.script("/run/inside", &format!("#!/bin/sh\n{script}\n"));
        let said = lab.sh("unshare --user --map-root-user --net /run/inside");
        if said.err.contains("unshare failed") {
            eprintln!("this kernel makes no user namespaces here: {}", said.err);
            return;
        }
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        let (up, down) = said.out.split_once("then\n").unwrap();
        assert_eq!((lines(up).len(), down), (2, ""), "{said:?}");
    });
}

#[test]
fn a_sandbox_that_forbids_the_call_costs_no_routes() {
    lab(|lab| {
        if !have(&[STRACE]) {
            return;
        }
        prepared(lab);
        let options = "-e trace=capset -e inject=capset:error=EPERM";
        let (said, _) = traced(lab, options, &hook(UP, TABLE));
        brought_up(lab, &said);
        assert_eq!(
            said.ours(),
            ["capabilities that are not needed cannot be given up: Operation not permitted"]
        );
    });
}

#[test]
fn files_are_for_all_to_read_and_root_to_write_whatever_the_umask() {
    for umask in ["077", "000"] {
        lab_of(Release::Debian13, |lab| {
            lab.device("eth1");
            lab.interfaces(STANZA);
            lab.ok(&format!("umask {umask}; ifup eth1"));
            files_have_their_modes(lab, umask);
            lab.ok("rm -r /run/policy-table /etc/iproute2/rt_tables.d");
            lab.ok(&format!("umask {umask}; policy-table apply --all"));
            files_have_their_modes(lab, umask);
        });
    }
}

fn files_have_their_modes(lab: &Lab, umask: &str) {
    for (path, mode) in [
        (FOLDER, "755"),
        ("/run/policy-table/eth1", "644"),
        ("/etc/iproute2/rt_tables.d", "755"),
        ("/etc/iproute2/rt_tables.d/policy-table.conf", "644"),
    ] {
        let found = lab.ok(&format!("stat -c '%a %u %g' {path}"));
        assert_eq!(found, format!("{mode} 0 0\n"), "{path}, umask {umask}");
    }
}

const SECRET: &str = "/run/secret";

/// Whatever stands where a record goes, it is not followed, and not waited for.
#[test]
fn no_link_among_the_records_is_followed() {
    for place in ["eth1", ".eth1:new", ".shared:", "eth9"] {
        lab(|lab| {
            prepared(lab);
            lab.write(SECRET, "theirs\n");
            fs::create_dir(FOLDER).unwrap();
            let link = format!("{FOLDER}/{place}");
            symlink(SECRET, &link).unwrap();
            let said = lab.sh(&hook(UP, TABLE));
            brought_up(lab, &said);
            assert_eq!(lab.text(SECRET), "theirs\n", "{place}");
            // ELOOP, which each libc has its own words for.
            let told = ["no record in /run/policy-table: ", "(os error 40)"];
            let warned = told.iter().all(|part| said.err.contains(part));
            assert_eq!(warned, place == "eth1", "{place}: {said:?}");
            let said = lab.sh(&hook(DOWN, TABLE));
            assert_eq!((said.code, lab.tagged()), (0, vec![]), "{place}: {said:?}");
            assert_eq!(lab.text(SECRET), "theirs\n", "{place}");
        });
    }
}

#[test]
fn a_folder_of_records_that_is_a_link_is_not_followed() {
    lab(|lab| {
        prepared(lab);
        fs::create_dir("/run/elsewhere").unwrap();
        lab.ok("chmod 1777 /run/elsewhere && mkfifo /run/elsewhere/eth1");
        symlink("/run/elsewhere", FOLDER).unwrap();
        let up = hook(UP, TABLE);
        let said = lab.sh(&format!("timeout 20 {up}"));
        brought_up(lab, &said);
        let warned = said
            .err
            .contains("no record in /run/policy-table: Not a directory");
        assert!(warned, "{said:?}");
        // The way out of an error looks into the record, too.
        let wrong = hook(UP, &format!("{TABLE} IF_POLICY_TABEL=x"));
        let said = lab.sh(&format!("timeout 20 {wrong}"));
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains("policy-tabel"), "{said:?}");
        assert_eq!(lab.ok("ls -A /run/elsewhere"), "eth1\n");
        let said = lab.sh(&format!("timeout 20 {}", hook(DOWN, TABLE)));
        assert_eq!((said.code, lab.tagged()), (0, vec![]), "{said:?}");
    });
}

const HINT: &str =
    "(it must belong to root and be writable by its owner: all other rights are given up)";

/// Root without its other rights is the owner of its files, and no more.
#[test]
fn a_file_that_root_does_not_own_costs_only_the_name() {
    for command in ["chown 65534", "chmod 444"] {
        lab(|lab| {
            prepared(lab);
            lab.ok(&format!("{command} {NAMES}"));
            let before = lab.text(NAMES);
            let said = lab.sh(&hook(UP, TABLE));
            brought_up(lab, &said);
            assert_eq!(
                said.ours(),
                [format!(
                    "eth1: table rt2 is not registered in {NAMES}: Permission denied \
                     (os error 13) {HINT}; going on with its ID alone"
                )]
            );
            assert_eq!(lab.text(NAMES), before);
            let said = lab.sh(&hook(DOWN, TABLE));
            assert_eq!((said.code, lab.tagged()), (0, vec![]), "{said:?}");
        });
    }
}

#[test]
fn a_folder_that_root_does_not_own_costs_only_the_record() {
    lab(|lab| {
        prepared(lab);
        lab.ok(&format!("mkdir {FOLDER} && chown 65534 {FOLDER}"));
        let said = lab.sh(&hook(UP, TABLE));
        brought_up(lab, &said);
        assert_eq!(
            said.ours(),
            [format!(
                "eth1: no record in {FOLDER}: Permission denied (os error 13) {HINT}; \
                 ifdown will go by the stanza"
            )]
        );
        let said = lab.sh(&hook(DOWN, TABLE));
        assert_eq!((said.code, lab.tagged()), (0, vec![]), "{said:?}");
    });
}
