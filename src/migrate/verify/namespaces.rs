//! Bringing interfaces up with the real `ifup` in namespaces of their own, and looking at what is
//! there then. The judge is `ip`, which knows nothing of this program, and so here alone
//! it is run.
//!
//! Nothing outside changes: network, `/run` and `/etc` are private to a thread, what other
//! packages have for ifupdown to run is left out, and veth devices stand in for the interfaces.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{mount, MsFlags};
use nix::sched::{unshare, CloneFlags};
use thiserror::Error;

use super::compare::Seen;
use super::lookups::{queries, Query};
use crate::routing::syntax::route_kind_name;
use crate::routing::{Family, Route, Rule, PROTOCOL};

/// What stands in for the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// The devices.
    pub devices: Vec<String>,
    /// Addresses, with their lengths, that devices have from elsewhere than the file.
    pub addresses: Vec<(String, String)>,
    /// Routers that are reached directly by a device.
    pub routers: Vec<(String, IpAddr)>,
    /// Files in `/etc` that are others than the machine's.
    pub files: Vec<(PathBuf, String)>,
    /// The stanzas to bring up, in order.
    pub names: Vec<String>,
    /// The program that the hooks lead to.
    pub program: PathBuf,
}

/// Why there is no trial.
#[derive(Debug, Error)]
pub enum TrialError {
    /// Not root, or in a container that may not.
    #[error("cannot make namespaces of its own: {0}; run as root")]
    Namespaces(nix::Error),
    /// Something in them could not be put in place.
    #[error("cannot set up {0}: {1}")]
    SetUp(String, io::Error),
    /// A command could not be run, or failed where it must not.
    #[error("{0}")]
    Command(String),
    /// What `ip` prints was not understood.
    #[error("cannot read what ip printed: {0}")]
    Output(String),
    /// The thread ended by itself.
    #[error("the trial broke off")]
    Broken,
}

/// The program of ifupdown-multi.
pub const MULTI: &str = "/usr/lib/ifupdown-multi.py";

/// Where a trial's interfaces file is.
const INTERFACES: &str = "/run/network/trial";

/// Brings a text of interfaces(5) up and down again. The kernel is asked `asked`, or, where that
/// is none, what follows from the routes and rules that were found.
pub fn bring_up(
    machine: &Machine,
    text: &[u8],
    asked: Option<&[Query]>,
) -> Result<Seen, TrialError> {
    // The namespaces are those of a thread, and gone with it.
    let ran = std::thread::scope(|scope| {
        let ran = scope.spawn(|| {
            enter(machine)?;
            fs::write(INTERFACES, text).map_err(|error| set_up(INTERFACES, error))?;
            run(machine, asked)
        });
        ran.join()
    });
    ran.unwrap_or(Err(TrialError::Broken))
}

fn set_up(what: &str, error: io::Error) -> TrialError {
    TrialError::SetUp(what.to_owned(), error)
}

fn enter(machine: &Machine) -> Result<(), TrialError> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).map_err(TrialError::Namespaces)?;
    let bind = |kind: Option<&str>, target: &str, flags, data: Option<&str>| {
        mount(kind, target, kind, flags, data).map_err(|error| set_up(target, error.into()))
    };
    bind(None, "/", MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    bind(Some("tmpfs"), "/run", MsFlags::empty(), Some("mode=755"))?;
    for folder in ["/run/trial/etc", "/run/trial/work", "/run/network"] {
        fs::create_dir_all(folder).map_err(|error| set_up(folder, error))?;
    }
    let layers = "lowerdir=/etc,upperdir=/run/trial/etc,workdir=/run/trial/work";
    bind(Some("overlay"), "/etc", MsFlags::empty(), Some(layers))?;
    hooks(&machine.program).map_err(|error| set_up("/etc/network", error))?;
    for (path, text) in &machine.files {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
        written.map_err(|error| set_up(&path.display().to_string(), error))?;
    }
    // Addresses are usable at once; where the file is not there IPv6 is not, either.
    for file in [
        "default/accept_dad",
        "default/autoconf",
        "default/router_solicitations",
    ] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{file}"), "0");
    }
    devices(machine)
}

