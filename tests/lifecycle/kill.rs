//! The hooks killed at every system call they make, and every system call of theirs failing.
//! Afterwards the next `ifup` and the next `ifdown` must each reach the right state, whatever
//! the run had got to. `cargo test --test lifecycle kill -- --nocapture` prints how many cases
//! there were.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::{env, fs};

use crate::support::lab::{lab, lines, Lab, Said, HOOK, NAMES};
use crate::support::needs::{have, STRACE};

const VENDOR: &str = "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n";
const RECORDS: &str = "/run/policy-table";
const KILLED: i32 = 128 + 9;

/// What must never be gone: in tables, at priorities and with selectors of ours.
const FOREIGN: &str = "ip rule add from 10.10.0.10 lookup 900 pref 21000 protocol static
    ip rule add to 10.10.0.10 lookup 900 pref 21000
    ip rule add from 10.10.0.10 fwmark 5 lookup 901 pref 21000 protocol static
    ip -6 rule add from 2001:db8::/32 lookup 901 pref 21000 protocol static
    ip route add 10.10.0.0/24 dev eth1 table 900 proto static
    ip route add default via 10.10.0.9 dev eth1 table 900
    ip route add 203.0.113.0/24 via 10.10.0.7 dev eth1 table 901 proto static";

const RESET: &str = "ip rule flush protocol 157; ip -6 rule flush protocol 157
    ip route flush table all proto 157; ip -6 route flush table all proto 157
    rm -rf /run/policy-table";

/// The options of a stanza as a hook gets them: variables with their values.
type Stanza = &'static [&'static str];

/// The howto's stanza.
const PLAIN: Stanza = &["IF_POLICY_TABLE=rt2"];
/// The same with everything else that a stanza can have.
const RICH: Stanza = &[
    "IF_POLICY_TABLE=rt2",
    "IF_POLICY_MODE=main",
    "IF_POLICY_GATEWAY=10.10.0.3",
    "IF_POLICY_RULE=from 10.1.0.0/16; -6 from 2001:db8:1::/48 lookup rt2",
    "IF_POLICY_ROUTE=198.51.100.0/24 via 10.10.0.4; unreachable 192.0.2.0/24",
];
/// Two rules of one priority.
const IN_ORDER: Stanza = &[
    "IF_POLICY_TABLE=rt2",
    "IF_POLICY_RULE=to 192.0.2.0/25 lookup 901 pref 500; to 192.0.2.0/24 lookup 900 pref 500",
];
/// The same without the first.
const ONE_OF_TWO: Stanza = &[
    "IF_POLICY_TABLE=rt2",
    "IF_POLICY_RULE=to 192.0.2.0/24 lookup 900 pref 500",
];
/// The kernel refuses a route of it, and somebody else's stands in the place of another.
const REFUSED: Stanza = &[
    "IF_POLICY_TABLE=rt2",
    "IF_POLICY_PRIORITY=22000",
    "IF_POLICY_ROUTE=198.51.100.0/24 via 192.0.2.1; 203.0.113.0/24 via 10.10.0.8; \
     192.0.2.0/24 via 10.10.0.4",
];

const CALL: [&str; 6] = [
    "IFACE=eth1",
    "LOGICAL=eth1",
    "ADDRFAM=inet",
    "METHOD=static",
    "IF_ADDRESS=10.10.0.10",
    "IF_NETMASK=255.255.255.0",
];

/// A batch for `ip` that shows all rules and routes of a family.
const EVERYTHING: &str = "/run/kill/everything";

const UP: &str = "if-up.d";
const DOWN: &str = "if-down.d";

/// A run of a hook that is interfered with, and what surrounds it.
struct Story {
    name: &'static str,
    /// What is in `rt_tables` beside the vendor's names.
    names: &'static str,
    /// The stanza that is up before.
    before: Option<Stanza>,
    hook: &'static str,
    stanza: Stanza,
    /// The stanza of the next `ifup` and `ifdown`.
    next: Stanza,
}

