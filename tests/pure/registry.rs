//! The files of table names below a root of their own: no namespace is needed.

use std::fs;
use std::path::PathBuf;

use policy_table::routing::TableId;
use policy_table::tables::{Registered, Registry, RegistryError};

const NAMES: &str = "etc/iproute2/rt_tables";
const OUR_DROP_IN: &str = "etc/iproute2/rt_tables.d/policy-table.conf";

/// A root of its own, which goes with the value.
struct Root(PathBuf);

impl Root {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("policy-table-{name}-{}", std::process::id());
        let root = Self(std::env::temp_dir().join(name));
        let _ = fs::remove_dir_all(&root.0);
        fs::create_dir_all(root.0.join("run")).unwrap();
        for (path, text) in files {
            let path = root.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn id(&self, name: &str, fixed: Option<u32>) -> Result<Registered, RegistryError> {
        self.id_unless(name, fixed, |_| false)
    }

    fn id_unless(
        &self,
        name: &str,
        fixed: Option<u32>,
        occupied: impl FnMut(TableId) -> bool,
    ) -> Result<Registered, RegistryError> {
        Registry::below(&self.0).id(
            &name.parse().unwrap(),
            fixed.map(TableId::numbered),
            occupied,
        )
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_default()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const OURS: &str = "20611\trt2\t# ifupdown-policy-table\n";

#[test]
fn a_new_name_is_one_line_more_in_the_file_that_is_there() {
    for (case, files, target, before) in [
        (
            "conffile",
            &[(NAMES, "255 local\n")][..],
            NAMES,
            "255 local\n",
        ),
        ("no-newline", &[(NAMES, "255 local")], NAMES, "255 local\n"),
        ("empty", &[(NAMES, "")], NAMES, ""),
        (
            "vendor",
            &[("usr/share/iproute2/rt_tables", "255 local\n")],
            OUR_DROP_IN,
            "",
        ),
        ("nothing", &[], OUR_DROP_IN, ""),
        (
            "drop-in",
            &[(NAMES, "255 local\n"), (OUR_DROP_IN, "# x\n")],
            OUR_DROP_IN,
            "# x\n",
        ),
    ] {
        let root = Root::new(case, files);
        let first = root.id("rt2", None).unwrap();
        assert_eq!(
            (first.id, first.new),
            (TableId::numbered(20611), true),
            "{case}"
        );
        assert!(first.warnings.is_empty(), "{case}: {:?}", first.warnings);
        assert_eq!(root.text(target), format!("{before}{OURS}"), "{case}");
        let again = root.id("rt2", None).unwrap();
        assert_eq!(
            (again.id, again.new),
            (TableId::numbered(20611), false),
            "{case}"
        );
        assert_eq!(root.text(target), format!("{before}{OURS}"), "{case}");
    }
}

#[test]
fn a_name_that_is_known_is_used_as_it_stands() {
    let vendor = "usr/share/iproute2/rt_tables.d/a.conf";
    for (case, files, expected) in [
        (
            "etc",
            &[
                (NAMES, "7 rt2\n"),
                ("usr/share/iproute2/rt_tables", "8 rt2\n"),
            ][..],
            7,
        ),
        ("usr", &[("usr/share/iproute2/rt_tables", "8 rt2\n")], 8),
        ("vendor-d", &[(vendor, "9 rt2\n")], 9),
        (
            "etc-d",
            &[
                (NAMES, ""),
                ("etc/iproute2/rt_tables.d/b.conf", "0xa rt2\n"),
            ],
            10,
        ),
        (
            "shadowed",
            &[(vendor, "9 rt2\n"), ("etc/iproute2/rt_tables.d/a.conf", "")],
            20611,
        ),
        (
            "no-conf",
            &[("etc/iproute2/rt_tables.d/b.conf~", "9 rt2\n")],
            20611,
        ),
        (
            "hidden",
            &[("etc/iproute2/rt_tables.d/.b.conf", "9 rt2\n")],
            20611,
        ),
    ] {
        let root = Root::new(&format!("known-{case}"), files);
        assert_eq!(
            root.id("rt2", None).unwrap().id,
            TableId::numbered(expected),
            "{case}"
        );
    }
}

#[test]
fn an_id_that_others_have_is_passed_over() {
    let root = Root::new("taken", &[(NAMES, "20611 other\n20612 another\n")]);
    let registered = root
        .id_unless("rt2", None, |id| id == TableId::numbered(20613))
        .unwrap();
    assert_eq!(registered.id, TableId::numbered(20614));
    let fixed = root.id("rt3", Some(300)).unwrap();
    assert_eq!(fixed.id, TableId::numbered(300));
    assert!(root.text(NAMES).contains("\n300\trt3\t"));
    assert!(matches!(
        root.id("rt4", Some(20611)),
        Err(RegistryError::IdTaken { .. })
    ));
    assert!(matches!(
        root.id("rt3", Some(301)),
        Err(RegistryError::OtherId { .. })
    ));
    assert_eq!(
        root.id("rt3", Some(300)).unwrap().id,
        TableId::numbered(300)
    );
}

#[test]
fn what_is_wrong_with_the_files_is_a_warning_and_no_more() {
    let root = Root::new("wrong", &[(NAMES, "rt1 7\n8 rt2\n9 rt2\n8 rt3\n")]);
    let found = root.id("rt2", None).unwrap();
    assert_eq!(found.id, TableId::numbered(8));
    for words in ["rt_tables:1: ", "has IDs 8 and 9", "rt2 and rt3 are one"] {
        assert!(
            found.warnings.iter().any(|line| line.contains(words)),
            "{:?}",
            found.warnings
        );
    }
    let root = Root::new("folder", &[(&format!("{NAMES}/x"), "")]);
    let found = root.id("rt2", None).unwrap();
    assert!(
        found.id == TableId::numbered(20611) && !found.warnings.is_empty(),
        "{found:?}"
    );
    let root = Root::new("large", &[(NAMES, "")]);
    let found = root.id("rt2", Some(2_147_483_648)).unwrap();
    assert!(
        found.id == TableId::numbered(2_147_483_648) && found.warnings.len() == 1,
        "{found:?}"
    );
    assert_eq!(root.text(NAMES), "", "ip ignores larger IDs");
    let root = Root::new("reserved", &[(NAMES, "254 rt2\n")]);
    assert!(matches!(
        root.id("rt2", None),
        Err(RegistryError::Reserved { .. })
    ));
}

/// A file that is not read in one piece, with lines of all lengths across the borders of pieces.
#[test]
fn in_a_long_file_each_name_is_found() {
    let line = |number: usize| {
        let (id, note) = (30_000 + number, "x".repeat(number % 70));
        match number % 3 {
            0 => format!("{id}\tname{number}\t# ifupdown-policy-table\n"),
            1 => format!("{id}  name{number} # {note}\n"),
            _ => format!("# {note}\n\n{id:#x} name{number}\n"),
        }
    };
    let text = (0..5_000).map(line).collect::<String>() + "29999 last";
    let root = Root::new("long", &[(NAMES, text.as_str())]);
    let names = (0..5_000)
        .step_by(7)
        .map(|number| (format!("name{number}"), 30_000 + number));
    for (name, id) in names.chain([("last".to_owned(), 29_999)]) {
        let found = root.id(&name, None).unwrap();
        assert_eq!(
            (found.id, found.new),
            (TableId::numbered(id), false),
            "{name}"
        );
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    }
    let new = root.id("name5000", Some(29_998)).unwrap();
    assert!(new.new && new.warnings.is_empty(), "{:?}", new.warnings);
    let line = "29999 last\n29998\tname5000\t# ifupdown-policy-table\n";
    assert!(root.text(NAMES).ends_with(line));

    let endless = format!("7 one {}\n8 two\n20611 other", "x".repeat(100_000));
    let root = Root::new("endless", &[(NAMES, endless.as_str())]);
    for (name, id) in [("one", 7), ("two", 8)] {
        let found = root.id(name, None).unwrap();
        assert_eq!(
            (found.id, found.warnings.len()),
            (TableId::numbered(id), 0),
            "{name}"
        );
    }
    assert!(matches!(
        root.id("rt2", Some(20_611)),
        Err(RegistryError::IdTaken { .. })
    ));
    assert_eq!(root.id("rt2", None).unwrap().id, TableId::numbered(20_612));
}

#[test]
fn names_written_side_by_side_are_all_there() {
    let root = Root::new("race", &[(NAMES, "255 local")]);
    std::thread::scope(|scope| {
        for n in 0..32 {
            let root = &root;
            scope.spawn(move || root.id(&format!("rt{}", n % 16), None).unwrap());
        }
    });
    let text = root.text(NAMES);
    assert_eq!(text.lines().count(), 17, "{text}");
    for n in 0..16 {
        let registered = root.id(&format!("rt{n}"), None).unwrap();
        assert!(
            !registered.new && registered.warnings.is_empty(),
            "{registered:?}"
        );
    }
}
