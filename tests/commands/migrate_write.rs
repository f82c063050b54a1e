//! What `migrate --write` does to files: to all of them or to none, and nothing to what they have
//! beside their bytes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::support::lab::{lab, Lab};

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().flatten();
    let names = files.map(|file| file.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

const TWO: [&str; 2] = [
    "iface eth1 inet static
    address 10.10.0.10/24
    post-up ip route add default via 10.10.0.1 dev eth1 table 102
    post-up ip rule add from 10.10.0.10 lookup 102 priority 21000
",
    "iface eth2 inet static
    address 10.20.0.10/24
    post-up ip route add default via 10.20.0.1 dev eth2 table 103
    post-up ip rule add from 10.20.0.10 lookup 103 priority 21000
",
];

/// Two files to be migrated, on a file system of their own, with a name each.
fn two_files(lab: &Lab) -> [String; 2] {
    lab.ok("mkdir /run/disk && mount -t tmpfs -o size=2m disk /run/disk");
    lab.write(
        "/run/disk/interfaces",
        &format!("source /run/disk/more/*\n{}", TWO[0]),
    );
    lab.write("/run/disk/more/two", TWO[1]);
    ["/run/disk/interfaces", "/run/disk/more/two"].map(str::to_owned)
}

fn unchanged(lab: &Lab, why: &str) {
    let main = lab.text("/run/disk/interfaces");
    assert_eq!(
        main,
        format!("source /run/disk/more/*\n{}", TWO[0]),
        "{why}"
    );
    assert_eq!(lab.text("/run/disk/more/two"), TWO[1], "{why}");
    assert_eq!(names(Path::new("/run/disk/more")), ["two"], "{why}");
    let hidden = names(Path::new("/run/disk"));
    let hidden: Vec<&String> = hidden.iter().filter(|name| name.starts_with('.')).collect();
    assert!(hidden.is_empty(), "{why}: {hidden:?}");
}

const WRITE: &str = "policy-table migrate --write /run/disk/interfaces";

/// ifupdown takes a carriage return at the end of a line for a blank, and so do the options.
#[test]
fn a_file_with_the_line_ends_of_another_system_keeps_them() {
    lab(|lab| {
        lab.device("eth1");
        let stanza = TWO[0].replace('\n', "\r\n");
        lab.interfaces(&stanza);
        let objects = |lab: &Lab| {
            let said = [lab.rules("-4"), lab.routes("-4", "102")].concat();
            let bare = |line: &String| line.replace(" proto policy-table", "");
            said.iter().map(bare).collect::<Vec<_>>()
        };
        lab.ok("ifup eth1");
        let by_hand = objects(lab);
        assert_eq!(by_hand.len(), 2, "{by_hand:?}");
        lab.ok("ip rule del pref 21000; ip route flush table 102; ifdown eth1");
        lab.ok("policy-table migrate --write");
        let written = lab.text("/etc/network/interfaces");
        assert_eq!(
            written,
            "iface eth1 inet static\r\n    address 10.10.0.10/24\r\n    \
             policy-rule from 10.10.0.10 lookup 102 priority 21000\r\n    \
             policy-route default via 10.10.0.1 table 102\r\n"
        );
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        assert_eq!(objects(lab), by_hand);
        lab.ok("policy-table status && ifdown eth1");
        // An option's value has no carriage return either.
        lab.interfaces(
            "iface eth1 inet static\r\n    address 10.10.0.10/24\r\n    policy-table rt2\r\n    \
             policy-gateway 10.10.0.1\r\n    policy-mode strict\r\n",
        );
        let said = lab.sh("ifup eth1 && policy-table status");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        assert_eq!(lab.routes("-4", "rt2").len(), 2);
    });
}

#[test]
fn all_files_are_written_or_none() {
    lab(|lab| {
        let [_, two] = two_files(lab);
        let mut tried = 0;
        for (spoil, mend, names) in [
            (
                "chattr +i more/two",
                "chattr -i more/two",
                "more/two: it is immutable; run chattr -i /run/disk/more/two first",
            ),
            (
                "chattr +a more/two",
                "chattr -a more/two",
                "more/two: it is for appending only; run chattr -a ",
            ),
            (
                "chattr +i more",
                "chattr -i more",
                "more/two: its folder is immutable; run chattr -i /run/disk/more first",
            ),
            (
                "chattr +a more",
                "chattr -a more",
                "more/two: its folder is for appending only; run chattr -a /run/disk/more first",
            ),
            (
                "ln more/two elsewhere",
                "rm elsewhere",
                "more/two: it has another name (a hard link)",
            ),
            (
                "mount --bind more/two more/two",
                "umount more/two",
                "more/two: ",
            ),
            (
                "dd if=/dev/zero of=full bs=4k count=1000 2>/dev/null || true",
                "rm full",
                "No space left",
            ),
            (
                "mount -o remount,ro .",
                "mount -o remount,rw .",
                "Read-only",
            ),
            // The new files cannot be written, or not be complete.
            ("true", "true", "File too large"),
        ] {
            let spoiled = lab.sh(&format!("cd /run/disk; {spoil}"));
            if spoiled.code != 0 && spoil.starts_with("chattr") {
                eprintln!("skipped: {spoil}: {}", spoiled.err);
                continue;
            }
            let limit = if spoil == "true" { "ulimit -f 0; " } else { "" };
            let said = lab.sh(&format!("{limit}{WRITE}"));
            lab.ok(&format!("cd /run/disk; {mend}"));
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{spoil}: {said:?}");
            assert!(said.err.contains(names), "{spoil}: {said:?}");
            let end = "; all files are as they were\n";
            assert!(said.err.ends_with(end), "{spoil}: {said:?}");
            unchanged(lab, spoil);
            tried += 1;
        }
        println!("{tried} times one of two files could not be written, and both stayed");
        let said = lab.sh(&format!("ulimit -n 12; {WRITE}"));
        assert_eq!(said.code, 0, "{said:?}");
        assert!(lab.text(&two).contains("policy-r"));
    });
}

#[test]
fn many_files_need_no_more_descriptors_than_one() {
    lab(|lab| {
        two_files(lab);
        for n in 3..40 {
            let text = TWO[1]
                .replace("eth2", &format!("eth{n}"))
                .replace("10.20.", &format!("10.1{n}."))
                .replace("103", &format!("1{n:02}0"));
            lab.write(&format!("/run/disk/more/n{n}"), &text);
        }
        let said = lab.sh(&format!("ulimit -n 12; {WRITE}"));
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.err.lines().count(), 39, "{said:?}");
    });
}

