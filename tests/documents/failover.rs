//! `examples/failover` beside the package: that it moves what new connections take, and nothing of
//! ours.

use crate::recipes::host;
use crate::recipes_for_uplinks::{eventually, way, FAR};
use crate::support::lab::{lab, Lab};
use crate::support::router::Broom;
use crate::support::tree::{text, top};

/// Both uplinks with tables of their own, by the stanzas that the script asks for.
fn two_uplinks(lab: &Lab) {
    host(lab);
    lab.ok("ip address flush dev eth0");
    let script = text("examples/failover");
    let columns = script.lines().filter_map(|line| {
        let line = line.strip_prefix("#     ")?;
        Some(line.split_at_checked(43).unwrap_or((line, "")))
    });
    let (left, right): (Vec<&str>, Vec<&str>) = columns.unzip();
    lab.interfaces(&format!("{}\n\n{}\n", left.join("\n"), right.join("\n")));
    let said = lab.sh("ifup eth0 eth1");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

/// The script, at work; stopped with what it says.
fn start(lab: &Lab, settings: &str) {
    let script = top().join("examples/failover");
    lab.ok(&format!(
        "TARGETS={FAR}; export TARGETS; {settings} {} >/run/failover 2>&1 & echo $! >/run/failover.pid",
        script.display()
    ));
}

fn stop(lab: &Lab) -> String {
    lab.ok("pid=$(cat /run/failover.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done");
    lab.text("/run/failover")
}

fn metrics(lab: &Lab) -> Vec<String> {
    metrics_of(lab, "-4")
}

fn metrics_of(lab: &Lab, family: &str) -> Vec<String> {
    let said = lab.ok(&format!("ip {family} route show default"));
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let behind = |word| words.iter().skip_while(|w| **w != word).nth(1).copied();
        format!(
            "{} {}",
            behind("dev").unwrap(),
            behind("metric").unwrap_or("0")
        )
    };
    said.lines().map(of_line).collect()
}

#[test]
fn new_connections_leave_a_provider_that_answers_nothing_and_return() {
    lab(|lab| {
        let _broom = Broom;
        two_uplinks(lab);
        lab.ok("policy-table keep >/run/keeper 2>&1 & echo $! >/run/keeper.pid");
        let before = lab.tagged();
        start(lab, "INTERVAL=0.1 TIMEOUT=1 DOWN_AFTER=2 UP_AFTER=2");
        assert_eq!(way(lab, FAR), "eth0");
        // The router is there, and nothing behind it.
        lab.ok(&format!("ip -n r0 address del {FAR}/32 dev lo"));
        eventually("the other uplink is taken", || way(lab, FAR) == "eth1");
        assert_eq!(lab.sh(&format!("ping -n -c 1 -W 2 {FAR}")).code, 0);
        assert_eq!(metrics(lab), ["eth1 200", "eth0 10100"]);
        // What is asked on the first one's address is answered by it all the same.
        assert_eq!(way(lab, &format!("{FAR} from 192.0.2.10")), "eth0");
        assert_eq!(lab.sh("policy-table status").code, 0);
        // With a lease a client sets its route again.
        lab.ok("ip route add default via 192.0.2.1 dev eth0 metric 100");
        eventually("it is moved again", || {
            metrics(lab) == ["eth1 200", "eth0 10100"]
        });
        // Neither is any better: the order stays.
        lab.ok(&format!("ip -n r1 address del {FAR}/32 dev lo"));
        eventually("both are left", || {
            metrics(lab) == ["eth0 10100", "eth1 10200"]
        });
        for router in ["r0", "r1"] {
            lab.ok(&format!("ip -n {router} address add {FAR}/32 dev lo"));
        }
        eventually("both are back", || metrics(lab) == ["eth0 100", "eth1 200"]);
        // Stopped while one is left.
        lab.ok(&format!("ip -n r0 address del {FAR}/32 dev lo"));
        eventually("it is left again", || way(lab, FAR) == "eth1");
        let said = stop(lab);
        assert!(said.contains("eth0: metric 100 is 10100 now"), "{said}");
        assert_eq!(metrics(lab), ["eth0 100", "eth1 200"]);
        // All that the keeper saw was none of its business.
        lab.ok("kill $(cat /run/keeper.pid)");
        let said = lab.text("/run/keeper");
        assert!(
            !said.contains("put back") && !said.contains("in step"),
            "{said}"
        );
        assert_eq!(lab.tagged(), before);
    });
}

