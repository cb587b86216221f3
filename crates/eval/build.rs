//! Puts the files of `tasks/` into the crate: one list of paths and texts, which `bundled.rs` includes.

use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let tasks = Path::new("../../tasks").canonicalize()?;
    println!("cargo::rerun-if-changed={}", tasks.display());
    let mut files = Vec::new();
    find(&tasks, &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let parts = file.strip_prefix(&tasks).unwrap_or(file).iter();
        let name: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
        // Rust's notation of a string is what `{:?}` prints.
        let path = file.display().to_string();
        let _ = writeln!(list, "    ({:?}, include_str!({path:?})),", name.join("/"));
    }
    list.push_str("]\n");
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    fs::write(out.join("bundled_files.rs"), list)
}

/// Task files, what they include, and documents; not the READMEs and the Python that is for the harness alone.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "__pycache__" {
            find(&path, files)?;
        } else if [".yaml", "_yaml", ".jsonl"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            files.push(path);
        }
    }
    Ok(())
}
