//! VPN software that comes and goes: what has to stand in front of its rules does so, whoever came
//! first, and goes with it.

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab};
use crate::support::needs::or_skip;
use crate::support::tree::top;
use crate::support::wg_quick;

const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-mode main
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
    policy-mode main
";

/// Whether the answers of both families leave by a device.
fn answers_by(lab: &Lab, device: &str) -> bool {
    let ways = [
        "ip route get 203.0.113.9 from 10.10.0.10",
        "ip -6 route get 2001:db8:99::9 from 2001:db8:10::10",
    ];
    ways.iter()
        .all(|way| lab.ok(way).contains(&format!(" dev {device} ")))
}

#[test]
fn a_vpn_that_comes_and_goes_leaves_the_answers_where_they_belong() {
    lab(|lab| {
        lab.interfaces(FILE);
        lab.device("eth1");
        lab.ok("ip link set eth1 addrgenmode none; ip link set eth1p addrgenmode none");
        lab.ok("ifup eth1");
        let before = ours(lab);
        for _ in 0..3 {
            let mut keeper = Keeper::start(lab);
            wg_quick::up(lab, "wg0", 51820);
            keeper.until("copies", || answers_by(lab, "eth1"));
            keeper.quiet();
            let with = ours(lab);
            assert!(before.iter().all(|line| with.contains(line)) && with.len() > before.len());
            // They are kept as all else, and survive the keeper.
            assert_eq!(keeper.stop(), 0);
            lab.ok("ip rule flush protocol 157; ip -6 rule flush protocol 157");
            let mut keeper = Keeper::start(lab);
            keeper.until("copies again", || ours(lab) == with);
            wg_quick::down(lab, "wg0", 51820);
            keeper.until("only the originals", || ours(lab) == before);
            keeper.quiet();
            assert_eq!(ours(lab), before);
            assert_eq!(keeper.stop(), 0);
        }
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}

#[test]
fn one_that_was_there_before_is_passed_too_but_not_where_the_stanza_says_no() {
    for (keep, is_passed) in [("yes", true), ("in-place", false)] {
        lab(|lab| {
            let file = FILE.replace(
                "policy-mode main\n",
                &format!("policy-mode main\n    policy-keep {keep}\n"),
            );
            lab.interfaces(&file);
            wg_quick::up(lab, "wg0", 51820);
            lab.device("eth1");
            let keep_once = || lab.sh("policy-table keep --once").code;
            lab.ok("ifup eth1");
            // Ours are behind the rules that were there: nothing has to be in front of them yet.
            let mut keeper = Keeper::start(lab);
            wg_quick::down(lab, "wg0", 51820);
            wg_quick::up(lab, "wg0", 51820);
            if is_passed {
                keeper.until("copies", || answers_by(lab, "eth1"));
            }
            keeper.quiet();
            assert_eq!(answers_by(lab, "eth1"), is_passed, "{keep}");
            assert_eq!(keeper.stop(), 0);
            assert_eq!(keep_once(), 0);
            assert_eq!(answers_by(lab, "eth1"), is_passed, "{keep}");
            lab.ok("ifdown eth1");
            assert!(ours(lab).is_empty(), "{:?}", ours(lab));
        });
    }
}

/// What another interface asks for of all packets comes before the rule of an address, and so before
/// its copy, and goes with that interface.
#[test]
fn copies_follow_the_rules_of_other_interfaces() {
    lab(|lab| {
        lab.interfaces(&format!(
            "{FILE}iface eth2 inet static\n    address 10.20.0.10/24\n    policy-table rt3\n    \
             policy-rule to 10.96.0.0/12 lookup 77 priority 20950\n"
        ));
        for device in ["eth1", "eth2"] {
            lab.device(device);
            lab.ok(&format!(
                "ip link set {device} addrgenmode none; ip link set {device}p addrgenmode none"
            ));
        }
        lab.ok(
            "ip link add br0 type veth peer name br0p; ip link set br0 up; ip link set br0p up
            ip route add default dev br0 table 77; ifup eth1",
        );
        let by_bridge = |lab: &Lab| {
            lab.ok("ip route get 10.96.0.9 from 10.10.0.10")
                .contains(" dev br0 ")
        };
        wg_quick::up(lab, "wg0", 51820);
        let mut keeper = Keeper::start(lab);
        keeper.until("copies", || answers_by(lab, "eth1"));
        keeper.quiet();
        let without = ours(lab);
        assert!(!by_bridge(lab));
        for _ in 0..2 {
            lab.ok("ifup eth2");
            keeper.until("the exception", || by_bridge(lab));
            keeper.quiet();
            let with = ours(lab);
            lab.ok("ifdown eth2");
            keeper.until("no exception", || ours(lab) == without);
            assert!(!by_bridge(lab));
            // The same at one look, whichever record is read first.
            assert_eq!(keeper.stop(), 0);
            lab.ok("ifup eth2; policy-table keep --once");
            assert_eq!(ours(lab), with);
            lab.ok("ip rule flush protocol 157; policy-table keep --once");
            assert_eq!(ours(lab), with);
            lab.ok("ifdown eth2; policy-table keep --once");
            assert_eq!(ours(lab), without);
            keeper = Keeper::start(lab);
        }
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty(), "{:?}", ours(lab));
    });
}

/// `redirect-gateway def1 ipv6` of openvpn(8) adds no rule: parts of everything stand in main, in
/// front of its default route.
#[test]
fn parts_of_everything_in_main_take_nothing_from_a_policy_address() {
    let halves = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"];
    let quarters = ["::/3", "2000::/4", "3000::/4", "fc00::/7"];
    for mode in ["strict", "main"] {
        lab(|lab| {
            lab.interfaces(&FILE.replace("policy-mode main", &format!("policy-mode {mode}")));
            lab.device("eth1");
            lab.ok("ip link set eth1 addrgenmode none; ip link set eth1p addrgenmode none");
            lab.ok("ifup eth1");
            let before = ours(lab);
            let mut keeper = Keeper::start(lab);
            wg_quick::tunnel(lab, "tun0");
            let by_tunnel = |verb: &str, parts: &[&str]| {
                for part in parts {
                    lab.ok(&format!("ip route {verb} {part} dev tun0"));
                }
            };
            for parts in [&halves[..], &[&halves[..2], &quarters].concat()] {
                by_tunnel("add", parts);
                keeper.quiet();
                // The host's own go by the tunnel.
                assert!(lab.ok("ip route get 203.0.113.9").contains(" dev tun0 "));
                assert!(lab.ok("ip route get 2001:db8:99::9").contains(" dev tun0 "));
                assert!(answers_by(lab, "eth1"), "{mode} {parts:?}");
                assert_eq!(ours(lab), before);
                lab.ok("ip rule flush protocol 157; ip -6 rule flush protocol 157");
                keeper.until("put back beside them", || ours(lab) == before);
                assert!(answers_by(lab, "eth1"), "{mode} {parts:?}");
                by_tunnel("del", parts);
            }
            keeper.quiet();
            assert_eq!(ours(lab), before);
            lab.ok("ifdown eth1");
            assert!(ours(lab).is_empty());
        });
    }
}

/// A tunnel by wg-quick(8) itself, all of it in processes, in the lab that this is made in; gone with
/// this.
struct RealTunnel(String);

impl RealTunnel {
    /// None where the programs are not there.
    fn find() -> Option<Self> {
        let folders = ["wireguard-tools", "wireguard-go"]
            .map(|package| top().join("target/tunnels").join(package).join("usr/bin"));
        let there = folders.iter().all(|folder| folder.is_dir());
        or_skip(
            there,
            "no wg-quick and wireguard-go in target/tunnels; tests/run unpacks them",
        )
        .then(|| {
            let [tools, process] = folders;
            Self(format!("{}:{}", tools.display(), process.display()))
        })
    }

    fn write(&self, lab: &Lab) {
        let key = lab.ok(&format!("PATH={}:$PATH wg genkey", self.0));
        let peer = lab.ok(&format!("PATH={}:$PATH; wg genkey | wg pubkey", self.0));
        lab.write(
            "/run/wg0.conf",
            &format!(
                "[Interface]\nPrivateKey = {}\nAddress = 10.99.0.2/32, fd99::2/128\n\
                 [Peer]\nPublicKey = {}\nEndpoint = 10.10.0.77:51820\n\
                 AllowedIPs = 0.0.0.0/0, ::/0\n",
                key.trim(),
                peer.trim()
            ),
        );
    }

    /// wg-quick up, or down.
    fn quick(&self, lab: &Lab, verb: &str) {
        // Its process goes on, with what it writes to.
        lab.ok(&format!(
            "PATH={}:$PATH wg-quick {verb} /run/wg0.conf >/run/wg-quick.log 2>&1 </dev/null",
            self.0
        ));
    }
}

impl Drop for RealTunnel {
    fn drop(&mut self) {
        let _ = std::process::Command::new("ip")
            .args(["link", "del", "wg0"])
            .output();
    }
}

#[test]
fn wg_quick_itself_is_passed_and_takes_its_own_rules_alone() {
    lab(|lab| {
        let Some(tunnel) = RealTunnel::find() else {
            return;
        };
        lab.interfaces(FILE);
        lab.device("eth1");
        lab.ok("ip link set eth1 addrgenmode none; ip link set eth1p addrgenmode none");
        tunnel.write(lab);
        lab.ok("ifup eth1");
        let before = ours(lab);
        // With the keeper, and without one.
        let mut keeper = Keeper::start(lab);
        tunnel.quick(lab, "up");
        keeper.until("copies", || answers_by(lab, "eth1"));
        keeper.quiet();
        let with = ours(lab);
        // What is not from the policy addresses leaves by the tunnel, as it is meant to.
        for way in ["ip route get 203.0.113.9", "ip -6 route get 2001:db8:99::9"] {
            let said = lab.ok(way);
            assert!(said.contains(" dev wg0 "), "{said}");
        }
        tunnel.quick(lab, "down");
        keeper.until("only the originals", || ours(lab) == before);
        assert_eq!(keeper.stop(), 0);
        tunnel.quick(lab, "up");
        assert!(!answers_by(lab, "eth1"));
        lab.ok("policy-table apply --all");
        assert!(answers_by(lab, "eth1"));
        assert_eq!(ours(lab), with);
        tunnel.quick(lab, "down");
        assert_eq!(lab.ok("ip rule show | grep -c 51820 || true").trim(), "0");
        lab.ok("policy-table apply --all");
        assert_eq!(ours(lab), before);
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}
