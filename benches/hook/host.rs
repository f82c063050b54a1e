//! The commands, on a host with very many interfaces and routes.

use std::process::Command;

use crate::many::devices;
use crate::report::{at, Asked};
use crate::support::lab::Lab;
use crate::ways::{memory, run, Interface};

/// What an administrator runs, with names and arguments.
const COMMANDS: [&[&str]; 6] = [
    &["status"],
    &["status", "v7"],
    &["plan"],
    &["plan", "v7"],
    &["check"],
    &["explain", "--from", "10.16.7.10", "8.8.8.8"],
];

/// The commands on a host with so many interfaces, all of them up, and so many routes beside them.
pub fn commands(lab: &Lab, binary: &str, interfaces: usize, routes: usize) -> Vec<Asked> {
    devices(lab, interfaces);
    // What is not bound to an address has a way out, as on a host that anybody uses.
    let uplink = "iface uplink inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n\n";
    let (mut file, mut state) = (uplink.to_owned(), String::new());
    for own in (0..interfaces).map(Interface) {
        let (name, address) = (own.name(), own.address());
        file += &format!(
            "iface {name} inet static\n    address {address}\n    policy-table t{}\n    \
             policy-gateway {}\n\n",
            own.0,
            address.replace(".10/24", ".1")
        );
        state += &format!("{name}={name}\n");
    }
    lab.write("/etc/network/interfaces", &file);
    lab.write("/run/network/ifstate", &state);
    let route = |number: usize| {
        let (first, second, third) = (16 + number / 65536, number / 256 % 256, number % 256);
        format!("route add 172.{first}.{second}.{third} via 10.16.0.1\n")
    };
    lab.write("/run/routes", &(0..routes).map(route).collect::<String>());
    lab.ok("ip -batch /run/routes");
    lab.ok(&format!("{binary} apply --all"));
    let asked = COMMANDS.iter().map(|arguments| {
        let command = || {
            let mut command = Command::new(binary);
            command.args(*arguments);
            command
        };
        let times: Vec<f64> = (0..5)
            .map(|_| run(vec![command()]).as_secs_f64() * 1e6)
            .collect();
        Asked {
            line: format!("policy-table {}", arguments.join(" ")),
            time: at(&times, 0.5),
            memory: memory(&command(), binary),
        }
    });
    asked.collect()
}
