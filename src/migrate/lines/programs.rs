//! The programs that a line of shell runs: whether one is among them that nobody here knows, and
//! that may put in rules as the line's neighbours do.
//!
//! Unlike `shell` it takes any line, for it has to tell no more than the first word of each
//! command. What it cannot tell apart it takes for a program that it does not know.

/// Programs that put in no rule, whatever they are told.
const KNOWN: [&str; 95] = [
    "true",
    "false",
    ":",
    "test",
    "[",
    "[[",
    "echo",
    "printf",
    "exit",
    "return",
    "sleep",
    "cat",
    "grep",
    "egrep",
    "fgrep",
    "sed",
    "awk",
    "cut",
    "head",
    "tail",
    "tr",
    "sort",
    "uniq",
    "wc",
    "tee",
    "logger",
    "touch",
    "mkdir",
    "rmdir",
    "rm",
    "cp",
    "mv",
    "ln",
    "chmod",
    "chown",
    "kill",
    "date",
    "hostname",
    "uname",
    "id",
    "sysctl",
    "modprobe",
    "insmod",
    "rmmod",
    "iptables",
    "ip6tables",
    "iptables-nft",
    "ip6tables-nft",
    "iptables-legacy",
    "ip6tables-legacy",
    "iptables-restore",
    "ip6tables-restore",
    "iptables-save",
    "ip6tables-save",
    "arptables",
    "ebtables",
    "nft",
    "ipset",
    "conntrack",
    "ethtool",
    "mii-tool",
    "ifconfig",
    "route",
    "arp",
    "netstat",
    "brctl",
    "bridge",
    "vconfig",
    "tc",
    "iw",
    "iwconfig",
    "iwgetid",
    "iwpriv",
    "rfkill",
    "wg",
    "wpa_cli",
    "ping",
    "ping6",
    "arping",
    "getent",
    "cd",
    "pwd",
    "export",
    "unset",
    "read",
    "wait",
    "basename",
    "dirname",
    "seq",
    "expr",
    "ls",
    "stat",
    "umask",
    "let",
    "local",
];

/// Where programs of those names are what they seem.
const FOLDERS: [&str; 4] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];

/// The first program in a line of shell that may put in rules for all that is known.
pub fn stranger(text: &str) -> Option<String> {
    let commands = commands(text).into_iter();
    let mut programs = commands.filter_map(program);
    programs.find(|words| !is_known(words)).map(|words| {
        let first = words.into_iter().next();
        first.unwrap_or_default()
    })
}

/// Whether a line does nothing but tell somebody something.
pub fn only_tells(text: &str) -> bool {
    const TELL: [&str; 5] = ["echo", "printf", "logger", "wall", "date"];
    let all = commands(text).into_iter();
    let mut programs = all.filter_map(program).peekable();
    programs.peek().is_some()
        && programs.all(|words| words.first().is_some_and(|it| TELL.contains(&it.as_str())))
}

/// A command from the word on that names its program, if it has one.
fn program(words: Vec<String>) -> Option<Vec<String>> {
    const FIRST: [&str; 12] = [
        "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "!", "{",
    ];
    const NAMES: [&str; 4] = ["for", "case", "select", "in"];
    let is_assignment = |word: &String| {
        let name = word.split_once('=').map_or("", |(name, _)| name);
        let mut letters = name.chars();
        !name.is_empty() && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let before = |word: &String| FIRST.contains(&word.as_str()) || is_assignment(word);
    let words: Vec<String> = words.into_iter().skip_while(before).collect();
    let first = words.first()?;
    let is_none = NAMES.contains(&first.as_str()) || first == "}";
    (!is_none).then_some(words)
}

fn is_known(words: &[String]) -> bool {
    let Some(first) = words.first() else {
        return true;
    };
    let name = match first.rsplit_once('/') {
        Some((folder, name)) if FOLDERS.contains(&folder) => name,
        Some(_) => return false,
        None => first,
    };
    // What is said of routes and rules is read elsewhere.
    let leads_out = |word: &String| word == "exec" || word.starts_with("-b");
    KNOWN.contains(&name) || name == "ip" && !words.iter().any(leads_out)
}

/// The commands of a line, each with its words as far as they are plain.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut reader = Commands::default();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => rest.next().into_iter().for_each(|c| reader.put(c)),
            '\'' if !reader.quoted => {
                reader.open_word();
                let quoted = rest.by_ref().take_while(|c| *c != '\'');
                quoted.for_each(|c| reader.put(c));
            }
            '"' => {
                reader.open_word();
                reader.quoted = !reader.quoted;
            }
            '$' if rest.next_if_eq(&'(').is_some() => reader.enter(),
            '`' if reader.backtick => {
                reader.backtick = false;
                reader.leave();
            }
            '`' => {
                reader.backtick = true;
                reader.enter();
            }
            _ if reader.quoted => reader.put(c),
            ')' => reader.leave(),
            '(' => reader.enter(),
            '\n' | ';' | '&' | '|' => reader.end_command(),
            '<' | '>' => {
                reader.redirect();
                while rest.next_if(|c| matches!(c, '<' | '>' | '&')).is_some() {}
            }
            '#' if reader.word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            c if c.is_whitespace() => reader.end_word(),
            c => reader.put(c),
        }
    }
    reader.end_command();
    reader.complete
}

