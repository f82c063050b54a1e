//! What all commands have in common: how they are declared, how their arguments are read, and how
//! they end.
//!
//! A command is a value; its help, the reading of its arguments, the did-you-mean and the tests of
//! the manual page and the completion go by that value.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use lexopt::Arg;
use thiserror::Error;

use crate::converge::Failure;
use crate::ifupdown::Caller;
use crate::netlink::KernelError;
use crate::routing::InterfaceName;
use crate::system::NotPermitted;
use crate::text::{nearest, Hint};

/// A command, as its help tells of it.
#[derive(Debug)]
pub struct Command {
    pub name: &'static str,
    /// What it takes besides options, as in a synopsis.
    pub operands: &'static str,
    /// What it does, in a line of the program's help.
    pub summary: &'static str,
    /// What it does, in paragraphs of its own help.
    pub about: &'static str,
    /// `--help` aside, which all have.
    pub options: &'static [Opt],
    /// A whole command line.
    pub example: &'static str,
    /// Runs it; what it has to say goes to the writer.
    pub run: fn(&Arguments, &mut dyn Write) -> Result<Verdict, Trouble>,
}

/// An option of a command.
#[derive(Debug)]
pub struct Opt {
    /// Without dashes, as all its names.
    pub long: &'static str,
    pub short: Option<char>,
    /// What its value is called; `None` if it takes none.
    pub value: Option<&'static str>,
    pub help: &'static str,
}

impl Opt {
    pub const fn flag(long: &'static str, help: &'static str) -> Self {
        Self {
            long,
            short: None,
            value: None,
            help,
        }
    }

    pub const fn value(long: &'static str, value: &'static str, help: &'static str) -> Self {
        Self {
            long,
            short: None,
            value: Some(value),
            help,
        }
    }

    pub const fn short(self, short: char) -> Self {
        Self {
            short: Some(short),
            ..self
        }
    }

    /// As a help has it: `-i, --interfaces FILE`.
    fn spelled(&self) -> String {
        let mut text = self
            .short
            .map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
        text += "--";
        text += self.long;
        if let Some(value) = self.value {
            let _ = write!(text, " {value}");
        }
        text
    }
}

/// `-i FILE`, as `ifup` has it.
pub const INTERFACES: Opt = Opt::value(
    "interfaces",
    "FILE",
    "read FILE instead of /etc/network/interfaces",
)
.short('i');

/// Whose file it is.
pub const AS: Opt = Opt::value(
    "as",
    "NAME",
    "read it as ifupdown, ifupdown2 or ifupdown-ng does",
);

pub const ALL: Opt = Opt::flag("all", "all interfaces, and what is left of others");

pub const JSON: Opt = Opt::flag("json", "print JSON, for other programs");

const HELP: Opt = Opt::flag("help", "print this text").short('h');

/// What a command found; the exit codes are those of diff(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Done, or all is as it should be: exit code 0.
    Good,
    /// Something differs: exit code 1.
    Differs,
    /// Something is wrong that has been told already: exit code 2.
    Bad,
}

/// Why a command could not do what it was asked for: exit code 2.
#[derive(Debug, Error)]
pub enum Trouble {
    /// The command line is wrong: `--help` may help.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// The answer could not be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl From<KernelError> for Trouble {
    fn from(error: KernelError) -> Self {
        Failure::from(error).into()
    }
}

impl From<NotPermitted> for Trouble {
    fn from(refused: NotPermitted) -> Self {
        Self::Failed(refused.to_string())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.lines().join("; "))
    }
}

/// Which interfaces a command that changes something is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichInterfaces {
    Named(Vec<InterfaceName>),
    All,
}

/// What a command line says besides the command.
#[derive(Debug, Default)]
pub struct Arguments {
    options: Vec<(&'static str, Option<String>)>,
    /// The words that are neither options nor their values.
    pub operands: Vec<String>,
    /// Whether the help is asked for.
    pub help: bool,
}

impl Arguments {
    /// Reads what stands behind the name of a command.
    /// Errors: an option that the command does not have, a value too many or too few.
    pub fn read(
        command: &Command,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Trouble> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut read = Self::default();
        while let Some(argument) = parser.next()? {
            let option = match &argument {
                Arg::Short('h') | Arg::Long("help") => {
                    read.help = true;
                    continue;
                }
                Arg::Value(value) => {
                    read.operands.push(text(value.clone())?);
                    continue;
                }
                Arg::Short(short) => command.options.iter().find(|o| o.short == Some(*short)),
                Arg::Long(long) => command.options.iter().find(|option| option.long == *long),
            };
            let Some(option) = option else {
                return Err(unknown(command, &argument));
            };
            let value = match option.value {
                Some(_) => Some(text(parser.value()?)?),
                None => None,
            };
            read.options.push((option.long, value));
        }
        Ok(read)
    }

