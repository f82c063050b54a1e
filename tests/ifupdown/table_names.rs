//! The files of table names, in every state in which hosts have them: a name gets one ID, no
//! line of anybody's is lost, and where a file cannot be had routing comes up all the same.

use std::fs;
use std::os::unix::fs::{symlink, MetadataExt};

use crate::support::lab::{lab, lab_of, Lab, Release, Said, NAMES};

const DROP_IN: &str = "/etc/iproute2/rt_tables.d/policy-table.conf";
const OURS: &str = "20611\trt2\t# ifupdown-policy-table\n";

/// Two names with one derived ID.
const TWINS: (&str, &str, u32) = ("t254", "t69", 25890);

fn stanza(interface: &str, table: &str) -> String {
    let last = &interface[3..];
    format!("iface {interface} inet static\naddress 10.{last}0.0.10/24\npolicy-table {table}\n")
}

/// Brings eth1 up with a table and expects nothing but `warnings`.
fn up(lab: &Lab, table: &str, warnings: &[&str]) -> Said {
    if lab.sh("ip link show dev eth1").code != 0 {
        lab.device("eth1");
    }
    lab.interfaces(&stanza("eth1", table));
    let said = lab.sh("ifup eth1");
    let expected: Vec<String> = warnings
        .iter()
        .map(|line| format!("eth1: {line}"))
        .collect();
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    assert_eq!(said.ours(), expected);
    assert_eq!(said.err.lines().count(), expected.len(), "{said:?}");
    said
}

/// What `ip rule` and `ip route` say when the table is in force and called `shown`.
fn assert_routed(lab: &Lab, id: u32, shown: &str) {
    assert_eq!(
        lab.routes("-4", &id.to_string()),
        [
            "default via 10.10.0.1 dev eth1 proto policy-table",
            "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
        ]
    );
    assert_eq!(
        lab.rules("-4"),
        [
            format!("21000: from 10.10.0.10 lookup {shown} proto policy-table"),
            format!("21000: from all to 10.10.0.10 lookup {shown} proto policy-table"),
        ]
    );
}

/// The name is known to `ip` as this ID.
fn assert_named(lab: &Lab, id: u32, name: &str) {
    assert_routed(lab, id, name);
    assert_eq!(
        lab.routes("-4", name).len(),
        2,
        "ip route show table {name}"
    );
}

/// The routing state with IDs for names, which are what changes here.
fn numbers(lab: &Lab) -> String {
    let six = "-6 route show table all root 2001:db8::/32";
    ["rule", "-6 rule", "-4 route show table all", six]
        .map(|what| lab.ok(&format!("ip -N {what}")))
        .join("\n")
}

fn down(lab: &Lab) {
    let said = lab.sh("ifdown eth1");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(lab.tagged(), [""; 0]);
}

#[test]
fn a_new_name_is_appended_and_nothing_else_changes() {
    lab(|lab| {
        for before in [
            "",
            "255\tlocal\n",
            "255\tlocal",
            "# nothing but a comment",
            "100 foo # \u{e9}\n\n\n",
            "\n",
        ] {
            lab.write(NAMES, before);
            let inode = fs::metadata(NAMES).unwrap().ino();
            up(lab, "rt2", &[]);
            assert_named(lab, 20611, "rt2");
            let newline = if before.is_empty() || before.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            assert_eq!(lab.text(NAMES), format!("{before}{newline}{OURS}"));
            assert_eq!(fs::metadata(NAMES).unwrap().ino(), inode);
            down(lab);
            up(lab, "rt2", &[]);
            assert_eq!(
                lab.text(NAMES),
                format!("{before}{newline}{OURS}"),
                "once only"
            );
            down(lab);
        }
    });
}