#[test]
fn no_default_route_is_lost_whoever_is_in_the_way() {
    lab(|lab| {
        let _broom = Broom;
        two_uplinks(lab);
        start(lab, "INTERVAL=0.1 TIMEOUT=1 DOWN_AFTER=2 UP_AFTER=2");
        let left = ["eth1 200", "eth0 10100"];
        // The cable, whose route the kernel keeps.
        lab.ok("ip -n r0 link set host down");
        eventually("the other uplink is taken", || metrics(lab) == left);
        // What has its place meanwhile stays, and so does it.
        lab.ok("ip route add default via 198.51.100.1 dev eth1 metric 100");
        lab.ok("ip -n r0 link set host up; ip -n r0 route replace default via 192.0.2.10");
        eventually("the cable is there", || {
            lab.sh(&format!("ping -n -c 1 -W 1 -I 192.0.2.10 {FAR}"))
                .code
                == 0
        });
        lab.ok("sleep 1");
        assert!(metrics(lab).contains(&"eth0 10100".to_owned()));
        lab.ok("ip route del default via 198.51.100.1 dev eth1 metric 100");
        eventually("it is back", || {
            metrics(lab).contains(&"eth0 100".to_owned())
        });
        // ifdown and ifup of one that was left.
        lab.ok(&format!("ip -n r0 address del {FAR}/32 dev lo"));
        eventually("it is left again", || {
            metrics(lab).contains(&"eth0 10100".to_owned())
        });
        assert_eq!(lab.sh("ifdown eth0").code, 0);
        assert!(!metrics(lab).iter().any(|route| route.starts_with("eth0")));
        assert_eq!(lab.sh("ifup eth0").code, 0);
        eventually("and again", || {
            metrics(lab).contains(&"eth0 10100".to_owned())
        });
        // Killed, it puts back what it moved all the same.
        lab.ok("kill -9 $(cat /run/failover.pid)");
        eventually("all is as before", || {
            metrics(lab).iter().any(|route| route == "eth0 100")
                && !metrics(lab).iter().any(|route| route == "eth0 10100")
        });
        let said = lab.text("/run/failover");
        assert!(said.contains("metric 10100 is 100 now (killed)"), "{said}");
    });
}

#[test]
fn uplinks_of_ipv6_are_left_and_taken_again() {
    lab(|lab| {
        let _broom = Broom;
        host(lab);
        let far = "2001:db8:ffff::9";
        let stanza = |n: usize| {
            lab.ok(&format!(
                "ip -n r{n} address add 2001:db8:{n}::1/64 dev host nodad
                ip -n r{n} address add {far}/128 dev lo nodad
                ip -n r{n} -6 route add default via 2001:db8:{n}::10"
            ));
            format!(
                "iface eth{n} inet6 static
    address 2001:db8:{n}::10/64
    gateway 2001:db8:{n}::1
    metric {}
    dad-attempts 0
    accept_ra 0
    policy-table uplink{n}
",
                100 * (n + 1)
            )
        };
        lab.interfaces(&(stanza(0) + "\n" + &stanza(1)));
        let said = lab.sh("ifup eth0 eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let settings =
            format!("FAMILY=6 INTERVAL=0.1 TIMEOUT=1 DOWN_AFTER=2 UP_AFTER=2 TARGETS={far}");
        start(lab, &settings);
        lab.ok(&format!("ip -n r0 address del {far}/128 dev lo"));
        eventually("the other uplink is taken", || way(lab, far) == "eth1");
        assert_eq!(metrics_of(lab, "-6"), ["eth1 200", "eth0 10100"]);
        assert_eq!(way(lab, &format!("{far} from 2001:db8:0::10")), "eth0");
        lab.ok(&format!("ip -n r0 address add {far}/128 dev lo nodad"));
        eventually("it is back", || {
            metrics_of(lab, "-6") == ["eth0 100", "eth1 200"]
        });
        stop(lab);
    });
}

/// A ping that answers as it is told, and then stays with the last answer.
const PING: &str = "#!/bin/sh
case \"$*\" in *192.0.2.10*) ;; *) exit 0 ;; esac
read -r next </run/answers
sed -i '1{$!d}' /run/answers
echo \"$next\" >>/run/asked
exit \"$next\"
";

#[test]
fn an_answer_that_comes_and_goes_moves_nothing() {
    // 1 is none. An uplink is left after three, and comes back after four.
    for (answers, expected) in [
        ("1 1 0 1 1 0 1 0 1 1 0", &[][..]),
        ("1 1 1 0 0 0 1 0 0 0 1", &["metric 100 is 10100 now"]),
        (
            "1 1 1 0 0 0 1 0 0 0 0 0",
            &["metric 100 is 10100 now", "metric 10100 is 100 now"],
        ),
    ] {
        lab(|lab| {
            let _broom = Broom;
            two_uplinks(lab);
            lab.write("/run/answers", &(answers.replace(' ', "\n") + "\n"));
            lab.script("/usr/local/bin/ping", PING);
            let count = answers.split(' ').count();
            start(
                lab,
                "PATH=/usr/local/bin:$PATH INTERVAL=0.05 DOWN_AFTER=3 UP_AFTER=4",
            );
            eventually("all is asked", || {
                lab.sh("cat /run/asked").out.lines().count() >= count
            });
            let said = lab.text("/run/failover");
            let moved: Vec<&str> = said
                .lines()
                .filter_map(|line| line.split_once("eth0: "))
                .filter_map(|(_, what)| what.rsplit_once(" ("))
                .map(|(what, _)| what)
                .collect();
            assert_eq!(moved, expected, "{answers}: {said}");
            stop(lab);
        });
    }
}