    pub fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    /// An option's value; the last one counts.
    pub fn value(&self, long: &str) -> Option<&str> {
        let mut given = self.options.iter().rev();
        let (_, value) = given.find(|(name, _)| *name == long)?;
        value.as_deref()
    }

    /// Whose dialect the file is in, where the command line says it.
    /// Errors: a name that is none of the three.
    pub fn said_caller(&self) -> Result<Option<Caller>, Trouble> {
        let read = self.value(AS.long).map(str::parse::<Caller>).transpose();
        read.map_err(|error| Trouble::Usage(format!("--as: {error}")))
    }

    /// Whose dialect the file is in: as the command line says, else as this host is.
    /// Errors: as there.
    pub fn caller(&self) -> Result<Caller, Trouble> {
        let said = self.said_caller()?;
        Ok(said.unwrap_or_else(|| Caller::of_host(Path::new("/"))))
    }

    /// The operand of a command that takes one at most.
    pub fn only(&self) -> Result<Option<&str>, Trouble> {
        match self.operands.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [_, more, ..] => Err(Trouble::Usage(format!("unexpected argument {more:?}"))),
        }
    }

    /// The interfaces named, or `--all`; nothing is changed because nothing was said.
    /// Errors: neither is there, or both, or a name that no interface can have.
    pub fn named_or_all(&self) -> Result<WhichInterfaces, Trouble> {
        match (self.has(ALL.long), self.operands.as_slice()) {
            (true, []) => Ok(WhichInterfaces::All),
            (false, []) => Err(Trouble::Usage(
                "no interface is named; expected interfaces, or --all".to_owned(),
            )),
            (true, [name, ..]) => Err(Trouble::Usage(format!(
                "unexpected argument {name:?} beside --all"
            ))),
            (false, _) => Ok(WhichInterfaces::Named(self.interfaces()?)),
        }
    }

    /// The operands as names of interfaces.
    /// Errors: a name that no interface can have.
    pub fn interfaces(&self) -> Result<Vec<InterfaceName>, Trouble> {
        let names = self.operands.iter();
        let names = names.map(|name| {
            name.parse()
                .map_err(|error| Trouble::Usage(format!("{name:?}: {error}")))
        });
        names.collect()
    }
}

impl From<lexopt::Error> for Trouble {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

fn text(argument: OsString) -> Result<String, Trouble> {
    argument
        .into_string()
        .map_err(|argument| Trouble::Usage(format!("{argument:?} is not valid UTF-8")))
}

fn unknown(command: &Command, argument: &Arg<'_>) -> Trouble {
    let (spelled, near) = match argument {
        Arg::Long(long) => {
            let known = command.options.iter().map(|option| option.long);
            let known: Vec<&str> = known.chain(["help"]).collect();
            let near = nearest(long, &known).map(|near| format!("--{near}"));
            (format!("--{long}"), near)
        }
        Arg::Short(short) => (format!("-{short}"), None),
        Arg::Value(value) => (value.to_string_lossy().into_owned(), None),
    };
    Trouble::Usage(format!(
        "{} has no option '{spelled}'{}",
        command.name,
        Hint(near.as_deref())
    ))
}

impl Command {
    /// What its `--help` prints.
    pub fn help(&self) -> String {
        let mut text = format!("Usage: policy-table {}", self.name);
        if !self.options.is_empty() {
            text += " [OPTIONS]";
        }
        if !self.operands.is_empty() {
            let _ = write!(text, " {}", self.operands);
        }
        let _ = write!(text, "\n\n{}\n\n", self.about.trim_end());
        for option in self.options.iter().chain([&HELP]) {
            let _ = writeln!(text, "  {:<25} {}", option.spelled(), option.help);
        }
        let _ = write!(
            text,
            "\nExample:\n    {}\n\nSee policy-table(8).\n",
            self.example
        );
        text
    }
}

/// Prints what a command has to say that has changed something. All of it is printed at the end: who
/// reads it slowly, or stops reading, must not decide how far the change goes.
pub fn say(out: &mut dyn Write, said: &[u8]) -> io::Result<()> {
    match out.write_all(said) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Whether what is printed may be coloured: on a terminal, unless `NO_COLOR` is set
/// (<https://no-color.org>).
pub fn coloured() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !forbidden && !dumb && io::stdout().is_terminal()
}
