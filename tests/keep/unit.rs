//! The unit, as systemd-analyze(1) reads it; whether it starts and stops as it should, only a host
//! can show. And the init script, which a lab can run.

use std::path::Path;

use crate::support::lab::lab;
use crate::support::needs::or_skip;
use crate::support::tree::top;

const UNITS: [&str; 2] = ["service", "path"];

#[test]
fn the_unit_is_valid_and_may_do_little() {
    let program = "/usr/bin/systemd-analyze";
    if !or_skip(
        Path::new(program).exists(),
        "no systemd-analyze; install systemd",
    ) {
        return;
    }
    lab(|lab| {
        for kind in UNITS {
            let of_package = format!("debian/ifupdown-policy-table.policy-table-keep.{kind}");
            let unit = format!("/run/units/policy-table-keep.{kind}");
            lab.write(
                &unit,
                &std::fs::read_to_string(top().join(of_package)).unwrap(),
            );
        }
        let service = "/run/units/policy-table-keep.service";
        let said = lab.sh(&format!(
            "{program} verify --man=no --recursive-errors=no {service}"
        ));
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let said = lab.ok(&format!(
            "{program} security --offline=yes --no-pager {service}"
        ));
        let mut words = said.lines().last().unwrap().split_whitespace();
        let level = words.find_map(|word| word.parse::<f64>().ok());
        let level = level.expect(&said);
        assert!(level <= 2.0, "{said}");
    });
}

#[test]
fn the_init_script_starts_one_that_stays_and_takes_no_other_process_for_it() {
    let needed = [
        "/lib/lsb/init-functions",
        "/usr/sbin/start-stop-daemon",
        "/sbin/start-stop-daemon",
    ];
    let there = |path: &str| Path::new(path).exists();
    if !or_skip(
        there(needed[0]) && (there(needed[1]) || there(needed[2])),
        "no LSB init functions; install sysvinit-utils",
    ) {
        return;
    }
    lab(|lab| {
        let script = top().join("debian/ifupdown-policy-table.policy-table-keep.init");
        let service = |what: &str| lab.sh(&format!("sh {} {what}", script.display()));
        let codes = |whats: &[&str]| {
            whats
                .iter()
                .map(|what| service(what).code)
                .collect::<Vec<_>>()
        };
        // No option and no record: no process.
        lab.interfaces("iface eth1 inet manual\n");
        assert_eq!(codes(&["start", "status", "stop"]), [0, 3, 0]);
        // What will come up later is kept from the first moment on.
        lab.interfaces("iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n");
        lab.device("eth1");
        assert_eq!(codes(&["start", "status", "start"]), [0, 0, 0]);
        lab.ok("ifup eth1");
        let before = crate::keeper::ours(lab);
        lab.ok("ip rule flush protocol 157");
        lab.ok("for _ in $(seq 100); do ip rule | grep -q 'to 10.10.0.10' && exit; sleep .1; done; exit 1");
        assert_eq!(crate::keeper::ours(lab), before);
        assert_eq!(codes(&["restart", "reload", "status"]), [0, 0, 0]);
        // The number of one that was killed may be another's by now.
        lab.ok("kill -s KILL $(cat /run/policy-table-keep.pid); sleep .1");
        assert_eq!(codes(&["status"]), [1]);
        lab.ok("sleep 60 >/dev/null 2>&1 & echo $! | tee /run/other >/run/policy-table-keep.pid");
        assert_eq!(codes(&["status", "stop"]), [1, 0]);
        lab.ok("kill $(cat /run/other)");
        assert_eq!(codes(&["start", "stop", "status", "unknown"]), [0, 0, 3, 3]);
        lab.ok("ifdown eth1");
    });
}
