//! Every stanza in the documents, brought up by the real `ifup` where the method needs no server,
//! and judged where it does: an example that an administrator copies has to work.

use std::collections::BTreeMap;

use crate::support::lab::{lab, lab_of, lines, Lab, Release};
use crate::support::tree::{text, top};
use policy_table::ifupdown::{Direction, HookCall};
use policy_table::stanza::Stanza;

const README: &str = "README.md";
const PAGE: &str = "man/policy-table-interfaces.5";

/// An example: where it stands, and its text.
struct Example {
    place: String,
    text: String,
}

/// A stanza of an example.
struct Iface<'a> {
    name: &'a str,
    family: &'a str,
    method: &'a str,
    options: BTreeMap<String, String>,
}

/// The literal blocks of a document that open with `first` and end with `last`, if they hold
/// stanzas.
fn examples(path: &str, first: &str, last: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut block: Option<Example> = None;
    for (number, line) in text(path).lines().enumerate() {
        match &mut block {
            None if line == first => {
                block = Some(Example {
                    place: format!("{path}:{}", number + 2),
                    text: String::new(),
                });
            }
            Some(_) if line == last => found.extend(block.take()),
            // What is not ours need not be here: ifupdown/proxmox.rs tries it in packets.
            Some(_) if line.contains("iptables") => {}
            Some(block) => {
                block.text.push_str(&line.replace("\\-", "-"));
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(block.is_none(), "{path}: a block does not end");
    found.retain(|example| example.text.starts_with("auto ") || example.text.starts_with("iface "));
    found
}

fn all() -> Vec<Example> {
    let readme = examples(README, "```", "```");
    let page = examples(PAGE, ".EX", ".EE");
    assert!(
        readme.len() >= 3 && page.len() >= 15,
        "documents without stanzas"
    );
    let help = policy_table::cli::help();
    let help = help.split("\n\n");
    let help =
        help.filter_map(|block| Some(format!("iface {}", block.strip_prefix("    iface ")?)));
    let help = help.map(|text| Example {
        place: "--help".to_owned(),
        text,
    });
    readme.into_iter().chain(page).chain(help).collect()
}

impl Example {
    fn ifaces(&self) -> Vec<Iface<'_>> {
        let mut found: Vec<Iface<'_>> = Vec::new();
        for line in self.text.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match (words.as_slice(), found.last_mut()) {
                (["auto", ..], _) => {}
                (["iface", name, family, method], _) => found.push(Iface {
                    name,
                    family,
                    method,
                    options: BTreeMap::new(),
                }),
                ([option, value @ ..], Some(iface)) if !value.is_empty() => {
                    let values = iface.options.entry((*option).to_owned()).or_default();
                    if !values.is_empty() {
                        values.push('\n');
                    }
                    values.push_str(&value.join(" "));
                }
                _ => panic!("{}: no line of interfaces(5): {line}", self.place),
            }
        }
        found
    }

    /// Whether `ifup` needs no server for it.
    fn is_self_sufficient(&self) -> bool {
        let methods = ["static", "manual", "loopback"];
        self.ifaces()
            .iter()
            .all(|iface| methods.contains(&iface.method))
    }

    /// Whether it is about this package, and not about what went before it.
    fn is_ours(&self) -> bool {
        self.text.contains("    policy-")
    }

    fn bring_up_and_down(&self, lab: &Lab) {
        let place = &self.place;
        let mut names: Vec<&str> = Vec::new();
        for iface in self.ifaces() {
            if names.contains(&iface.name) {
                continue;
            }
            names.push(iface.name);
            if iface.name != "lo" && !iface.name.contains(':') {
                lab.device(iface.name);
            }
        }
        lab.interfaces(&self.text);
        for name in &names {
            let said = lab.sh(&format!("ifup {name}"));
            assert!(
                said.code == 0 && said.ours().is_empty(),
                "{place}: {said:#?}"
            );
        }
        assert_ne!(lab.tagged().is_empty(), self.is_ours(), "{place}");
        for name in names.iter().rev() {
            let said = lab.sh(&format!("ifdown {name}"));
            assert!(
                said.code == 0 && said.ours().is_empty(),
                "{place}: {said:#?}"
            );
        }
        for family in ["-4", "-6"] {
            assert_eq!(lab.rules(family), [""; 0], "{place}");
        }
        assert_eq!(lab.tagged(), [""; 0], "{place}");
        assert_eq!(
            lab.sh("ls /run/policy-table").out,
            "",
            "{place}: a record is left"
        );
    }
}

/// A stanza as ifupdown tells it to a hook.
fn call(iface: &Iface<'_>) -> HookCall {
    let mut environment = vec![
        ("IFACE".to_owned(), iface.name.to_owned()),
        ("LOGICAL".to_owned(), iface.name.to_owned()),
        ("ADDRFAM".to_owned(), iface.family.to_owned()),
        ("METHOD".to_owned(), iface.method.to_owned()),
        ("MODE".to_owned(), "start".to_owned()),
        ("PHASE".to_owned(), "post-up".to_owned()),
    ];
    for (option, value) in &iface.options {
        let variable = option.to_uppercase().replace('-', "_");
        environment.push((format!("IF_{variable}"), value.clone()));
    }
    let environment = environment
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()));
    HookCall::read(Direction::Up, environment).unwrap()
}

