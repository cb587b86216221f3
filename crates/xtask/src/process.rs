//! Running other programs: every step says its name before and its duration after.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::place::Place;

/// Does `work` under a name that is printed before it, with its duration after it.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    eprintln!("▸ {name}");
    let start = Instant::now();
    let result = work();
    let took = readable(start.elapsed());
    match &result {
        Ok(_) => eprintln!("  {name}: done in {took}"),
        Err(_) => eprintln!("  {name}: failed after {took}"),
    }
    result
}

/// Runs a program whose output goes to the terminal as it comes.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    eprintln!("  $ {line}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{}` could not be started", program(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", program(command));
    }
    Ok(())
}

/// Standard output of a program that is there and succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `cargo`, at the root of the checkout, building into `target`. In CI the lock file must not change.
pub(crate) fn cargo(place: &Place, verb: &str, target: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .arg(verb)
        .current_dir(&place.root)
        .env("CARGO_TARGET_DIR", target);
    if env::var_os("CI").is_some() && verb != "fmt" {
        command.arg("--locked");
    }
    command
}

/// `npm` in a folder.
pub(crate) fn npm(folder: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(folder);
    command
}

/// The first of `names` that `PATH` has.
pub(crate) fn which(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<_> = env::split_paths(&path).collect();
    let mut candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find_map(|file| {
        [file.clone(), file.with_extension("exe")]
            .into_iter()
            .find(|file| file.is_file())
    })
}

/// `1 min 32 s`, or `0.4 s` below a minute.
pub(crate) fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// The command as a person would type it, without its environment.
fn line(command: &Command) -> String {
    let words = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    std::iter::once(program(command))
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Name of the command's program, without its folder.
fn program(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(readable(Duration::from_millis(420)), "0.4 s");
        assert_eq!(readable(Duration::from_secs(92)), "1 min 32 s");
    }

    #[test]
    fn a_failing_program_is_named() {
        let error = run(Command::new("false").arg("--now")).unwrap_err();
        assert_eq!(error.to_string(), "`false` failed (exit status: 1)");
        let error = run(&mut Command::new("no-such-program-at-all")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`no-such-program-at-all` could not be started"
        );
    }
}
