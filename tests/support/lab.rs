//! A host of its own for each test: a network and a mount namespace with private `/etc`, `/usr`,
//! `/var` and `/run`, the package's files in place, and `ip` and the real `ifup` to judge by.
//!
//! A lab lives in a thread, whose namespaces all that it starts inherit; nothing is left when
//! the thread ends. It refuses to be the machine's own namespace.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{mount, MsFlags};
use nix::sched::{unshare, CloneFlags};

use super::tree::top;

/// What a command in the lab said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Exit code; 128 and the signal's number after a signal.
    pub code: i32,
}

impl Said {
    /// Of a finished process.
    pub fn new(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output
            .status
            .code()
            .or(output.status.signal().map(|signal| 128 + signal));
        Self {
            out: text(&output.stdout),
            err: text(&output.stderr),
            code: code.unwrap_or(-1),
        }
    }

    /// What this program said on standard error.
    pub fn ours(&self) -> Vec<&str> {
        self.err
            .lines()
            .filter_map(|line| line.strip_prefix("policy-table: "))
            .collect()
    }
}

/// Where the links for ifupdown lead to.
pub const HOOK: &str = "/usr/libexec/ifupdown-policy-table/policy-table-hook";

/// What `policy-table keep` becomes.
pub const KEEPER: &str = "/usr/libexec/ifupdown-policy-table/policy-table-keep";

/// The links for ifupdown, which `ifup` and `ifdown` run.
pub const UP: &str = "/etc/network/if-up.d/00-policy-table";
/// As above.
pub const DOWN: &str = "/etc/network/if-down.d/zz-policy-table";

/// Where Debian 12 has the names of tables.
pub const NAMES: &str = "/etc/iproute2/rt_tables";

/// The folder that the package's programs are in: what `POLICY_TABLE_PROGRAMS` says, or cargo's.
pub fn programs() -> PathBuf {
    let cargos = || Path::new(env!("CARGO_BIN_EXE_policy-table")).parent();
    std::env::var_os("POLICY_TABLE_PROGRAMS")
        .map_or_else(|| cargos().unwrap().to_owned(), PathBuf::from)
}

/// The namespaces, entered.
pub struct Lab {
    _private: (),
}

/// Which release's layout of `/etc/iproute2` the lab has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// iproute2's conffile is there.
    Debian12,
    /// It is not; the vendor's file is in `/usr/share`.
    Debian13,
}

const VENDOR_NAMES: &str = "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n";

/// Runs a test in a lab. Without the right to make one the test is skipped, which is said, and
/// is a failure where `CI` is set.
pub fn lab(test: impl FnOnce(&Lab) + Send) {
    lab_of(Release::Debian12, test);
}

/// As [`lab`], with the layout of a release.
pub fn lab_of(release: Release, test: impl FnOnce(&Lab) + Send) {
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| match Lab::enter(release) {
            Ok(lab) => test(&lab),
            Err(reason) if std::env::var_os("CI").is_some() => panic!("cannot run: {reason}"),
            Err(reason) => eprintln!("skipped: {reason}"),
        });
        if let Err(panic) = ran.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn namespaces() -> Vec<PathBuf> {
    let link = |kind| fs::read_link(format!("/proc/thread-self/ns/{kind}")).expect("namespaces");
    vec![link("net"), link("mnt")]
}

fn bind(
    source: Option<&str>,
    target: &str,
    kind: Option<&str>,
    flags: MsFlags,
    data: Option<&str>,
) {
    mount(source, target, kind, flags, data)
        .unwrap_or_else(|error| panic!("mount on {target}: {error}"));
}

