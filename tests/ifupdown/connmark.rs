//! `policy-connmark` on each of the three: what nft(8) has after up and after each edit is what
//! Debian's ifupdown makes of the same file, and nothing is left after down.

use std::thread;

use crate::same_on_all_three::{devices_of_links, state};
use crate::support::lab::{lab, lines, Lab};
use crate::support::needs::have;
use crate::support::others::Ifupdown;

/// What the option is in each of the files: of eth1 in both families, and of eth2.
const EDITS: [(&str, &str); 3] = [("auto", "no"), ("no", "no"), ("0x100/0xff00", "auto")];

fn file((first, second): (&str, &str)) -> String {
    let stanza = |name: &str, address: &str, router: &str, mark: &str| {
        let family = if address.contains(':') {
            "inet6"
        } else {
            "inet"
        };
        format!(
            "iface {name} {family} static\n    address {address}\n    policy-table auto\n    \
             policy-gateway {router}\n    policy-connmark {mark}\n"
        )
    };
    ["auto eth1\nauto eth2\n".to_owned()]
        .into_iter()
        .chain([
            stanza("eth1", "10.10.0.10/24", "10.10.0.1", first),
            stanza("eth1", "2001:db8:1::10/64", "2001:db8:1::1", first),
            stanza("eth2", "10.20.0.10/24", "10.20.0.1", second),
        ])
        .collect()
}

/// What nft(8) has of ours, with all rules and our routes. Which interface's stand first tells who
/// came up first alone.
fn marks(lab: &Lab) -> Vec<String> {
    let table = lab.sh("nft -s list table inet policy-table").out;
    let mut all = lines(&(table + &state(lab)));
    all.sort_unstable();
    all
}

/// The states of one program on its way through the edits, and after down.
fn states(program: Ifupdown) -> Vec<Vec<String>> {
    let mut states = Vec::new();
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        devices_of_links(lab);
        let bare = marks(lab);
        for (n, edit) in EDITS.into_iter().enumerate() {
            let reloads = n > 0 && program == Ifupdown::Two;
            if n > 0 && !reloads {
                lab.sh("ifdown -a");
            }
            lab.interfaces(&file(edit));
            let said = lab.sh(if reloads { "ifreload -a" } else { "ifup -a" });
            assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
            states.push(marks(lab));
        }
        lab.ok("ifdown -a");
        assert_eq!(marks(lab), bare, "{program:?}");
    });
    states
}

#[test]
fn the_same_marks_on_all_three() {
    if !have(&["nft of nftables"]) {
        return;
    }
    let [debians, two, ng] = thread::scope(|scope| {
        let all = [Ifupdown::Debian, Ifupdown::Two, Ifupdown::Ng];
        let all = all.map(|program| scope.spawn(move || states(program)));
        all.map(|one| one.join().unwrap())
    });
    let is_chain = |line: &&String| line.starts_with("chain ");
    let chains = |state: &Vec<String>| state.iter().filter(is_chain).count();
    let counts: Vec<usize> = debians.iter().map(chains).collect();
    // Five chains a device, of one and of two.
    assert_eq!(counts, [5, 0, 10]);
    for (program, found) in [("ifupdown2", two), ("ifupdown-ng", ng)] {
        for (n, (found, debians)) in found.iter().zip(&debians).enumerate() {
            assert_eq!(found, debians, "{program} after edit {n}");
        }
    }
}