const KNOWN: &str = "901\trt2\t# ifupdown-policy-table\n";

const UP_NEW: Story = Story {
    name: "up, new name",
    names: "",
    before: None,
    hook: UP,
    stanza: PLAIN,
    next: PLAIN,
};
const UP_KNOWN: Story = Story {
    name: "up, known name",
    names: KNOWN,
    stanza: RICH,
    next: RICH,
    ..UP_NEW
};
const UP_CHANGED: Story = Story {
    name: "up, changed stanza",
    before: Some(PLAIN),
    ..UP_KNOWN
};
const UP_REORDERED: Story = Story {
    name: "up, a rule put in order",
    before: Some(ONE_OF_TWO),
    stanza: IN_ORDER,
    next: IN_ORDER,
    ..UP_KNOWN
};
const UP_REFUSED: Story = Story {
    name: "up, refused and undone",
    stanza: REFUSED,
    ..UP_CHANGED
};
const DOWN_PLAIN: Story = Story {
    name: "down",
    before: Some(RICH),
    hook: DOWN,
    ..UP_KNOWN
};

/// All that a run may change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct World {
    kernel: Vec<String>,
    /// The rules whose order matters.
    order: Vec<String>,
    record: String,
    names: String,
}

/// A system call of a run.
struct Call {
    name: String,
    /// Which of those of its name.
    place: usize,
    /// The program's, not the loader's or the runtime's.
    own: bool,
    /// It is a line of what the run says: where that fails, the line is lost.
    says: bool,
}

impl World {
    /// What differs from another one, a line each.
    fn unlike(&self, other: &World) -> Vec<String> {
        let of = |world: &World| -> BTreeSet<String> {
            let files = [("record", &world.record), ("names", &world.names)];
            let files = files.into_iter().flat_map(|(name, text)| {
                let lines = text.lines().map(move |line| format!("{name}: {line}"));
                lines.collect::<Vec<_>>()
            });
            let order = world.order.iter().enumerate();
            let order = order.map(|(place, line)| format!("order: {place}: {line}"));
            let kernel = world.kernel.iter().cloned();
            kernel.chain(files).chain(order).collect()
        };
        let (own, other) = (of(self), of(other));
        let more = own.difference(&other).map(|line| format!("+ {line}"));
        more.chain(other.difference(&own).map(|line| format!("- {line}")))
            .collect()
    }
}

struct Stage<'a> {
    lab: &'a Lab,
    story: &'a Story,
}

