//! What `migrate --verify` does to the host that it runs on, whatever stands in the file: nothing.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use nix::fcntl::{fcntl, FcntlArg, FdFlag};

use crate::support::lab::{lab, programs, Lab};
use policy_table::migrate::verify::{differences, run_trial, Machine};

/// A process outside, which nobody else ends.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder of the host's, outside of all that a lab has of its own.
struct Outside(PathBuf);

impl Outside {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("policy-table-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        names(&self.0)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().flatten();
    let names = files.map(|file| file.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// `$VICTIM` and `$OUT` stand for a process and a folder outside.
const AND_MORE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    pre-up ip link set $IFACE up
    post-up ip route add default via 10.10.0.1 dev eth1 table 102; echo up $IFACE >> $OUT/log
    post-up ip rule add from 10.10.0.10 lookup 102 priority 21000 && kill $VICTIM
    post-up ip rule add to 10.96.0.0/12 lookup main priority 20000
    post-up ip link show eth1 >/dev/null; touch $OUT/link
    post-up ip netns exec x touch $OUT/netns
    post-up ip link set eth1 netns 1
    post-up sysctl -q net.ipv4.ip_forward=1
    pre-down ip rule del from 10.10.0.10 lookup 102 priority 21000; rm $OUT/keep
";

#[test]
fn verify_runs_no_command_that_was_not_read_as_one_of_ip() {
    lab(|lab| {
        let (out, mut victim) = (Outside::new("and-more"), Victim::new());
        fs::write(out.0.join("keep"), "").unwrap();
        let text = AND_MORE.replace("$OUT", &out.0.display().to_string());
        lab.interfaces(&text.replace("$VICTIM", &victim.0.id().to_string()));
        let mark = format!("#!/bin/sh\ntouch {}/hook\n", out.0.display());
        lab.script("/etc/network/if-up.d/mark", &mark);
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(out.names(), ["keep"], "{said:?}");
        assert!(victim.is_alive(), "{said:?}");
        assert_eq!(said.code, 1, "{said:?}");
        let told: Vec<&str> = said.err.lines().collect();
        let told: Vec<&str> = told
            .into_iter()
            .filter_map(|line| line.strip_prefix("policy-table: --verify: "))
            .collect();
        let left_out = |line: usize, program: &str| {
            format!("/etc/network/interfaces:{line}: not run, so not proven: it runs \"{program}\"")
        };
        assert_eq!(
            told[..8],
            [
                format!(
                    "/etc/network/interfaces:4: not run, so not proven: it reads or writes \"{}/log\"",
                    out.0.display()
                ),
                left_out(5, "kill"),
                left_out(7, "touch"),
                left_out(
                    8,
                    &format!("ip netns exec x touch {}/netns", out.0.display())
                ),
                left_out(9, "ip link set eth1 netns 1"),
                left_out(10, "sysctl"),
                left_out(11, "rm"),
                "other packages' hooks are not run: /etc/network/if-up.d/mark".to_owned(),
            ],
            "{said:?}"
        );
        assert!(
            told[8].ends_with(
                "are equal before and after; not proven: what 7 lines do that were not run"
            ),
            "{said:?}"
        );
        assert_eq!(told.len(), 9, "{said:?}");
    });
}

const FAILS: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    up ip route add default via 10.99.0.1 dev eth1
    up ip rule add from 10.10.0.10 lookup 102 priority 21000
";

#[test]
fn what_does_not_come_up_proves_nothing() {
    lab(|lab| {
        lab.interfaces(FAILS);
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(said.code, 1, "{said:?}");
        let why = "eth1 does not come up with the old file at /etc/network/interfaces:3: \
                   Error: Nexthop has invalid gateway.; the router is on no network";
        assert!(said.err.contains(why), "{said:?}");
        assert!(said.err.contains(": nothing is proven;"), "{said:?}");
        assert!(!said.err.contains("equal"), "{said:?}");
        // Beside another that does.
        lab.interfaces(&format!(
            "{}{FAILS}",
            FAILS.replace("eth1", "eth0").replace("99", "10")
        ));
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(said.code, 1, "{said:?}");
        let end = " are equal before and after; not proven: eth1, which did not come up;";
        assert!(said.err.contains(end), "{said:?}");
    });
}

const TWO_GATEWAYS: &str = "\
auto eth0
iface eth0 inet static
  address 192.0.2.40/24
  gateway 192.0.2.254

auto eth1
iface eth1 inet static
  address 198.51.100.81
  netmask 255.255.255.240
  gateway 198.51.100.94
  post-up /sbin/ip route add default via 198.51.100.94 dev eth1 table 125
  post-up /sbin/ip rule add from 198.51.100.80/28 table 125
  pre-down /sbin/ip rule del from 198.51.100.80/28 table 125
";

#[test]
fn two_gateways_are_no_proof() {
    lab(|lab| {
        lab.interfaces(TWO_GATEWAYS);
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(said.code, 1, "{said:?}");
        for part in [
            "eth1 does not come up with the old file: RTNETLINK answers: File exists",
            "the main table has a default route already, that of eth0",
            "not proven: eth1, which did not come up",
        ] {
            assert!(said.err.contains(part), "{part}: {said:?}");
        }
        // Nor is anything written on it, unless without proof.
        let said = lab.sh("policy-table migrate --verify --write");
        assert_eq!(said.code, 2, "{said:?}");
        assert_eq!(lab.text("/etc/network/interfaces"), TWO_GATEWAYS);
        assert_eq!(lab.sh("policy-table migrate --write").code, 0);
    });
}

#[test]
fn a_value_that_a_shell_would_run_is_left_out() {
    lab(|lab| {
        let out = Outside::new("values");
        lab.interfaces(
            "iface eth1 inet static
    address 10.10.0.10/24
    mtu 1400; echo REACHED >&2; touch /run/touched
    up ip route add default via 10.10.0.1 dev eth1 table 102
    up ip rule add from 10.10.0.10 lookup 102 priority 21000

iface eth2 inet static
    address 10.20.0.10/24
    hwaddress ether $(touch /run/touched; echo 02:00:00:00:00:99)
    up ip route add default via 10.20.0.1 dev eth2 table 103
    up ip rule add from 10.20.0.10 lookup 103 priority 21000

iface eth3`touch${IFS}x` inet manual
    up ip rule add from 10.30.0.10 lookup 104 priority 21000
",
        );
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(said.code, 1, "{said:?}");
        assert!(!said.err.contains("REACHED"), "{said:?}");
        for part in [
            "interfaces:3: not run, so not proven: the value of mtu is more than plain text",
            "interfaces:9: not run, so not proven: the value of hwaddress is more than plain text",
            "interfaces:14: not run, so not proven: the stanza's name is more than plain text",
            "equal before and after; not proven: what 3 lines do that were not run",
        ] {
            assert!(said.err.contains(part), "{part}: {said:?}");
        }
        assert!(out.names().is_empty());
    });
}

#[test]
fn bridges_are_bridges_and_what_runs_is_not_waited_for_without_end() {
    lab(|lab| {
        lab.interfaces(
            "iface br0 inet static
    address 10.10.0.10/24
    bridge_ports eth7
    up ip route add default via 10.10.0.1 dev br0 table 102
    up ip rule add from 10.10.0.10 lookup 102 priority 21000
",
        );
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(said.code, 0, "{said:?}");
        let machine = Machine {
            devices: vec!["br0".to_owned()],
            bridges: vec!["br0".to_owned()],
            interfaces: vec!["br0".to_owned()],
            program: programs().join("policy-table"),
            ..Machine::default()
        };
        let text = "iface br0 inet static\n    address 10.10.0.10/24\n    \
                    up ip -d link show br0 | grep -qw bridge && echo BRIDGE >&2; true\n    \
                    up grep -q timeout /proc/[0-9]*/comm && echo LIMITED >&2; true\n    \
                    up sleep 1000 &\n";
        let seen = run_trial(&machine, text.as_bytes(), None).unwrap();
        let said = seen.said.join("\n");
        assert!(
            said.contains("BRIDGE") && said.contains("LIMITED"),
            "{said}"
        );
    });
}

/// What is equal when all come up in order need not be so otherwise.
#[test]
fn each_interface_is_tried_alone_in_the_other_order_and_once_more() {
    let machine = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Machine {
            devices: names.clone(),
            interfaces: names,
            program: programs().join("policy-table"),
            turns: true,
            ..Machine::default()
        }
    };
    let shared = |stanza: &str| {
        format!(
            "iface eth1 inet static\n    address 10.1.0.3/16\n    \
             up ip rule add fwmark 1 table 42 pref 16000 || true\n\
             iface eth2 inet static\n    address 10.2.0.3/16\n{stanza}"
        )
    };
    let routed = |stanza: &str| {
        format!(
            "iface eth1 inet static\n    address 192.0.2.10/24\n\
             iface eth2 inet static\n    address 198.51.100.10/24\n{stanza}    \
             pre-down ip route replace default via 192.0.2.1 dev eth1\n"
        )
    };
    lab(|_| {
        for (what, before, after) in [
            (
                "eth2 alone",
                shared("    up ip rule add fwmark 1 table 42 pref 16000 || true\n"),
                shared(""),
            ),
            (
                "after ifdown eth2; ifup eth2",
                routed("    up ip route replace default via 198.51.100.1 dev eth2\n"),
                routed("    policy-route default via 198.51.100.1 dev eth2 table main\n"),
            ),
        ] {
            let machine = machine(&["eth1", "eth2"]);
            let before = run_trial(&machine, before.as_bytes(), None).unwrap();
            let seen = run_trial(&machine, after.as_bytes(), Some(&before)).unwrap();
            let found = differences(&before, &seen);
            assert!(!found.is_empty(), "{what}");
            let all = found.iter().all(|difference| difference.starts_with(what));
            assert!(all, "{what}: {found:#?}");
        }
    });
}

/// What a line behind `up` might do to the world outside; `REACHED` is printed where it could. None
/// would do harm where a trial does not hold it back.
fn hostile(out: &Outside, inherited: &fs::File, victim: &Victim) -> Vec<String> {
    let (out, victim) = (out.0.display(), victim.0.id());
    let inherited = inherited.as_raw_fd();
    let send = |to: &str| {
        format!(
            "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0) && \
             send(S, \"x\", 0, pack_sockaddr_un({to})) or exit 1'"
        )
    };
    vec![
        format!("kill -9 {victim}"),
        // The process group is the trial's, so that kill 0 ends nobody outside.
        "read -r pid name state parent group rest < /proc/self/stat; test $group = 0".to_owned(),
        format!("touch {out}/file"),
        format!("touch /proc/self/fd/{inherited}/file"),
        "touch /reached-by-a-trial".to_owned(),
        "touch /usr/reached-by-a-trial".to_owned(),
        "touch /sys/reached-by-a-trial".to_owned(),
        "rm /usr/sbin/policy-table".to_owned(),
        "echo 9000 > /sys/class/net/eth1/mtu".to_owned(),
        // Each with the value that it has: what counts is whether it may be written.
        "cat /proc/sys/fs/lease-break-time > /proc/sys/fs/lease-break-time".to_owned(),
        "cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern".to_owned(),
        "test -w /proc/sysrq-trigger && touch -c /proc/sysrq-trigger".to_owned(),
        "hostname \"$(hostname)\"".to_owned(),
        "mount -t tmpfs x /mnt || mount -t tmpfs x /tmp".to_owned(),
        "mount -o remount,rw /usr || mount -o remount,bind,rw /usr".to_owned(),
        "umount /usr || umount -l /etc || umount /run".to_owned(),
        "unshare -m true || unshare -p -f true".to_owned(),
        format!("nsenter -t 1 -m touch {out}/nsenter"),
        format!("nsenter -t {victim} -m touch {out}/nsenter"),
        "ls /proc/1/root/ || ls /proc/1/cwd/".to_owned(),
        format!("ls -d /proc/{victim}"),
        "chroot / true".to_owned(),
        "mknod /run/disk b 8 0".to_owned(),
        "test \"$(echo $(ls /dev))\" != \"full null random urandom zero\"".to_owned(),
        "grep -q '^NoNewPrivs:.*1$' /proc/self/status || exit 0; exit 1".to_owned(),
        // CAP_NET_ADMIN and CAP_NET_RAW: neither CAP_SYS_BOOT nor CAP_KILL nor another.
        "grep ^Cap /proc/self/status | \
         grep -v -E '^Cap((Prm|Eff|Bnd):\t0{12}3000|(Inh|Amb):\t0{16})$'"
            .to_owned(),
        send("\"/run/listener\""),
        send(&format!("\"{out}/listener\"")),
        send("\"\\0policy-table-listener\""),
    ]
}

#[test]
fn whatever_runs_in_a_trial_reaches_nothing_outside() {
    lab(|lab| {
        let (out, mut victim) = (Outside::new("hostile"), Victim::new());
        lab.ok("mount -t sysfs lab /sys");
        lab.device("eth1");
        lab.interfaces("# the host's own\n");
        lab.write("/run/network/ifstate", "lo=lo\n");
        lab.write("/var/tmp/network/ifstatenew", "state");
        let path = Path::new("/run/listener");
        let abstract_name = {
            use std::os::linux::net::SocketAddrExt;
            std::os::unix::net::SocketAddr::from_abstract_name("policy-table-listener").unwrap()
        };
        let listeners = [
            UnixDatagram::bind(path).unwrap(),
            UnixDatagram::bind(out.0.join("listener")).unwrap(),
            UnixDatagram::bind_addr(&abstract_name).unwrap(),
        ];
        let state = |lab: &Lab| {
            lab.ok(
                "cat /sys/class/net/*/mtu /proc/sys/kernel/hostname /etc/network/interfaces \
                 /run/network/ifstate /var/tmp/network/ifstatenew /proc/sys/net/ipv4/ip_forward; \
                 ls / /etc /usr /run /var /var/tmp /usr/sbin/policy-table; cat /proc/self/mounts; \
                 ip -4 rule; ip -6 rule; ip -o link; ip route show table all",
            )
        };
        let before = state(lab);
        let mut text = "iface eth1 inet static\n    address 10.10.0.10/24\n".to_owned();
        // As from a shell that has opened something: 9</srv
        let inherited = fs::File::open(&out.0).unwrap();
        fcntl(&inherited, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let lines = hostile(&out, &inherited, &victim);
        for (n, line) in lines.iter().enumerate() {
            text += &format!(
                "    up if ( {line} ) >/dev/null 2>&1; then echo 'REACHED {n}' >&2; fi; true\n"
            );
        }
        // What it may do, and what it leaves behind.
        text += &format!(
            "    up echo 1 > /proc/sys/net/ipv4/ip_forward\n\
             \x20   up echo gone > /etc/network/interfaces; rm -rf /var/tmp/network\n\
             \x20   up mkdir -p {0} && touch /run/here {0}/here /var/tmp/here && echo WRITTEN >&2\n\
             \x20   up setsid sleep 987.654 >/dev/null 2>&1 & true\n\
             \x20   up ip rule add from 10.10.0.10 lookup 102 priority 21000\n\
             \x20   up [ $(cat /proc/1/comm) = cat ] && echo KILLED >&2 && kill -9 1 -1\n",
            out.0.display()
        );
        let machine = Machine {
            devices: vec!["eth1".to_owned()],
            interfaces: vec!["eth1".to_owned()],
            program: programs().join("policy-table"),
            ..Machine::default()
        };
        let seen = run_trial(&machine, text.as_bytes(), None).unwrap();
        let _ = fs::remove_file("/reached-by-a-trial");
        let said = seen.said.join("\n");
        let reached = lines.iter().enumerate();
        let reached = reached.filter(|(n, _)| said.contains(&format!("REACHED {n}\n")));
        let reached: Vec<&String> = reached.map(|(_, line)| line).collect();
        assert!(reached.is_empty(), "{reached:#?}");
        println!("{} ways out of a trial tried, none led out", lines.len());
        // The rest did run.
        assert!(
            said.contains("WRITTEN") && said.contains("KILLED"),
            "{said}"
        );
        assert!(seen.rules.iter().any(|rule| rule.priority == 21000));

        assert!(victim.is_alive());
        assert_eq!(out.names(), ["listener"]);
        assert_eq!(state(lab), before);
        for listener in &listeners {
            listener.set_nonblocking(true).unwrap();
            assert!(listener.recv(&mut [0; 9]).is_err(), "{listener:?}");
        }
        let left = lab.sh("grep -a -l 987[.]654 /proc/[0-9]*/cmdline");
        assert!(!left.out.contains("/cmdline"), "{left:?}");
    });
}

/// A trial ends with the program, however that ends.
#[test]
fn a_trial_that_is_killed_leaves_no_process() {
    lab(|lab| {
        lab.device("eth1");
        lab.script("/usr/local/sbin/ifup", "#!/bin/sh\nexec sleep 987.321\n");
        lab.interfaces(
            "iface eth1 inet static\n    address 10.10.0.10/24\n    \
             up ip route add default via 10.10.0.1 table 7\n    \
             up ip rule add from 10.10.0.10 lookup 7\n",
        );
        let there = |lab: &Lab| {
            let found = lab.sh("grep -a -l 987[.]321 /proc/[0-9]*/cmdline");
            found.out.contains("/cmdline")
        };
        lab.ok("policy-table migrate --verify >/run/said 2>&1 & echo $! >/run/pid");
        while !there(lab) {
            let said = lab.text("/run/said");
            assert_eq!(lab.sh("kill -0 $(cat /run/pid)").code, 0, "{said}");
        }
        lab.ok("kill -9 $(cat /run/pid)");
        let begin = std::time::Instant::now();
        while there(lab) {
            assert!(begin.elapsed().as_secs() < 60, "it is still there");
        }
    });
}
