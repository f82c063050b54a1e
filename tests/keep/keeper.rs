//! A keeper that runs in a lab.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::lab::Lab;

/// A keeper, and the socket that it takes for systemd's. It ends with this.
pub struct Keeper {
    child: Child,
    socket: UnixDatagram,
}

/// Longest wait for what is to come; nothing is expected to take so long.
const LONGEST: Duration = Duration::from_secs(20);

const LOG: &str = "/run/keep.log";

impl Keeper {
    /// Starts one, and waits until it is ready.
    pub fn start(lab: &Lab) -> Self {
        Self::start_with(lab, &[])
    }

    /// The same with arguments.
    pub fn start_with(_: &Lab, arguments: &[&str]) -> Self {
        let _ = fs::remove_file("/run/notify");
        let socket = UnixDatagram::bind("/run/notify").unwrap();
        socket.set_read_timeout(Some(LONGEST)).unwrap();
        let log = fs::File::options().create(true).append(true).open(LOG);
        let child = Command::new("policy-table")
            .arg("keep")
            .args(arguments)
            .env("NOTIFY_SOCKET", "/run/notify")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let keeper = Self { child, socket };
        let mut buffer = [0; 4096];
        let length = keeper.socket.recv(&mut buffer).expect("READY=1");
        assert_eq!(&buffer[..length], b"READY=1");
        keeper.quiet();
        keeper
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has nothing to do: it sleeps, and longer than a burst may take.
    pub fn quiet(&self) {
        let limit = Instant::now() + LONGEST;
        let mut before = (self.switches(), Instant::now());
        while before.1.elapsed() < Duration::from_millis(400) {
            sleep(Duration::from_millis(20));
            let now = self.switches();
            if now != before.0 {
                before = (now, Instant::now());
            }
            assert!(Instant::now() < limit, "never quiet\n{}", Self::log());
        }
    }

    /// How often it has slept.
    pub fn switches(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|it| it.starts_with("voluntary_ctxt"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Waits until something holds.
    pub fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let limit = Instant::now() + LONGEST;
        while !holds() {
            assert!(self.runs(), "{what}: it has ended");
            assert!(Instant::now() < limit, "never: {what}\n{}", Self::log());
            sleep(Duration::from_millis(5));
        }
    }

    /// What it has said.
    pub fn log() -> String {
        fs::read_to_string(LOG).unwrap_or_default()
    }

    /// The networks that it has named to an interface, a text for each line.
    pub fn named_to(interface: &str) -> Vec<String> {
        let lead = format!("{interface}: policy-mode strict cuts off ");
        let log = Self::log();
        let told = log.lines().filter_map(|line| line.split_once(&lead));
        let told = told.map(|(_, told)| told.replace("; policy-mode main cuts off none", ""));
        told.collect()
    }

    /// How often it has repaired something, as it tells systemd.
    pub fn repairs() -> u64 {
        let text = fs::read_to_string("/run/policy-table-keep/repairs").unwrap_or_default();
        let counts = text.lines().filter_map(|line| line.split_once(' '));
        counts.map(|(_, count)| count.parse::<u64>().unwrap()).sum()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it; returns its exit code.
    pub fn stop(mut self) -> i32 {
        signal(self.id(), "TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Kills it, and starts another one.
    pub fn killed_and_started(mut self, lab: &Lab) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start(lab)
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self) -> i32 {
        let limit = Instant::now() + LONGEST;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < limit, "never ends\n{}", Self::log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process of this test's.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Two interfaces with a table each.
pub const TWO: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt3
";

/// Brings eth1 and eth2 up by a file; returns what of ours the kernel has then.
pub fn up(lab: &Lab, file: &str) -> Vec<String> {
    lab.interfaces(file);
    lab.device("eth1");
    lab.device("eth2");
    lab.ok("ifup eth1 eth2");
    ours(lab)
}

/// What of ours the kernel has, in an order of its own.
pub fn ours(lab: &Lab) -> Vec<String> {
    let mut ours = lab.tagged();
    // Whether a link has a carrier says nothing of what is in force.
    for line in &mut ours {
        *line = line.replace(" linkdown", "").replace(" dead", "");
    }
    ours.sort();
    ours
}
