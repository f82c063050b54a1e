//! The unit, as systemd-analyze(1) reads it; whether it starts and stops as it should, only a host
//! can show.

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
