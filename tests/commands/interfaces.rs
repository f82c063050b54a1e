//! Files of interfaces(5), read by us and by the real `ifup`: the environment of each stanza is
//! the one that a hook receives, and what ifup refuses is refused at the same line.
//!
//! `tests/commands/interfaces/NAME/` becomes `/etc/network` of a lab; `interfaces` is its main
//! file. Random files follow: `INTERFACES_SEED` gives others, `INTERFACES_COUNT` says how many.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::support::lab::{lab, Lab};
use crate::support::random::{number_in, Random};
use crate::support::tree::top;
use policy_table::ifupdown::interfaces::{Interfaces, Text, FILE};

/// A hook's variables, by name.
type Environment = BTreeMap<OsString, OsString>;

/// Leaves the environment in which it is started, one file a call.
const HOOK: &str = "#!/bin/sh\ncat /proc/$$/environ >/run/heard/$(ls /run/heard | wc -l)\n";

fn cases() -> Vec<PathBuf> {
    let top = top().join("tests/commands/interfaces");
    let entries = fs::read_dir(top).unwrap();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 30, "{cases:?}");
    cases
}

/// All files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let all = paths.flat_map(|path| {
        if path.is_dir() {
            below(&path)
        } else {
            vec![path]
        }
    });
    all.collect()
}

/// Every word behind an `iface` in any of the files: more names than there are stanzas.
fn names(case: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["nobody".to_owned()]);
    for file in below(case) {
        let text = fs::read(file).unwrap();
        let text = String::from_utf8_lossy(&text).replace(['\\', '\0'], " ");
        let words: Vec<&str> = text.split_whitespace().collect();
        let pairs = words.windows(2).filter(|pair| pair[0] == "iface");
        names.extend(pairs.map(|pair| pair[1].to_owned()));
    }
    names
}

/// What a hook is told of its stanza, without what all calls have.
fn told(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    let words = ["IFACE", "LOGICAL", "ADDRFAM", "METHOD", "MODE", "PHASE"];
    let mut told: Environment = variables.into_iter().collect();
    told.retain(|name, _| {
        name.as_bytes().starts_with(b"IF_") || words.iter().any(|word| name == word)
    });
    told
}

/// Brings an interface up as a logical one; returns what the hook heard, call by call.
fn heard(lab: &Lab, interface: &str, logical: &str) -> Vec<Environment> {
    let target = if interface == logical {
        logical.to_owned()
    } else {
        format!("{interface}={logical}")
    };
    lab.ok(&format!(
        "rm -rf /run/heard /run/network/*; mkdir /run/heard
         ifup --force --ignore-errors --no-mappings '{target}' >/dev/null 2>&1
         ip addr flush dev eth0"
    ));
    let calls = fs::read_dir("/run/heard").unwrap().count();
    let environment = |call| {
        let bytes = fs::read(format!("/run/heard/{call}")).unwrap();
        let variables = bytes.split(|byte| *byte == 0).filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b'=')?;
            let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            Some((text(&line[..at]), text(&line[at + 1..])))
        });
        told(variables)
    };
    (0..calls).map(environment).collect()
}

/// What ifupdown says of the files: the faults as `FILE:LINE`, the files that it cannot read, and
/// whether it refuses all.
fn judged(lab: &Lab) -> (Vec<String>, Vec<String>, bool) {
    let said = lab.sh(&format!("ifquery --list --all -i {FILE}"));
    let (mut faults, mut unread, mut refused) = (Vec::new(), Vec::new(), false);
    for line in said.err.lines() {
        let text = line.strip_prefix("ifquery: ").unwrap();
        let quoted = || text.split('"').nth(1).unwrap().to_owned();
        if text.starts_with("couldn't read interfaces file") {
            refused = true;
        } else if text.starts_with("couldn't open interfaces file") {
            unread.push(quoted());
        } else if let Some(path) = text.strip_suffix(": Is a directory") {
            unread.push(path.to_owned());
        } else if !text.starts_with("unknown interface") {
            let place: Vec<&str> = text.splitn(3, ':').collect();
            assert!(place[1].parse::<usize>().is_ok(), "{text}");
            faults.push(format!("{}:{}", place[0], place[1]));
        }
    }
    faults.sort();
    unread.sort();
    (faults, unread, refused)
}

