//! What sits at the other end of a lab's link: a router in a namespace of its own that gives out
//! leases and advertises itself, and the DHCP clients that ask it. What a test started is ended
//! with it, by number.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::lab::{Lab, Said};

/// The router's own addresses; neither is the first of its network, so that a guess would show.
pub const ROUTER: &str = "10.10.0.77";
/// As above.
pub const ROUTER6: &str = "2001:db8:1::77";

/// A router behind `eth1`. What runs in its namespace or the lab's ends with it.
pub struct Router<'a> {
    lab: &'a Lab,
}

impl<'a> Router<'a> {
    /// Makes `eth1` and the router behind it. Nothing there waits for duplicate addresses but
    /// where a test says so.
    pub fn new(lab: &'a Lab) -> Self {
        let router = Self { lab };
        lab.ok("sysctl -qw net.ipv6.conf.default.dad_transmits=0 \
             net.ipv6.conf.default.router_solicitation_delay=0");
        lab.ok("ip netns add router");
        router
            .ok("sysctl -qw net.ipv6.conf.default.dad_transmits=0 net.ipv6.conf.all.forwarding=1");
        router.ok("ip link set lo up");
        lab.ok("ip link add eth1 type veth peer name r1 netns router");
        router.ok("ip link set r1 up");
        // Routers are there before their hosts: with its link-local address, which needs a link.
        lab.ok("ip link set eth1 up");
        router.link_local();
        lab.ok("ip link set eth1 down");
        router.ok(&format!("ip addr add {ROUTER}/24 dev r1"));
        router.ok(&format!("ip addr add {ROUTER6}/64 dev r1"));
        router
    }

    /// Runs a command in the router's namespace.
    pub fn ok(&self, command: &str) -> String {
        self.lab.ok(&format!("ip netns exec router {command}"))
    }

    /// The router's link-local address, as it advertises it.
    pub fn link_local(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.ok("ip -6 -o addr show dev r1 scope link -tentative");
            if let Some(address) = said.split_whitespace().nth(3) {
                return address.split('/').next().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "no link-local address");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Serves leases and advertisements, with options of dnsmasq, until something else is served.
    pub fn serve(&self, options: &str) {
        self.stop();
        let _ = fs::remove_file("/run/leases");
        self.ok(&format!(
            "dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --port=0 --user=root \
             --interface=r1 --bind-interfaces --no-ping --dhcp-authoritative \
             --dhcp-ignore-names --dhcp-leasefile=/run/leases --pid-file=/run/dnsmasq.pid \
             --log-facility=/run/dnsmasq.log {options}"
        ));
    }

    /// Stops serving.
    fn stop(&self) {
        if let Ok(number) = fs::read_to_string("/run/dnsmasq.pid") {
            let number = number.trim();
            self.lab.sh(&format!("kill {number}"));
            let left = Instant::now() + Duration::from_secs(20);
            while Path::new("/proc").join(number).exists() && Instant::now() < left {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = fs::remove_file("/run/dnsmasq.pid");
        }
    }
}

impl Drop for Router<'_> {
    fn drop(&mut self) {
        self.stop();
        end(&strays());
    }
}

/// The processes in this lab's network namespace. This program is none of them: its first thread
/// stays where it was started.
pub fn strays() -> Vec<String> {
    let own = fs::read_link("/proc/thread-self/ns/net").expect("namespaces");
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let mut found = Vec::new();
    for entry in entries {
        let number = entry.file_name().to_string_lossy().into_owned();
        let there = number.bytes().all(|byte| byte.is_ascii_digit())
            && fs::read_link(entry.path().join("ns/net")).is_ok_and(|theirs| theirs == own);
        if there {
            found.push(number);
        }
    }
    found
}

/// Waits a moment for the processes in this lab to end, and names those that do not.
pub fn lasting() -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = strays();
        if left.is_empty() || Instant::now() > deadline {
            let name = |number: &String| fs::read_to_string(format!("/proc/{number}/cmdline"));
            return left.iter().filter_map(|number| name(number).ok()).collect();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn end(numbers: &[String]) {
    for number in numbers {
        let _ = std::process::Command::new("kill")
            .args(["-9", number])
            .status();
    }
}

/// Ends what a test without a router leaves running.
pub struct Broom;

impl Drop for Broom {
    fn drop(&mut self) {
        end(&strays());
    }
}

/// Makes one DHCP client the only one, with the folders it writes to the lab's own.
pub fn only_client(lab: &Lab, client: &str) {
    for other in ["dhclient", "dhcpcd", "udhcpc"] {
        if other != client {
            lab.ok(&format!("rm -f /sbin/{other}"));
        }
    }
    for folder in ["/var/lib/dhcp", "/var/lib/dhcpcd"] {
        fs::create_dir_all(folder).unwrap();
        lab.ok(&format!("mount -t tmpfs lab {folder}"));
    }
}

/// Runs `ifup`, bounded in time, which must succeed; with the time it took.
pub fn up(lab: &Lab, interface: &str) -> (Said, Duration) {
    let start = Instant::now();
    let said = lab.sh(&format!("timeout -k 1 120 ifup {interface}"));
    let took = start.elapsed();
    assert_eq!(said.code, 0, "ifup {interface}: {said:?}");
    let device = interface
        .split('=')
        .next()
        .unwrap()
        .trim_start_matches("-v ");
    let state = lab.text("/run/network/ifstate");
    assert!(state.contains(&format!("{device}=")), "{state}");
    (said, took)
}

/// Runs `ifdown`, after which nothing of ours may be left.
pub fn down(lab: &Lab, interface: &str) {
    let said = lab.sh(&format!("timeout -k 1 120 ifdown {interface}"));
    assert_eq!(
        (said.code, said.ours()),
        (0, vec![]),
        "ifdown {interface}: {said:?}"
    );
    assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    assert_eq!(lab.ok("ls -A /run/policy-table"), "");
}

/// The addresses of a device that have a scope of `global`, without their lengths.
pub fn addresses(lab: &Lab, device: &str, which: &str) -> Vec<String> {
    let said = lab.ok(&format!(
        "ip -o addr show dev {device} scope global {which}"
    ));
    let address = |line: &str| {
        let written = line.split_whitespace().nth(3).expect("an address");
        written.split('/').next().unwrap().to_owned()
    };
    said.lines().map(address).collect()
}
