//! The files of this tree, as the tests read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the tree is.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file, by its path from the top.
pub fn text(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of all files below a folder, in their order; both are from the top.
pub fn files(folder: &str) -> Vec<String> {
    let mut waiting: Vec<PathBuf> = vec![top().join(folder)];
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else {
            files.push(path.strip_prefix(top()).unwrap().display().to_string());
        }
    }
    assert!(!files.is_empty(), "nothing in {folder}");
    files.sort();
    files
}

/// All texts below some folders, with their paths; what is no text is passed over.
pub fn texts(folders: &[&str]) -> Vec<(String, String)> {
    let files = folders.iter().flat_map(|folder| files(folder));
    let read = files.filter_map(|path| {
        let text = fs::read_to_string(top().join(&path)).ok()?;
        Some((path, text))
    });
    read.collect()
}
