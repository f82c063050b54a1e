//! Random files that ifupdown, ifupdown2 and ifupdown-ng all read, with random edits: each state
//! of a file gives on the other two what a fresh `ifup -a` gives on Debian's ifupdown.
//!
//! What fails is made smaller before it is shown. `DIALECT_SEED` is the first course of edits,
//! `DIALECT_COUNT` how many there are; of each ten it is said what became of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use crate::same_on_all_three::{differences, of_debian, Network, Order, SOURCED};
use crate::support::lab::lab;
use crate::support::needs::{have, DHCLIENT};
use crate::support::others::Ifupdown;
use crate::support::random::{number_in, Random};

/// A stanza of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stanza {
    /// The same through all edits.
    id: usize,
    name: &'static str,
    family: &'static str,
    method: &'static str,
    /// Without length.
    address: String,
    length: u8,
    netmask_line: bool,
    gateway: Option<String>,
    /// Each a line below `iface`.
    policy: Vec<String>,
    is_auto: bool,
    is_sourced: bool,
}

impl Stanza {
    fn device(&self) -> &'static str {
        self.name.split(':').next().unwrap()
    }

    fn is_six(&self) -> bool {
        self.family == "inet6"
    }

    /// The first numbers of its network, to which a host's can be added.
    fn network(&self) -> &str {
        let end = self.address.rfind(if self.is_six() { ':' } else { '.' });
        &self.address[..=end.unwrap()]
    }

    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "iface {} {} {}", self.name, self.family, self.method);
        let (address, length) = (&self.address, self.length);
        match self.method {
            "static" if self.netmask_line && !self.is_six() => {
                let _ = writeln!(text, "    address {address}\n    netmask 255.255.255.0");
            }
            "static" => {
                let _ = writeln!(text, "    address {address}/{length}");
            }
            "manual" => {
                let device = self.device();
                let _ = writeln!(
                    text,
                    "    up ip link set {device} up\n    up ip addr replace {address}/{length} dev {device}"
                );
            }
            _ => {}
        }
        if let Some(gateway) = &self.gateway {
            let _ = writeln!(text, "    gateway {gateway}");
        }
        for line in &self.policy {
            let _ = writeln!(text, "    {line}");
        }
        text.push('\n');
    }
}

/// A file, in the order of its stanzas.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File(Vec<Stanza>);

impl File {
    fn text(&self) -> String {
        let (mut main, mut sourced, mut up) = (String::new(), String::new(), Vec::new());
        for stanza in &self.0 {
            let text = if stanza.is_sourced {
                &mut sourced
            } else {
                &mut main
            };
            if stanza.is_auto && !up.contains(&stanza.name) {
                let _ = writeln!(text, "auto {}", stanza.name);
                up.push(stanza.name);
            }
            stanza.write(text);
        }
        if sourced.is_empty() {
            return main;
        }
        main + "source /etc/network/interfaces.d/more\n" + SOURCED + &sourced
    }
}

impl File {
    /// Whether it means the same to the three, whoever reads it: ifupdown2 brings an alias up with
    /// its device, both of the others put all addresses of a device on before they call a hook, and
    /// in main there is one default route.
    fn is_common(&self) -> bool {
        let (sourced, mut in_order): (Vec<&Stanza>, Vec<&Stanza>) =
            self.0.iter().partition(|stanza| stanza.is_sourced);
        in_order.extend(sourced);
        let with_gateway = in_order.iter().filter(|stanza| stanza.gateway.is_some());
        let mut gateways: Vec<&str> = with_gateway.map(|stanza| stanza.family).collect();
        for (n, stanza) in in_order.iter().enumerate() {
            let is_like = |other: &&&Stanza| other.device() == stanza.device();
            if in_order
                .iter()
                .filter(is_like)
                .any(|other| other.is_auto != stanza.is_auto)
            {
                return false;
            }
            let has_base = in_order[..n]
                .iter()
                .any(|other| other.name == stanza.device());
            if stanza.name != stanza.device() && !has_base {
                return false;
            }
            let of_family = in_order.iter().filter(is_like);
            let of_family = of_family
                .filter(|other| other.family == stanza.family)
                .count();
            let asks_kernel = matches!(stanza.method, "manual" | "dhcp")
                || stanza.policy.iter().any(|line| line == "policy-source all");
            if asks_kernel && of_family > 1 {
                return false;
            }
            // ifupdown2 asks for no lease where the first stanza has another method, and where one of
            // the other family follows for a lease of that, too, which it waits for. Which router main
            // has, if there are two, each client decides for itself.
            let has_lease = stanza.method == "dhcp";
            let others = in_order.iter().filter(is_like).count() > 1;
            if has_lease && (others || gateways.contains(&"inet")) {
                return false;
            }
        }
        gateways.sort_unstable();
        gateways.windows(2).all(|two| two[0] != two[1])
    }
}