/// The extended attributes of a file, as text.
fn attributes(lab: &Lab, path: &str) -> String {
    lab.ok(&format!(
        "python3 -c 'import os
for name in sorted(os.listxattr(\"{path}\")): print(name, os.getxattr(\"{path}\", name).hex())'"
    ))
}

#[test]
fn what_a_file_has_beside_its_bytes_is_kept() {
    lab(|lab| {
        let files = two_files(lab);
        // An access list as setfacl -m u:65534:r makes it, and one that the folder hands on.
        let set = "python3 -c 'import os, struct, sys
acl = lambda user: struct.pack(\"<I\", 2) + b\"\".join(struct.pack(\"<HHI\", *entry) for entry in [
    (1, 6, 2**32-1), (2, 4, user), (4, 4, 2**32-1), (16, 4, 2**32-1), (32, 0, 2**32-1)])
def put(path, name, value):
    try: os.setxattr(path, name, value)
    except OSError as error: print(name, error, file=sys.stderr)
put(\"/run/disk/interfaces\", \"system.posix_acl_access\", acl(65534))
put(\"/run/disk/more\", \"system.posix_acl_default\", acl(65533))
put(\"/run/disk/interfaces\", \"user.note\", b\"x\")
put(\"/run/disk/interfaces\", \"trusted.note\", b\"y\")
put(\"/run/disk/interfaces\", \"security.selinux\", b\"system_u:object_r:net_conf_t:s0\\0\")'";
        eprint!("{}", lab.sh(set).err);
        lab.ok("chown 0:8 /run/disk/interfaces; chmod 640 /run/disk/more/two");
        let before = files.each_ref().map(|file| attributes(lab, file));
        assert!(before[0].contains("trusted.note"), "{before:?}");
        let modes = |file: &String| {
            let about = fs::metadata(file).unwrap();
            (about.permissions().mode(), about.uid(), about.gid())
        };
        let (main, two) = (modes(&files[0]), modes(&files[1]));
        let said = lab.sh(WRITE);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(lab.text(&files[0]).contains("policy-r"));
        assert_eq!(files.each_ref().map(|file| attributes(lab, file)), before);
        assert_eq!((modes(&files[0]), modes(&files[1])), (main, two));
    });
}

/// The flags of chattr(1) that say what is to be done with a file are as much a part of it as its mode.
#[test]
fn flags_of_a_file_are_kept() {
    lab(|lab| {
        let [main, two] = two_files(lab);
        for folder in ["/run/disk", "/etc/network"] {
            let main = main.replace("/run/disk", folder);
            if folder == "/run/disk" {
                lab.ok(&format!("cp {main} /run/keep; cp {two} /run/two"));
            } else {
                lab.ok(&format!(
                    "sed 's:/run/disk/more:{folder}/more:' /run/keep >{main}
                    mkdir {folder}/more; cp /run/two {folder}/more"
                ));
            }
            let set = lab.sh(&format!("chattr +dA {main} && lsattr {main}"));
            if set.code != 0 {
                eprintln!("skipped: {folder}: {}", set.err);
                continue;
            }
            let said = lab.sh(&format!("policy-table migrate --write {main}"));
            assert_eq!(said.code, 0, "{said:?}");
            assert!(lab.text(&main).contains("policy-r"));
            assert_eq!(lab.ok(&format!("lsattr {main}")), set.out);
        }
    });
}

/// `./x` and `x`, and a link to it: ifupdown reads such a file twice, and it is written once.
#[test]
fn a_file_that_is_read_under_two_names_is_written_once() {
    // What can be done twice; of other lines, which fail when the file is read again, none is replaced.
    const AGAIN: &str = "iface eth2 inet static
    address 10.20.0.10/24
    post-up ip route replace default via 10.20.0.1 dev eth2 table 103
    post-up ip rule add from 10.20.0.10 lookup 103 priority 21000 || true
";
    lab(|lab| {
        two_files(lab);
        lab.ok("ln -s more/two /run/disk/link");
        for second in ["/run/disk/./more/two", "/run/disk/link"] {
            for (first, second) in [
                ("/run/disk/more/two", second),
                (second, "/run/disk/more/two"),
            ] {
                lab.write(
                    "/run/disk/interfaces",
                    &format!("source {first}\nsource {second}\n{}", TWO[0]),
                );
                lab.write("/run/disk/more/two", AGAIN);
                let said = lab.sh(WRITE);
                assert_eq!(said.code, 0, "{first} {second}: {said:?}");
                assert_eq!(said.err.lines().count(), 2, "{said:?}");
                assert!(lab.text("/run/disk/more/two").contains("policy-r"));
                assert_eq!(lab.ok("readlink /run/disk/link"), "more/two\n");
                let kept = names(Path::new("/run/disk/more"));
                assert_eq!(kept, [".two.before-migrate", "two"]);
                assert_eq!(lab.text("/run/disk/more/.two.before-migrate"), AGAIN);
                lab.ok("rm /run/disk/.i* /run/disk/more/.t*");
            }
        }
        // By a link alone: the folder of the link is not where the file is kept.
        lab.write(
            "/run/disk/interfaces",
            &format!("source /run/disk/link\n{}", TWO[0]),
        );
        lab.write("/run/disk/more/two", TWO[1]);
        let said = lab.sh(WRITE);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(
            said.err
                .contains("it is a link; name the file itself, /run/disk/more/two"),
            "{said:?}"
        );
        assert_eq!(lab.text("/run/disk/more/two"), TWO[1]);
        // A second name of the same file.
        lab.ok("rm /run/disk/link; ln /run/disk/more/two /run/disk/link");
        let said = lab.sh(WRITE);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("(a hard link)"), "{said:?}");
        assert_eq!(names(Path::new("/run/disk/more")), ["two"]);
    });
}
