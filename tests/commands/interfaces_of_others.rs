//! Random files, read by us in the dialects of ifupdown2 and of ifupdown-ng and by these themselves:
//! the parser of ifupdown2, which its `ifquery` prints, and `ifparse` of ifupdown-ng.
//!
//! `INTERFACES_SEED` and `INTERFACES_COUNT` say which files, and how many.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::others::Ifupdown;
use crate::support::random::{number_in, Random};
use policy_table::ifupdown::interfaces::Interfaces;
use policy_table::ifupdown::Caller;

/// A folder with random files in it.
fn files(name: &str, pieces: &[&str]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut random = Random::seeded("INTERFACES_SEED", 20_261_128, 0);
    let count = number_in("INTERFACES_COUNT", 60) * 5;
    let file = |n| {
        let mut text = String::new();
        for _ in 0..random.below(18) {
            text += random.pick(pieces);
        }
        let file = folder.join(format!("{n}"));
        fs::write(&file, text).unwrap();
        file
    };
    (0..count).map(file).collect()
}

/// Reads each file that is named, and prints a line of JSON for it.
const READ: &str = r"
import json, logging, sys
sys.path.insert(0, sys.argv[1])
logging.disable(logging.CRITICAL)
from ifupdown.networkinterfaces import networkInterfaces
for name in sys.stdin.read().split():
    found = []
    parser = networkInterfaces(name)
    parser.subscribe('iface_found', lambda one: found.append(one))
    parser.load()
    print(json.dumps([
        [one.name, (one.addr_family or [''])[0], one.addr_method or '', one.config]
        for one in found if int(one.type) == 0]))
";

/// Options that ifupdown2 keeps in the order of the addresses, and drops without one.
const BESIDE_ADDRESSES: [&str; 1] = ["netmask"];

type Options = BTreeMap<String, Vec<String>>;