#[test]
fn every_stanza_in_the_documents_passes_the_judgement() {
    for example in all() {
        for iface in example.ifaces() {
            let judged = Stanza::parse(&call(&iface));
            let judged = judged.unwrap_or_else(|errors| panic!("{}: {errors:#?}", example.place));
            let has_options = iface
                .options
                .keys()
                .any(|option| option.starts_with("policy-"));
            assert_eq!(judged.is_some(), has_options, "{}", example.place);
        }
    }
}

#[test]
fn every_stanza_that_needs_no_server_comes_up_and_goes_down() {
    let examples = all();
    let examples: Vec<&Example> = examples
        .iter()
        .filter(|example| example.is_self_sufficient())
        .collect();
    assert!(examples.len() >= 15);
    for example in examples {
        lab(|lab| example.bring_up_and_down(lab));
    }
}

#[test]
fn what_the_readme_says_ifup_leaves_is_what_it_leaves() {
    let readme = text(README);
    let mut blocks = readme.split("```\n");
    let shown = blocks
        .find(|block| block.starts_with("# ip route list"))
        .unwrap();
    let first = &all()[0];
    let shown = format!("\n{shown}");
    let parts: Vec<_> = shown.split("\n# ").skip(1).collect();
    assert_eq!(parts.len(), 3);
    for release in [Release::Debian12, Release::Debian13] {
        lab_of(release, |lab| {
            lab.device("eth1");
            lab.interfaces(&first.text);
            lab.ok("ifup eth1");
            for part in &parts {
                let (command, expected) = part.split_once('\n').unwrap();
                assert_eq!(
                    lines(&lab.ok(command)),
                    lines(expected),
                    "{release:?}: {command}"
                );
            }
        });
    }
}

/// But for the one route that ip-route(8) takes for the kernel's own.
#[test]
fn what_is_said_to_take_out_everything_does() {
    let readme = text(README);
    let removal = readme.split("## Removal\n").nth(1).unwrap();
    let commands = removal.split("```\n").nth(1).unwrap();
    let page = text("man/policy-table.8").replace("\\-", "-");
    let package = text("debian/ifupdown-policy-table.README.Debian");
    for command in commands.lines() {
        assert!(page.contains(&format!("\n{command}\n")), "{command}");
        assert!(package.contains(&format!("\n  {command}\n")), "{command}");
    }
    let marks = "nft delete table inet policy-table";
    assert!([&readme, &page, &package]
        .iter()
        .all(|text| text.contains(marks)));
    let rest = "-6 route del unreachable default table TABLE metric 4294967295";
    let mut told = page
        .lines()
        .map(|line| line.replace("\\fITABLE\\fP", "TABLE"));
    assert!(told.any(|line| line == format!("ip {rest}")));
    let last_resort =
        "    policy-table rt2\n    policy-route unreachable default metric 4294967295\n";
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&format!(
            "iface eth1 inet static\n    address 10.10.0.10/24\n{last_resort}\
             iface eth1 inet6 static\n    address 2001:db8:10::10/64\n    dad-attempts 0\n\
             {last_resort}    policy-gateway 2001:db8:10::1\n"
        ));
        lab.ok("ifup eth1");
        assert_eq!(lab.tagged().len(), 10);
        lab.ok(commands);
        assert_eq!(lab.tagged().len(), 1, "{:?}", lab.tagged());
        lab.ok(&format!("ip {}", rest.replace("TABLE", "rt2")));
        assert_eq!(lab.tagged(), [""; 0]);
        lab.ok("policy-table apply eth1");
        let root = top().display();
        let postrm = format!("{root}/debian/ifupdown-policy-table.postrm");
        let said = lab.ok(&format!("DPKG_ROOT= sh {postrm} remove"));
        lab.ok(said.split_once("now: ").unwrap().1);
        assert_eq!(lab.tagged().len(), 1, "{:?}", lab.tagged());
        // And purged it is whole again when it comes back.
        let defaults = "/etc/default/ifupdown-policy-table";
        lab.write(defaults, "ENABLED=no\n");
        lab.ok(&format!("DPKG_ROOT= sh {postrm} purge"));
        assert_ne!(lab.sh(&format!("cat {defaults}")).code, 0);
    });
}
