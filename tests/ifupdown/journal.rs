//! What reaches syslog from the real `ifup`, and that no syslog, dead or alive, holds it up.

use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixListener};

use crate::support::lab::{lab, Lab, Said};

const LOG: &str = "/dev/log";

/// Nothing to guess and no name to register: one line sums this up.
const PLAIN: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    gateway 10.10.0.1
    policy-table 200
";

const WRONG: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-tabel 200
    policy-table 255
";

/// A `/dev` with what programs cannot do without, and no `log`.
fn private_dev(lab: &Lab) {
    lab.ok("mkdir /run/dev && mount -t tmpfs -o mode=755 lab /run/dev");
    lab.ok("for device in null zero full random urandom tty; do
            touch /run/dev/$device && mount --bind /dev/$device /run/dev/$device
        done");
    lab.ok("mount --rbind /run/dev /dev && test ! -e /dev/log && echo x >/dev/null");
}

fn prepared(lab: &Lab, stanza: &str) {
    private_dev(lab);
    lab.device("eth1");
    lab.interfaces(stanza);
}

/// A syslog, and what has come in.
struct Syslog(UnixDatagram);

impl Syslog {
    fn bound() -> Self {
        let socket = UnixDatagram::bind(LOG).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    fn lines(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let mut lines = Vec::new();
        while let Ok(length) = self.0.recv(&mut buffer) {
            lines.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        lines
    }
}

/// The priority and the text of a line; its tag must be the program's.
fn read(line: &str) -> (&str, &str) {
    let (priority, rest) = line
        .split_once("policy-table[")
        .unwrap_or_else(|| panic!("{line}"));
    let (pid, text) = rest.split_once("]: ").unwrap_or_else(|| panic!("{line}"));
    assert!(pid.parse::<u32>().is_ok() && !text.contains('\n'), "{line}");
    (priority, text)
}

/// The texts of one priority.
fn of<'a>(priority: &str, lines: &'a [String]) -> Vec<&'a str> {
    let read = lines.iter().map(|line| read(line));
    read.filter(|(own, _)| *own == priority)
        .map(|(_, text)| text)
        .collect()
}

const INFO: &str = "<30>";
const WARNING: &str = "<28>";
const ERROR: &str = "<27>";
const DEBUG: &str = "<31>";

#[test]
fn a_run_is_one_line_with_counts() {
    lab(|lab| {
        prepared(lab, PLAIN);
        let syslog = Syslog::bound();
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let lines = syslog.lines();
        assert_eq!(
            of(INFO, &lines),
            ["eth1: table 200: 2 routes and 2 rules in force, 4 added, 0 removed"]
        );
        assert_eq!(lines.len(), 1, "{lines:?}");

        lab.ok("ifup --force --ignore-errors eth1");
        let lines = syslog.lines();
        assert_eq!(
            of(INFO, &lines),
            ["eth1: table 200: 2 routes and 2 rules in force, 0 added, 0 removed"]
        );
        assert_eq!(lines.len(), 1, "{lines:?}");

        assert_eq!(lab.sh("ifdown eth1").err, "");
        let lines = syslog.lines();
        assert_eq!(of(INFO, &lines), ["eth1: 4 routes and rules removed"]);
        assert_eq!(lines.len(), 1, "{lines:?}");
    });
}

/// A bridge as Docker makes it, and what else has an address beside the interface.
const BESIDE: &str = "\
ip link add docker0 type bridge
ip link set docker0 up
ip address add 172.17.0.1/16 dev docker0
ip address add 2001:db8:17::1/64 dev docker0 nodad
ip address add 10.99.0.1/32 dev docker0";

const OF_IPV6: &str = "\
iface eth1 inet6 static
    address 2001:db8::10/64
    dad-attempts 0
    gateway 2001:db8::1
    policy-table 200
";

#[test]
fn a_network_that_strict_cuts_off_is_named_where_it_is_there() {
    const SUMMARY: &str = "eth1: table 200: 2 routes and 2 rules in force, ";
    const CUT_OFF: &str = "; policy-mode strict cuts off 172.17.0.0/16 (docker0); \
                           policy-mode main cuts off none";
    lab(|lab| {
        prepared(lab, PLAIN);
        let syslog = Syslog::bound();
        let summary = |commands: &str| {
            let said = lab.sh(commands);
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{commands}");
            let lines = syslog.lines();
            let of_ifup = of(INFO, &lines).pop().unwrap_or_default().to_owned();
            assert!(of_ifup.starts_with(SUMMARY), "{commands}: {lines:?}");
            of_ifup.chars().skip(SUMMARY.len()).collect::<String>()
        };
        let plain = "4 added, 0 removed";
        let again = "ifdown eth1; ifup eth1";
        assert_eq!(summary("ifup eth1"), plain);
        lab.ok(BESIDE);
        assert_eq!(summary(again), format!("{plain}{CUT_OFF}"));
        // Where a rule of somebody else has main asked, nothing is cut off; behind ours it is.
        for (place, named) in [("20000", ""), ("21001", CUT_OFF)] {
            let rule = format!("to 172.17.0.0/16 lookup main priority {place}");
            let with_rule = format!("ip rule add {rule}; {again}; ip rule del {rule}");
            assert_eq!(summary(&with_rule), format!("{plain}{named}"), "{place}");
        }
        let route = "172.17.0.0/16 dev docker0 table 200";
        let with_route = format!("ip route add {route}; {again}; ip route del {route}");
        assert_eq!(summary(&with_route), plain);
        others_networks(lab, again, &|commands| {
            let named = summary(commands);
            let named = named.split(" cuts off ").nth(1).unwrap_or_default();
            named.split(';').next().unwrap_or_default().to_owned()
        });
        let is_down = format!("ip link set docker0 down; {again}");
        assert_eq!(summary(&is_down), plain);
        assert!(!lab.ok("policy-table status").contains("cuts off"));
        lab.ok("ip link set docker0 up");
        assert!(lab
            .ok("policy-table status")
            .contains(CUT_OFF.trim_start_matches("; ")));
        lab.ok("ifdown eth1");
        lab.interfaces(&format!("{PLAIN}    policy-mode main\n"));
        lab.sh("ifup eth1");
        assert!(!syslog.lines().concat().contains("cuts off"));
        // What ifupdown2 and ifupdown-ng call.
        lab.ok("ifdown eth1");
        lab.interfaces(&format!("auto eth1\n{OF_IPV6}"));
        lab.ok("ip address add 2001:db8:17::1/64 dev docker0 nodad");
        for command in [
            "ifup eth1",
            "IFACE=eth1 METHOD=none MODE=start PHASE=post-up \
             INTERFACES_FILE=/etc/network/interfaces /etc/network/if-post-up.d/00-policy-table",
        ] {
            lab.ok(command);
            let said = syslog.lines().concat();
            let expected = "; policy-mode strict cuts off 2001:db8:17::/64 (docker0); \
                            policy-mode main cuts off none";
            assert!(said.ends_with(expected), "{command}: {said}");
        }
    });
}

/// What else a host may have beside docker0, each with what is named of it, as `ip route get` has it.
fn others_networks(lab: &Lab, again: &str, named: &dyn Fn(&str) -> String) {
    lab.ok("ip address flush dev docker0; ip link add wg0 type bridge; ip link set wg0 up");
    let hundreds = "for n in $(seq 0 255); do
            echo route add 10.9.$n.0/24 via 10.8.0.9 dev wg0 proto bird
        done | ip -batch -";
    for (there, somebody, expected) in [
        // A tunnel of wg-quick(8): the networks of AllowedIPs are routes; what bird has behind it is not.
        (
            format!(
                "ip address add 10.8.0.2/32 dev wg0; ip route add 10.8.0.0/24 dev wg0; {hundreds}"
            ),
            "10.8.0.1",
            "10.8.0.0/24 (wg0)",
        ),
        // A hoster's address, whose network is its router alone.
        (
            "ip address add 203.0.113.5/32 dev wg0; ip route add 203.0.113.1 dev wg0
             ip route add default via 203.0.113.1 dev wg0 metric 9"
                .to_owned(),
            "203.0.113.1",
            "",
        ),
        // The first addresses are this host's, as those of keepalived.
        (
            "for n in 2 1 3; do ip address add 192.168.1.$n/24 dev wg0; done".to_owned(),
            "192.168.1.9",
            "192.168.1.0/24 (wg0)",
        ),
        // Nor does main lead there.
        (
            "ip address add 192.168.1.2/24 dev wg0 noprefixroute".to_owned(),
            "192.168.1.9",
            "",
        ),
        (
            "ip address add 10.8.0.6 peer 10.8.0.5 dev wg0".to_owned(),
            "10.8.0.5",
            "10.8.0.5 (wg0)",
        ),
        // What the kernel lists first are a hundred others, as a server of web sites has them.
        (
            "for n in $(seq 100); do
                 echo address add 198.51.100.$n dev lo; echo address add 10.98.0.$n/24 dev lo
             done | ip -batch -; ip address add 192.0.2.4/31 dev wg0"
                .to_owned(),
            "192.0.2.5",
            "192.0.2.4/31 (wg0)",
        ),
    ] {
        assert_eq!(named(&format!("{there}\n{again}")), expected, "{there}");
        let way = lab.ok(&format!("ip route get {somebody} from 10.10.0.10"));
        assert!(way.contains(" dev eth1 table 200 "), "{way}");
        let status = lab.ok("policy-table status");
        let note = format!("policy-mode strict cuts off {expected};");
        assert_eq!(status.contains(&note), !expected.is_empty(), "{status}");
        lab.ok("ip address flush dev wg0; ip route flush dev wg0");
    }
    lab.ok("ip link del wg0; ip address flush dev lo scope global
        ip address add 172.17.0.1/16 dev docker0");
}

#[test]
fn a_guess_and_a_new_name_are_told_to_syslog_alone() {
    lab(|lab| {
        prepared(
            lab,
            "iface eth1 inet static\n address 10.10.0.10/24\n policy-table rt2\n",
        );
        let syslog = Syslog::bound();
        assert_eq!(lab.sh("ifup eth1").err, "");
        let lines = syslog.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let [told] = of(INFO, &lines)[..] else {
            panic!("{lines:?}")
        };
        for words in [
            "table rt2 (20611, new)",
            "taking 10.10.0.1",
            "4 added, 0 removed",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
    });
}

#[test]
fn each_step_is_a_line_with_verbosity_1_only() {
    lab(|lab| {
        prepared(lab, PLAIN);
        let syslog = Syslog::bound();
        let said = lab.sh("ifup --verbose eth1");
        let steps = [
            "ip route add 10.10.0.0/24 dev eth1 table 200 proto 157 scope link src 10.10.0.10",
            "ip route add default via 10.10.0.1 dev eth1 table 200 proto 157",
            "ip rule add priority 21000 from 10.10.0.10 lookup 200 proto 157",
            "ip rule add priority 21000 to 10.10.0.10 lookup 200 proto 157",
        ];
        let lines = syslog.lines();
        assert_eq!(of(DEBUG, &lines), steps);
        assert_eq!((lines.len(), of(INFO, &lines).len()), (5, 1), "{lines:?}");
        let ours = said.ours();
        assert_eq!(&ours[..4], steps, "{said:?}");
        assert!(ours.len() == 5 && ours[4].contains("4 added"), "{said:?}");
        // What is told is what `ip` would do: it takes the commands as they stand.
        lab.ok("ip rule flush proto 157; ip route flush table 200");
        for step in steps {
            lab.ok(step);
        }
        assert_eq!(lab.tagged().len(), 4);
    });
}

#[test]
fn warnings_and_errors_are_on_standard_error_too() {
    lab(|lab| {
        prepared(lab, WRONG);
        let syslog = Syslog::bound();
        let both = |said: &Said, priority: &str, count: usize| {
            let lines = syslog.lines();
            assert_eq!(of(priority, &lines), said.ours(), "{lines:?}");
            assert_eq!(said.ours().len(), count, "{said:?}");
        };
        let said = lab.sh("ifup eth1");
        assert_eq!(said.code, 0, "{said:?}");
        both(&said, ERROR, 3);
        lab.ok("ifdown eth1");
        assert_eq!(syslog.lines().len(), 0, "nothing was in force");

        lab.interfaces(
            "iface eth1 inet6 static
                address 2001:db8:1::10/64
                dad-attempts 0
                policy-table 200",
        );
        let said = lab.sh("ifup eth1");
        let lines = syslog.lines();
        assert_eq!(of(WARNING, &lines), said.ours());
        assert_eq!(
            (of(WARNING, &lines).len(), of(INFO, &lines).len()),
            (1, 1),
            "{lines:?}"
        );
        lab.ok("ifdown eth1");
        syslog.lines();

        lab.interfaces(&format!("{PLAIN}    policy-gateway \u{1b}[2J\u{7}%s%n\n"));
        let said = lab.sh("ifup eth1");
        let lines = syslog.lines();
        let control = |text: &str| text.chars().any(char::is_control);
        assert!(!lines.iter().any(|line| control(line)), "{lines:?}");
        assert!(
            of(ERROR, &lines)[0].contains("[2J") && !control(said.ours()[0]),
            "{said:?}"
        );
    });
}

/// `ifup` with plenty to say, which does not wait for who does not listen.
fn quick(lab: &Lab, what: &str) {
    // With an end, and not through a pipe that a hanging hook would keep open.
    let mut said = lab.sh("timeout -s KILL 60 ifup --verbose eth1 >/run/said 2>&1");
    said.err = lab.text("/run/said");
    assert_eq!(said.code, 0, "{what}: {said:?}");
    assert!(
        said.ours().iter().any(|line| line.contains("4 added")),
        "{what}: {said:?}"
    );
    assert_eq!(lab.tagged().len(), 4, "{what}");
    lab.ok("ifdown eth1");
    assert!(lab.tagged().is_empty(), "{what}");
}

#[test]
fn what_is_no_syslog_at_dev_log_is_left_alone() {
    lab(|lab| {
        prepared(lab, PLAIN);
        quick(lab, "nothing there");
        lab.write(LOG, "");
        quick(lab, "a file");
        assert_eq!(lab.text(LOG), "", "nothing is written to a file");
        lab.ok("rm /dev/log && mkdir /dev/log");
        quick(lab, "a folder");
        lab.ok("rmdir /dev/log");
        symlink("/run/nowhere", LOG).unwrap();
        quick(lab, "a link to nothing");
        lab.ok("rm /dev/log && mkfifo /dev/log");
        quick(lab, "a pipe");
        lab.ok("rm /dev/log");
        drop(UnixDatagram::bind(LOG).unwrap());
        quick(lab, "a syslog that is gone");
        lab.ok("rm /dev/log");
        let _listener = UnixListener::bind(LOG).unwrap();
        quick(lab, "a syslog of another kind");
    });
}

#[test]
fn a_syslog_that_does_not_read_holds_nothing_up() {
    lab(|lab| {
        prepared(lab, PLAIN);
        let syslog = Syslog::bound();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"x", LOG).is_ok() {}
        quick(lab, "a full queue");
        assert!(
            syslog.lines().iter().all(|line| line == "x"),
            "the queue was not full"
        );
        quick(lab, "room again");
        assert!(of(INFO, &syslog.lines())
            .iter()
            .any(|line| line.contains("4 added")));
    });
}
