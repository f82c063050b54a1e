//! `migrate`: what becomes of files as people write them, and the proof that nothing changes by
//! it. Each `tests/commands/migrate/NAME.interfaces` is brought up as it is and as it is rewritten,
//! by the real `ifup` in namespaces; routes, rules and the kernel's look-ups have to be equal.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::support::lab::{lab, programs, Said};
use crate::support::random::{number_in, Random};
use crate::support::tree::{text, top};
use policy_table::ifupdown::interfaces::Interfaces;
use policy_table::migrate::verify::{
    differences, run_after, run_trial, Machine, Seen, TrialError, MULTI,
};
use policy_table::migrate::Draft;
use policy_table::routing::TableId;

/// The names that the files use, as `rt_tables` has them.
const NAMES: [(&str, u32); 3] = [("rt2", 1002), ("isp1", 1001), ("isp2", 2001)];

fn names(name: &str) -> Option<TableId> {
    let mut known = NAMES.iter().filter(|(known, _)| *known == name);
    known.next().map(|(_, id)| TableId::numbered(*id))
}

fn folder() -> PathBuf {
    top().join("tests/commands/migrate")
}

/// The names of all files, in order.
fn shapes() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().flatten();
    let names = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        name.strip_suffix(".interfaces").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert!(names.len() >= 60, "only {} shapes", names.len());
    names
}

fn interfaces(name: &str) -> Interfaces {
    Interfaces::read(&folder().join(format!("{name}.interfaces")))
}

/// What `migrate` makes of a file, with what it says of lines that stay.
fn migrated(interfaces: &Interfaces) -> (String, String) {
    let draft = Draft::of(interfaces, &names);
    let files = draft.files();
    let text = String::from_utf8(files[0].1.after()).unwrap();
    let remarks = draft.remarks().into_iter();
    let remarks = remarks.map(|remark| format!("{}: {}\n", remark.line, remark.reason));
    (text, remarks.collect())
}