#[test]
fn without_the_conffile_names_go_to_the_drop_in() {
    lab_of(Release::Debian13, |lab| {
        fs::remove_dir_all("/etc/iproute2/rt_tables.d").unwrap_or_default();
        up(lab, "rt2", &[]);
        assert_named(lab, 20611, "rt2");
        assert_eq!(lab.text(DROP_IN), OURS);
        assert!(
            fs::symlink_metadata(NAMES).is_err(),
            "it would shadow the vendor's"
        );
        down(lab);
        assert_eq!(lab.text(DROP_IN), OURS);
    });
}

/// What an ordinary user's `ip` cannot read has no names.
#[test]
fn a_new_drop_in_is_for_everybody_to_read_whatever_the_umask() {
    lab_of(Release::Debian13, |lab| {
        lab.device("eth1");
        lab.interfaces(&stanza("eth1", "rt2"));
        lab.ok("umask 077; ifup eth1");
        assert_eq!(lab.ok(&format!("stat -c %a {DROP_IN}")), "644\n");
        assert_eq!(lab.ok("stat -c %a /etc/iproute2/rt_tables.d"), "755\n");
    });
}

#[test]
fn an_administrators_drop_in_is_used_beside_the_conffile() {
    lab(|lab| {
        lab.write(DROP_IN, "");
        let before = lab.text(NAMES);
        up(lab, "rt2", &[]);
        assert_named(lab, 20611, "rt2");
        assert_eq!(
            (lab.text(DROP_IN).as_str(), lab.text(NAMES)),
            (OURS, before)
        );
    });
}

#[test]
fn a_link_is_kept_and_its_target_appended_to() {
    lab(|lab| {
        fs::rename(NAMES, "/etc/iproute2/elsewhere").unwrap();
        symlink("elsewhere", NAMES).unwrap();
        let before = lab.text(NAMES);
        up(lab, "rt2", &[]);
        assert_named(lab, 20611, "rt2");
        assert_eq!(fs::read_link(NAMES).unwrap().to_str(), Some("elsewhere"));
        assert_eq!(
            lab.text("/etc/iproute2/elsewhere"),
            format!("{before}{OURS}")
        );
    });
}

#[test]
fn a_dangling_link_counts_as_no_file() {
    lab_of(Release::Debian13, |lab| {
        lab.write("/etc/iproute2/rt_protos.d/x", "");
        symlink("nowhere", NAMES).unwrap();
        up(lab, "rt2", &[]);
        assert_named(lab, 20611, "rt2");
        assert_eq!(lab.text(DROP_IN), OURS);
        assert_eq!(fs::read_link(NAMES).unwrap().to_str(), Some("nowhere"));
        assert!(fs::symlink_metadata("/etc/iproute2/nowhere").is_err());
    });
}

#[test]
fn a_directory_in_its_place_costs_only_the_name() {
    lab(|lab| {
        fs::remove_file(NAMES).unwrap();
        fs::create_dir(NAMES).unwrap();
        let cannot_read = format!("cannot read {NAMES}: Is a directory (os error 21)");
        up(
            lab,
            "rt2",
            &[
                &cannot_read,
                &format!(
                    "table rt2 is not registered in {NAMES}: Is a directory (os error 21); \
                     going on with its ID alone"
                ),
            ],
        );
        assert_routed(lab, 20611, "20611");
        down(lab);
    });
}

/// A secret that is not set is a file that its owner gets EIO for.
#[test]
fn a_file_that_cannot_be_read_costs_only_the_name() {
    lab(|lab| {
        let secret = "/proc/sys/net/ipv6/conf/lo/stable_secret";
        lab.ok(&format!("mount --bind {secret} {NAMES}"));
        lab.device("eth1");
        lab.interfaces(&stanza("eth1", "rt2"));
        let said = lab.sh("ifup eth1");
        let ours = said.ours();
        assert_eq!((said.code, ours.len()), (0, 2), "{said:?}");
        let cannot = format!("eth1: cannot read {NAMES}: I"); // "Input/output error", or musl's "I/O error"
        assert!(ours[0].starts_with(&cannot), "{ours:?}");
        let not = format!("eth1: table rt2 is not registered in {NAMES}: ");
        assert!(ours[1].starts_with(&not), "{ours:?}");
        assert_routed(lab, 20611, "20611");
        lab.ok(&format!("umount {NAMES}"));
        down(lab);
    });
}

