//! Appending a line to a file that others write, too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// A file that lines are appended to.
pub struct Target {
    /// Where it is.
    pub path: PathBuf,
    file: File,
}

impl Target {
    /// Opens a file, making it and its folder where they are missing.
    /// Errors: it cannot be opened or made, or is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: open_to_append(path)?,
        })
    }

    /// How many bytes the file has.
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Appends a line in one write, supplying the newline that the last line may lack.
    /// Errors: the line is not there whole, or may not survive a crash.
    pub fn append(&self, line: &str) -> io::Result<()> {
        let mut file: &File = &self.file;
        let text = if self.length()? == 0 || ends_in_newline(file)? {
            line.to_owned()
        } else {
            format!("\n{line}")
        };
        let written = file.write(text.as_bytes())?;
        if written == text.len() {
            return file.sync_all();
        }
        // What is there of the line would swallow the next one; what others added stays.
        let end = file.stream_position()?;
        if file.metadata()?.len() == end {
            file.set_len(end - written as u64)?;
        }
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            "no space for the whole line",
        ))
    }
}

fn open_to_append(path: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.read(true)
        .append(true)
        .custom_flags(OFlag::O_NONBLOCK.bits());
    match how.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = missing_folder(path) {
                fs::create_dir_all(folder)?;
            }
            how.create(true).mode(0o644).open(path)
        }
        opened => only_files(opened?),
    }
}

/// The folder of a file, where it has to be made before the file is.
pub fn missing_folder(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.exists())
}

/// Whether a line that is appended to a file has to begin with the newline that the last line there
/// lacks.
pub fn lacks_newline(path: &Path) -> bool {
    let opened = File::open(path);
    let ends = opened.and_then(|file| ends_in_newline(&file));
    ends.is_ok_and(|ends| !ends)
}

fn ends_in_newline(mut file: &File) -> io::Result<bool> {
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Refuses what is no file: a pipe, a device, a folder.
fn only_files(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}