impl Stage<'_> {
    /// A run of a hook, or of a program that runs it. Without a shell: there are thousands.
    fn hook(&self, under: &str, hook: &str, stanza: &[&str]) -> Said {
        let phase = if hook == UP {
            ["MODE=start", "PHASE=post-up"]
        } else {
            ["MODE=stop", "PHASE=pre-down"]
        };
        let path = format!("/run/kill/{hook}/hook");
        let mut words = under.split_whitespace().chain([path.as_str()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.env_clear().env("PATH", env::var("PATH").unwrap());
        for variable in CALL.iter().chain(&phase).chain(stanza) {
            let (name, value) = variable.split_once('=').unwrap();
            command.env(name, value);
        }
        self.lab.run(&mut command)
    }

    /// As it was before the run that is interfered with; the case before left the kernel clean.
    fn reset(&self) {
        let _ = fs::remove_dir_all(RECORDS);
        let _ = fs::remove_dir_all("/etc/iproute2/rt_tables.d");
        self.lab
            .write(NAMES, &format!("{VENDOR}{}", self.story.names));
        if let Some(before) = self.story.before {
            self.quiet(UP, before, "before");
        }
    }

    fn quiet(&self, hook: &str, stanza: &[&str], case: &str) {
        let said = self.hook("", hook, stanza);
        let heard = (said.code, said.err.as_str());
        assert_eq!(heard, (0, ""), "{}: {case}: {hook}", self.story.name);
    }

    fn world(&self) -> World {
        let of = |family: &str| {
            let mut ip = Command::new("ip");
            ip.args(["-N", family, "-d", "-batch", EVERYTHING]);
            let shown = self.lab.run(&mut ip);
            assert_eq!(shown.code, 0, "{shown:?}");
            lines(&shown.out)
        };
        let mut kernel = [of("-4"), of("-6")].concat();
        let of_order = kernel.iter().filter(|line| line.starts_with("500:"));
        let order = of_order.cloned().collect();
        kernel.sort();
        World {
            kernel,
            order,
            record: fs::read_to_string(format!("{RECORDS}/eth1")).unwrap_or_default(),
            names: self.lab.text(NAMES),
        }
    }

    /// Nothing of ours is left, and everything else.
    fn assert_clean(&self, nothing: &World, case: &str) {
        let left: Vec<_> = fs::read_dir(RECORDS)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert!(left.is_empty(), "{}: {case}: {left:?}", self.story.name);
        let world = World {
            names: nothing.names.clone(),
            ..self.world()
        };
        let unlike = world.unlike(nothing);
        assert!(
            unlike.is_empty(),
            "{}: {case}: {unlike:#?}",
            self.story.name
        );
    }

    /// Every line of the file is one of a table, and no name is there twice.
    fn assert_whole(&self, case: &str) {
        let text = self.lab.text(NAMES);
        assert!(
            text.starts_with(VENDOR) && text.ends_with('\n'),
            "{case}: {text}"
        );
        let mut names: Vec<&str> = text
            .lines()
            .map(|line| line.split('\t').nth(1).expect(line))
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}: {case}: {text}", self.story.name);
        for line in text.lines().skip(4) {
            assert_eq!(line.split('\t').count(), 3, "{case}: {text}");
        }
    }

    /// The calls of a run, each with its place among those of its name.
    fn calls(&self) -> Vec<Call> {
        self.reset();
        let said = self.hook(
            "strace -qq -o /run/calls",
            self.story.hook,
            self.story.stanza,
        );
        assert_eq!(said.code, 0, "{said:?}");
        self.lab.sh(RESET);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let text = self.lab.text("/run/calls");
        let lines: Vec<&str> = text.lines().collect();
        let signal = |line: &&str| line.starts_with("rt_sigaction(SIGBUS");
        let start = lines.iter().rposition(signal).expect("Rust's runtime");
        let names = lines.iter().filter_map(|line| line.split_once('('));
        let calls = names.enumerate().map(|(number, (name, arguments))| {
            let place = counts.entry(name.to_owned()).or_default();
            *place += 1;
            Call {
                name: name.to_owned(),
                place: *place,
                own: number > start,
                says: name == "write" && arguments.starts_with("2, "),
            }
        });
        calls.collect()
    }

    /// The run with something done to one of its calls.
    fn interfere(&self, call: &Call, what: &str) -> Said {
        let Call { name, place, .. } = call;
        let under = format!(
            "timeout 30 strace -qq -o /dev/null -e trace={name} \
             -e inject={name}:{what}:when={place}"
        );
        self.hook(&under, self.story.hook, self.story.stanza)
    }
}

/// Runs a story in a lab, unless there is no strace.
fn told(story: &Story, tell: impl FnOnce(&Stage) + Send) {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        // No link-local address is to come of itself in the middle of a case.
        lab.ok("ip link set eth1 addrgenmode none; ip link set eth1 up
                ip link set eth1p addrgenmode none; ip -6 addr flush dev eth1p
                ip addr add 10.10.0.10/24 dev eth1");
        // Copies, since some releases of strace start a link's target under its own name.
        for folder in [UP, DOWN] {
            let folder = format!("/run/kill/{folder}");
            lab.ok(&format!("mkdir -p {folder}; cp {HOOK} {folder}/hook"));
        }
        lab.ok(FOREIGN);
        lab.write(EVERYTHING, "rule\nroute show table all\n");
        tell(&Stage { lab, story });
    });
}