#[test]
fn a_read_only_etc_costs_only_the_name() {
    for (release, file) in [(Release::Debian12, NAMES), (Release::Debian13, DROP_IN)] {
        lab_of(release, |lab| {
            lab.ok("mkdir -p /etc/iproute2; mount --bind /etc/iproute2 /etc/iproute2");
            lab.ok("mount -o remount,ro,bind /etc/iproute2");
            let warning = format!(
                "table rt2 is not registered in {file}: Read-only file system (os error 30); \
                 going on with its ID alone"
            );
            for _ in 0..2 {
                up(lab, "rt2", &[&warning]);
                assert_routed(lab, 20611, "20611");
                down(lab);
            }
        });
    }
}

/// On a tmpfs of `pages` pages whose only file is as long as `length` says.
fn on_a_full_disk(lab: &Lab, pages: usize, length: usize) -> String {
    let filling = "# filling\n".repeat(length / 10) + &"\n".repeat(length % 10);
    lab.ok("mount -t tmpfs -o size=1m tmpfs /etc/iproute2");
    lab.write(NAMES, &filling);
    let size = pages * 4096;
    lab.ok(&format!("mount -o remount,size={size} /etc/iproute2"));
    filling
}

#[test]
fn a_full_disk_costs_only_the_name_and_leaves_no_part_of_it() {
    for (pages, length) in [(1, 4096), (2, 8190), (2, 8191)] {
        lab(|lab| {
            let before = on_a_full_disk(lab, pages, length);
            lab.device("eth1");
            lab.interfaces(&stanza("eth1", "rt2"));
            let said = lab.sh("ifup eth1");
            let ours = said.ours();
            assert_eq!((said.code, ours.len()), (0, 1), "{said:?}");
            let not = format!("eth1: table rt2 is not registered in {NAMES}: ");
            assert!(ours[0].starts_with(&not), "{ours:?}");
            assert!(
                ours[0].ends_with("; going on with its ID alone"),
                "{ours:?}"
            );
            assert_eq!(lab.text(NAMES), before);
            assert_eq!(lab.tagged().len(), 4);
            lab.ok("mount -o remount,size=1m /etc/iproute2; ifup --force --ignore-errors eth1");
            assert_eq!(lab.text(NAMES), format!("{before}{OURS}"));
            lab.ok("ifdown eth1");
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

#[test]
fn a_malformed_line_is_told_with_its_place() {
    lab(|lab| {
        lab.write(NAMES, "255 local\n# fine\nfoo 100\n");
        let warning = format!("{NAMES}:3: not a table ID and a name; ip stops reading there");
        up(lab, "rt2", &[&warning]);
        assert_eq!(lab.routes("-4", "20611").len(), 2);
        assert_eq!(
            lab.text(NAMES),
            format!("255 local\n# fine\nfoo 100\n{OURS}")
        );
        down(lab);
        up(lab, "rt2", &[&warning]);
        assert_eq!(lab.routes("-4", "20611").len(), 2, "the same ID again");
    });
}

#[test]
fn of_several_ids_the_one_counts_that_ip_takes() {
    for (text, id, other) in [
        ("100 foo\n200 foo\n", 100, 200),
        ("200 foo\n100 foo\n", 100, 200),
        ("200 foo\n300 foo\n", 300, 200),
        ("100 foo\n356 foo\n", 356, 100),
        ("356 foo\n100 foo\n", 100, 356),
    ] {
        lab(|lab| {
            lab.write(NAMES, text);
            let warning =
                format!("table foo has IDs {id} and {other} in {NAMES}; taking {id} as ip does");
            up(lab, "foo", &[&warning]);
            assert_named(lab, id, "foo");
            assert_eq!(lab.text(NAMES), text);
        });
    }
}

#[test]
fn two_names_for_one_id_are_one_table() {
    lab(|lab| {
        lab.write(NAMES, "100 foo\n100 bar\n");
        up(
            lab,
            "foo",
            &["tables foo and bar are one: both have ID 100"],
        );
        // ip prints the name that it read last.
        assert_routed(lab, 100, "bar");
        assert_eq!(lab.routes("-4", "foo").len(), 2);
    });
}

#[test]
fn names_that_a_file_gives_are_taken_as_ip_takes_them() {
    for (line, id) in [
        ("0x64 foo\n", 100),
        ("0100 foo\n", 100),
        ("+100 foo\n", 100),
        (" \t100\t foo # comment\n", 100),
        ("100 foo\r\n", 100),
        ("100foo\n", 100),
        ("1 foo\n", 1),
        ("2147483647 foo", 2_147_483_647),
    ] {
        lab(|lab| {
            lab.write(NAMES, line);
            up(lab, "foo", &[]);
            assert_named(lab, id, "foo");
            assert_eq!(lab.text(NAMES), line);
        });
    }
}

#[test]
fn a_file_that_gives_a_name_the_kernels_own_table_is_told() {
    for (line, id) in [("254 foo\n", 254), ("0 foo\n", 0), ("0xff foo\n", 255)] {
        lab(|lab| {
            lab.write(NAMES, line);
            lab.device("eth1");
            lab.interfaces(&stanza("eth1", "foo"));
            let said = lab.sh("ifup eth1");
            assert_eq!((said.code, said.ours().len()), (0, 2), "{said:?}");
            assert_eq!(
                said.ours()[0],
                format!(
                    "eth1: policy-table \"foo\": {NAMES}: table ID {id} is the kernel's own; \
                     expected 1 to 4294967295, but not 253 to 255"
                )
            );
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

#[test]
fn drop_ins_are_read_and_shadow_the_vendors() {
    let own = "/etc/iproute2/rt_tables.d";
    let vendor = "/usr/share/iproute2/rt_tables.d";
    // Files, and the ID that foo has then; DERIVED_FOO where they do not count.
    let cases: [(&[(&str, &str)], u32); 7] = [
        (&[(own, "a.conf")], 301),
        (&[(vendor, "a.conf")], 302),
        (&[(own, "a.conf"), (vendor, "a.conf")], 301),
        (&[(own, "a.txt")], DERIVED_FOO),
        (&[(own, ".a.conf")], DERIVED_FOO),
        (&[(own, ".conf")], DERIVED_FOO),
        (&[(own, "a.conf~")], DERIVED_FOO),
    ];
    for release in [Release::Debian12, Release::Debian13] {
        for (files, id) in cases {
            lab_of(release, |lab| {
                for (folder, file) in files {
                    let given = if *folder == own { 301 } else { 302 };
                    lab.write(&format!("{folder}/{file}"), &format!("{given} foo\n"));
                }
                up(lab, "foo", &[]);
                assert_eq!(
                    lab.routes("-4", &id.to_string()).len(),
                    2,
                    "{release:?} {files:?}"
                );
                let named = lab.ok("cat /etc/iproute2/rt_tables* 2>/dev/null; \
                                    cat /etc/iproute2/rt_tables.d/policy-table.conf || true");
                assert_eq!(named.contains("foo"), id == DERIVED_FOO, "{files:?}");
            });
        }
    }
}

const DERIVED_FOO: u32 = 27223;

#[test]
fn a_masked_vendor_drop_in_does_not_count() {
    lab(|lab| {
        lab.write("/usr/share/iproute2/rt_tables.d/a.conf", "302 rt2\n");
        lab.write("/etc/iproute2/rt_tables.d/b.conf", "303 other\n");
        symlink("/dev/null", "/etc/iproute2/rt_tables.d/a.conf").unwrap();
        up(lab, "rt2", &[]);
        assert_named(lab, 20611, "rt2");
    });
}

#[test]
fn the_vendors_names_count_where_there_is_no_conffile() {
    lab_of(Release::Debian13, |lab| {
        lab.write("/usr/share/iproute2/rt_tables", "254 main\n400 rt2\n");
        up(lab, "rt2", &[]);
        assert_eq!(lab.routes("-4", "400").len(), 2);
        assert!(fs::symlink_metadata(DROP_IN).is_err());
        down(lab);
        // An /etc file shadows it whole.
        lab.write(NAMES, "254 main\n");
        up(lab, "rt2", &[]);
        assert_named(lab, 20611, "rt2");
    });
}

#[test]
fn a_derived_id_that_others_have_is_passed_over() {
    let taken = [
        (format!("printf '20611 other\\n' >> {NAMES}"), 20612),
        (format!("printf '20611 a\\n20612 b\\n' >> {NAMES}"), 20613),
        (
            "ip route add 192.0.2.0/24 dev lo table 20611".to_owned(),
            20612,
        ),
        (
            "ip -6 route add 2001:db8::/32 dev lo table 20611".to_owned(),
            20612,
        ),
        ("ip rule add from 192.0.2.1 lookup 20611".to_owned(), 20612),
        (
            "ip -6 rule add from 2001:db8::1 lookup 20611".to_owned(),
            20612,
        ),
        (
            "ip rule add from 192.0.2.1 lookup 20611 proto 157".to_owned(),
            20611,
        ),
        (
            "ip route add 192.0.2.0/24 dev lo table 20611 proto 157".to_owned(),
            20611,
        ),
        ("ip rule add from 192.0.2.1 lookup 20612".to_owned(), 20611),
        (
            format!("printf '20611 other\\n' >> {NAMES}; ip rule add from 192.0.2.1 lookup 20612"),
            20613,
        ),
    ];
    for (command, id) in taken {
        lab(|lab| {
            lab.ok(&command);
            let others = numbers(lab);
            up(lab, "rt2", &[]);
            let own = lab.routes("-4", "rt2");
            assert!(
                own.iter()
                    .any(|route| route.starts_with("default via 10.10.0.1")),
                "{own:?}"
            );
            let line = format!("{id}\trt2\t# ifupdown-policy-table\n");
            assert!(
                lab.text(NAMES).ends_with(&line),
                "{command}: {}",
                lab.text(NAMES)
            );
            lab.ok("ifdown eth1");
            assert_eq!(numbers(lab), others, "{command}");
        });
    }
}

/// A name that is known keeps its ID, whatever the kernel has there.
#[test]
fn a_registered_name_is_not_moved() {
    lab(|lab| {
        up(lab, "rt2", &[]);
        down(lab);
        lab.ok("ip rule add from 192.0.2.1 lookup 20611");
        up(lab, "rt2", &[]);
        assert_eq!(lab.routes("-4", "20611").len(), 2);
    });
}

#[test]
fn parallel_runs_register_a_name_once() {
    for release in [Release::Debian12, Release::Debian13] {
        lab_of(release, |lab| {
            let mut file = String::new();
            for number in 1..=6 {
                lab.device(&format!("eth{number}"));
                file += &stanza(&format!("eth{number}"), "rt2");
            }
            lab.interfaces(&file);
            lab.ok("for n in 1 2 3 4 5 6; do ifup eth$n & done; wait");
            let names = lab.ok("cat /etc/iproute2/rt_tables* 2>/dev/null || true")
                + &lab.sh(&format!("cat {DROP_IN}")).out;
            assert_eq!(names.matches("rt2").count(), 1, "{names}");
            assert_eq!(lab.rules("-4").len(), 12);
            assert_eq!(lab.routes("-4", "rt2").len(), 12);
            lab.ok("for n in 1 2 3 4 5 6; do ifdown eth$n & done; wait");
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

#[test]
fn parallel_runs_with_colliding_names_get_two_ids() {
    let (one, two, id) = TWINS;
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(&(stanza("eth1", one) + &stanza("eth2", two)));
        lab.ok("ifup eth1 & ifup eth2 & wait");
        let mut ids: Vec<String> = Vec::new();
        for line in lab
            .text(NAMES)
            .lines()
            .filter(|line| line.contains("policy-table"))
        {
            ids.push(line.split('\t').next().unwrap().to_owned());
        }
        assert_eq!(ids, [id.to_string(), (id + 1).to_string()]);
        for name in [one, two] {
            assert_eq!(lab.routes("-4", name).len(), 2, "{name}");
        }
    });
}

#[test]
fn a_file_that_goes_while_the_interface_is_up_comes_back_with_the_same_id() {
    lab(|lab| {
        up(lab, "rt2", &[]);
        fs::remove_file(NAMES).unwrap();
        down(lab);
        up(lab, "rt2", &[]);
        assert_named(lab, 20611, "rt2");
        assert_eq!(lab.text(DROP_IN), OURS);
        assert!(fs::symlink_metadata(NAMES).is_err());
        fs::remove_file(DROP_IN).unwrap();
        let routing = numbers(lab);
        lab.ok("ifup --force --ignore-errors eth1");
        assert_eq!(lab.text(DROP_IN), OURS);
        assert_eq!(numbers(lab), routing);
        down(lab);
    });
}

#[test]
fn an_id_that_ip_cannot_name_is_used_without_one() {
    for release in [Release::Debian12, Release::Debian13] {
        lab_of(release, |lab| {
            let files = "find /etc/iproute2 -type f -exec sha256sum {} +";
            let before = lab.ok(files);
            for id in [2_147_483_648, 4_294_967_295_u32] {
                let warning = format!(
                    "table rt2 is not registered: ip cannot name IDs above 2147483647; \
                     going on with ID {id} alone"
                );
                for _ in 0..2 {
                    let table = format!("rt2\npolicy-table-id {id}");
                    up(lab, &table, &[&warning]);
                    assert_routed(lab, id, &id.to_string());
                    down(lab);
                }
            }
            assert_eq!(lab.ok(files), before, "{release:?}");
        });
    }
}

#[test]
fn an_id_that_the_stanza_gives_is_registered() {
    lab(|lab| {
        let before = lab.text(NAMES);
        for given in ["777", "0x309"] {
            up(lab, &format!("rt2\npolicy-table-id {given}"), &[]);
            assert_named(lab, 777, "rt2");
            down(lab);
        }
        up(lab, "rt2", &[]);
        assert_named(lab, 777, "rt2");
        let line = "777\trt2\t# ifupdown-policy-table\n";
        assert_eq!(lab.text(NAMES), format!("{before}{line}"));
    });
}

/// The longest names there are, and those with odd characters, come back from `ip` whole.
#[test]
fn odd_names_are_read_back_by_ip() {
    let long = "n".repeat(255);
    lab(|lab| {
        for name in [
            "a/b",
            "rt2.x",
            "\"rt2\"",
            "\u{e9}t\u{e9}",
            "Main",
            "0xfg",
            "1a",
            long.as_str(),
        ] {
            lab.write(NAMES, "");
            up(lab, name, &[]);
            let quoted = format!("'{name}'");
            assert_eq!(lab.routes("-4", &quoted).len(), 2, "{name}");
            down(lab);
        }
    });
}

/// A file that never begins must not hold up the boot.
#[test]
fn a_pipe_in_place_of_the_file_does_not_hold_ifup_up() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
        lab.ok(&format!("rm {NAMES}; mkfifo {NAMES}"));
        let said = lab.sh(
            "env -i IFACE=eth1 MODE=start PHASE=post-up IF_ADDRESS=10.10.0.10 \
             IF_NETMASK=24 IF_POLICY_TABLE=rt2 \
             timeout -s KILL 15 /etc/network/if-up.d/00-policy-table",
        );
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!said.ours().is_empty());
        // ip itself waits for a writer for ever.
        lab.ok(&format!("rm {NAMES}"));
        assert_eq!(lab.tagged().len(), 4);
    });
}
