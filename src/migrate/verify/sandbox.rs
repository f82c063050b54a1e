//! The namespaces that a trial runs in: nothing that is done there reaches anything outside.
//!
//! - Network, mounts, processes, host name, IPC and cgroups are namespaces of its own. Outside
//!   there is no process that a signal could be sent to, for what runs is in process groups of the
//!   room's, too; and no socket that has a name: those in the abstract belong to the network
//!   namespace, the others to files.
//! - Its root is an empty file system into which the host's `/usr` and what belongs to it is put
//!   read-only. `/etc` is the host's under a layer that takes what is written; `/run`, `/var` and
//!   `/tmp` begin empty; `/dev` has nothing but the devices that hold nothing. `/proc` and `/sys`
//!   are those of the namespaces and read-only, for most of what they set is the whole host's, but
//!   for `/proc/sys/net`. That it is not there is better than that it may not be written: a
//!   read-only file system keeps nobody from a socket in it.
//! - Of open files it has the three standard ones: nothing, and two pipes.
//! - All that runs has two capabilities, and can get no others: `CAP_NET_ADMIN`, which is what
//!   `ifup` is about, and `CAP_NET_RAW`. Without `CAP_SYS_ADMIN` there are no mounts and no other
//!   namespaces, without `CAP_SYS_BOOT` no reboot.
//!
//! The lines of a file run there only as far as they are commands of `ip`. This is for what is
//! overlooked, and for what `ifup` itself does.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sched::{unshare, CloneFlags};
use nix::unistd::{chdir, close, pivot_root};
use rustix::thread::{
    capability_is_in_bounding_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, CapabilitySet, CapabilitySets,
};
use thiserror::Error;

use super::ip_output::NotUnderstood;

/// Why there is no trial.
#[derive(Debug, Error)]
pub enum TrialError {
    /// Not root, or in a container that may not.
    #[error("cannot make namespaces of its own: {0}; run as root")]
    Namespaces(nix::Error),
    /// Something in them could not be put in place.
    #[error("cannot set up {0}: {1}")]
    SetUp(String, io::Error),
    /// A command could not be run, or failed where it must not.
    #[error("{0}")]
    Command(String),
    /// What `ip` prints was not understood.
    #[error(transparent)]
    Output(#[from] NotUnderstood),
    /// The thread ended by itself.
    #[error("the trial broke off")]
    Broken,
}

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the program is that hooks lead to.
pub const PROGRAM: &str = "/run/trial/policy-table";

/// Where the new root is put together.
const ROOT: &str = "/run";

/// What the host's programs consist of: folders, or links to some.
const PROGRAMS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Devices that hold nothing.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// The process that all others of the trial end with.
pub struct Sandbox(Child);

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What keeps a file system from doing more than hold files.
fn plain() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV
}

fn set_up(what: &str, error: impl Into<io::Error>) -> TrialError {
    TrialError::SetUp(what.to_owned(), error.into())
}

impl Sandbox {
    /// Takes the thread into namespaces of its own, with a program at [`PROGRAM`]. There is no way
    /// back, so that the thread has to end with the trial.
    pub fn enter(program: &Path) -> Result<Self, TrialError> {
        let namespaces = CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWCGROUP
            | CloneFlags::CLONE_FILES;
        unshare(namespaces).map_err(TrialError::Namespaces)?;
        close_inherited().map_err(|error| set_up("its open files", error))?;
        fill(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
        put_together(program)?;
        leave_the_host().map_err(|error| set_up("its root", error))?;
        // The first process of a namespace ends all others with itself, and if there is none
        // nothing can be started; so it does nothing else. Signals from inside do not reach it. It
        // reads from this program, and so ends with it, however that ends.
        let mut first = Command::new("cat");
        let first = first.env_clear().process_group(0);
        let first = first.stdin(Stdio::piped()).stdout(Stdio::null());
        let first = first.stderr(Stdio::null()).spawn();
        let sandbox = Self(first.map_err(|error| set_up("its first process", error))?);
        kernels_files()?;
        give_up().map_err(|error| set_up("its capabilities", error))?;
        Ok(sandbox)
    }
}

/// Closes, for this thread alone, what the program was started with and would hand on: a folder
/// that is open is a way out.
fn close_inherited() -> io::Result<()> {
    let open = fs::read_dir("/proc/thread-self/fd")?.flatten();
    let numbers = open.filter_map(|file| file.file_name().to_str()?.parse().ok());
    let numbers: Vec<RawFd> = numbers.collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The folder that has just been read is closed already.
        let _ = close(number);
    }
    Ok(())
}

/// Mounts something.
fn fill(
    source: Option<&str>,
    target: &str,
    kind: Option<&str>,
    flags: MsFlags,
    data: Option<&str>,
) -> Result<(), TrialError> {
    mount(source, target, kind, flags, data).map_err(|error| set_up(target, error))
}