/// The world without us, and that which the next `ifup` must reach.
fn ends(stage: &Stage) -> (World, World) {
    let fresh = Story {
        before: None,
        ..*stage.story
    };
    let fresh = Stage {
        lab: stage.lab,
        story: &fresh,
    };
    fresh.reset();
    let nothing = fresh.world();
    fresh.quiet(UP, stage.story.next, "reference");
    let complete = fresh.world();
    assert_ne!(nothing, complete);
    stage.lab.sh(RESET);
    (nothing, complete)
}

fn killed_everywhere(story: &Story) {
    told(story, |stage| {
        let (nothing, complete) = ends(stage);
        let calls = stage.calls();
        let (mut runs, mut kills) = (0, 0);
        for (number, call) in calls.iter().enumerate() {
            let case = format!("killed at {} {}", call.name, call.place);
            for up in [true, false] {
                // Before the program's first call all places are alike: they take turns.
                if !call.own && up == (number % 2 == 0) {
                    continue;
                }
                stage.reset();
                let said = stage.interfere(call, "signal=KILL");
                assert!([0, KILLED].contains(&said.code), "{case}: {said:?}");
                runs += 1;
                kills += usize::from(said.code == KILLED);
                stage.assert_whole(&case);
                if up {
                    stage.quiet(UP, story.next, &case);
                    assert_eq!(
                        stage.world().unlike(&complete),
                        [""; 0],
                        "{}: {case}",
                        story.name
                    );
                    stage.assert_whole(&case);
                }
                stage.quiet(DOWN, story.next, &case);
                stage.assert_clean(&nothing, &case);
            }
        }
        // A call more or less of the allocator's is nothing; a kill that does not kill is.
        assert!(kills + 10 > runs, "{kills} of {runs}");
        println!(
            "killed: {}: {} system calls, {kills} kills, all survived",
            story.name,
            calls.len()
        );
    });
}

/// The errors that are tried on a call; umask(2) always succeeds. What the allocator asks for is
/// left out: without memory Rust ends a program at once, which is a kill.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "brk" | "mmap" | "munmap" | "sigaltstack" | "exit_group" | "umask" => &[],
        "close" => &["EIO", "EINTR", "ENOSPC"],
        "read" | "recvfrom" | "poll" => &["EIO", "ENOMEM", "EINTR"],
        "fcntl" | "ioctl" | "lseek" | "statx" | "newfstatat" | "fstat" => &["EIO", "ENOMEM"],
        "socket" | "bind" | "setsockopt" | "getdents64" => &["ENOMEM", "EPERM"],
        _ => &["EIO", "ENOMEM", "ENOSPC", "EINTR", "EPERM"],
    }
}

/// Whether a world is more than another one, and its record says so.
fn more_is_noted(world: &World, than: &World) -> bool {
    let noted = |line: &&String| line.starts_with("+ record: ");
    let mut unlike = world.unlike(than);
    // Whose it is: the options of the stanza.
    unlike.retain(|line| !line.starts_with("+ record: #: "));
    let (noted, there): (Vec<_>, Vec<_>) = unlike.iter().partition(noted);
    noted.len() == there.len() && unlike.iter().all(|line| line.starts_with("+ "))
}