/// Leaves this program's hooks alone, and ifupdown-multi's, which it may be compared with.
fn hooks(program: &Path) -> io::Result<()> {
    for phase in ["if-pre-up.d", "if-up.d", "if-down.d", "if-post-down.d"] {
        let folder = Path::new("/etc/network").join(phase);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        if phase == "if-up.d" || phase == "if-down.d" {
            symlink(program, folder.join("policy-table"))?;
            if Path::new(MULTI).exists() {
                symlink(MULTI, folder.join("ifupdown-multi"))?;
            }
        }
    }
    Ok(())
}

fn devices(machine: &Machine) -> Result<(), TrialError> {
    let (mut batch, mut quiet) = (String::from("link set lo up\n"), String::new());
    for (n, device) in machine.devices.iter().enumerate() {
        // Hardware addresses that are always the same, for those of IPv6 follow from them.
        let (low, high) = (n % 256, n / 256 % 256);
        let _ = writeln!(
            batch,
            "link add {device} address 02:00:00:00:{high:02x}:{low:02x} type veth \
             peer name trial{n} address 02:00:00:01:{high:02x}:{low:02x}"
        );
        // Without the addresses that IPv6 makes up at a moment of its own.
        let _ = write!(
            quiet,
            "link set {device} addrgenmode none\nlink set trial{n} addrgenmode none\n\
             link set trial{n} up\n"
        );
    }
    ip(&[], &batch, true)?;
    ip(&[], &quiet, false)?;
    // An interface that is configured by something else is up already.
    let mut batch = String::new();
    for (device, address) in &machine.addresses {
        let _ = write!(
            batch,
            "link set {device} up\naddress add {address} dev {device}\n"
        );
    }
    for (device, router) in &machine.routers {
        let family = if router.is_ipv6() { "-6 " } else { "" };
        let _ = writeln!(batch, "{family}route add {router} dev {device}");
    }
    ip(&[], &batch, false)?;
    Ok(())
}

/// Runs `ip` on some commands, and returns both outputs.
fn ip(options: &[&str], commands: &str, must: bool) -> Result<(String, String), TrialError> {
    const BATCH: &str = "/run/trial/batch";
    fs::write(BATCH, commands).map_err(|error| set_up(BATCH, error))?;
    let mut command = Command::new("ip");
    command.args(options).args(["-force", "-batch", BATCH]);
    let said = output(&mut command)?;
    if must && !said.status.success() {
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        return Err(TrialError::Command(format!("ip: {}", error.trim())));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&said.stdout), text(&said.stderr)))
}

fn output(command: &mut Command) -> Result<std::process::Output, TrialError> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let command = command
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .output()
        .map_err(|error| TrialError::Command(format!("cannot run {program}: {error}")))
}

fn run(machine: &Machine, asked: Option<&[Query]>) -> Result<Seen, TrialError> {
    let mut seen = Seen::default();
    for name in &machine.names {
        seen.said.extend(configure("ifup", name)?);
    }
    look(&mut seen)?;
    let queries = asked.map_or_else(
        || queries(&seen.routes, &seen.rules, &seen.addresses, &machine.devices),
        <[Query]>::to_vec,
    );
    for family in Family::ALL {
        let of_family = queries.iter().filter(|query| query.family == family);
        let of_family: Vec<&Query> = of_family.collect();
        seen.lookups.extend(ask(family, &of_family)?);
    }
    for name in machine.names.iter().rev() {
        seen.said.extend(configure("ifdown", name)?);
    }
    seen.left = left()?;
    Ok(seen)
}

/// Runs `ifup` or `ifdown`, and returns what it said if that is worth telling.
fn configure(program: &str, name: &str) -> Result<Option<String>, TrialError> {
    let mut command = Command::new(program);
    let said = output(command.args(["-i", INTERFACES, name]))?;
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    let told = match said.status.code() {
        Some(0) => String::new(),
        Some(code) => format!(" (exit code {code})"),
        None => " (killed)".to_owned(),
    };
    let worth = !told.is_empty() || !error.trim().is_empty();
    Ok(worth.then(|| format!("{program} {name}{told}: {}", error.trim())))
}

