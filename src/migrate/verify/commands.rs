//! The commands that are run in a trial: `ip`, `ifup` and `ifdown`, each for a limited time. What
//! they say goes into files, so that nothing is waited for that one of them leaves behind.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use super::compare::Seen;
use super::ip_output::{self, flag};
use super::sandbox::{TrialError, PATH};
use crate::routing::Family;

/// Is told what a trial is at.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);

/// Where a trial's interfaces file is.
pub const INTERFACES: &str = "/run/network/trial";

/// After how many seconds a command is ended.
const LIMIT: &str = "120";

pub fn set_up(what: &str, error: io::Error) -> TrialError {
    TrialError::SetUp(what.to_owned(), error)
}

/// What came of a command.
struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

/// Runs a command, or ends it after a while: the exit code is 124 then, or 137.
fn run(program: &str, arguments: &[&str], together: bool) -> Result<Ended, TrialError> {
    const OUT: [&str; 2] = ["/run/trial/out", "/run/trial/err"];
    let file = |path: &str| File::create(path).map_err(|error| set_up(path, error));
    let [out, err] = [file(OUT[0])?, file(OUT[1])?];
    let err = if together {
        out.try_clone().map_err(|error| set_up(OUT[0], error))?
    } else {
        err
    };
    let mut command = Command::new("timeout");
    let command = command
        .args(["-k", "5", LIMIT, program])
        .args(arguments)
        .env_clear()
        .process_group(0)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    let status = command
        .status()
        .map_err(|error| TrialError::Command(format!("cannot run {program}: {error}")))?;
    let text = |path: &str| {
        let bytes = fs::read(path).map_err(|error| set_up(path, error))?;
        Ok::<_, TrialError>(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Ended {
        status,
        out: text(OUT[0])?,
        err: text(OUT[1])?,
    })
}

/// Runs `ip` on some commands, of which all `must` succeed or any may fail, and returns both
/// outputs.
pub fn ip(options: &[&str], commands: &str, must: bool) -> Result<(String, String), TrialError> {
    const BATCH: &str = "/run/trial/batch";
    fs::write(BATCH, commands).map_err(|error| set_up(BATCH, error))?;
    let arguments = [options, &["-force", "-batch", BATCH]].concat();
    let said = run("ip", &arguments, false)?;
    if must && !said.status.success() {
        return Err(TrialError::Command(format!("ip: {}", said.err.trim())));
    }
    Ok((said.out, said.err))
}

/// Brings interfaces up, in this order.
pub fn bring_up(names: &[String], seen: &mut Seen, tell: Tell<'_>) -> Result<(), TrialError> {
    for name in names {
        tell(&format!("ifup {name}"));
        let (is_up, said) = configure("ifup", name)?;
        seen.said.extend(said);
        if !is_up {
            seen.failed.push(name.clone());
        }
    }
    Ok(())
}

/// Runs `ifup` or `ifdown`, and returns whether it succeeded, and what it said if that is worth
/// telling.
pub fn configure(program: &str, name: &str) -> Result<(bool, Option<String>), TrialError> {
    let said = run(program, &["-i", INTERFACES, name], false)?;
    let error = said.err.trim();
    let told = match said.status.code() {
        Some(0) => String::new(),
        Some(124 | 137) => " (ended after two minutes)".to_owned(),
        Some(code) => format!(" (exit code {code})"),
        None => " (killed)".to_owned(),
    };
    let worth = !told.is_empty() || !error.is_empty();
    let worth = worth.then(|| format!("{program} {name}{told}: {error}"));
    Ok((said.status.success(), worth))
}

/// What `ifup` runs and says for an interface, in the order in which it does.
pub fn told_of(name: &str) -> Result<String, TrialError> {
    Ok(run("ifup", &["-v", "-i", INTERFACES, name], true)?.out)
}

/// Puts down what is there.
pub fn look(seen: &mut Seen) -> Result<(), TrialError> {
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
