//! `policy-table migrate`: prints or writes the file in which lines behind `post-up` and its like have
//! become options.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{fchown, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::command::{Arguments, Command, Opt, Trouble, Verdict};
use crate::ifupdown::interfaces::{Interfaces, FILE};
use crate::migrate::verify::{bring_up, differences, machine};
use crate::migrate::{Draft, Rewriting};
use crate::system::NAME;
use crate::tables::Registry;

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

Prints the new file. The exit code is 0 if no such line stays, 1 if some do,
2 in case of an error.",
    options: &[
        Opt::flag("diff", "print the changes only, as diff -u does"),
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
    let path = arguments.only()?.unwrap_or(FILE);
    let interfaces = read(Path::new(path))?;
    let names = RefCell::new(Registry::below(Path::new("/")).names());
    let lookup = |name: &str| {
        let id = names.borrow_mut().id(&name.parse().ok()?, None, |_| false);
        id.ok().map(|registered| registered.id)
    };
    let draft = Draft::of(&interfaces, &lookup);
    let files = draft.files();
    let remarks = draft.remarks();
    for remark in &remarks {
        let place = format!("{}:{}", remark.path.display(), remark.line);
        tell(&format!("{place}: the line stays: {}", remark.reason));
    }
    if arguments.has("verify") && !verify(&draft)? {
        return Ok(Verdict::Bad);
    }
    let changed: Vec<&(&Path, Rewriting)> =
        files.iter().filter(|(_, file)| file.is_changed()).collect();
    if changed.is_empty() {
        tell("no line becomes an option");
    }
    let (diff, write) = (arguments.has("diff"), arguments.has("write"));
    if diff {
        for (path, file) in &changed {
            out.write_all(&file.diff(&path.display().to_string()))?;
        }
    }
    if write {
        replace(&changed)?;
    }
    if !diff && !write {
        print(&files, out)?;
    }
    Ok(if remarks.is_empty() {
        Verdict::Good
    } else {
        Verdict::Differs
    })
}

fn print(files: &[(&Path, Rewriting)], out: &mut dyn Write) -> io::Result<()> {
    for (path, file) in files {
        if files.len() > 1 {
            writeln!(out, "==> {} <==", path.display())?;
        }
        out.write_all(&file.after())?;
    }
    Ok(())
}

fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{NAME}: {text}");
}

fn read(path: &Path) -> Result<Interfaces, Trouble> {
    let interfaces = Interfaces::read(path);
    if let Some((path, error)) = interfaces.unread.first() {
        return Err(Trouble::Failed(format!(
            "cannot read {}: {error}",
            path.display()
        )));
    }
    // ifupdown reads no further than this: the rest would be rewritten on a guess.
    for file in &interfaces.files {
        if let Some(fault) = file.text.faults.iter().find(|fault| fault.kind.stops()) {
            let place = format!("{}:{}", file.path.display(), fault.place.0);
            return Err(Trouble::Failed(format!("{place}: {}", fault.kind)));
        }
    }
    Ok(interfaces)
}

/// Brings both versions up, and says whether they are equal.
fn verify(draft: &Draft<'_>) -> Result<bool, Trouble> {
    let failed = |error: &dyn std::fmt::Display| Trouble::Failed(format!("--verify: {error}"));
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let machine = machine(draft.stanzas(), program);
    let before =
        bring_up(&machine, &draft.for_trial(false), None).map_err(|error| failed(&error))?;
    let asked: Vec<_> = before
        .lookups
        .iter()
        .map(|(query, _)| query.clone())
        .collect();
    let after =
        bring_up(&machine, &draft.for_trial(true), Some(&asked)).map_err(|error| failed(&error))?;
    for (version, seen) in [("before", &before), ("after", &after)] {
        for said in &seen.said {
            tell(&format!("--verify: {version}: {said}"));
        }
    }
    let differences = differences(&before, &after);
    for difference in &differences {
        tell(&format!("--verify: {difference}"));
    }
    let equal = differences.is_empty();
    tell(&format!(
        "--verify: {} routes, {} rules and {} look-ups are {}",
        before.routes.len(),
        before.rules.len(),
        before.lookups.len(),
        if equal {
            "equal before and after"
        } else {
            "not equal; nothing is written"
        },
    ));
    Ok(equal)
}

/// Replaces all files or none: each is complete beside the old one before the first is replaced.
fn replace(files: &[&(&Path, Rewriting)]) -> Result<(), Trouble> {
    let mut ready: Vec<PathBuf> = Vec::new();
    let prepared = files.iter().try_for_each(|(path, file)| {
        ready.push(prepare(path, file).map_err(|error| unwritten(path, &error))?);
        Ok(())
    });
    if prepared.is_err() {
        for new in &ready {
            let _ = fs::remove_file(new);
        }
        return prepared;
    }
    for ((path, file), new) in files.iter().zip(ready) {
        let kept = keep(path).map_err(|error| unwritten(path, &error))?;
        fs::rename(&new, path).map_err(|error| unwritten(path, &error))?;
        let (removed, added) = file.counts();
        tell(&format!(
            "{}: {removed} lines gave way to {added} options; the old file is {}",
            path.display(),
            kept.display()
        ));
    }
    Ok(())
}

fn unwritten(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Failed(format!("cannot write {}: {error}", path.display()))
}

/// A name beside a file that no `source /etc/network/interfaces.d/*` finds: wildcards leave out
/// names that begin with a dot.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

/// Writes the new file under another name, with the old one's owner and mode.
fn prepare(path: &Path, file: &Rewriting) -> io::Result<PathBuf> {
    let old = fs::symlink_metadata(path)?;
    if old.file_type().is_symlink() {
        let target = fs::canonicalize(path)?;
        let said = format!("it is a link; name the file itself, {}", target.display());
        return Err(io::Error::other(said));
    }
    if !old.is_file() || old.nlink() > 1 {
        return Err(io::Error::other("it is not a file of one name"));
    }
    if fs::read(path)? != file.before() {
        return Err(io::Error::other("it has changed meanwhile"));
    }
    let new = beside(path, "after-migrate");
    let _ = fs::remove_file(&new);
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    let written = target
        .write_all(&file.after())
        .and_then(|()| fchown(&target, Some(old.uid()), Some(old.gid())))
        .and_then(|()| target.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777)))
        .and_then(|()| target.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    Ok(new)
}

/// Keeps the old file under a name that is not taken.
fn keep(path: &Path) -> io::Result<PathBuf> {
    let mut kept = beside(path, "before-migrate");
    for n in 2.. {
        match fs::hard_link(path, &kept) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                kept = beside(path, &format!("before-migrate.{n}"));
            }
            linked => {
                linked?;
                break;
            }
        }
    }
    if let Some(folder) = path.parent() {
        // The names are to outlive a power cut, too.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(kept)
}
