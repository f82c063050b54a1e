//! One line of shell as people write it behind `post-up`: commands of plain words.
//!
//! A reader of our own: the crates that split words as a shell does (shlex, shell-words) know no
//! operators, redirections or variables. It does not guess: whatever is more than plain commands
//! joined by `;`, `&&` and `||` is refused, with the reason.

use thiserror::Error;

/// How a command is joined to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// It is the first, or stands behind `;`.
    Then,
    /// Behind `&&`.
    And,
    /// Behind `||`.
    Or,
}

/// A command of plain words. Whether what it prints is thrown away makes no difference here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand {
    /// How it is joined to the one before it.
    pub joint: Joint,
    /// The words, unquoted and with their variables filled in.
    pub words: Vec<String>,
}

/// Why a line is more than plain commands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShellError {
    /// `$(…)`, or between backticks.
    #[error("it runs a command for its output")]
    Substitution,
    /// `|`.
    #[error("it is a pipeline")]
    Pipeline,
    /// `&`.
    #[error("it runs a command in the background")]
    Background,
    /// `if`, `for`, `{`, `(` and the like.
    #[error("it is a shell program (\"{0}\")")]
    Compound(String),
    /// `NAME=value`.
    #[error("it sets a variable (\"{0}\")")]
    Assignment(String),
    /// A variable that is none of the stanza's.
    #[error("the value of ${0} is not known here")]
    Variable(String),
    /// `${NAME:-…}` and the like.
    #[error("\"{0}\" is more than the value of a variable")]
    Expansion(String),
    /// `*`, `?`, `[` or `~`, or a variable whose value has them or a blank.
    #[error("the shell may make several words of \"{0}\"")]
    Pattern(String),
    /// A file is written or read.
    #[error("it reads or writes \"{0}\"")]
    Redirection(String),
    /// An open quote, or an operator without a command.
    #[error("the shell would not take it: {0}")]
    Syntax(&'static str),
}

/// Words that begin more than a plain command.
const RESERVED: [&str; 17] = [
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "{",
    "}", "!", "in", "function",
];

/// Reads a line; `variable` knows the values of variables.
pub fn read(
    line: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<ShellCommand>, ShellError> {
    let mut reader = ShellReader {
        rest: line.chars().peekable(),
        variable,
        word: None,
        is_number: true,
        words: Vec::new(),
        joint: Joint::Then,
        wants_command: false,
        commands: Vec::new(),
    };
    reader.line()?;
    Ok(reader.commands)
}

struct ShellReader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// The word that is being read.
    word: Option<String>,
    /// Whether it is all digits so far: in front of `>` they are the number of a descriptor.
    is_number: bool,
    /// The words of the command that is being read, and how it is joined to the one before it.
    words: Vec<String>,
    joint: Joint,
    /// Whether `&&` or `||` wants a command behind it.
    wants_command: bool,
    commands: Vec<ShellCommand>,
}