/// Makes files and edits.
struct Editor {
    random: Random,
    stanzas: usize,
    /// Whether devices have tables and priorities in common.
    shares: bool,
}

const TABLES: [&str; 6] = ["rt2", "rt3", "rt4", "auto", "1007", "rt2"];

/// Tables and priorities of a device alone.
fn of_device(device: &str) -> ([&'static str; 3], [u32; 2]) {
    match device {
        "eth1" => (["rt2", "auto", "rt3"], [21000, 20000]),
        "eth2" => (["rt4", "auto", "1007"], [23000, 22000]),
        "eth3" => (["rt5", "auto", "1010"], [25000, 24000]),
        _ => (["rt9"; 3], [27000, 26000]),
    }
}

impl Editor {
    fn address(&mut self, name: &str, is_six: bool) -> String {
        let device = name.split(':').next().unwrap();
        let n = device.trim_start_matches("eth");
        let (net, host) = (self.random.below(3), self.random.pick(&[10, 20]));
        let alias = if device == name { 0 } else { 5 };
        if is_six {
            format!("2001:db8:{n}{}::{host}", net + alias)
        } else {
            format!("10.{n}{}.0.{host}", net + alias)
        }
    }

    /// A line of a stanza, or none where it has one of the kind.
    fn option(&mut self, stanza: &Stanza) -> Vec<String> {
        let (six, net) = (stanza.is_six(), stanza.network().to_owned());
        let device = stanza.name.split(':').next().unwrap();
        let random = &mut self.random;
        let one = |line: String| vec![line];
        match random.below(10) {
            0 => one(self.priority(device)),
            1 => one("policy-mode main".to_owned()),
            9 if stanza.method != "loopback" => one(random
                .pick(&[
                    "policy-connmark auto",
                    "policy-connmark 0x5000000/0xff000000",
                    "policy-on-error fail",
                    "policy-keep no",
                ])
                .to_owned()),
            2..=4 if stanza.method == "loopback" => vec![],
            2 => one(format!(
                "policy-source {}",
                random.pick(&["address", "subnet", "none", "all"])
            )),
            3 | 4 => one(match (random.below(4), six) {
                (0, _) => "policy-gateway none".to_owned(),
                (1, true) => "policy-gateway fe80::1".to_owned(),
                (1, false) => "policy-gateway 10.250.0.1".to_owned(),
                _ => format!("policy-gateway {net}1"),
            }),
            5..=7 => {
                let rules = if six {
                    [
                        "to 2001:db8:f1::/48",
                        "from 2001:db8:f2::/48",
                        "fwmark 7",
                        "iif lo to 2001:db8:f3::/48",
                        "to 2001:db8:f4::/48 lookup main priority 900",
                        "-4 to 192.0.2.64/26 lookup 1008",
                    ]
                } else {
                    [
                        "to 192.0.2.0/24",
                        "from 198.51.100.0/24",
                        "fwmark 7",
                        "iif lo to 203.0.113.0/24",
                        "to 192.0.2.128/25 lookup main priority 900",
                        "-6 to 2001:db8:f5::/48 lookup 1008",
                    ]
                };
                Self::lines(random, "policy-rule", &rules.map(str::to_owned))
            }
            _ => {
                let routes = if six {
                    [
                        format!("2001:db8:f1::/48 via {net}3 dev $IFACE"),
                        "unreachable 2001:db8:f9::/48".to_owned(),
                        format!("2001:db8:f4::/48 dev {device}"),
                        "blackhole 2001:db8:fa::/48 table 1009".to_owned(),
                    ]
                } else {
                    [
                        format!("192.0.2.0/24 via {net}3 dev $IFACE"),
                        "unreachable 10.99.0.0/16".to_owned(),
                        format!("203.0.113.0/24 dev {device}"),
                        "blackhole 10.98.0.0/16 table 1009".to_owned(),
                    ]
                };
                if stanza.method == "loopback" {
                    return Self::lines(random, "policy-route", &routes[1..2]);
                }
                Self::lines(random, "policy-route", &routes)
            }
        }
    }

    fn table(&mut self, device: &str) -> &'static str {
        if self.shares {
            self.random.pick(&TABLES)
        } else {
            self.random.pick(&of_device(device).0)
        }
    }

    fn priority(&mut self, device: &str) -> String {
        let priority = if self.shares {
            self.random.pick(&[21000, 20000, 21000, 22000])
        } else {
            self.random.pick(&of_device(device).1)
        };
        format!("policy-priority {priority}")
    }

    /// Some values of an option that repeats, in one of the ways to write them.
    fn lines(random: &mut Random, option: &str, values: &[String]) -> Vec<String> {
        let mut values = values.to_vec();
        random.shuffle(&mut values);
        values.truncate(1 + random.place(3));
        match random.below(4) {
            0 => vec![format!("{option} {}", values.join("; "))],
            1 => vec![format!("{option} {}", values.join("; \\\n        "))],
            2 => (1..)
                .zip(&values)
                .map(|(n, value)| format!("{option}-{n} {value}"))
                .collect(),
            _ => values
                .iter()
                .map(|value| format!("{option} {value}"))
                .collect(),
        }
    }

    /// Options of a stanza, new or again.
    fn options(&mut self, stanza: &Stanza) -> Vec<String> {
        let mut options = Vec::new();
        if stanza.method == "loopback" {
            options.push("policy-table rt9".to_owned());
        } else if self.random.one_in(6) {
            return options;
        } else {
            // interfaces(5) has both spellings, and so have the others.
            let option = self
                .random
                .pick(&["policy-table", "policy-table", "policy_table"]);
            let table = self.table(stanza.device());
            options.push(format!("{option} {table}"));
        }
        if !self.shares {
            options.push(self.priority(stanza.device()));
        }
        for _ in 0..self.random.below(4) {
            self.add(&mut options, stanza);
        }
        options
    }

    fn add(&mut self, options: &mut Vec<String>, stanza: &Stanza) {
        let lines = self.option(stanza);
        let named = |line: &String| line.split(' ').next().unwrap().to_owned();
        let kind = |line: &String| {
            named(line)
                .trim_end_matches(|c: char| c == '-' || c.is_ascii_digit())
                .to_owned()
        };
        if let Some(first) = lines.first() {
            let kind_of = kind(first);
            options.retain(|line| kind(line) != kind_of);
        }
        options.extend(lines);
    }

    fn stanza(&mut self, file: &File) -> Stanza {
        self.stanzas += 1;
        let name = self
            .random
            .pick(&["eth1", "eth1", "eth2", "eth2", "eth3", "eth1:1"]);
        let family = if name != "eth1:1" && self.random.one_in(3) {
            "inet6"
        } else {
            "inet"
        };
        let method = if name != "eth1:1" && self.random.one_in(6) {
            "manual"
        } else {
            "static"
        };
        let address = self.address(name, family == "inet6");
        let of_name = |stanza: &&Stanza| stanza.name == name;
        let mut stanza = Stanza {
            id: self.stanzas,
            name,
            family,
            method,
            address,
            length: if family == "inet6" { 64 } else { 24 },
            netmask_line: self.random.one_in(4),
            gateway: None,
            policy: vec![],
            is_auto: file
                .0
                .iter()
                .find(of_name)
                .map_or(!self.random.one_in(10), |other| other.is_auto),
            is_sourced: self.random.one_in(6),
        };
        let has_gateway = file
            .0
            .iter()
            .any(|other| other.family == family && other.gateway.is_some());
        if !has_gateway && method == "static" && self.random.one_in(3) {
            stanza.gateway = Some(format!("{}1", stanza.network()));
        }
        stanza.policy = self.options(&stanza);
        stanza
    }

    fn file(&mut self, network: Network) -> File {
        self.stanzas += 1;
        let mut lo = Stanza {
            id: self.stanzas,
            name: "lo",
            family: "inet",
            method: "loopback",
            address: "127.0.0.1".to_owned(),
            length: 8,
            netmask_line: false,
            gateway: None,
            policy: vec![],
            is_auto: true,
            is_sourced: false,
        };
        if self.random.one_in(3) {
            lo.policy = self.options(&lo);
        }
        let mut file = File(vec![lo]);
        for _ in 0..=self.random.below(4) {
            let stanza = self.stanza(&file);
            Self::put(&mut file, stanza);
        }
        if network == Network::Leases {
            let mut stanza = self.stanza(&file);
            (stanza.name, stanza.family, stanza.method, stanza.gateway) =
                ("eth1", "inet", "dhcp", None);
            (stanza.is_auto, stanza.address) = (true, "10.10.0.100".to_owned());
            stanza.policy = self.options(&stanza);
            Self::put(&mut file, stanza);
        }
        file
    }

    /// Puts in a stanza whose address no other has.
    fn put(file: &mut File, stanza: Stanza) {
        if file.0.iter().all(|other| other.address != stanza.address) {
            file.0.push(stanza);
        }
    }

    fn edit(&mut self, file: &mut File) {
        let place = self.random.place(file.0.len());
        match self.random.below(10) {
            0 if file.0.len() > 2 && place > 0 => {
                file.0.remove(place);
            }
            1 => {
                let stanza = self.stanza(file);
                Self::put(file, stanza);
            }
            2 => {
                // The loopback interface stays first: nothing is in the way of anybody there.
                self.random.shuffle(&mut file.0[1..]);
            }
            3 if matches!(file.0[place].method, "static" | "manual") => {
                let stanza = &file.0[place];
                let address = self.address(stanza.name, stanza.is_six());
                if file.0.iter().all(|other| other.address != address) {
                    let stanza = &mut file.0[place];
                    stanza.address = address;
                    let first = format!("{}1", stanza.network());
                    stanza.gateway = stanza.gateway.take().map(|_| first.clone());
                    for line in &mut stanza.policy {
                        if line.starts_with("policy-gateway") && !line.contains("none") {
                            *line = format!("policy-gateway {first}");
                        }
                    }
                    let stanza = stanza.clone();
                    let kept = |line: &String| !line.starts_with("policy-route");
                    file.0[place].policy = stanza.policy.into_iter().filter(kept).collect();
                }
            }
            4 if matches!(file.0[place].method, "static" | "manual")
                && !file.0[place].name.contains(':') =>
            {
                let stanza = &mut file.0[place];
                stanza.method = if stanza.method == "static" {
                    "manual"
                } else {
                    "static"
                };
                stanza.gateway = None;
            }
            5 if file.0[place].method != "loopback" => {
                let table = self.table(file.0[place].device());
                let table = format!("policy-table {table}");
                let stanza = &mut file.0[place];
                if let Some(line) = stanza.policy.first_mut() {
                    *line = table;
                }
            }
            6 => file.0[place].policy.clear(),
            7 => {
                let stanza = file.0[place].clone();
                file.0[place].policy = self.options(&stanza);
            }
            8 if file.0[place].policy.len() > 2 => {
                // The first two say table and priority.
                let which = 2 + self.random.place(file.0[place].policy.len() - 2);
                if !file.0[place].policy[which].starts_with("policy-priority") {
                    file.0[place].policy.remove(which);
                }
            }
            _ if !file.0[place].policy.is_empty() => {
                let stanza = file.0[place].clone();
                self.add(&mut file.0[place].policy, &stanza);
            }
            _ => {}
        }
    }
}

