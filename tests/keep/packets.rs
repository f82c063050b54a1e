//! Packets while something is lost and comes back: answers go missing in the gap alone, and none
//! leaves by the wrong router once the keeper has said that all is back.

use std::thread;
use std::time::{Duration, SystemTime};

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab};
use crate::support::needs::have;

const FILE: &str = "\
iface eth0 inet static
    address 10.20.0.10/24
    gateway 10.20.0.1
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
";

const LOSSES: [&str; 3] = [
    "ip rule flush protocol 157",
    "ip route flush table rt2",
    "ip link set eth1 down; ip link set eth1 up",
];

/// How many questions are asked, some milliseconds apart.
const QUESTIONS: usize = 500;

/// A host between two routers. A client behind the second asks; what the first gets of the
/// answers it counts, and drops.
fn lay_out(lab: &Lab) {
    for (n, router) in ["wrong", "right"].into_iter().enumerate() {
        lab.ok(&format!(
            "ip netns add {router}; ip link add eth{n} type veth peer name host netns {router}
            ip -n {router} link set lo up; ip -n {router} link set host up"
        ));
    }
    lab.ok("ip -n wrong addr add 10.20.0.1/24 dev host; ip -n right addr add 10.10.0.1/24 dev host
        ip -n right addr add 203.0.113.100/32 dev lo
        ip netns exec wrong nft 'add table ip t; add chain ip t c { type filter hook prerouting priority 0; };
            add rule ip t c ip saddr 10.10.0.10 counter drop'");
    lab.interfaces(FILE);
    lab.ok("ifup eth0 eth1");
}

/// How many answers the wrong router has got.
fn astray(lab: &Lab) -> u64 {
    let listed = lab.ok("ip netns exec wrong nft list chain ip t c");
    let mut words = listed.split_whitespace();
    words.find(|word| *word == "packets").expect("a counter");
    words.next().unwrap().parse().unwrap()
}

/// Seconds, as ping has them.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

/// An answer: the number of its question, and when it came, in seconds.
type Answer = (usize, f64);

fn asked(lab: &Lab) -> Vec<Answer> {
    let ask = format!("ping -n -D -W1 -i0.002 -c{QUESTIONS} -I 203.0.113.100 10.10.0.10");
    let said = lab.sh(&format!("ip netns exec right {ask}")).out;
    let answer = |line: &str| {
        let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let (_, number) = rest.split_once("bytes from ")?.1.split_once("icmp_seq=")?;
        let number = number.split(' ').next()?.parse().ok()?;
        Some((number, time.parse().ok()?))
    };
    said.lines().filter_map(answer).collect()
}

#[test]
fn only_what_is_asked_in_the_gap_goes_unanswered() {
    if !have(&["nft of nftables", "ping of iputils-ping"]) {
        return;
    }
    lab(|lab| {
        lay_out(lab);
        let before = ours(lab);
        for loss in LOSSES {
            let mut keeper = Keeper::start(lab);
            let strayed = astray(lab);
            let (answered, lost, back) = thread::scope(|scope| {
                let asked = scope.spawn(|| asked(lab));
                thread::sleep(Duration::from_millis(200));
                let lost = now();
                lab.ok(loss);
                keeper.until("back", || Keeper::repairs() == 1 && ours(lab) == before);
                let back = now();
                let in_the_gap = astray(lab);
                let answered = asked.join().unwrap();
                assert_eq!(
                    astray(lab),
                    in_the_gap,
                    "{loss}: by the wrong router afterwards"
                );
                // What is asked on a link that is down waits, perhaps, and is lost nowhere.
                let is_down = loss.contains("link");
                assert!(is_down || in_the_gap > strayed, "{loss}: nothing was lost");
                (answered, lost, back)
            });
            let pairs = answered.windows(2).map(|two| (two[0], two[1]));
            let gaps: Vec<(Answer, Answer)> = pairs.filter(|(a, b)| b.0 > a.0 + 1).collect();
            // Before the loss and after the repair all are answered.
            let meanwhile = |(before, after): &(Answer, Answer)| before.1 < back && lost < after.1;
            assert!(
                gaps.iter().all(meanwhile),
                "{loss}: {gaps:?}, {lost} to {back}"
            );
            let end = answered.last().unwrap().0;
            assert_eq!((answered[0].0, end), (1, QUESTIONS), "{loss}");
            let unanswered: usize = gaps.iter().map(|(a, b)| b.0 - a.0 - 1).sum();
            let longest = gaps.iter().map(|(a, b)| b.1 - a.1).fold(0.0, f64::max);
            println!(
                "{loss}: {unanswered} questions unanswered, for {:.0} ms",
                longest * 1000.0
            );
            assert_eq!(keeper.stop(), 0);
        }
        lab.ok("ifdown eth0 eth1");
    });
}
