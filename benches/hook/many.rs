//! Growing numbers of interfaces, and of names on a disk.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::time::TimeValLike;

use crate::report::{at, Many, Names};
use crate::support::lab::Lab;
use crate::ways::{memory, quiet, run, Interface, Steps, DOWN, UP};
use crate::Build;

const FILE: &str = "/etc/iproute2/rt_tables";

/// Of all programs that were run, in microseconds.
fn processor_time() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds()
}

/// The most memory of an up among many that are up already, in KiB.
fn memory_of_up(build: &Build, own: Interface, table: &str) -> u64 {
    run(vec![own.ours(&build.hook, DOWN, table)]);
    memory(&own.ours(&build.hook, UP, table), UP)
}

fn length() -> u64 {
    fs::metadata(FILE).map_or(0, |metadata| metadata.len())
}

/// Pairs of devices, each end an interface with an address.
pub fn devices(lab: &Lab, count: usize) {
    let mut batch = String::new();
    for number in (0..count).step_by(2) {
        let (one, other) = (Interface(number), Interface(number + 1));
        let (first, second) = (one.name(), other.name());
        batch += &format!("link add {first} type veth peer name {second}\n");
        for (own, name) in [(one, first), (other, second)] {
            batch += &format!(
                "link set {name} up\naddress add {} dev {name}\n",
                own.address()
            );
        }
    }
    lab.write("/run/devices", &batch);
    lab.ok("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; ip -batch /run/devices");
}

/// Runs one thing for each of many interfaces.
fn each(name: String, count: usize, at_a_time: usize, steps: &dyn Fn(Interface) -> Steps) -> Many {
    let (before, length_before, started) = (processor_time(), length(), Instant::now());
    if at_a_time == 1 {
        (0..count).for_each(|number| {
            run(steps(Interface(number)));
        });
    } else {
        let mut running = Vec::new();
        for number in 0..count {
            if running.len() == at_a_time {
                wait(running.remove(0));
            }
            for mut step in steps(Interface(number)) {
                running.push(quiet(&mut step).spawn().unwrap());
            }
        }
        running.into_iter().for_each(wait);
    }
    let wall = started.elapsed();
    let processor = processor_time() - before;
    Many {
        name,
        interfaces: count,
        at_a_time,
        wall: wall.as_secs_f64() * 1e6 / count as f64,
        processor: processor as f64 / count as f64,
        grown: length() - length_before,
        memory: None,
    }
}

fn wait(mut child: std::process::Child) {
    assert!(child.wait().unwrap().success());
}

/// All interfaces up and down, by our hook and by `post-up` lines.
pub fn interfaces(lab: &Lab, builds: &[Build], counts: &[usize]) -> Vec<Many> {
    let table = |own: Interface| format!("t{}", own.0);
    let mut found = Vec::new();
    for count in counts {
        devices(lab, *count);
        for build in builds {
            let ours = |hook: &'static str| {
                move |own: Interface| vec![own.ours(&build.hook, hook, &table(own))]
            };
            let kind = &build.kind;
            lab.ok(&format!("sed -i /policy-table/d {FILE}"));
            found.push(each(
                format!("up with a new name, {kind}"),
                *count,
                1,
                &ours(UP),
            ));
            found.push(each(format!("down, {kind}"), *count, 1, &ours(DOWN)));
            for at_a_time in [1, 16] {
                let mut up = each(format!("up, {kind}"), *count, at_a_time, &ours(UP));
                let last = Interface(count - 1);
                up.memory = Some(memory_of_up(build, last, &table(last)));
                found.push(up);
                assert_eq!(lab.rules("-4").len(), 2 * count, "not all of them");
                found.push(each(
                    format!("down, {kind}"),
                    *count,
                    at_a_time,
                    &ours(DOWN),
                ));
                assert_eq!(lab.rules("-4").len(), 0, "not all of them");
            }
        }
        found.push(each("four `post-up` lines".to_owned(), *count, 1, &|own| {
            own.lines("add")
        }));
        lab.write(
            "/run/rules",
            &"rule delete priority 20000\n".repeat(2 * count),
        );
        lab.ok("ip -batch /run/rules");
        for number in (0..*count).step_by(2) {
            lab.ok(&format!("ip link delete {}", Interface(number).name()));
        }
    }
    found
}

/// What a new name costs where fsync(2) costs something.
pub fn names(lab: &Lab, binary: &str, rounds: usize) -> Vec<Names> {
    devices(lab, 2);
    let disk = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench/iproute2");
    lab.ok(&format!(
        "rm -rf {disk}; mkdir -p {disk}; cp -r /etc/iproute2/. {disk}; mount --bind {disk} /etc/iproute2"
    ));
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mut found = Vec::new();
    for there in [0, 4000] {
        let mut text = lab.text(FILE);
        for number in 0..there {
            text += &format!("{}\tthere{number}\n", 40_000 + number);
        }
        lab.write(FILE, &text);
        let up = |table: &str| {
            let time = micros(run(vec![Interface(0).ours(binary, UP, table)]));
            run(vec![Interface(0).ours(binary, DOWN, table)]);
            time
        };
        up("known");
        // As long as the file that the names are in: fsync(2) of a longer one may take longer.
        let other = "/etc/iproute2/other";
        fs::copy(FILE, other).unwrap();
        let (mut new, mut known, mut append) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            new.push(up(&format!("n{there}x{round}")));
            known.push(up("known"));
            let started = Instant::now();
            let mut file = OpenOptions::new().append(true).open(other).unwrap();
            file.write_all(b"20000\tname\t# ifupdown-policy-table\n")
                .unwrap();
            file.sync_all().unwrap();
            append.push(micros(started.elapsed()));
        }
        found.push(Names {
            there,
            ours: at(&new, 0.5) - at(&known, 0.5),
            append: at(&append, 0.5),
        });
    }
    lab.ok("umount /etc/iproute2");
    let _ = fs::remove_dir_all(disk);
    found
}