/// The same by us.
fn ours(interfaces: &Interfaces) -> (Vec<String>, Vec<String>, bool) {
    let mut faults = Vec::new();
    for file in &interfaces.files {
        let stop = file.stop.unwrap_or(usize::MAX);
        let told = file.text.faults.iter().filter(|fault| fault.line <= stop);
        faults.extend(told.map(|fault| format!("{}:{}", file.path.display(), fault.number)));
    }
    let unread = interfaces.unread.iter();
    let mut unread: Vec<String> = unread.map(|(path, _)| path.display().to_string()).collect();
    faults.sort();
    unread.sort();
    (faults, unread, interfaces.refused().is_some())
}

fn lossy(path: &str) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

fn compare(lab: &Lab, case: &Path) -> usize {
    lab.ok(&format!(
        "rm -rf /etc/network/interfaces /etc/network/interfaces.d && cp -r {}/. /etc/network/",
        case.display()
    ));
    let interfaces = Interfaces::read(Path::new(FILE));
    let text = lossy(FILE);
    assert_eq!(ours(&interfaces), judged(lab), "{}: {text}", case.display());
    let mut stanzas = 0;
    let with_hooks = interfaces.stanzas_with_hooks();
    for logical in names(case) {
        let interface = if logical.contains(':') {
            logical.as_str()
        } else {
            "eth0"
        };
        let stanzas_of = with_hooks.get(logical.as_str()).into_iter().flatten();
        let wanted: Vec<Environment> = stanzas_of
            .map(|stanza| told(stanza.definition.variables(interface)))
            .collect();
        let heard = heard(lab, interface, &logical);
        assert_eq!(wanted, heard, "{}, {logical}: {text}", case.display());
        stanzas += wanted.len();
    }
    lab.ok("find /etc/network -mindepth 1 -maxdepth 1 ! -name 'if-*.d' -exec rm -rf {} +");
    stanzas
}

/// Puts the hook in place, and an interface.
fn hear(lab: &Lab) {
    lab.ok("rm -f /etc/network/if-*.d/*");
    lab.script("/etc/network/if-up.d/hear", HOOK);
    // Nothing here asks a server; a client that finds none would wait.
    lab.script("/usr/sbin/dhclient", "#!/bin/sh\n");
    lab.sh("sysctl -qw net.ipv6.conf.default.accept_dad=0");
    lab.device("eth0");
}

#[test]
fn each_stanza_is_what_a_hook_hears() {
    lab(|lab| {
        hear(lab);
        let stanzas: usize = cases().iter().map(|case| compare(lab, case)).sum();
        assert!(stanzas > 100, "only {stanzas} stanzas were compared");
    });
}

/// What the random files are made of.
const PIECES: &[&str] = &[
    "iface eth0 inet manual\n",
    "iface eth0 inet6 manual\n",
    "iface a inherits eth0\n",
    "iface b inet inherits a more\n",
    "iface b inet manual extra\n",
    "mapping x*\n script y\n",
    "map z\n",
    "auto eth0 \\\n eth1\n",
    "no-scripts a\n",
    "    mtu 1400\n",
    "    mtu 1300\n",
    " policy-rule from 10.0.0.0/8 \\\n",
    "policy-rule to 192.0.2.0/24\t\n",
    " policy-table rt2 \\ \n",
    "\tpolicy-table\r\n",
    " mtu? 9\r\n",
    "# comment \\\n",
    "\n",
    " \\\n",
    "\\",
    "up true\n",
    "\0\n",
];

