//! Python programs of the tests, each with its packages in a virtual environment in the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::place::Place;
use crate::process::{output, run, step, which};
use crate::toolchain::apt_install;

/// Python with the packages of a requirements file in it, installed on first use into `name` in the target folder.
pub(crate) fn environment(
    place: &Place,
    name: &str,
    requirements: &Path,
) -> anyhow::Result<PathBuf> {
    let folder = place.target.join(name);
    let python = folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let wanted = fs::read(requirements).with_context(|| requirements.display().to_string())?;
    let stamp = folder.join("requirements.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    step(&format!("Python packages of `{name}`"), || {
        let system = which(&["python3", "python"])
            .context("no Python\n\nhint: Python 3.10 or newer with venv is needed")?;
        // Debian parts venv from Python.
        if output(Command::new(&system).args(["-c", "import venv, ensurepip"])).is_none() {
            apt_install(&["python3-venv"])
                .context("Python has no venv\n\nhint: on Debian `apt-get install python3-venv`")?;
        }
        run(Command::new(&system).args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "-r"])
            .arg(requirements))
    })?;
    fs::write(&stamp, wanted).context("the target folder cannot be written to")?;
    Ok(python)
}
