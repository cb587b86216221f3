//! Data on stdout, result files on disk.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jeoul_eval::report::{self, RunInfo};
use jeoul_eval::{Runs, Task, TaskRun, table};

use crate::failure::Failure;

/// Writes text to stdout, ending in a line break; a closed pipe comes back as an error instead of a panic.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}

/// Writes `results_<date>.json`, and `samples_<task>_<date>.jsonl` where samples are wanted, in the places where
/// lm-evaluation-harness writes them: below a folder named after the model, or beside `path` if that ends in `.json`. The table
/// stands beside them as Markdown and as comma-separated values.
pub(crate) fn save(
    path: &Path,
    info: &RunInfo,
    runs: Runs<'_>,
    samples: bool,
) -> anyhow::Result<Vec<PathBuf>> {
    let date = jiff::ZonedDateTime::now()
        .strftime("%Y-%m-%dT%H-%M-%S.%6f")
        .to_string();
    let (folder, stem) = if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        (path.parent().unwrap_or(Path::new("")).to_path_buf(), stem)
    } else {
        (
            path.join(report::sanitize_model_name(&info.model_name)),
            "results".to_string(),
        )
    };
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    }
    let mut files = vec![(
        folder.join(format!("{stem}_{date}.json")),
        report::results(info, runs),
    )];
    files.push((folder.join(format!("table_{date}.md")), table::table(runs)));
    files.push((folder.join(format!("scores_{date}.csv")), table::csv(runs)));
    if samples {
        let of_task = |(task, run): &(&Task, &TaskRun)| {
            (
                folder.join(format!("samples_{}_{date}.jsonl", task.name())),
                report::samples(task, run),
            )
        };
        files.extend(runs.tasks.iter().map(of_task));
    }
    for (file, text) in &files {
        fs::write(file, text).with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}