impl Lab {
    fn enter(release: Release) -> Result<Self, String> {
        let host = namespaces();
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
            .map_err(|error| format!("no namespaces of its own: {error}; run as root"))?;
        let own = namespaces();
        assert!(
            own.iter().zip(&host).all(|(own, host)| own != host),
            "still on the host"
        );
        for (kind, own) in ["net", "mnt"].iter().zip(&own) {
            // Not readable in some containers; the comparison above has been made anyway.
            if let Ok(first) = fs::read_link(format!("/proc/1/ns/{kind}")) {
                assert_ne!(*own, first, "in the namespace of process 1");
            }
        }
        bind(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None);
        // /srv is where a test would put files of an administrator's own.
        for folder in ["/run", "/srv"] {
            bind(
                Some("lab"),
                folder,
                Some("tmpfs"),
                MsFlags::empty(),
                Some("mode=755"),
            );
        }
        for folder in ["etc", "usr", "var"] {
            let (upper, work) = (
                format!("/run/lab/{folder}"),
                format!("/run/lab/{folder}.work"),
            );
            fs::create_dir_all(&upper).unwrap();
            fs::create_dir_all(&work).unwrap();
            let target = format!("/{folder}");
            let data = format!("lowerdir={target},upperdir={upper},workdir={work}");
            bind(
                Some("lab"),
                &target,
                Some("overlay"),
                MsFlags::empty(),
                Some(&data),
            );
        }
        fs::create_dir_all("/run/network").unwrap();
        let lab = Self { _private: () };
        lab.lay_out(release);
        lab.install();
        lab.clients();
        lab.ok("ip link set lo up");
        Ok(lab)
    }

    fn lay_out(&self, release: Release) {
        let _ = fs::remove_dir_all("/etc/iproute2");
        for folder in ["/usr/share/iproute2", "/usr/lib/iproute2"] {
            let _ = fs::remove_file(format!("{folder}/rt_tables"));
            let _ = fs::remove_dir_all(format!("{folder}/rt_tables.d"));
        }
        match release {
            Release::Debian12 => self.write(NAMES, VENDOR_NAMES),
            Release::Debian13 => self.write("/usr/share/iproute2/rt_tables", VENDOR_NAMES),
        }
    }

    /// Puts in place what the package installs, and takes out what other packages have for hooks.
    fn install(&self) {
        // Which may be switched off on the machine itself.
        let _ = fs::remove_file("/etc/default/ifupdown-policy-table");
        let top = top();
        let built = |program: &Path| programs().join(program.file_name().unwrap());
        for program in ["/usr/sbin/policy-table", HOOK].map(Path::new) {
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            fs::copy(built(program), program).unwrap();
        }
        // Few labs need it, and a copy for each of hundreds takes seconds.
        let _ = fs::remove_file(KEEPER);
        symlink(built(Path::new(KEEPER)).canonicalize().unwrap(), KEEPER).unwrap();
        for phase in [
            "if-pre-up.d",
            "if-up.d",
            "if-post-up.d",
            "if-pre-down.d",
            "if-down.d",
            "if-post-down.d",
        ] {
            let folder = Path::new("/etc/network").join(phase);
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            for link in fs::read_dir(top.join(phase))
                .into_iter()
                .flatten()
                .flatten()
            {
                let target = fs::read_link(link.path()).expect("a hook is a link");
                symlink(target, folder.join(link.file_name())).unwrap();
            }
        }
        let protocols = fs::read_to_string(top.join("debian/rt_protos.d/policy-table.conf"));
        self.write(
            "/etc/iproute2/rt_protos.d/policy-table.conf",
            &protocols.expect("the package's name for the protocol"),
        );
        self.interfaces("");
    }

    /// Puts in place the DHCP clients that `tests/run` unpacked because they are not installed.
    fn clients(&self) {
        for package in fs::read_dir(top().join("target/clients"))
            .into_iter()
            .flatten()
            .flatten()
        {
            for top in fs::read_dir(package.path()).unwrap().flatten() {
                let to = top.file_name();
                let (from, to) = (top.path(), to.to_string_lossy());
                self.ok(&format!("cp -a {}/. /{to}/", from.display()));
            }
        }
    }