impl ShellReader<'_> {
    fn line(&mut self) -> Result<(), ShellError> {
        while let Some(c) = self.rest.next() {
            match c {
                ' ' | '\t' => self.end_word(),
                '\n' => {
                    self.end_word();
                    if !self.words.is_empty() {
                        self.end_command(Joint::Then)?;
                    }
                }
                '#' if self.word.is_none() => break,
                '\'' => self.single_quoted()?,
                '"' => self.double_quoted()?,
                '\\' => {
                    if let Some(c) = self.rest.next() {
                        self.put(c);
                    }
                    self.is_number = false;
                }
                '$' => self.variable(false)?,
                '`' => return Err(ShellError::Substitution),
                '(' | ')' => return Err(ShellError::Compound(c.to_string())),
                ';' => self.end_command(Joint::Then)?,
                '&' if self.take('&') => self.end_command(Joint::And)?,
                '&' => return Err(ShellError::Background),
                '|' if self.take('|') => self.end_command(Joint::Or)?,
                '|' => return Err(ShellError::Pipeline),
                '<' | '>' => self.redirection(c)?,
                '[' if self.is_test() => self.put(c),
                '*' | '?' | '[' => return Err(ShellError::Pattern(c.to_string())),
                '~' if self.word.is_none() => return Err(ShellError::Pattern(c.to_string())),
                _ => {
                    self.is_number &= c.is_ascii_digit();
                    self.put(c);
                }
            }
        }
        self.end_word();
        if self.words.is_empty() && self.wants_command {
            return Err(ShellError::Syntax("it ends in an operator"));
        }
        if !self.words.is_empty() {
            self.end_command(Joint::Then)?;
        }
        Ok(())
    }

    fn put(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest.next_if_eq(&wanted).is_some()
    }

    /// Whether `[` is the command of that name.
    fn is_test(&mut self) -> bool {
        self.word.is_none() && self.rest.peek().is_none_or(|c| matches!(c, ' ' | '\t'))
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
        self.is_number = true;
    }

    fn end_command(&mut self, next: Joint) -> Result<(), ShellError> {
        self.end_word();
        let words = std::mem::take(&mut self.words);
        let Some(first) = words.first() else {
            return Err(ShellError::Syntax("an operator has no command before it"));
        };
        if RESERVED.contains(&first.as_str()) {
            return Err(ShellError::Compound(first.clone()));
        }
        let name = first.split_once('=').map_or("", |(name, _)| name);
        if !name.is_empty() && name.chars().all(is_of_name) {
            return Err(ShellError::Assignment(first.clone()));
        }
        self.commands.push(ShellCommand {
            joint: self.joint,
            words,
        });
        self.joint = next;
        self.wants_command = next != Joint::Then;
        Ok(())
    }

    fn single_quoted(&mut self) -> Result<(), ShellError> {
        self.open_word();
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => self.put(c),
                None => return Err(ShellError::Syntax("a quote is not closed")),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<(), ShellError> {
        self.open_word();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('$') => self.variable(true)?,
                Some('`') => return Err(ShellError::Substitution),
                Some('\\') => match self.rest.next() {
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.put(c),
                    Some(c) => {
                        self.put('\\');
                        self.put(c);
                    }
                    None => return Err(ShellError::Syntax("a quote is not closed")),
                },
                Some(c) => self.put(c),
                None => return Err(ShellError::Syntax("a quote is not closed")),
            }
        }
    }

    /// A quote begins a word, even one of no letters.
    fn open_word(&mut self) {
        self.word.get_or_insert_default();
        self.is_number = false;
    }

    /// What stands behind `$`. A value outside quotes would be split at blanks.
    fn variable(&mut self, quoted: bool) -> Result<(), ShellError> {
        let braced = self.take('{');
        if !braced && self.rest.peek() == Some(&'(') {
            return Err(ShellError::Substitution);
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| is_of_name(*c)) {
            name.push(c);
        }
        if braced && !self.take('}') {
            return Err(ShellError::Expansion(format!("${{{name}")));
        }
        if name.is_empty() {
            let next = self.rest.peek().copied();
            if next.is_some_and(|c| "?*@#!$-".contains(c)) {
                return Err(ShellError::Expansion("$".to_owned()));
            }
            self.put('$');
            return Ok(());
        }
        let value = (self.variable)(&name).ok_or(ShellError::Variable(name))?;
        let splits = |c: char| c.is_whitespace() || "*?[".contains(c);
        if !quoted && (value.is_empty() || value.contains(splits)) {
            return Err(ShellError::Pattern(value));
        }
        self.open_word();
        value.chars().for_each(|c| self.put(c));
        Ok(())
    }

    /// `2>/dev/null`, `>&2` and their like throw text away or move it, which changes nothing;
    /// whatever else stands behind `<` or `>` is a file.
    fn redirection(&mut self, kind: char) -> Result<(), ShellError> {
        if self.word.is_some() && self.is_number {
            self.word = None;
        }
        self.end_word();
        let again = self.take(kind);
        if self.take('&') {
            while self
                .rest
                .next_if(|c| c.is_ascii_digit() || *c == '-')
                .is_some()
            {}
            return Ok(());
        }
        while self.rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let mut target = String::new();
        while let Some(c) = self
            .rest
            .next_if(|c| !c.is_whitespace() && !";&|<>()".contains(*c))
        {
            target.push(c);
        }
        if target == "/dev/null" && !(again && kind == '<') {
            Ok(())
        } else {
            Err(ShellError::Redirection(target))
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        let value = match name {
            "IFACE" => "eth1",
            "IF_ADDRESS" => "10.0.0.5",
            "IF_DNS" => "10.0.0.1 10.0.0.2",
            "IF_EMPTY" => "",
            _ => return None,
        };
        Some(value.to_owned())
    }

    /// The commands, words joined by `_` and a mark for the joint in front.
    fn shown(line: &str) -> String {
        match read(line, &variable) {
            Ok(commands) => {
                let each = commands.iter().map(|command| {
                    let joint = match command.joint {
                        Joint::Then => ";",
                        Joint::And => "&&",
                        Joint::Or => "||",
                    };
                    format!("{joint} {}", command.words.join("_"))
                });
                each.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn plain_commands_are_words_and_joints() {
        for (line, commands) in [
            ("ip route add  default", "; ip_route_add_default"),
            ("a && b || true; c;", "; a && b || true ; c"),
            (
                "ip route add 'x y' \"z\"w \\# # comment",
                "; ip_route_add_x y_zw_#",
            ),
            ("a b#c", "; a_b#c"),
            ("dev $IFACE \"${IFACE}\" '$IFACE'", "; dev_eth1_eth1_$IFACE"),
            ("from $IF_ADDRESS/32 $", "; from_10.0.0.5/32_$"),
            (
                "echo \"$IF_DNS\" \"$IF_EMPTY\" \"\\$x\\y\"",
                "; echo_10.0.0.1 10.0.0.2__$x\\y",
            ),
            ("a 2>/dev/null || :", "; a || :"),
            ("a > /dev/null 2>&1 </dev/null", "; a"),
            ("a 100 >/dev/null", "; a_100"),
            ("a x2>/dev/null", "; a_x2"),
            ("a b\n\nc &&\nd", "; a_b ; c && d"),
            ("", ""),
            ("# nothing", ""),
            ("[ -d x ] || a", "; [_-d_x_] || a"),
        ] {
            assert_eq!(shown(line), commands, "{line}");
        }
    }

    #[test]
    fn whatever_is_more_has_its_reason() {
        for (line, reason) in [
            ("a `b`", "it runs a command for its output"),
            ("a \"$(b)\"", "it runs a command for its output"),
            ("a | b", "it is a pipeline"),
            ("a &", "it runs a command in the background"),
            ("if a; then b; fi", "it is a shell program (\"if\")"),
            ("! a", "it is a shell program (\"!\")"),
            ("(a)", "it is a shell program (\"(\")"),
            ("{ a; }", "it is a shell program (\"{\")"),
            ("GW=1 a", "it sets a variable (\"GW=1\")"),
            ("a $GW", "the value of $GW is not known here"),
            (
                "a ${IFACE:-x}",
                "\"${IFACE\" is more than the value of a variable",
            ),
            ("a $?", "\"$\" is more than the value of a variable"),
            (
                "a $IF_DNS",
                "the shell may make several words of \"10.0.0.1 10.0.0.2\"",
            ),
            ("a $IF_EMPTY", "the shell may make several words of \"\""),
            ("a *", "the shell may make several words of \"*\""),
            ("a >/tmp/x", "it reads or writes \"/tmp/x\""),
            ("a <<E", "it reads or writes \"E\""),
            ("a 'b", "the shell would not take it: a quote is not closed"),
            (
                "a &&",
                "the shell would not take it: it ends in an operator",
            ),
            (
                "; a",
                "the shell would not take it: an operator has no command before it",
            ),
        ] {
            assert_eq!(shown(line), reason, "{line}");
        }
    }
}