/// The states of a file, each with what Debian's ifupdown makes of it; none where it does not take
/// one of them.
fn judged(network: Network, course: &[File]) -> Option<Vec<(String, String)>> {
    let mut states = Vec::new();
    for file in course {
        let text = file.text();
        let (state, said) = of_debian(network, &text);
        // What is wrong in a file leaves what an earlier one put in.
        let is_wrong = |line: &str| line.contains("policy routing is not in force");
        if said.code != 0 || said.ours().into_iter().any(is_wrong) {
            if std::env::var_os("DIALECT_WHY").is_some() {
                println!("{text}{said:?}");
            }
            return None;
        }
        states.push((text, state));
    }
    Some(states)
}

fn fault(network: Network, program: Ifupdown, order: Order, course: &[File]) -> Option<String> {
    differences(network, program, order, &judged(network, course)?)
}

/// Takes out of a course what the fault does not need.
fn smaller(
    network: Network,
    program: Ifupdown,
    order: Order,
    mut course: Vec<File>,
    mut said: String,
) -> String {
    let mut tries = 40;
    'again: loop {
        for candidate in candidates(&course) {
            if tries == 0 {
                break 'again;
            }
            tries -= 1;
            if let Some(found) = fault(network, program, order, &candidate) {
                (course, said) = (candidate, found);
                continue 'again;
            }
        }
        break;
    }
    said
}

