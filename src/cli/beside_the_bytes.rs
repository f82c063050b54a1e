//! What a file has beside its bytes, and what keeps another one from coming into its place.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{
    fgetxattr, flistxattr, fremovexattr, fsetxattr, ioctl_getflags, ioctl_setflags, statx, AtFlags,
    IFlags, StatxAttributes, StatxFlags, XattrFlags,
};
use rustix::io::Errno;

/// What chattr(1) has set for a file; nothing where the file system has no such flags.
pub fn flags(file: &File) -> io::Result<IFlags> {
    match ioctl_getflags(file) {
        Ok(flags) => Ok(flags),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(IFlags::empty()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses what cannot be replaced before anything is done to any file.
pub fn refuse_fixed(path: &Path, file: &File, flags: IFlags) -> io::Result<()> {
    // So a container is given a single file of its host.
    if is_mount(file) {
        return Err(io::Error::other(
            "it is a mount of its own, in whose place no other file can come; write into it what \
             policy-table migrate prints",
        ));
    }
    let folder = folder_of(path);
    let of_folder = File::open(folder).and_then(|folder| self::flags(&folder))?;
    for (flags, what) in [(flags, "it"), (of_folder, "its folder")] {
        for (flag, said, letter) in [
            (IFlags::IMMUTABLE, "immutable", 'i'),
            (IFlags::APPEND, "for appending only", 'a'),
        ] {
            if flags.contains(flag) {
                let path = if what == "it" { path } else { folder };
                return Err(io::Error::other(format!(
                    "{what} is {said}; run chattr -{letter} {} first",
                    path.display()
                )));
            }
        }
    }
    if flags.contains(VERITY) {
        return Err(io::Error::other(
            "fs-verity seals it, which the new file would not be",
        ));
    }
    Ok(())
}

/// `FS_VERITY_FL`.
const VERITY: IFlags = IFlags::from_bits_retain(0x0010_0000);

/// The flags that say what is to be done with a file; the others are about how its bytes are stored.
const WISHES: IFlags = IFlags::COMPRESSED
    .union(IFlags::JOURNALING)
    .union(IFlags::NOATIME)
    .union(IFlags::NOCOW)
    .union(IFlags::NODUMP)
    .union(IFlags::NOTAIL)
    .union(IFlags::SECURE_REMOVAL)
    .union(IFlags::SYNC)
    .union(IFlags::UNRM);

/// Gives a file the flags of another.
pub fn keep_flags(wanted: IFlags, to: &File) -> io::Result<()> {
    let there = flags(to)?;
    if there & WISHES == wanted & WISHES {
        return Ok(());
    }
    let not_kept = |error: io::Error| {
        io::Error::other(format!(
            "its flags, as lsattr shows them, cannot be kept: {error}"
        ))
    };
    let set = ioctl_setflags(to, (there - WISHES) | (wanted & WISHES));
    set.map_err(|error| not_kept(error.into()))?;
    if flags(to)? & WISHES == wanted & WISHES {
        Ok(())
    } else {
        Err(not_kept(io::Error::other("the file system ignores some")))
    }
}

/// Gives a file the extended attributes of another and no others: access lists, the label, notes.
/// They come after the mode, which an access list has a part of.
pub fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    let said = |name: &[u8], what: &str, error: Errno| {
        let name = String::from_utf8_lossy(name);
        io::Error::other(format!("its attribute {name} {what}: {error}"))
    };
    // These are about the bytes; where they are used the kernel makes them itself.
    let is_about_bytes = |name: &[u8]| matches!(name, b"security.ima" | b"security.evm");
    let (wanted, there) = (attribute_names(from)?, attribute_names(to)?);
    // Access lists that the folder hands on. A label cannot be taken away.
    let more = there.iter().filter(|name| !wanted.contains(name));
    for name in more.filter(|name| !name.starts_with(b"security.")) {
        fremovexattr(to, name.as_slice()).map_err(|error| said(name, "is too much", error))?;
    }
    for name in wanted.iter().filter(|name| !is_about_bytes(name)) {
        let value = attribute(from, name).map_err(|error| said(name, "cannot be read", error))?;
        if attribute(to, name).is_ok_and(|there| there == value) {
            continue;
        }
        fsetxattr(to, name.as_slice(), &value, XattrFlags::empty())
            .map_err(|error| said(name, "cannot be kept", error))?;
    }
    Ok(())
}

/// What the kernel lets no list of names and no value be longer than (`XATTR_SIZE_MAX`).
const LONGEST: usize = 65536;

fn attribute_names(file: &File) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::with_capacity(LONGEST);
    match flistxattr(file, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        // A file system without.
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let names = names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

fn attribute(file: &File, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut value = Vec::with_capacity(LONGEST);
    fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value))?;
    Ok(value)
}

/// Whether something is mounted on just this file.
fn is_mount(file: &File) -> bool {
    // Before 5.8 the kernel does not say so.
    let about = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    about.is_ok_and(|about| about.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}
