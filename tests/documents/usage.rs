//! The command line as a user meets it, and the silence of a hook that has nothing to do.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_policy-table");
/// The one without commands.
const HOOK: &str = env!("CARGO_BIN_EXE_policy-table-hook");

/// Exit code, standard output and standard error.
type Said = (Option<i32>, String, String);

fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn run(arguments: &[&str]) -> Said {
    said(Command::new(PROGRAM).args(arguments))
}

#[test]
fn what_is_asked_for_is_on_standard_output() {
    for option in ["--help", "-h"] {
        let (code, out, err) = run(&[option]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{option}");
        assert!(
            out.starts_with("Usage: policy-table ") && out.ends_with('\n'),
            "{option}: {out}"
        );
        assert!(
            out.lines().all(|line| line.len() < 80),
            "wider than a terminal: {out}"
        );
    }
    let version = format!("policy-table {}\n", env!("CARGO_PKG_VERSION"));
    for option in ["--version", "-V"] {
        assert_eq!(
            run(&[option]),
            (Some(0), version.clone(), String::new()),
            "{option}"
        );
    }
}

#[test]
fn wrong_arguments_are_told_on_standard_error_with_exit_code_2() {
    for (arguments, word) in [
        (&[][..], "no command"),
        (&["--halp"], "\"--halp\"; did you mean \"--help\"?"),
        (&["-x"], "\"-x\""),
        (&["eth1"], "\"eth1\""),
        (&[""], "\"\""),
        (&["--help", "eth1"], "\"eth1\""),
        (&["--version", "--help"], "\"--help\""),
        (&["-hV"], "\"-hV\""),
        (&["--version=2"], "\"--version=2\""),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!(lines.len(), 2, "{arguments:?}: {err}");
        assert!(
            lines[0].starts_with("policy-table: ") && lines[0].contains(word),
            "{arguments:?}: {err}"
        );
        assert_eq!(lines[1], "Try 'policy-table --help'.");
    }
    let (code, _, err) = said(Command::new(PROGRAM).arg(OsStr::from_bytes(b"--\xff")));
    assert_eq!((code, err.lines().count()), (Some(2), 2), "{err}");
}

/// A stream whose other end is closed.
fn closed() -> Stdio {
    let (stream, other) = UnixStream::pair().unwrap();
    drop(other);
    OwnedFd::from(stream).into()
}

#[test]
fn a_closed_pipe_is_no_error() {
    let shell = |line: &str| said(Command::new("/bin/sh").args(["-c", line, PROGRAM]));
    for option in ["--help", "--version"] {
        let (code, _, err) = said(Command::new(PROGRAM).arg(option).stdout(closed()));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{option}");
        let (code, _, err) = shell(&format!("\"$0\" {option} >&-"));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{option} >&-");
        // The exit code is the program's, not that of the end of the pipe.
        let (code, out, err) = shell(&format!(
            "exec 3>&1; {{ \"$0\" {option}; echo $? >&3; }} | true"
        ));
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (Some(0), "0\n", ""),
            "{option} | true"
        );
    }
    let status = Command::new(PROGRAM)
        .arg("--halp")
        .stderr(closed())
        .status();
    assert_eq!(status.unwrap().code(), Some(2));
}

/// A program as a link in a hook folder.
fn link(folder: &str, program: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&folder).unwrap();
    let link = folder.join("00-policy-table");
    let _ = fs::remove_file(&link);
    symlink(program, &link).unwrap();
    link
}

#[test]
fn a_hook_without_work_is_silent() {
    const STANZA: [(&str, &str); 6] = [
        ("IFACE", "no-such-device"),
        ("LOGICAL", "no-such-device"),
        ("ADDRFAM", "inet"),
        ("METHOD", "static"),
        ("VERBOSITY", "1"),
        ("IF_ADDRESS", "192.0.2.10"),
    ];
    let option = ("IF_POLICY_TABLE", "200");
    let folders = ["if-up.d", "if-down.d"].map(|folder| [(folder, PROGRAM), (folder, HOOK)]);
    for (folder, program) in folders.concat() {
        let link = link(folder, program);
        for (mode, phase, options) in [
            ("", "", None),
            ("start", "post-up", None),
            ("start", "pre-up", Some(option)),
            ("stop", "pre-down", None),
            ("stop", "post-down", Some(option)),
        ] {
            let mut command = Command::new(&link);
            command.env_clear();
            if !mode.is_empty() {
                command
                    .envs(STANZA)
                    .envs(options)
                    .env("MODE", mode)
                    .env("PHASE", phase);
            }
            let silence = (Some(0), String::new(), String::new());
            assert_eq!(
                said(&mut command),
                silence,
                "{folder} {program} {mode} {phase} {options:?}"
            );
        }
    }
    // The same link elsewhere is the command.
    for (program, word) in [
        (PROGRAM, "no command"),
        (HOOK, "policy-table-hook: this is for ifup"),
    ] {
        let (code, out, err) = said(Command::new(link("elsewhere", program)).env_clear());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{program}");
        assert!(err.contains(word), "{program}: {err}");
    }
}