/// Has something of the host's seen at a place in the new root.
fn show(source: &str, target: &str) -> Result<(), TrialError> {
    fill(Some(source), target, None, MsFlags::MS_BIND, None)
}

fn read_only(target: &str, more: MsFlags) -> Result<(), TrialError> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | more;
    fill(None, target, None, flags, None)
}

fn folder(path: &str) -> Result<(), TrialError> {
    fs::create_dir_all(path).map_err(|error| set_up(path, error))
}

fn empty_file(path: &str) -> Result<(), TrialError> {
    let made = File::create(path);
    made.map(drop).map_err(|error| set_up(path, error))
}

/// Puts the new root together, as far as it does not need to be the root for that.
fn put_together(program: &Path) -> Result<(), TrialError> {
    let at = |path: &str| format!("{ROOT}/{path}");
    // What is already open is found although its path is about to be covered.
    let program = File::open(program);
    let program = program.map_err(|error| set_up("the program of the hooks", error))?;
    let small = Some("mode=755,size=64m");
    fill(Some("trial"), ROOT, Some("tmpfs"), plain(), small)?;
    for name in PROGRAMS {
        let (own, shown) = (format!("/{name}"), at(name));
        if let Ok(target) = fs::read_link(&own) {
            symlink(target, &shown).map_err(|error| set_up(&shown, error))?;
        } else if Path::new(&own).is_dir() {
            folder(&shown)?;
            show(&own, &shown)?;
            read_only(&shown, plain())?;
        }
    }
    folder(&at("dev"))?;
    for name in DEVICES {
        let (own, shown) = (format!("/dev/{name}"), at(&format!("dev/{name}")));
        empty_file(&shown)?;
        show(&own, &shown)?;
    }
    for name in ["run", "var", "tmp"] {
        folder(&at(name))?;
        fill(Some("trial"), &at(name), Some("tmpfs"), plain(), small)?;
    }
    for name in [
        "etc",
        "proc",
        "sys",
        "root",
        "run/trial/etc",
        "run/trial/work",
        "run/network",
        "run/lock",
        "var/cache",
        "var/lib",
        "var/log",
        "var/tmp",
    ] {
        folder(&at(name))?;
    }
    for (target, link) in [("/run", "var/run"), ("/run/lock", "var/lock")] {
        symlink(target, at(link)).map_err(|error| set_up(&at(link), error))?;
    }
    let layers =
        format!("lowerdir=/etc,upperdir={ROOT}/run/trial/etc,workdir={ROOT}/run/trial/work");
    fill(
        Some("overlay"),
        &at("etc"),
        Some("overlay"),
        plain(),
        Some(&layers),
    )?;
    let shown = at(PROGRAM.trim_start_matches('/'));
    empty_file(&shown)?;
    show(
        &format!("/proc/thread-self/fd/{}", program.as_raw_fd()),
        &shown,
    )?;
    read_only(&shown, plain())
}

/// Makes what has been put together the root, and lets go of all else.
fn leave_the_host() -> Result<(), nix::Error> {
    chdir(ROOT)?;
    // The old root comes to stand on the new one, from where it is taken away.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")
}

/// The kernel's own file systems, and the root for reading only.
fn kernels_files() -> Result<(), TrialError> {
    let flags = plain() | MsFlags::MS_NOEXEC;
    let kind = Some("sysfs");
    fill(kind, "/sys", kind, flags | MsFlags::MS_RDONLY, None)?;
    // Which processes it shows is decided by where the one is that mounts it, and this thread is
    // outside: only what it starts is inside.
    let mut mount = Command::new("mount");
    let mount = mount.args([
        "-n",
        "-t",
        "proc",
        "-o",
        "nosuid,nodev,noexec",
        "proc",
        "/proc",
    ]);
    let said = mount.env_clear().env("PATH", PATH).output();
    let said = said.map_err(|error| set_up("/proc", error))?;
    if !said.status.success() {
        let error = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        return Err(set_up("/proc", io::Error::other(error)));
    }
    read_only("/proc", flags)?;
    let nets = "/proc/sys/net";
    show(nets, nets)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags;
    fill(None, nets, None, flags, None)?;
    read_only("/", plain())
}

/// Gives up what neither this thread nor what it starts needs from here on.
fn give_up() -> Result<(), rustix::io::Errno> {
    let kept = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    // All that this kernel has: it refuses the first number that is none.
    let all = (0..64).filter_map(|n| Some(CapabilitySet::from_bits_retain(1_u64.checked_shl(n)?)));
    for one in all {
        let Ok(is_there) = capability_is_in_bounding_set(one) else {
            break;
        };
        if is_there && !kept.contains(one) {
            remove_capability_from_bounding_set(one)?;
        }
    }
    set_no_new_privs(true)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
}
