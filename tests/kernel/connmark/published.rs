//! A container's published port.

use super::net::{
    all, answered, can_mark, host, publish_by_nft, stanza, up, while_served, PUBLISHED, SERVED,
};
use crate::support::lab::lab;

/// Without the option only the uplink of main's default route answers; with it both do, until the
/// interface goes down, and nothing of ours is left then.
#[test]
fn it_answers_by_the_uplink_it_was_asked_on() {
    lab(|lab| {
        if !can_mark(lab) {
            return;
        }
        host(lab, 2);
        publish_by_nft(lab);
        let plain = stanza(0, "") + &stanza(1, "");
        up(lab, 2, &plain);
        let engine = lab.ok("nft list ruleset");
        while_served(Some("container"), SERVED, || {
            assert_eq!(answered(2, PUBLISHED, 100), all([0]));
            lab.interfaces(&(stanza(0, "") + &stanza(1, "    policy-connmark auto\n")));
            let said = lab.sh("policy-table apply eth1");
            assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
            assert_eq!(answered(2, PUBLISHED, 100), all([0, 1]));
            // Again: nothing changes.
            let before = (lab.ok("nft -a list ruleset"), lab.rules("-4"));
            lab.ok("ifup --force --ignore-errors eth1 2>/dev/null");
            assert_eq!((lab.ok("nft -a list ruleset"), lab.rules("-4")), before);
            lab.ok("ifdown eth1 eth0");
            assert_eq!(lab.tagged(), Vec::<String>::new());
            assert_eq!(lab.ok("nft list ruleset"), engine);
        });
    });
}
