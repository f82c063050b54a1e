//! `policy-table migrate`: lines behind `post-up` and its like become options. What becomes of
//! which line is found out in `migrate/`; here files are read and printed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{Arguments, Command, Opt, Trouble, Verdict, AS};
use super::drafted::{interfaces_of, read, table_names};
use super::move_over::{go_back_first, rehearse, write_files, MoveOver, NewFile};
use super::prove::{tell, verify, Proof};
use super::replace_files::{names_to_write, NotReplaced};
use super::running::Running;
use super::trial::{patience, Trial, CONFIRM};
use crate::converge::Snapshot;
use crate::ifupdown::interfaces::{main_file, Interfaces};
use crate::ifupdown::Caller;
use crate::migrate::{Draft, HostBits, Rewriting};
use crate::system::start_logging;
use crate::text::counted;

/// The command.
pub const COMMAND: Command = Command {
    name: "migrate",
    operands: "[FILE]",
    summary: "turn post-up lines with ip route and ip rule into options",
    about: "\
Rewrites those lines up, post-up, pre-up, down, pre-down and post-down of
FILE, or of /etc/network/interfaces and all that it sources, that run
\"ip route\" and \"ip rule\": policy-* options come in their place that leave
the same routes and rules. So it does with the options of ifupdown-multi. All
else stays as it is, byte for byte. What no option can say stays, too, and is
named with the reason.

Prints the new file.
Exit status: 0 if no such line stays, 1 if some do or --verify could not prove
all of it, 2 in case of an error.

With --write --now what is up moves over at once, without ifdown: what the
lines put in is taken out, and the options are in force. It asks whether that
shall stay, as apply --confirm does, and only then writes the files; else, and
if it is killed, it goes back, so that file and kernel fit together.",
    options: &[
        AS,
        CONFIRM,
        Opt::flag("diff", "print the changes only, as diff -u does"),
        Opt::flag("now", "with --write: move over what is up, too"),
        Opt::flag("write", "write the files; the old ones are kept"),
        Opt::flag(
            "verify",
            "bring both versions up in a namespace and compare",
        ),
    ],
    example: "policy-table migrate --verify --diff",
    run,
};

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let caller = arguments.caller()?;
    let main = main_file(caller);
    let path = arguments.only()?.map_or(main.as_path(), Path::new);
    let is_main = is_the_same(path, &main, caller);
    let patience = patience_of_now(arguments, is_main, &main)?;
    if patience.is_some() {
        start_logging(false);
        go_back_first(caller)?;
    }
    let interfaces = read(path, caller)?;
    let draft = Draft::of(&interfaces, &table_names());
    let (files, again) = each_once(draft.files());
    let mut remarks = draft.remarks();
    remarks.retain(|remark| !again.contains(remark.path.as_os_str()));
    for remark in &remarks {
        let place = format!("{}:{}", remark.path.display(), remark.line);
        tell(&format!("{place}: the line stays: {}", remark.reason));
    }
    for note in draft.notes() {
        let place = format!("{}:{}", note.path.display(), note.line);
        let HostBits { written, network } = note.reason;
        tell(&format!(
            "{place}: the kernel takes {written} for {network}, and so does the option"
        ));
    }
    let proof = arguments
        .has("verify")
        .then(|| verify(&draft))
        .transpose()?;
    let writes = arguments.has("write");
    if proof == Some(Proof::Differs) || proof == Some(Proof::NotUp) && writes {
        return Ok(Verdict::Bad);
    }
    let changed: Vec<&(&Path, Rewriting)> =
        files.iter().filter(|(_, file)| file.is_changed()).collect();
    if changed.is_empty() {
        tell("no line becomes an option");
    }
    if arguments.has("diff") {
        for (path, file) in &changed {
            out.write_all(&file.diff(&path.display().to_string()))?;
        }
    } else if !arguments.has("write") {
        print(&files, out)?;
    }
    let new = new_files(&changed);
    if let Some(patience) = patience {
        let moves = MoveOver::prepare(&draft, path, caller)?;
        let kept = move_over(patience, &moves, &new, out)?;
        tell_written(&changed, &kept);
    } else if writes {
        let kept = write_files(&new).map_err(|error| Trouble::Failed(error.to_string()))?;
        tell_written(&changed, &kept);
        if is_main {
            tell_how_to_move_over(&draft);
        }
    }
    let is_proven = proof.is_none_or(|proof| proof == Proof::Equal);
    Ok(if remarks.is_empty() && is_proven {
        Verdict::Good
    } else {
        Verdict::Differs
    })
}

