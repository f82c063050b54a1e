//! The ways to give an interface its own table, as the programs that each runs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{getrusage, UsageWho};

/// The hook of `ifup`.
pub const UP: &str = "/etc/network/if-up.d/00-policy-table";
/// The hook of `ifdown`.
pub const DOWN: &str = "/etc/network/if-down.d/zz-policy-table";
/// The other program for this, in Python.
pub const MULTI: &str = "/usr/lib/ifupdown-multi.py";

/// Programs that run one after another.
pub type Steps = Vec<Command>;

/// A line of the shell.
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]);
    command
}

/// Runs programs one after another, and says how long that took.
pub fn run(steps: Steps) -> Duration {
    let started = Instant::now();
    for mut step in steps {
        let status = quiet(&mut step).status();
        let status = status.unwrap_or_else(|error| panic!("{step:?}: {error}"));
        assert!(status.success(), "{step:?}: {status}");
    }
    started.elapsed()
}

/// A program that neither reads nor talks.
pub fn quiet(step: &mut Command) -> &mut Command {
    step.stdin(Stdio::null()).stdout(Stdio::null())
}

/// The most memory that a program takes, in KiB; `name` is what it is called as.
pub fn memory(command: &Command, name: &str) -> u64 {
    let mut own = Command::new("/proc/self/exe");
    own.arg("--memory").arg(command.get_program()).arg(name);
    own.args(command.get_args());
    own.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = own.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("{text}"))
}

/// Called as `--memory PROGRAM NAME ARGUMENTS...`: runs a program, and says what memory it took at
/// most.
pub fn tell_memory(arguments: &[OsString]) {
    let [program, name, arguments @ ..] = arguments else {
        panic!("{arguments:?}")
    };
    let mut command = Command::new(program);
    let status = quiet(command.arg0(name).args(arguments)).status();
    assert!(status.unwrap().success());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    println!("{}", usage.max_rss());
}

/// An interface by its number.
#[derive(Clone, Copy)]
pub struct Interface(pub usize);

impl Interface {
    /// Its device: two ends of a pair are two interfaces.
    pub fn name(self) -> String {
        format!("v{}", self.0)
    }

    fn net(self) -> String {
        format!("10.{}.{}", 16 + self.0 / 256, self.0 % 256)
    }

    /// Its address with the prefix length.
    pub fn address(self) -> String {
        format!("{}.10/24", self.net())
    }

    /// A call as ifupdown makes it, with its variables and no others.
    fn hook(self, binary: &str, hook: &str, options: &[(&str, &str)]) -> Command {
        let mut command = Command::new(binary);
        let (name, net, up) = (self.name(), self.net(), hook.contains("if-up.d"));
        command.arg0(hook).env_clear();
        command.envs([
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("IFACE", name.as_str()),
            ("LOGICAL", name.as_str()),
            ("ADDRFAM", "inet"),
            ("METHOD", "static"),
            ("VERBOSITY", "0"),
            ("MODE", if up { "start" } else { "stop" }),
            ("PHASE", if up { "post-up" } else { "pre-down" }),
            ("IF_ADDRESS", &format!("{net}.10")),
            ("IF_NETMASK", "255.255.255.0"),
            ("IF_BROADCAST", &format!("{net}.255")),
        ]);
        command.envs(options.iter().copied());
        command
    }

    /// A program called as our hook of a stanza with a table.
    pub fn ours(self, binary: &str, hook: &str, table: &str) -> Command {
        let gateway = format!("{}.1", self.net());
        self.hook(
            binary,
            hook,
            &[("IF_POLICY_TABLE", table), ("IF_GATEWAY", &gateway)],
        )
    }

    /// Our hook of a stanza that has no options of ours.
    pub fn not_ours(self, binary: &str) -> Command {
        self.hook(binary, UP, &[])
    }

    /// The four `ip` commands that the hook stands for, without the word `ip`.
    fn commands(self, verb: &str) -> [String; 4] {
        let (name, net, table) = (self.name(), self.net(), 100_000 + self.0);
        [
            format!("route {verb} {net}.0/24 dev {name} src {net}.10 table {table}"),
            format!("route {verb} default via {net}.1 dev {name} table {table}"),
            format!("rule {verb} from {net}.10 lookup {table} priority 20000"),
            format!("rule {verb} to {net}.10 lookup {table} priority 20000"),
        ]
    }

    /// As `post-up` lines run them, each in a shell of its own, and `down` lines.
    pub fn lines(self, verb: &str) -> Steps {
        let commands = self.commands(verb).map(|line| shell(&format!("ip {line}")));
        let mut steps = Steps::from(commands);
        if verb == "del" {
            steps.reverse();
        }
        steps
    }

    /// All four by one `ip`.
    pub fn batch(self) -> Steps {
        let file = "/run/batch";
        fs::write(file, self.commands("add").join("\n")).unwrap();
        let mut command = Command::new("/sbin/ip");
        command.args(["-batch", file]);
        vec![command]
    }

    /// The hook of ifupdown-multi.
    pub fn multi(self, hook: &str) -> Steps {
        let gateway = format!("{}.1", self.net());
        let options = [
            ("IF_MULTI_TABLE", "7"),
            ("IF_MULTI_GATEWAY", gateway.as_str()),
        ];
        vec![self.hook(MULTI, hook, &options)]
    }
}