fn by_ifupdown2(folder: &Path, files: &[PathBuf]) -> Vec<Value> {
    use std::io::Write;
    let mut child = Command::new("python3")
        .args(["-B", "-c", READ])
        .arg(folder.join("usr/share/ifupdown2"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let mut input = child.stdin.take().unwrap();
    input.write_all(names.join("\n").as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A value with single blanks: two backslashes in a row give two, or one.
fn squeezed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn options(all: Vec<(&str, &[u8])>) -> Options {
    let mut options = Options::new();
    for (name, value) in all {
        let value = squeezed(&String::from_utf8_lossy(value));
        options.entry(name.to_owned()).or_default().push(value);
    }
    options.retain(|name, _| !BESIDE_ADDRESSES.contains(&name.as_str()));
    options
}

const OF_IFUPDOWN2: &[&str] = &[
    "iface eth0\n",
    "iface eth0 inet\n",
    "iface eth0 inet static more\n",
    "iface eth0:1 inet6 manual\n",
    "iface swp[1-3].[2-3] inet dhcp\n",
    "iface swp[1-3]\n",
    "iface s1.[2-3]x\n",
    "iface a inherits eth0\n",
    "vlan 7\n",
    "auto all\n",
    "allow-hotplug eth0\n",
    "source-dir x\n",
    "mapping x*\n script y\n",
    "no-scripts a\n",
    " address 10.0.0.1/24\n",
    " netmask 24\n",
    " policy_table \t rt2 \n",
    " policy-rule from 10.0.0.0/8 \\\n\\\n  lookup 7\n",
    " policy-rule a\\b\\\n",
    "# comment \\\n",
    " # comment\n",
    "policy-rule a # b\r\n",
    "empty\n",
    "\n",
    "\r",
    " \\\n",
    "\\",
    "up true\n",
];

#[test]
fn ifupdown2_reads_random_files_alike() {
    let Some(folder) = Ifupdown::Two.unpacked() else {
        return;
    };
    let files = files("files-of-ifupdown2", OF_IFUPDOWN2);
    let mut stanzas = 0;
    for (file, theirs) in files.iter().zip(by_ifupdown2(&folder, &files)) {
        let text = fs::read_to_string(file).unwrap();
        let interfaces = Interfaces::read_as(file, Caller::Ifupdown2);
        assert!(interfaces.refused().is_none(), "{text:?}");
        let theirs: Vec<(String, String, String, Options)> =
            serde_json::from_value(theirs).unwrap();
        let ours = interfaces.stanzas().map(|stanza| {
            let is = &stanza.definition;
            (
                is.name.clone(),
                is.family.clone(),
                is.method.clone(),
                options(is.all()),
            )
        });
        let ours: Vec<_> = ours.collect();
        let theirs = theirs
            .into_iter()
            .map(|(name, family, method, mut options)| {
                options.retain(|name, _| !BESIDE_ADDRESSES.contains(&name.as_str()));
                for value in options.values_mut().flatten() {
                    *value = squeezed(value);
                }
                (name, family, method, options)
            });
        assert_eq!(ours, theirs.collect::<Vec<_>>(), "{text:?}");
        stanzas += ours.len();
    }
    assert!(
        stanzas > files.len(),
        "only {stanzas} stanzas were compared"
    );
}

const OF_NG: &[&str] = &[
    "iface eth0\n",
    "iface eth0 inet static # c\n",
    "interface a inherits eth0\n",
    "template t\n",
    "iface b inet dhcp inherits t inherits a\n",
    "iface c inherits nobody\n",
    // Not by a line of its own: who inherits from himself has it run for ever.
    "iface e\n inherit t\n inherit a more\n",
    "auto eth0 eth1\n",
    "auto d\n",
    "allow-hotplug eth0\n",
    "defaults x\n",
    " address 10.0.0.1/24\n",
    " address 10.0.0.2\n",
    " address 2001:db8::1\n",
    " address 2001:db8::2/48 # c\n",
    " policy-table \t rt2 \n",
    " policy_table rt3\n",
    " policy-rule from 10.0.0.0/8 \\\n   lookup 7\n",
    " policy-rule a\\b\n",
    " policy-rule a\\#b\\\n",
    "# comment \\\n",
    "policy-mode main # b\n",
    "empty\n",
    "1st line\n",
    "\n",
    " \\\n",
    "\\",
    "up true\n",
];

/// By interface: its addresses, and its options with their values.
type Sets = BTreeMap<String, (BTreeSet<String>, BTreeSet<(String, String)>)>;

/// What `ifparse` makes of a file; `None` where it never ends, which some files bring it to.
fn by_ng(program: &Path, file: &Path) -> Option<Sets> {
    let output = Command::new("timeout")
        .arg("1")
        .arg(program)
        .args(["-A", "-F", "ifupdown", "-i"])
        .arg(file)
        .output()
        .unwrap();
    if output.status.code() == Some(124) {
        return None;
    }
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let (mut sets, mut name) = (Sets::new(), String::new());
    for line in said.lines() {
        let (word, value) = line.trim_start().split_once(' ').unwrap_or((line, ""));
        match word {
            "" | "auto" | "use" | "dhcp-hostname" | "inherit" => {}
            "iface" | "template" => value.clone_into(&mut name),
            "address" => {
                // The length stands there or not, by what comes behind the stanza; the hooks have it.
                let address = value.split('/').next().unwrap_or_default().to_owned();
                sets.entry(name.clone()).or_default().0.insert(address);
            }
            _ => {
                let option = (word.to_owned(), value.trim_end().to_owned());
                sets.entry(name.clone()).or_default().1.insert(option);
            }
        }
    }
    Some(sets)
}

#[test]
fn ifupdown_ng_reads_random_files_alike() {
    let Some(folder) = Ifupdown::Ng.unpacked() else {
        return;
    };
    let programs = ["sbin/ifparse", "usr/sbin/ifparse", "sbin/ifparse-ng"];
    let mut programs = programs.iter().map(|program| folder.join(program));
    let program = programs.find(|program| program.exists()).unwrap();
    let files = files("files-of-ifupdown-ng", OF_NG);
    let mut compared = 0;
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let interfaces = Interfaces::read_as(file, Caller::IfupdownNg);
        assert!(interfaces.refused().is_none(), "{text:?}");
        let mut ours = Sets::new();
        for stanza in interfaces.stanzas() {
            let is = &stanza.definition;
            let mut set: (BTreeSet<String>, BTreeSet<(String, String)>) = Default::default();
            let calls = is.calls("eth0").into_iter();
            set.0.extend(calls.filter_map(|call| call.address));
            for (name, value) in is.all() {
                if name != "address" {
                    let value = String::from_utf8_lossy(value).into_owned();
                    set.1.insert((name.to_owned(), value));
                }
            }
            let of_name = ours.entry(is.name.clone()).or_default();
            of_name.0.extend(set.0);
            of_name.1.extend(set.1);
        }
        ours.retain(|_, (addresses, options)| !(addresses.is_empty() && options.is_empty()));
        let Some(theirs) = by_ng(&program, file) else {
            println!("ifparse does not end: {text:?}");
            continue;
        };
        assert_eq!(ours, theirs, "{text:?}");
        compared += ours.len();
    }
    assert!(
        compared > files.len() / 2,
        "only {compared} interfaces were compared"
    );
}
