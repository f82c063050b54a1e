//! How the program is linked, in the one place that cargo, the package and the tests all pass.
//!
//! A hook that runs for every interface is mostly its own start, and the start of a program is
//! mostly the libraries it loads. The standard library asks for `libgcc_s.so.1`, for the
//! backtrace of a panic alone; GCC's static libraries have the same code.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let glibc = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|name| name == "gnu");
    if !glibc {
        return Ok(()); // with musl all is static
    }
    let folder = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let folder = PathBuf::from(folder);
    // What `-lgcc_s` finds first; GCC's own libgcc_s.so is such a script, too.
    fs::write(
        folder.join("libgcc_s.so"),
        "GROUP ( libgcc_eh.a libgcc.a )\n",
    )?;
    println!("cargo:rustc-link-search=native={}", folder.display());
    // Some 900 relocations, which are nearly all of one kind, in 300 bytes (glibc 2.36 on).
    println!("cargo:rustc-link-arg=-Wl,-z,pack-relative-relocs");
    Ok(())
}
