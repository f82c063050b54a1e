//! Running a trial: interfaces are brought up with the real `ifup` in namespaces of their own, and
//! what is there then is looked at. The judge is `ip`, which knows nothing of this program, and so
//! here alone it is run.
//!
//! What other packages have for ifupdown to run is left out, and veth devices stand in for the
//! interfaces.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::compare::Seen;
use super::ip_output::{self, flag};
use super::lookups::{queries, Query};
use super::machine::Machine;
use super::sandbox::{Sandbox, TrialError, PATH, PROGRAM};
use crate::ifupdown::Direction;
use crate::routing::{Family, PROTOCOL};

/// The program of ifupdown-multi.
pub const MULTI: &str = "/usr/lib/ifupdown-multi.py";

/// The folders whose programs ifupdown runs, or ifupdown2 and ifupdown-ng.
const HOOK_FOLDERS: [&str; 6] = [
    "if-pre-up.d",
    "if-up.d",
    "if-post-up.d",
    "if-pre-down.d",
    "if-down.d",
    "if-post-down.d",
];

/// Where a trial's interfaces file is.
const INTERFACES: &str = "/run/network/trial";

/// Brings a text of interfaces(5) up and down again. The kernel is asked the same as in an earlier
/// trial, or, without one, what follows from the routes and rules that are found.
pub fn run_trial(
    machine: &Machine,
    text: &[u8],
    earlier: Option<&Seen>,
) -> Result<Seen, TrialError> {
    // The namespaces are those of a thread, and gone with it.
    let ran = std::thread::scope(|scope| {
        let ran = scope.spawn(|| {
            let _sandbox = enter(machine)?;
            fs::write(INTERFACES, text).map_err(|error| set_up(INTERFACES, error))?;
            run(machine, earlier)
        });
        ran.join()
    });
    ran.unwrap_or(Err(TrialError::Broken))
}

fn set_up(what: &str, error: io::Error) -> TrialError {
    TrialError::SetUp(what.to_owned(), error)
}

/// Goes into namespaces of its own and sets the machine up there.
fn enter(machine: &Machine) -> Result<Sandbox, TrialError> {
    let sandbox = Sandbox::enter(&machine.program)?;
    hooks().map_err(|error| set_up("/etc/network", error))?;
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
    devices(machine)?;
    Ok(sandbox)
}

/// Has ifupdown run this program's hooks and no others but ifupdown-multi's, whose options lines
/// may have to be compared with.
fn hooks() -> io::Result<()> {
    for phase in HOOK_FOLDERS {
        let folder = Path::new("/etc/network").join(phase);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let own = folder.join("policy-table");
        if Direction::of_path(own.as_os_str()).is_some() {
            symlink(PROGRAM, own)?;
        }
        if matches!(phase, "if-up.d" | "if-down.d") && Path::new(MULTI).exists() {
            symlink(MULTI, folder.join("ifupdown-multi"))?;
        }
    }
    Ok(())
}

/// What other packages, and the administrator, have for ifupdown to run and a trial leaves out.
pub fn other_hooks() -> Vec<PathBuf> {
    let is_kept = |path: &Path| {
        let target = fs::canonicalize(path).unwrap_or_default();
        let program = target.file_name().unwrap_or_default();
        program == "policy-table-hook" || target == Path::new(MULTI)
    };
    let folders = HOOK_FOLDERS.map(|phase| Path::new("/etc/network").join(phase));
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let files = files.flatten().flatten().map(|file| file.path());
    let mut hooks: Vec<PathBuf> = files.filter(|path| !is_kept(path)).collect();
    hooks.sort();
    hooks
}

/// Makes the devices, and what comes from elsewhere than the file.
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

/// Runs `ip` on some commands, of which all `must` succeed or any may fail, and returns both
/// outputs.
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
    let command = command
        .env_clear()
        .process_group(0)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .output()
        .map_err(|error| TrialError::Command(format!("cannot run {program}: {error}")))
}

fn run(machine: &Machine, earlier: Option<&Seen>) -> Result<Seen, TrialError> {
    let mut seen = Seen::default();
    for name in &machine.interfaces {
        let (is_up, said) = configure("ifup", name)?;
        seen.said.extend(said);
        if !is_up {
            seen.failed.push(name.clone());
        }
    }
    look(&mut seen)?;
    let queries: Vec<Query> = match earlier {
        Some(earlier) => earlier.queries().cloned().collect(),
        None => queries(&seen.routes, &seen.rules, &seen.addresses, &machine.devices),
    };
    for family in Family::ALL {
        let of_family = queries.iter().filter(|query| query.family == family);
        let of_family: Vec<&Query> = of_family.collect();
        seen.lookups.extend(ask(family, &of_family)?);
    }
    for name in machine.interfaces.iter().rev() {
        seen.said.extend(configure("ifdown", name)?.1);
    }
    seen.left = left()?;
    Ok(seen)
}

/// Runs `ifup` or `ifdown`, and returns whether it succeeded, and what it said if that is worth
/// telling.
fn configure(program: &str, name: &str) -> Result<(bool, Option<String>), TrialError> {
    let mut command = Command::new(program);
    let said = output(command.args(["-i", INTERFACES, name]))?;
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    let told = match said.status.code() {
        Some(0) => String::new(),
        Some(code) => format!(" (exit code {code})"),
        None => " (killed)".to_owned(),
    };
    let worth = !told.is_empty() || !error.trim().is_empty();
    let worth = worth.then(|| format!("{program} {name}{told}: {}", error.trim()));
    Ok((said.status.success(), worth))
}

fn look(seen: &mut Seen) -> Result<(), TrialError> {
    for family in Family::ALL {
        let flag = flag(family);
        let (printed, _) = ip(&["-N", "-o", flag], "route show table all\n", false)?;
        seen.routes.extend(ip_output::routes(family, &printed)?);
        let (printed, _) = ip(&["-N", flag], "rule show\n", false)?;
        ip_output::add_rules(family, &printed, seen);
    }
    let (printed, _) = ip(&["-o"], "address show scope global\n", false)?;
    seen.addresses.extend(ip_output::addresses(&printed));
    Ok(())
}

/// Asks the kernel, and puts each answer beside its question.
fn ask(family: Family, queries: &[&Query]) -> Result<Vec<(Query, String)>, TrialError> {
    let commands: Vec<String> = queries.iter().map(ToString::to_string).collect();
    let (printed, errors) = ip(&["-N", "-o", flag(family)], &commands.join("\n"), false)?;
    Ok(ip_output::answers(queries, &printed, &errors)?)
}

/// Rules and tagged routes that are there still.
fn left() -> Result<Vec<String>, TrialError> {
    let mut left = Vec::new();
    for family in Family::ALL {
        let flag = flag(family);
        let (printed, _) = ip(&["-N", flag], "rule show\n", false)?;
        left.extend(ip_output::rules_left(&printed).map(str::to_owned));
        let tagged = format!("route show table all proto {PROTOCOL}\n");
        let (printed, _) = ip(&["-N", flag], &tagged, false)?;
        left.extend(printed.lines().map(str::to_owned));
    }
    Ok(left)
}