/// Whether a run that had an error ended well: with all or nothing. Without a record ifup cannot
/// know what was there before, so it stays beside the new; and ifdown takes out what it can.
fn ended_well(hook: &str, said: &Said, world: &World, first: &World, after: &World) -> bool {
    let all = |world: &World| -> BTreeSet<String> { world.kernel.iter().cloned().collect() };
    let (now, before, wanted) = (all(world), all(first), all(after));
    if now == wanted {
        return true;
    }
    let known = now.is_subset(&(&before | &wanted));
    let kept = ["not in force", "stays as an earlier ifup left it"];
    if hook == DOWN {
        return known && !said.err.is_empty();
    }
    // What could not be undone, or taken out, is noted, for the next run to find.
    for (part, than) in [
        ("could not be taken out again", first),
        ("may still be there", after),
    ] {
        if said.err.contains(part) {
            return more_is_noted(world, than);
        }
    }
    (now == before && kept.iter().any(|part| said.err.contains(part)))
        || (known && now.is_superset(&wanted) && said.err.contains("no record in"))
}

/// A run ends with all or nothing, says what is wrong, and spoils no later one.
fn failing_everywhere(story: &Story) {
    told(story, |stage| {
        let (nothing, complete) = ends(stage);
        let calls = stage.calls();
        stage.reset();
        let before = stage.world();
        stage.hook("", story.hook, story.stanza);
        let after = stage.world();
        stage.lab.sh(RESET);
        let (mut cases, mut told) = (0, 0);
        for call in calls.iter().filter(|call| call.own) {
            for error in errors(&call.name) {
                let case = format!("{error} at {} {}", call.name, call.place);
                for up in [true, false] {
                    stage.reset();
                    let said = stage.interfere(call, &format!("error={error}"));
                    let what = format!("{}: {case}: {said:?}", story.name);
                    assert_eq!(said.code, 0, "{what}");
                    assert!(!said.err.contains("panicked"), "{what}");
                    assert_eq!(said.ours().len(), said.err.lines().count(), "{what}");
                    let world = stage.world();
                    assert!(
                        call.says && world == before
                            || ended_well(story.hook, &said, &world, &before, &after),
                        "{what}: {:#?}",
                        world.unlike(&after)
                    );
                    stage.assert_whole(&case);
                    if up {
                        cases += 1;
                        told += usize::from(!said.err.is_empty());
                        stage.quiet(UP, story.next, &case);
                        let unlike = stage.world().unlike(&complete);
                        assert!(unlike.is_empty(), "{what}: {unlike:#?}");
                    }
                    stage.quiet(DOWN, story.next, &case);
                    stage.assert_clean(&nothing, &case);
                    // What passed without a word is as good as a run without an error.
                    if said.err.is_empty() {
                        break;
                    }
                }
            }
        }
        assert!(cases > calls.len() / 2 && told > 0, "{cases} {told}");
        println!(
            "failing: {}: {cases} errors in system calls, {told} told of, all survived",
            story.name
        );
    });
}

#[test]
fn calls_that_fail_on_the_way_up_with_a_new_name() {
    failing_everywhere(&UP_NEW);
}

#[test]
fn calls_that_fail_on_the_way_down() {
    failing_everywhere(&DOWN_PLAIN);
}

#[test]
fn calls_that_fail_while_a_changed_stanza_comes_up() {
    failing_everywhere(&UP_CHANGED);
}

#[test]
fn calls_that_fail_while_a_refusal_is_undone() {
    failing_everywhere(&UP_REFUSED);
}

#[test]
fn killed_on_the_way_up_with_a_new_name() {
    killed_everywhere(&UP_NEW);
}

#[test]
fn killed_on_the_way_up_with_a_known_name() {
    killed_everywhere(&UP_KNOWN);
}

#[test]
fn killed_while_a_changed_stanza_comes_up() {
    killed_everywhere(&UP_CHANGED);
}

#[test]
fn killed_while_a_rule_is_put_in_order() {
    killed_everywhere(&UP_REORDERED);
}

#[test]
fn calls_that_fail_while_a_rule_is_put_in_order() {
    failing_everywhere(&UP_REORDERED);
}

#[test]
fn killed_while_a_refusal_is_undone() {
    killed_everywhere(&UP_REFUSED);
}

#[test]
fn killed_on_the_way_down() {
    killed_everywhere(&DOWN_PLAIN);
}