/// Each new file once, and the further names of those that have several. ifupdown reads such a file as
/// often, and the first time decides.
fn each_once(files: Vec<(&Path, Rewriting)>) -> (Vec<(&Path, Rewriting)>, HashSet<&OsStr>) {
    let paths: Vec<&Path> = files.iter().map(|(path, _)| *path).collect();
    let names = names_to_write(&paths);
    // Two paths that differ in a `./` are equal; their spellings are not.
    let again = paths.iter().zip(&names).filter(|(_, name)| name.is_none());
    let again = again.map(|(path, _)| path.as_os_str()).collect();
    let files = files.into_iter().zip(names);
    let files = files.filter_map(|((_, file), name)| Some((name?, file)));
    (files.collect(), again)
}

/// Prints the new files, each under its name if there are several.
fn print(files: &[(&Path, Rewriting)], out: &mut dyn Write) -> io::Result<()> {
    for (path, file) in files {
        if files.len() > 1 {
            writeln!(out, "==> {} <==", path.display())?;
        }
        out.write_all(&file.after())?;
    }
    Ok(())
}

/// How interfaces that are up come to have their options in force: without `ifdown`, which would
/// cut off who is connected by them, and the guests of a bridge, and which would leave what the old
/// lines have put in, for they are gone.
fn tell_how_to_move_over(draft: &Draft<'_>) {
    let all = draft.taking_out();
    if all.is_empty() {
        return;
    }
    let up = Running::up_now().unwrap_or_default();
    tell("an interface that is up moves over by its line, in one go and without ifdown:");
    for (stanza, commands) in all {
        for interface in interfaces_of(stanza, &up) {
            let device = interface.device();
            let commands = commands
                .iter()
                .map(|command| command.command(stanza, device.as_str()));
            let commands = commands.collect::<Vec<_>>().join("; ");
            tell(&format!(
                "  policy-table plan {interface} >/dev/null && {{ {commands}; \
                 policy-table apply {interface}; }}"
            ));
        }
    }
}

/// The files that change.
fn new_files(files: &[&(&Path, Rewriting)]) -> Vec<NewFile> {
    let files = files.iter().map(|(path, file)| NewFile {
        path: path.to_path_buf(),
        before: file.before(),
        after: file.after(),
    });
    files.collect()
}

/// The files that a draft changes.
pub fn files_of(draft: &Draft<'_>) -> Vec<NewFile> {
    let (files, _) = each_once(draft.files());
    let changed: Vec<_> = files.iter().filter(|(_, file)| file.is_changed()).collect();
    new_files(&changed)
}

/// Whether a file is the one by which interfaces are up: that itself, or what it is a link to, where all
/// that it sources is the same.
fn is_the_same(path: &Path, main: &Path, caller: Caller) -> bool {
    let files = |path: &Path| {
        let files = Interfaces::read_as(path, caller).files.into_iter();
        files.map(|file| file.path).skip(1).collect::<Vec<_>>()
    };
    let real = |path: &Path| path.canonicalize().ok();
    path == main || main.is_symlink() && real(path) == real(main) && files(path) == files(main)
}

/// How long is waited for a yes, where what is up is to move over now.
/// Errors: it cannot be done in the way that is asked for.
fn patience_of_now(
    arguments: &Arguments,
    is_main: bool,
    main: &Path,
) -> Result<Option<Duration>, Trouble> {
    let patience = patience(arguments)?;
    let wrong = |why: &str| Err(Trouble::Usage(why.to_owned()));
    match (arguments.has("now"), patience) {
        (true, _) if !arguments.has("write") => wrong("--now: expected --write beside it"),
        (true, _) if !is_main => Err(Trouble::Usage(format!(
            "--now: expected {}, by which interfaces are up",
            main.display()
        ))),
        (true, None) => wrong(
            "--now: expected --confirm SECONDS beside it: it goes back unless somebody says yes",
        ),
        (false, Some(_)) => wrong("--confirm: expected --write --now beside it"),
        (_, patience) => Ok(patience),
    }
}

/// Moves over what is up, asks, and writes the files if that shall stay. Returns the names under which
/// the old ones are kept.
fn move_over(
    patience: Duration,
    moves: &MoveOver,
    files: &[NewFile],
    out: &mut dyn Write,
) -> Result<Vec<PathBuf>, Trouble> {
    let failed = |error: NotReplaced| Trouble::Failed(error.to_string());
    rehearse(files).map_err(failed)?;
    let mut kept = Vec::new();
    let keep = |before: &Snapshot| {
        moves.check_unchanged(before)?;
        kept = write_files(files).map_err(failed)?;
        Ok(())
    };
    let change = |before: &Snapshot, said: &mut Vec<u8>| moves.change(before, said);
    Trial::prepare(patience)?.run(&moves.goes_back, change, keep, out)?;
    Ok(kept)
}

fn tell_written(files: &[&(&Path, Rewriting)], kept: &[PathBuf]) {
    for ((path, file), kept) in files.iter().zip(kept) {
        let (removed, added) = file.counts();
        tell(&format!(
            "{}: {} gave way to {}; the old file is {}",
            path.display(),
            counted(removed, "line", "lines"),
            counted(added, "option", "options"),
            kept.display()
        ));
    }
}