/// What has been read of a line.
#[derive(Default)]
struct Commands {
    word: Option<String>,
    words: Vec<String>,
    complete: Vec<Vec<String>>,
    /// Whether it is between double quotes.
    quoted: bool,
    /// Whether it is between backticks.
    backtick: bool,
    /// Whether the next word is where a command reads from or writes to.
    is_target: bool,
    /// The commands around this one, each with whether it was between double quotes.
    around: Vec<(bool, Vec<String>)>,
}

impl Commands {
    fn put(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn open_word(&mut self) {
        self.word.get_or_insert_default();
    }

    fn end_word(&mut self) {
        let word = self.word.take();
        if word.is_some() && std::mem::take(&mut self.is_target) {
            return;
        }
        self.words.extend(word);
    }

    fn redirect(&mut self) {
        let digits = |word: &String| word.chars().all(|c| c.is_ascii_digit());
        if self.word.as_ref().is_some_and(digits) {
            self.word = None;
        }
        self.end_word();
        self.is_target = true;
    }

    fn end_command(&mut self) {
        self.end_word();
        self.is_target = false;
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.complete.push(words);
        }
    }

    /// A command inside of another, whose output is a part of a word there.
    fn enter(&mut self) {
        self.put('$');
        self.end_word();
        let words = std::mem::take(&mut self.words);
        self.around.push((self.quoted, words));
        self.quoted = false;
    }

    fn leave(&mut self) {
        self.end_command();
        if let Some((quoted, words)) = self.around.pop() {
            self.quoted = quoted;
            self.words = words;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_puts_in_no_rules() {
        for line in [
            "true; : ; /bin/true || exit 0",
            "ip route add default via 10.0.0.1 && ip rule add from 10.0.0.5 lookup 5",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "iptables -t nat -A POSTROUTING -o $IFACE -j MASQUERADE",
            "for i in 1 2; do echo $i; done",
            "if [ -d /x ]; then sysctl -q x=1; else sleep 1; fi 2>/dev/null",
            "while read x; do ip rule del pref 9; done < /etc/x",
            "GW=$(ip route | awk '/default/ {print $3; exit}'); ip route add default via $GW",
            "ip route add default via `ip route | cut -d ' ' -f 3` table 5",
            "ip route add default via \"$(cat /run/gw)\" # a script; no",
            "echo 'a; b' \"c; d\" >> /etc/x",
            "2>/dev/null echo a",
            "! grep -q a /b && { echo c; }",
            "",
        ] {
            assert_eq!(stranger(line), None, "{line}");
        }
    }

    #[test]
    fn whatever_else_is_run_may() {
        for (line, program) in [
            ("guest-net up", "guest-net"),
            ("/usr/local/sbin/wan.sh eth1", "/usr/local/sbin/wan.sh"),
            ("/opt/ip link show", "/opt/ip"),
            ("wg-quick up wg0 || true", "wg-quick"),
            ("run-parts /etc/vpn.d", "run-parts"),
            (". /etc/vpn.sh", "."),
            ("ip netns exec x id", "ip"),
            ("ip -batch /etc/rules", "ip"),
            ("sleep 1; systemctl start x", "systemctl"),
            ("for i in a b; do \"/x/$i\"; done", "/x/$i"),
            ("X=1 Y=2 guest-net", "guest-net"),
            ("if up-vpn; then true; fi", "up-vpn"),
            ("echo $(guest-net up)", "guest-net"),
            ("echo \"`guest-net up` x\"", "guest-net"),
            ("true && (cd /x && ./y) &", "./y"),
            ("$PROGRAM up", "$PROGRAM"),
            ("echo a | sh", "sh"),
            ("test -x /x && exec /x", "exec"),
        ] {
            assert_eq!(stranger(line).as_deref(), Some(program), "{line}");
        }
    }
}
