//! Answers of the kernel's that do not count: a dump that a change has overtaken (`NLM_F_DUMP_INTR`),
//! at each of its messages, and an error at each. Neither is taken for "nothing there".
//!
//! `KEEP_KILLS=1` tries all of them; else some.

use std::env;

use crate::keeper::ours;
use crate::support::lab::{lab, Lab};
use crate::support::needs::{have, STRACE};

/// What it goes by is the lease, which only the kernel can tell.
const FILE: &str = "\
iface eth1 inet manual
    up ip link set eth1 up
    policy-table rt2
    policy-source all
iface eth1 inet6 manual
    policy-table rt2
    policy-gateway fe80::1
";

const CALLS: &str = "/run/calls";
/// In the gate one message of so many is tried.
const ONE_IN: usize = 6;

const ONCE: &str = "policy-table keep --once";

const LOSSES: [&str; 2] = [
    "true",
    "ip rule flush protocol 157; ip -6 route flush table rt2",
];

/// A message from the kernel: the first bytes of its header, as strace shows them.
struct Message {
    place: usize,
    length: u32,
    kind: u16,
    flags: u16,
}

const INTERRUPTED: u16 = 0x10;
const MULTI: u16 = 0x2;

fn messages(lab: &Lab) -> Vec<Message> {
    // Numbers, since the names of types and flags differ between releases.
    lab.ok(&format!(
        "strace -X raw -qq -e trace=recvfrom -o {CALLS} {ONCE}"
    ));
    let number = |line: &str, field: &str| -> u32 {
        let (_, rest) = line.split_once(field).expect(line);
        let digits = rest.trim_start_matches("0x");
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap();
        let radix = if digits.len() < rest.len() { 16 } else { 10 };
        u32::from_str_radix(&digits[..end], radix).unwrap()
    };
    let calls = lab.text(CALLS);
    let read = calls.lines().enumerate().map(|(place, line)| Message {
        place: place + 1,
        length: number(line, "nlmsg_len="),
        kind: u16::try_from(number(line, "nlmsg_type=")).unwrap(),
        flags: u16::try_from(number(line, "nlmsg_flags=")).unwrap(),
    });
    read.collect()
}

impl Message {
    /// The start of its header with the mark of a dump that was overtaken.
    fn interrupted(&self) -> String {
        let flags = (self.flags | INTERRUPTED).to_ne_bytes();
        let bytes = [
            &self.length.to_ne_bytes()[..],
            &self.kind.to_ne_bytes(),
            &flags,
        ]
        .concat();
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.concat()
    }
}

fn lose(lab: &Lab, loss: &str) {
    lab.ok(&format!("policy-table apply --all; {loss}"));
}

#[test]
fn a_dump_that_was_overtaken_is_taken_again_and_an_error_changes_nothing() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        lab.ok(
            "for end in eth1 eth1p; do ip link set $end addrgenmode none up; done
            ip addr add 10.10.0.50/24 dev eth1; ip addr add 10.10.1.50/24 dev eth1
            ip addr add 2001:db8:1::50/64 dev eth1 nodad; ip addr add fe80::50/64 dev eth1 nodad",
        );
        lab.interfaces(FILE);
        lab.ok("ifup eth1");
        let all = ours(lab);
        assert!(
            all.iter().any(|it| it.contains("from 10.10.1.50")),
            "{all:?}"
        );
        let step = env::var_os("KEEP_KILLS").map_or(ONE_IN, |_| 1);
        let (mut overtaken, mut failed) = (0, 0);
        for loss in LOSSES {
            lose(lab, loss);
            let lost = ours(lab);
            let messages = messages(lab);
            for message in messages.iter().skip(2).step_by(step) {
                let place = message.place;
                let trace = format!("strace -qq -o {CALLS} -e trace=recvfrom -e inject=recvfrom");
                if message.flags & MULTI != 0 {
                    lose(lab, loss);
                    let header = message.interrupted();
                    let said = lab.sh(&format!(
                        "{trace}:poke_exit=@arg2={header}:when={place} {ONCE}"
                    ));
                    assert_eq!(said.code, 0, "{loss}: overtaken at {place}: {}", said.err);
                    assert_eq!(ours(lab), all, "{loss}: overtaken at {place}");
                    // It has asked again.
                    let (read, usual) = (lab.text(CALLS).lines().count(), messages.len());
                    assert!(read > usual, "{loss}: {read} answers, else {usual}");
                    overtaken += 1;
                }
                // That one fails, and from that one on all do.
                for more in ["", "+"] {
                    lose(lab, loss);
                    lab.sh(&format!("{trace}:error=ENOBUFS:when={place}{more} {ONCE}"));
                    let now = ours(lab);
                    let kept = lost.iter().filter(|it| all.contains(it));
                    for line in kept {
                        assert!(
                            now.contains(line),
                            "{loss}: failed at {place}: {line} is gone"
                        );
                    }
                    lab.ok(ONCE);
                    assert_eq!(ours(lab), all, "{loss}: failed at {place}");
                    failed += 1;
                }
            }
        }
        println!("{overtaken} messages of dumps overtaken, {failed} times an error");
        assert!(overtaken > 4, "{overtaken}");
        lab.ok("ifdown eth1");
        assert_eq!(ours(lab), [""; 0]);
    });
}
