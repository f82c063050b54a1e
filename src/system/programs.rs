//! The package's other programs, which are in nobody's `PATH`.

use std::convert::Infallible;
use std::env;
use std::ffi::CString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::unistd::execv;

/// Where they are installed.
const FOLDER: &str = "/usr/libexec/ifupdown-policy-table";

/// Has this process become another program: the one beside it, where cargo has built or installed
/// both, or else the package's. Returns why it cannot.
pub fn become_program(name: &str, words: impl IntoIterator<Item = &'static str>) -> io::Error {
    let own = env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    let folders: Vec<&Path> = beside.into_iter().chain([Path::new(FOLDER)]).collect();
    let words: Vec<&str> = words.into_iter().collect();
    for folder in &folders {
        let path = folder.join(name);
        let Err(error) = executed(&path, &words);
        if error.kind() != ErrorKind::NotFound {
            return io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        }
    }
    let folders: Vec<String> = folders.iter().map(|it| it.display().to_string()).collect();
    let folders = folders.join(" nor in ");
    io::Error::new(
        ErrorKind::NotFound,
        format!("{name}, which comes with this program, is neither in {folders}"),
    )
}

/// Not by `CommandExt::exec`: that gives to a shell what the kernel takes for no program, and an empty
/// file, as a full disk leaves one, would be a keeper that ends without a word.
fn executed(path: &Path, words: &[&str]) -> io::Result<Infallible> {
    let program = CString::new(path.as_os_str().as_bytes())?;
    let mut line = vec![program.clone()];
    for word in words {
        line.push(CString::new(*word)?);
    }
    Ok(execv(&program, &line)?)
}
