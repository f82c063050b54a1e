//! The program `policy-table`: its commands, one file each.
//!
//! - `command.rs`: what a command is; how its arguments are read, what its help says, how it ends
//!   (`Verdict`, `Trouble`);
//! - `running.rs`: which interfaces are up, beside the stanzas that the file has for them now;
//! - `trial.rs`: a change that goes back unless somebody says yes to its `question.rs`; where the run
//!   that asks is killed, its `guard.rs` goes back, which does what `stand_guard.rs` says;
//! - `summary.rs`: the first line of `status`;
//! - `keeping.rs`: what it tells of the keeper;
//! - `status.rs`: how the stanzas stand, for people and as JSON;
//! - `ip_words.rs`: what of a plan the `ip` of this host does not know;
//! - `plan.rs`: what would be done, as `ip` commands; `apply --dry-run` is the same;
//! - `apply.rs`: brings what is up in step with the file; asks before it cuts off who types;
//! - `confirm.rs`: says yes to that question from another session;
//! - `keep.rs`: keeps in force what the records hold, or looks once;
//! - `pause.rs`: has that repair nothing for a while, and ends it;
//! - `flush.rs`: takes out what was put in;
//! - `check.rs`, `explain.rs`: print what the folders `check` and `explain` find;
//! - `replace_files.rs`: several files in the place of others, all or none;
//! - `move_over.rs`: what is up gets the options of a new file for what the lines of the old put in;
//! - `prove.rs`: tells what `migrate --verify` finds;
//! - `migrate.rs`: prints the files that `migrate` makes, or has them written.
//!
//! This file says which command is meant and turns its end into an exit code. A new command is a
//! file with its `COMMAND`, a line in `COMMANDS` below, its part of policy-table(8) and of the
//! completion.
//!
//! Commands read arguments, call what the other folders do, and print: what is right or to be done is
//! decided there. Of files only `replace_files.rs` opens some itself. Hooks never come here.

mod command;
mod running;
mod guard;
mod question;
mod drafted;
mod cut_short;
mod trial;
mod summary;
mod keeping;
mod status;
mod ip_words;
mod plan;
mod apply;
mod confirm;
mod keep;
mod pause;
mod flush;
mod check;
mod explain;
mod beside_the_bytes;
mod replace_files;
mod move_over;
mod prove;
mod migrate;
mod stand_guard;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use crate::system::{outlive_limits, NAME};
use crate::text::{nearest, Hint};
use command::{Arguments, Command, Trouble, Verdict};

/// The commands, in the order of `--help`.
pub const COMMANDS: &[Command] = &[
    apply::COMMAND,
    confirm::COMMAND,
    keep::COMMAND,
    pause::PAUSE,
    pause::RESUME,
    flush::COMMAND,
    status::COMMAND,
    plan::COMMAND,
    check::COMMAND,
    explain::COMMAND,
    migrate::COMMAND,
];

/// What `--help` prints around the commands.
const USAGE: &str = "\
Usage: policy-table COMMAND [OPTIONS] [ARGUMENTS]
       policy-table --help | --version

Gives an interface of ifupdown its own routing table. ifup(8) and ifdown(8)
run its hooks in /etc/network/if-up.d and if-down.d (those of ifupdown2 and
ifupdown-ng: if-post-up.d and if-pre-down.d), which act on stanzas of
interfaces(5) that have policy-* options, as in

    iface eth1 inet static
        address 10.10.0.10/24
        policy-table rt2
";

const OPTIONS: &str = "
  -h, --help     print this text, or that of a command
  -V, --version  print the version

The options of a stanza are in policy-table-interfaces(5), the commands and
the hooks in policy-table(8).
";

/// What `--help` prints.
pub fn help() -> String {
    let mut text = USAGE.to_owned();
    text += "\nCommands:\n";
    for command in COMMANDS {
        let _ = writeln!(text, "  {:<13}  {}", command.name, command.summary);
    }
    text + OPTIONS
}

/// Runs the program; `arguments` are those behind its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    outlive_limits();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut arguments = arguments.into_iter();
    let first = arguments.next();
    if first.as_deref() == Some(guard::WORD.as_ref()) {
        return stand_guard::run(arguments);
    }
    let command = COMMANDS
        .iter()
        .find(|command| first.as_deref() == Some(command.name.as_ref()));
    let mut done = match command {
        Some(command) => run_command(command, arguments, &mut out),
        None => run_without_command(first, arguments, &mut out),
    };
    match out.flush() {
        // What was found or done is known by now, whether it is read or not.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            done = done.and(Err(error.into()));
        }
        _ => {}
    }
    let verdict = match done {
        Ok(verdict) => verdict,
        // Who closes the pipe early has read enough.
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Verdict::Good,
        Err(trouble) => {
            tell(&trouble, command);
            Verdict::Bad
        }
    };
    match verdict {
        Verdict::Good => ExitCode::SUCCESS,
        Verdict::Differs => ExitCode::from(1),
        Verdict::Bad => ExitCode::from(2),
    }
}

fn tell(trouble: &Trouble, command: Option<&Command>) {
    let _ = writeln!(io::stderr(), "{NAME}: {trouble}");
    if matches!(trouble, Trouble::Usage(_)) {
        let command = command.map(|command| format!(" {}", command.name));
        let command = command.unwrap_or_default();
        let _ = writeln!(io::stderr(), "Try '{NAME}{command} --help'.");
    }
}

fn run_command(
    command: &Command,
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
) -> Result<Verdict, Trouble> {
    let arguments = Arguments::read(command, arguments)?;
    if arguments.help {
        out.write_all(command.help().as_bytes())?;
        return Ok(Verdict::Good);
    }
    (command.run)(&arguments, out)
}

/// Prints the help or the version of the program.
fn run_without_command(
    first: Option<OsString>,
    rest: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
) -> Result<Verdict, Trouble> {
    let Some(first) = first else {
        return Err(Trouble::Usage("no command is named".to_owned()));
    };
    let text = match first.to_str() {
        Some("-h" | "--help") => help(),
        Some("-V" | "--version") => format!("{NAME} {}\n", env!("CARGO_PKG_VERSION")),
        _ => return Err(unknown(&first.to_string_lossy())),
    };
    if let Some(more) = rest.into_iter().next() {
        return Err(Trouble::Usage(format!("unexpected argument {more:?}")));
    }
    out.write_all(text.as_bytes())?;
    Ok(Verdict::Good)
}

fn unknown(word: &str) -> Trouble {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let (kind, near) = if word.starts_with('-') {
        ("option", nearest(word, &["--help", "--version"]))
    } else {
        ("command", nearest(word, &names))
    };
    let near = Hint(near.as_deref());
    Trouble::Usage(format!("there is no {kind} {word:?}{near}"))
}