    /// Writes a file, with its folder.
    pub fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes an executable file.
    pub fn script(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Writes `/etc/network/interfaces`.
    pub fn interfaces(&self, text: &str) {
        self.write("/etc/network/interfaces", text);
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Makes a device with a peer `NAMEp` that is up.
    pub fn device(&self, name: &str) {
        self.ok(&format!("ip link add {name} type veth peer name {name}p"));
        self.ok(&format!("ip link set {name}p up"));
    }

    /// Makes two devices with two networks each, the same in every lab: no link-local addresses,
    /// which come from random hardware addresses, and no state that is still to settle.
    pub fn two_networks(&self) {
        for n in [1, 2] {
            self.device(&format!("eth{n}"));
            for device in [format!("eth{n}"), format!("eth{n}p")] {
                self.ok(&format!("ip link set {device} down addrgenmode none"));
                self.ok(&format!("ip link set {device} up"));
            }
            self.ok(&format!("ip addr add 10.{n}.0.10/24 dev eth{n}"));
            self.ok(&format!("ip addr add 2001:db8:{n}::10/64 dev eth{n} nodad"));
        }
        // The kernel puts in its own routes when the link's carrier has been seen to, which an address
        // that is no longer tentative and a flag of the link do not wait for.
        let expected = [1, 2].map(|n| {
            [
                format!("local 2001:db8:{n}::10 dev eth{n} "),
                format!("ff00::/8 dev eth{n} "),
                format!("ff00::/8 dev eth{n}p "),
            ]
        });
        let limit = Instant::now() + Duration::from_secs(60);
        while let Some(missing) = {
            let there = self.ok("ip -6 route show table local");
            let mut all = expected.iter().flatten();
            all.find(|route| !there.contains(route.as_str()))
        } {
            assert!(Instant::now() < limit, "no {missing}{}", self.ok("ip addr"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a command.
    pub fn run(&self, command: &mut Command) -> Said {
        let output = command.stdin(Stdio::null()).output();
        Said::new(&output.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Runs a shell command.
    pub fn sh(&self, command: &str) -> Said {
        self.run(Command::new("/bin/sh").args(["-c", command]))
    }

    /// Runs a shell command that must succeed, and returns its output.
    pub fn ok(&self, command: &str) -> String {
        let said = self.sh(command);
        assert_eq!(said.code, 0, "{command}\n{}{}", said.out, said.err);
        said.out
    }

    /// What `ip route list table TABLE` prints, by family: `-4` or `-6`. Nothing for no table.
    pub fn routes(&self, family: &str, table: &str) -> Vec<String> {
        lines(
            &self
                .sh(&format!("ip {family} route list table {table}"))
                .out,
        )
    }

    /// What `ip rule show` prints, without the kernel's own three.
    pub fn rules(&self, family: &str) -> Vec<String> {
        let mut rules = lines(&self.ok(&format!("ip {family} rule show")));
        rules.retain(|rule| {
            !["0:", "32766:", "32767:"]
                .iter()
                .any(|own| rule.starts_with(own))
        });
        rules
    }

    /// Everything of ours in the kernel, as `ip` prints it.
    pub fn tagged(&self) -> Vec<String> {
        let mut found = Vec::new();
        for family in ["-4", "-6"] {
            let routes = self.sh(&format!("ip {family} route list table all proto 157"));
            found.extend(lines(&routes.out));
            found.extend(
                self.rules(family)
                    .into_iter()
                    .filter(|rule| rule.contains("proto")),
            );
        }
        found
    }

    /// The whole routing state, to compare before and after.
    pub fn routing(&self) -> String {
        [
            "ip -4 -d rule",
            "ip -6 -d rule",
            "ip -4 -d route show table all",
        ]
        .map(|command| self.ok(command))
        .join("\n")
    }
}

/// A text's lines, each with single blanks between words and none at the ends.
pub fn lines(text: &str) -> Vec<String> {
    let squeezed = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    squeezed.filter(|line| !line.is_empty()).collect()
}

/// The objects in a list of JSON, each as text.
pub fn pieces(list: &str) -> Vec<String> {
    let list = list.trim().trim_start_matches('[').trim_end_matches(']');
    let (mut pieces, mut piece, mut depth) = (Vec::new(), String::new(), 0);
    for c in list.chars() {
        depth += i32::from(matches!(c, '{' | '[')) - i32::from(matches!(c, '}' | ']'));
        if depth > 0 || c == '}' {
            piece.push(c);
        } else if !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    pieces.push(piece);
    pieces
}
