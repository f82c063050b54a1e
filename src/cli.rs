//! The command line. Floor 3.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use lexopt::Arg;

/// What `--help` prints.
pub const HELP: &str = "\
Usage: policy-table --help | --version

Gives an interface of ifupdown its own routing table. It is not run by hand:
ifup(8) and ifdown(8) run it from /etc/network/if-up.d and if-down.d, and it
acts on stanzas of interfaces(5) that have policy-* options, as in

    iface eth1 inet static
        address 10.10.0.10/24
        policy-table rt2

  -h, --help     print this text
  -V, --version  print the version

The options of a stanza are in policy-table-interfaces(5), the program itself
in policy-table(8).
";

/// Runs as a command; `arguments` are those behind the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match answer(lexopt::Parser::from_args(arguments)) {
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = writeln!(io::stderr(), "policy-table: cannot write: {error}");
                ExitCode::FAILURE
            }
            // Who closes the pipe early has read enough.
            _ => ExitCode::SUCCESS,
        },
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "policy-table: {error}\nTry 'policy-table --help'."
            );
            ExitCode::from(2)
        }
    }
}

fn answer(mut arguments: lexopt::Parser) -> Result<String, lexopt::Error> {
    let first = arguments
        .next()?
        .ok_or("nothing to do: ifup and ifdown run this program")?;
    let text = match first {
        Arg::Short('h') | Arg::Long("help") => HELP.to_owned(),
        Arg::Short('V') | Arg::Long("version") => {
            format!("policy-table {}\n", env!("CARGO_PKG_VERSION"))
        }
        other => return Err(other.unexpected()),
    };
    match arguments.next()? {
        None => Ok(text),
        Some(other) => Err(other.unexpected()),
    }
}
