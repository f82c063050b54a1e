//! nft(8), which carries rules for packet filters to the kernel.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{memfd_create, MemfdFlags};
use thiserror::Error;

/// Where Debian has it, and who built it from source.
const PROGRAMS: [&str; 3] = ["/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft"];

/// It takes milliseconds; on a busy host with thousands of rules of others, a second.
const LONGEST: Duration = Duration::from_secs(5);

/// As much of what it says as an error shows.
const SHOWN: usize = 3;

/// Why nft(8) did not do what was asked.
#[derive(Debug, Error)]
pub enum NftError {
    /// It is not installed.
    #[error("there is no nft(8) on this host: install the package nftables")]
    Missing,
    /// It could not be started.
    #[error("nft(8) cannot be run: {0}")]
    Start(#[from] io::Error),
    /// It did not end.
    #[error("nft(8) did not end within {} seconds, and was stopped", LONGEST.as_secs())]
    Hung,
    /// It, or the kernel, refused.
    #[error("nft(8) refused: {0}")]
    Refused(String),
}

fn program() -> Option<&'static Path> {
    PROGRAMS.iter().map(Path::new).find(|path| path.exists())
}

/// Whether it is installed.
pub fn has_nft() -> bool {
    program().is_some()
}

/// Runs nft(8) with some text as its input; returns what it printed.
/// Errors: it is not there, did not end in time, or refused.
pub fn nft(arguments: &[&str], input: &str) -> Result<String, NftError> {
    let path = program().ok_or(NftError::Missing)?;
    // Not pipes: nobody has to read and write in step, and a program that hangs holds up nobody.
    let memory = |name| memfd_create(name, MemfdFlags::CLOEXEC).map(File::from);
    let into = |error: rustix::io::Errno| NftError::Start(error.into());
    let mut text = memory("nft-input").map_err(into)?;
    let mut out = memory("nft-output").map_err(into)?;
    let mut errors = memory("nft-errors").map_err(into)?;
    text.write_all(input.as_bytes())?;
    text.rewind()?;
    let mut child = Command::new(path)
        .args(arguments)
        // Whatever the caller's are, its messages are to be understood.
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::from(text))
        .stdout(Stdio::from(out.try_clone()?))
        .stderr(Stdio::from(errors.try_clone()?))
        .spawn()?;
    let status = wait(&mut child)?;
    if status.success() {
        return Ok(read(&mut out)?);
    }
    let said = read(&mut errors)?;
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<&str> = lines.take(SHOWN).collect();
    Err(NftError::Refused(match said.as_slice() {
        [] => status.to_string(),
        lines => lines.join(" "),
    }))
}

fn read(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Waits for the end of a program, but not for ever.
fn wait(child: &mut Child) -> Result<ExitStatus, NftError> {
    let started = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            return Err(NftError::Hung);
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