/// A course with something less.
fn candidates(course: &[File]) -> Vec<Vec<File>> {
    let mut found = Vec::new();
    for n in (0..course.len()).filter(|_| course.len() > 1) {
        let mut less = course.to_vec();
        less.remove(n);
        found.push(less);
    }
    let mut ids: Vec<usize> = course
        .iter()
        .flat_map(|file| file.0.iter().map(|stanza| stanza.id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    for id in &ids {
        let mut less = course.to_vec();
        for file in &mut less {
            file.0.retain(|stanza| stanza.id != *id);
        }
        found.push(less);
    }
    for id in &ids {
        let mut lines: Vec<&String> = course
            .iter()
            .flat_map(|file| &file.0)
            .filter(|stanza| stanza.id == *id)
            .flat_map(|stanza| &stanza.policy)
            .collect();
        lines.sort_unstable();
        lines.dedup();
        for line in lines {
            let mut less = course.to_vec();
            for stanza in less.iter_mut().flat_map(|file| &mut file.0) {
                if stanza.id == *id {
                    stanza.policy.retain(|other| other != line);
                }
            }
            found.push(less);
        }
        let mut less = course.to_vec();
        for stanza in less
            .iter_mut()
            .flat_map(|file| &mut file.0)
            .filter(|stanza| stanza.id == *id)
        {
            (stanza.is_sourced, stanza.gateway, stanza.netmask_line) = (false, None, false);
        }
        if less != course {
            found.push(less);
        }
    }
    found.retain(|less| less.iter().all(File::is_common));
    found
}

/// A course of a number.
fn course(seed: u64) -> (Network, Order, Vec<File>) {
    let mut editor = Editor {
        random: Random::new(seed, 14),
        stanzas: 0,
        shares: seed % 2 == 0,
    };
    let network = if editor.random.one_in(10) {
        Network::Leases
    } else {
        Network::Links
    };
    let mut course: Vec<File> = Vec::new();
    let length = 2 + editor.random.place(3);
    while course.len() < length {
        let file = match course.last() {
            None => editor.file(network),
            Some(before) => {
                let mut file = before.clone();
                for _ in 0..=editor.random.below(3) {
                    editor.edit(&mut file);
                }
                file
            }
        };
        if file.is_common() {
            course.push(file);
        }
    }
    let order = if editor.shares {
        Order::ButForAliases
    } else {
        Order::Kept
    };
    (network, order, course)
}

/// What became of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Differs,
    /// Debian's ifupdown does not take one of its files, or has no client to get a lease with.
    LeftOut,
}

/// Says of each lot of courses what became of them, as soon as all up to there are done.
struct Verdicts {
    first: u64,
    count: u64,
    said: u64,
    done: BTreeMap<u64, Verdict>,
}

impl Verdicts {
    const LOT: u64 = 10;

    fn put(&mut self, seed: u64, verdict: Verdict) {
        self.done.insert(seed, verdict);
        loop {
            let lot = self.first + self.said..self.first + self.count.min(self.said + Self::LOT);
            let done = self.done.range(lot.clone());
            let done: Vec<Verdict> = done.map(|(_, verdict)| *verdict).collect();
            let length = lot.end - lot.start;
            if length == 0 || done.len() as u64 != length {
                return;
            }
            self.said += length;
            let of = |wanted| done.iter().filter(|verdict| **verdict == wanted).count();
            println!(
                "DIALECT_SEED={} to {}: {} the same, {} left out, {} differ",
                lot.start,
                lot.end - 1,
                of(Verdict::Same),
                of(Verdict::LeftOut),
                of(Verdict::Differs)
            );
        }
    }

    fn of(&self, wanted: Verdict) -> u64 {
        self.done.values().filter(|own| **own == wanted).count() as u64
    }
}

/// Runs a course on both of the others. What differs is printed, and made smaller.
fn verdict(seed: u64) -> Verdict {
    let (network, order, course) = course(seed);
    if network == Network::Leases && !have(&[DHCLIENT]) {
        return Verdict::LeftOut;
    }
    let Some(states) = judged(network, &course) else {
        return Verdict::LeftOut;
    };
    let mut verdict = Verdict::Same;
    for program in [Ifupdown::Two, Ifupdown::Ng] {
        if let Some(said) = differences(network, program, order, &states) {
            println!("DIALECT_SEED={seed}, to be made smaller: {said}");
            let said = smaller(network, program, order, course.clone(), said);
            println!("DIALECT_SEED={seed}: {said}");
            verdict = Verdict::Differs;
        }
    }
    verdict
}

#[test]
fn any_file_and_any_edits() {
    let first = number_in("DIALECT_SEED", 1);
    let count = number_in("DIALECT_COUNT", 30);
    println!("DIALECT_SEED={first} DIALECT_COUNT={count}");
    lab(|_| {}); // says so where there can be none
    let next = AtomicU64::new(first);
    let (said, done) = (0, BTreeMap::new());
    let verdicts = Mutex::new(Verdicts {
        first,
        count,
        said,
        done,
    });
    let worker = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first + count {
            return;
        }
        let verdict = verdict(seed);
        verdicts.lock().unwrap().put(seed, verdict);
    };
    std::thread::scope(|scope| {
        scope.spawn(worker);
        scope.spawn(worker);
    });
    let verdicts = verdicts.into_inner().unwrap();
    assert_eq!(verdicts.done.len() as u64, count, "some were not run");
    let (differ, left_out) = (verdicts.of(Verdict::Differs), verdicts.of(Verdict::LeftOut));
    println!("{left_out} of {count} are left out, since Debian's ifupdown does not take them");
    assert!(differ == 0, "{differ} courses fail");
    assert!(left_out * 2 <= count, "too many are left out");
}