fn look(seen: &mut Seen) -> Result<(), TrialError> {
    for family in Family::ALL {
        let flag = if family == Family::Inet { "-4" } else { "-6" };
        let bad = |line: &str| TrialError::Output(line.to_owned());
        let (routes, _) = ip(&["-N", "-o", flag], "route show table all\n", false)?;
        for line in routes.lines() {
            let spelled = format!("{flag} {}", with_kind(line));
            let route: Route = spelled.parse().map_err(|_| bad(line))?;
            seen.routes.push(Route {
                protocol: 0,
                ..route
            });
        }
        let (rules, _) = ip(&["-N", flag], "rule show\n", false)?;
        for line in rules.lines() {
            // Prefixes with host bits are the kernel's, and no others' here.
            match line.parse::<Rule>() {
                Ok(rule) => seen.rules.push(Rule { family, ..rule }),
                Err(_) => seen.strange.push(format!("{flag} {line}")),
            }
        }
    }
    let (addresses, _) = ip(&["-o"], "address show scope global\n", false)?;
    for line in addresses.lines() {
        let words = line.split_whitespace();
        let mut words = words.skip_while(|word| !word.starts_with("inet"));
        let word = words.nth(1).unwrap_or_default();
        let address = word.split('/').next().unwrap_or_default();
        seen.addresses.extend(address.parse::<IpAddr>().ok());
    }
    Ok(())
}

/// A line of `ip -N route show`, which has the kind of a route as a number, with the word.
fn with_kind(line: &str) -> String {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first.parse() {
        Ok(number) => format!("{} {rest}", route_kind_name(number)),
        Err(_) => line.to_owned(),
    }
}

/// Asks the kernel, and puts each answer beside its question.
fn ask(family: Family, queries: &[&Query]) -> Result<Vec<(Query, String)>, TrialError> {
    let flag = if family == Family::Inet { "-4" } else { "-6" };
    let commands: Vec<String> = queries.iter().map(ToString::to_string).collect();
    let (out, err) = ip(&["-N", "-o", flag], &commands.join("\n"), false)?;
    let mut failed: Vec<(usize, String)> = Vec::new();
    let mut why = "";
    for line in err.lines() {
        match line
            .strip_prefix("Command failed ")
            .and_then(|place| place.rsplit(':').next())
        {
            Some(number) => {
                failed.extend(number.parse().ok().map(|number| (number, why.to_owned())));
            }
            None => why = line,
        }
    }
    let mut answers = out.lines();
    let mut lookups = Vec::new();
    for (n, query) in queries.iter().enumerate() {
        let error = failed.iter().find(|(number, _)| *number == n + 1);
        let answer = match error {
            Some((_, error)) => error.clone(),
            None => plain(
                answers
                    .next()
                    .ok_or_else(|| TrialError::Output(query.to_string()))?,
            ),
        };
        lookups.push(((*query).clone(), answer));
    }
    Ok(lookups)
}

/// An answer without who put the route there, and without what is only remembered.
fn plain(answer: &str) -> String {
    let mut words: Vec<&str> = answer.split_whitespace().collect();
    words.retain(|word| !matches!(*word, "\\" | "cache"));
    // The table of an own address is told only once there have been rules of anybody's.
    let told = |words: &[&str]| {
        let mut pairs = words.windows(2);
        pairs.position(|pair| pair.first() == Some(&"proto") || pair == ["table", "255"])
    };
    while let Some(at) = told(&words) {
        words.drain(at..at + 2);
    }
    words.join(" ")
}

/// Rules and tagged routes that are there still.
fn left() -> Result<Vec<String>, TrialError> {
    let mut left = Vec::new();
    for flag in ["-4", "-6"] {
        let (rules, _) = ip(&["-N", flag], "rule show\n", false)?;
        let own = ["0:", "32766:", "32767:"];
        let others = rules
            .lines()
            .filter(|line| !own.iter().any(|own| line.starts_with(own)));
        left.extend(others.map(str::to_owned));
        let tagged = format!("route show table all proto {PROTOCOL}\n");
        let (routes, _) = ip(&["-N", flag], &tagged, false)?;
        left.extend(routes.lines().map(str::to_owned));
    }
    Ok(left)
}