#[test]
fn each_shape_becomes_what_it_is_known_to_become() {
    let mut wrong = Vec::new();
    for name in shapes() {
        let (text, remarks) = migrated(&interfaces(&name));
        for (ending, found) in [("after", text), ("stays", remarks)] {
            let path = folder().join(format!("{name}.{ending}"));
            let known = fs::read_to_string(&path).unwrap_or_default();
            if std::env::var_os("MIGRATE_RECORD").is_some() {
                let _ = fs::remove_file(&path);
                if !found.is_empty() {
                    fs::write(&path, &found).unwrap();
                }
            } else if known != found {
                wrong.push(format!("{name}.{ending}:\n{found}"));
            }
        }
        let stays = folder().join(format!("{name}.stays")).exists();
        if stays != (name.starts_with("stays-")) {
            wrong.push(format!("{name}: its name does not tell whether lines stay"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_migrated_stays_as_it_is() {
    for name in shapes() {
        let (after, remarks) = migrated(&interfaces(&name));
        let file = std::env::temp_dir().join(format!("policy-table-{}-{name}", std::process::id()));
        fs::write(&file, &after).unwrap();
        let (again, still) = migrated(&Interfaces::read(&file));
        fs::remove_file(&file).unwrap();
        assert_eq!(again, after, "{name}");
        assert_eq!(
            still.lines().count(),
            remarks.lines().count(),
            "{name}: {still}"
        );
    }
}

/// A file before and after, in trials of their own.
fn before_and_after(interfaces: &Interfaces, turns: bool) -> Result<(Seen, Seen), TrialError> {
    let draft = Draft::of(interfaces, &names);
    let mut machine = draft.machine(programs().join("policy-table"));
    machine.turns = turns;
    let tables = NAMES.iter().map(|(name, id)| format!("{id}\t{name}\n"));
    let kernels = "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n".to_owned();
    let tables = [kernels].into_iter().chain(tables).collect();
    machine
        .files
        .push((PathBuf::from("/etc/iproute2/rt_tables"), tables));
    let texts = [draft.for_trial(false), draft.for_trial(true)];
    let mut before = run_trial(&machine, &texts[0], None)?;
    let after = run_after(&machine, &texts, &mut before, &|_, _| {})?;
    Ok((before, after))
}

/// What is wrong with a file after it has been rewritten.
fn wrong(name: &str, before: &Seen, after: &Seen) -> Vec<String> {
    let mut wrong = differences(before, after);
    assert!(
        before.lookups.len() > 2,
        "{name}: the kernel was hardly asked"
    );
    let new = after.said.iter().filter(|said| !before.said.contains(said));
    wrong.extend(new.map(|said| format!("after: {said}")));
    // What is left to the shell may fail, and may leave something.
    if !name.starts_with("stays-") {
        let failed = before
            .said
            .iter()
            .filter(|said| said.starts_with("ifup") && said.contains(" (exit code"));
        wrong.extend(failed.map(|said| format!("before: {said}")));
        wrong.extend(after.left.iter().map(|left| format!("left: {left}")));
    }
    wrong
}

#[test]
fn routes_rules_and_look_ups_are_equal_before_and_after() {
    let shapes = Mutex::new(shapes());
    let failures = Mutex::new(Vec::new());
    let lookups = Mutex::new(0);
    let work = || loop {
        let Some(name) = shapes.lock().unwrap().pop() else {
            break;
        };
        let needs_multi = name.contains("ifupdown-multi");
        if needs_multi && !Path::new(MULTI).exists() && std::env::var_os("CI").is_none() {
            eprintln!("skipped: {name}: ifupdown-multi is not installed");
            continue;
        }
        match before_and_after(&interfaces(&name), true) {
            Ok((before, after)) => {
                *lookups.lock().unwrap() += before.lookups.len();
                let wrong = wrong(&name, &before, &after);
                if !wrong.is_empty() {
                    failures
                        .lock()
                        .unwrap()
                        .push(format!("== {name}\n{}", wrong.join("\n")));
                }
            }
            Err(error @ TrialError::Namespaces(_)) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: {error}");
                return;
            }
            Err(error) => failures.lock().unwrap().push(format!("== {name}\n{error}")),
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap();
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{} look-ups compared", lookups.into_inner().unwrap());
}

/// A stanza as somebody might write it who has not slept: routes and rules of all kinds in any
/// order, with and without priorities and devices.
fn random_stanza(random: &mut Random, n: u64) -> String {
    let (device, table) = (format!("eth{n}"), 100 * n);
    let (own, network) = (format!("10.{n}0.0.10"), format!("10.{n}0.0.0/24"));
    let mut lines: Vec<String> = Vec::new();
    for table in [table, table + 1] {
        let end = random.pick(&["", "", " || true", " 2>/dev/null", " # so it is"]);
        let add = random.pick(&["add", "a", "replace"]);
        if !random.one_in(3) {
            let source = random.pick(&["", " src $IF_ADDRESS"]);
            lines.push(format!(
                "up ip route {add} {network} dev $IFACE{source} table {table}{end}"
            ));
        }
        let way = match random.below(3) {
            0 => format!("dev {device}"),
            1 => format!("via 10.{n}0.0.1"),
            _ => format!("via 10.{n}0.0.1 dev {device}"),
        };
        let metric = random.pick(&["", "", " metric 5"]);
        lines.push(format!(
            "up ip route {add} default {way} table {table}{metric}{end}"
        ));
    }
    if random.one_in(4) {
        lines.push(format!(
            "up ip route add 10.88.{n}.0/24 via 10.{n}0.0.3 dev {device}"
        ));
    }
    for k in 0..=random.below(4) {
        let selector = match random.below(9) {
            0..=2 => format!("from {own}"),
            3 => format!("from {network}"),
            4 => format!("to {network}"),
            5 => format!("fwmark {}", random.below(3) + 1),
            6 => random
                .pick(&["to 10.96.0.0/12", "to 198.51.100.0/24"])
                .to_owned(),
            7 => random.pick(&["not from 10.0.0.0/8", "from all"]).to_owned(),
            _ => format!("to {own}"),
        };
        let (table, next) = (table.to_string(), (table + 1).to_string());
        let table = random.pick(&[table.as_str(), table.as_str(), next.as_str(), "main"]);
        let priority = match random.below(3) {
            0 => format!(" pref {}", 100 + 10 * (random.below(70)) + n),
            _ => String::new(),
        };
        let rule = format!("{selector} lookup {table}{priority}");
        let phase = random.pick(&["up", "post-up", "pre-up"]);
        lines.push(format!("{phase} ip rule add {rule}"));
        if random.one_in(2) {
            lines.push(format!("down ip rule del {rule}"));
        }
        if k == 3 {
            lines.push(format!("down ip route flush table {table} || true"));
        }
    }
    let mut stanza = format!("iface {device} inet static\n    address {own}/24\n");
    while !lines.is_empty() {
        let line = lines.remove(random.place(lines.len()));
        stanza += &format!("    {line}\n");
    }
    stanza
}

#[test]
fn files_that_nobody_thought_of_stay_equal_too() {
    let mut random = Random::seeded("MIGRATE_SEED", 7, 0);
    let mut replaced = 0;
    for n in 0..number_in("MIGRATE_FILES", 16) {
        let stanzas = 1 + random.below(3);
        let stanzas: Vec<String> = (1..=stanzas)
            .map(|n| random_stanza(&mut random, n))
            .collect();
        let folder = Folder::new(&format!("random-{n}"));
        let file = folder.write("interfaces", &stanzas.join("\n"));
        let interfaces = Interfaces::read(Path::new(&file));
        let (after, _) = migrated(&interfaces);
        replaced += usize::from(after.contains("policy-"));
        // In another order a router is found by whatever rule is there then.
        match before_and_after(&interfaces, false) {
            Err(error @ TrialError::Namespaces(_)) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: {error}");
                return;
            }
            trials => {
                let (before, seen) = trials.unwrap();
                let mut wrong = differences(&before, &seen);
                let new = seen.said.iter().filter(|said| !before.said.contains(said));
                wrong.extend(new.cloned());
                let wrong = wrong.join("\n");
                assert!(wrong.is_empty(), "{}\n{after}\n{wrong}", stanzas.join("\n"));
            }
        }
    }
    assert!(replaced > 8, "only {replaced} files were changed");
}

#[test]
fn a_difference_is_seen() {
    // The judge itself: a route and a rule less, and a rule before another, are differences.
    let seen = |routes: &[&str], rules: &[&str]| Seen {
        routes: routes.iter().map(|line| line.parse().unwrap()).collect(),
        rules: rules.iter().map(|line| line.parse().unwrap()).collect(),
        ..Seen::default()
    };
    let route = "default via 10.0.0.1 dev eth1 table 5";
    let (from, to) = (
        "pref 9 from 10.0.0.5 lookup 5",
        "pref 8 to 10.1.0.0/16 lookup 254",
    );
    let all = seen(&[route], &[to, from]);
    assert!(differences(&all, &all).is_empty());
    assert_eq!(differences(&all, &seen(&[], &[to, from])).len(), 1);
    assert_eq!(differences(&all, &seen(&[route], &[from])).len(), 1);
    let behind = "pref 10 to 10.1.0.0/16 lookup 254";
    assert_eq!(differences(&all, &seen(&[route], &[from, behind])).len(), 1);
}

#[test]
fn a_wrong_migration_is_found_out() {
    lab(|_| {
        let interfaces = interfaces("exception-to-main");
        let draft = Draft::of(&interfaces, &names);
        let machine = Machine::for_stanzas(draft.stanzas(), programs().join("policy-table"));
        let right = String::from_utf8(draft.for_trial(true)).unwrap();
        let before = run_trial(&machine, &draft.for_trial(false), None).unwrap();
        let exception = "    policy-rule to 10.96.0.0/12 lookup main\n";
        for (part, wrong) in [
            (
                "policy-gateway 10.10.0.1\n",
                "policy-gateway 10.10.0.2\n".to_owned(),
            ),
            (exception, String::new()),
            (
                exception,
                format!("{exception}    policy-rule fwmark 9 lookup main\n"),
            ),
        ] {
            assert!(right.contains(part), "{right}");
            let wrong = right.replace(part, &wrong);
            let after = run_trial(&machine, wrong.as_bytes(), Some(&before)).unwrap();
            assert!(!differences(&before, &after).is_empty(), "{wrong}");
        }
    });
}

/// A folder of its own for a test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("policy-table-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn migrate(arguments: &[&str]) -> Said {
    let mut command = Command::new(programs().join("policy-table"));
    Said::new(&command.arg("migrate").args(arguments).output().unwrap())
}

fn shape(name: &str, ending: &str) -> String {
    fs::read_to_string(folder().join(format!("{name}.{ending}"))).unwrap()
}

#[test]
fn the_readme_has_what_migrate_makes() {
    let readme = text("README.md");
    let section = readme.split("## Moving from post-up lines").nth(1).unwrap();
    let blocks: Vec<&str> = section.split("```\n").collect();
    let folder = Folder::new("readme");
    let file = folder.write("interfaces", blocks[1]);
    let said = migrate(&[&file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out, blocks[3]);
}

#[test]
fn the_page_has_what_migrate_makes() {
    let page = text("man/policy-table.8").replace("\\-", "-");
    let example = page.split("A worked example").nth(1).unwrap();
    let example = example.split("\n.B --diff").next().unwrap();
    let blocks: Vec<&str> = example.split(".EX\n").skip(1).collect();
    let blocks = blocks
        .iter()
        .map(|block| block.split(".EE").next().unwrap());
    let blocks: Vec<&str> = blocks.collect();
    let folder = Folder::new("page");
    let said = migrate(&[&folder.write("interfaces", blocks[0])]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains(blocks[1]), "{}", said.out);
    let stays = said
        .err
        .lines()
        .filter(|line| line.contains("the line stays"));
    let stays = stays.map(|line| line.split(':').nth(2).unwrap().to_owned());
    let told = example
        .lines()
        .filter_map(|line| line.strip_prefix("line "));
    let told = told.filter(|rest| rest.parse::<usize>().is_ok());
    assert_eq!(stays.collect::<Vec<_>>(), told.collect::<Vec<_>>());
}

#[test]
fn the_new_file_or_the_changes_are_printed_and_what_stays_is_told() {
    let folder = Folder::new("printed");
    let file = folder.write("a", &shape("comments-between", "interfaces"));
    let said = migrate(&[&file]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out, shape("comments-between", "after"));

    let diff = migrate(&["--diff", &file]);
    assert!(diff
        .out
        .starts_with(&format!("--- {file}\n+++ {file}\n@@ ")));
    folder.write("changes", &diff.out);
    let patched = Command::new("patch")
        .current_dir(&folder.0)
        .args(["-s", "-o", "b", "a", "changes"])
        .status();
    assert!(patched.unwrap().success());
    assert_eq!(folder.text("b"), said.out);
    assert_eq!(folder.text("a"), shape("comments-between", "interfaces"));

    let file = folder.write("stays", &shape("stays-loop", "interfaces"));
    let said = migrate(&[&file]);
    assert_eq!((said.code, said.out), (1, shape("stays-loop", "after")));
    let told: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        told,
        [
            format!("policy-table: {file}:4: the line stays: it is a shell program (\"for\")"),
            format!("policy-table: {file}:5: the line stays: it is a shell program (\"while\")"),
        ]
    );
}

#[test]
fn files_are_written_with_their_mode_and_the_old_ones_kept() {
    let folder = Folder::new("written");
    let main = format!(
        "source {}/more/*\n{}",
        folder.0.display(),
        shape("dhcp", "interfaces")
    );
    let file = folder.write("interfaces", &main);
    let more = folder.write(
        "more/eth2",
        &shape("howto", "interfaces").replace("eth1", "eth2"),
    );
    fs::set_permissions(&more, fs::Permissions::from_mode(0o640)).unwrap();
    let printed = migrate(&[&file]);
    assert!(printed.out.starts_with(&format!("==> {file} <==\nsource ")));
    assert!(printed
        .out
        .contains(&format!("==> {more} <==\nauto eth2\n")));

    let said = migrate(&["--write", &file]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(
        said.err
            .contains("3 lines gave way to 2 options; the old file is "),
        "{}",
        said.err
    );
    assert_eq!(folder.text(".interfaces.before-migrate"), main);
    assert!(folder.text("interfaces").ends_with(&shape("dhcp", "after")));
    assert_eq!(
        folder.text("more/eth2"),
        shape("howto", "after").replace("eth1", "eth2")
    );
    let bits = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(bits(&more), 0o640);
    assert_eq!(bits(&file), 0o644);

    // The backup is not sourced, and nothing is left to do.
    let again = migrate(&["--write", &file]);
    assert_eq!(
        (again.code, again.err.as_str()),
        (0, "policy-table: no line becomes an option\n")
    );
    // A second backup leaves the first alone.
    fs::write(&more, shape("fwmark", "interfaces")).unwrap();
    assert_eq!(migrate(&["--write", &more]).code, 0);
    assert!(folder.text("more/.eth2.before-migrate").contains("rt2"));
    assert!(folder
        .text("more/.eth2.before-migrate.2")
        .contains("fwmark"));
    let left: Vec<_> = fs::read_dir(folder.0.join("more")).unwrap().collect();
    assert_eq!(left.len(), 3);
}

#[test]
fn what_must_not_be_written_is_not() {
    let folder = Folder::new("refused");
    let text = shape("howto", "interfaces");
    let file = folder.write("interfaces", &text);
    let link = folder.0.join("link").display().to_string();
    symlink("interfaces", &link).unwrap();
    let refused = |path: &str, reason: &str| {
        let said = migrate(&["--write", path]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{path}");
        assert!(said.err.contains(reason), "{path}: {}", said.err);
        assert_eq!(folder.text("interfaces"), text);
    };
    refused(&link, "it is a link; name the file itself, /");
    fs::hard_link(&file, folder.0.join("twin")).unwrap();
    refused(&file, "it has another name (a hard link)");
    fs::remove_file(folder.0.join("twin")).unwrap();
    refused(&folder.0.join("none").display().to_string(), "cannot read ");
    let wrong = folder.write("wrong", &format!("{text}iface eth2 inet\n"));
    refused(&wrong, "wrong:9: no method");
    // One of two cannot be written: neither is.
    let both = folder.write(
        "both",
        &format!("source {link}\n{}", shape("dhcp", "interfaces")),
    );
    let before = folder.text("both");
    refused(&both, "it is a link");
    assert_eq!(folder.text("both"), before);
    let files = fs::read_dir(&folder.0).unwrap().flatten();
    let hidden = files.filter(|file| file.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "something is left beside the files");
}

#[test]
fn verify_proves_it_and_leaves_the_machine_alone() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&shape("readme", "interfaces"));
        lab.ok("ifup eth1");
        let routing = lab.routing();
        let tables = lab.text("/etc/iproute2/rt_tables");
        let said = lab.sh("policy-table migrate --verify --diff");
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.err.contains("look-ups are equal before and after"),
            "{}",
            said.err
        );
        assert!(said.out.contains("\n+    policy-table 102\n"));
        assert_eq!(lab.routing(), routing);
        assert_eq!(lab.text("/etc/iproute2/rt_tables"), tables);

        // A name that is not known here: the old lines fail, the options would not.
        let text = shape("howto", "interfaces");
        lab.interfaces(&text);
        let said = lab.sh("policy-table migrate --verify --write");
        assert_eq!(said.code, 2, "{said:?}");
        assert!(
            said.err
                .contains("eth1 does not come up with the old file at /etc/network/interfaces:5: ")
                && said
                    .err
                    .contains("the table rt2 is registered nowhere on this host"),
            "{}",
            said.err
        );
        assert_eq!(lab.text("/etc/network/interfaces"), text);
        assert_eq!(lab.routing(), routing);
        assert_eq!(lab.text("/etc/iproute2/rt_tables"), tables);

        lab.write("/etc/iproute2/rt_tables", &format!("{tables}1002 rt2\n"));
        let said = lab.sh("policy-table migrate --verify --write");
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(lab.text("/etc/network/interfaces"), shape("howto", "after"));
    });
}