#[test]
fn random_files_are_read_alike() {
    lab(|lab| {
        hear(lab);
        let mut random = Random::seeded("INTERFACES_SEED", 20_261_124, 0);
        let count = usize::try_from(number_in("INTERFACES_COUNT", 60)).unwrap();
        let mut stanzas = 0;
        for _ in 0..count {
            let mut text = PIECES[0].to_owned();
            for _ in 0..random.below(14) {
                text += random.pick(PIECES);
            }
            lab.write("/run/random/interfaces", &text);
            stanzas += compare(lab, Path::new("/run/random"));
        }
        // Many files are refused; those that are not have several stanzas.
        assert!(stanzas > count / 4, "only {stanzas} stanzas were compared");
    });
}

#[test]
fn all_faults_are_found_with_their_places() {
    let read = |case: &str| {
        let top = top().join("tests/commands/interfaces");
        Interfaces::read(&top.join(case).join("interfaces"))
    };
    let empty = read("33-empty-value");
    let (_, fault) = empty.refused().unwrap();
    assert_eq!(fault.place, (4, 5));
    assert_eq!(fault.kind.to_string(), "option 'policy-rule' has no value");
    // Nothing is in force, and all of it can be looked at.
    assert_eq!(empty.stanzas().count(), 0);
    let lines = empty
        .written()
        .map(|stanza| empty.stanza(stanza).unwrap().number);
    assert_eq!(lines.collect::<Vec<_>>(), [2, 5]);

    let orphan = read("37-unknown-parent");
    let (_, fault) = orphan.refused().unwrap();
    assert_eq!(fault.place, (1, 34));

    let sourced = read("32-fault-in-a-sourced-file");
    assert!(sourced.refused().is_none());
    let faults = sourced.files.iter().map(|file| file.text.faults.len());
    assert_eq!(faults.collect::<Vec<_>>(), [0, 1, 1, 1, 1, 2]);
}

#[test]
fn a_file_that_sources_itself_under_ever_new_names_has_an_end() {
    lab(|lab| {
        lab.interfaces("iface eth0 inet manual\nsource ./interfaces\n");
        let interfaces = Interfaces::read(Path::new(FILE));
        let (path, error) = &interfaces.unread[0];
        let is_told = |error: &std::io::Error| error.to_string().contains("more than 100 deep");
        assert!(path.starts_with("/etc/network") && is_told(error));
        // Each of many leads to all of them: told once, and each is read or passed over once.
        lab.ok("mkdir /srv/d; for n in $(seq 400); do echo 'source /srv/d/*' > /srv/d/$n; done");
        let interfaces = Interfaces::read(Path::new("/srv/d/1"));
        let unread: Vec<_> = interfaces.unread.iter().collect();
        assert!(unread.len() == 1 && is_told(&unread[0].1), "{unread:?}");
        assert_eq!(interfaces.files.len(), 101);
        // What stands there is not known, and so not gone.
        let said = lab.sh("policy-table apply --all -i /srv/d/1");
        assert!(
            said.code == 2 && said.err.contains("more than 100 deep"),
            "{said:?}"
        );
        // ifupdown does not tell either, but goes on until it can open no more.
        let said = lab.sh(&format!("ulimit -n 200; ifquery --list -i {FILE}"));
        assert!(said.err.contains("couldn't open"), "{said:?}");
    });
}

#[test]
fn every_byte_is_kept_whatever_is_cut_off() {
    for case in cases() {
        for path in below(&case) {
            let bytes = fs::read(path).unwrap();
            for end in 0..=bytes.len() {
                let text = Text::read(&bytes[..end]);
                assert_eq!(text.bytes(), &bytes[..end]);
                let lines: usize = text.blocks.iter().map(|block| block.lines.len()).sum();
                assert_eq!(lines, text.lines.len());
            }
        }
    }
}
