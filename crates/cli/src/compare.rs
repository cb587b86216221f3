//! `jeoul compare`: whether two runs on the same documents differ.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use comfy_table::{CellAlignment, Table, presets};
use jeoul_eval::metrics::{Comparison, compare};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::print;
use crate::task_files::text;

/// Arguments of `compare`.
#[derive(clap::Args)]
pub(crate) struct Compare {
    /// `samples_*.jsonl` of the first run, as `jeoul eval --log_samples` or lm-evaluation-harness writes it.
    first: PathBuf,
    /// That of the second run, on the same documents.
    second: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What one run says of the documents: by metric and filter, values by document.
type Values = BTreeMap<(String, String), BTreeMap<String, f64>>;

/// One line of the result.
#[derive(Serialize)]
struct Compared {
    metric: String,
    filter: String,
    #[serde(flatten)]
    comparison: Comparison,
}

impl Compare {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (first, second) = (values(&self.first)?, values(&self.second)?);
        let mut compared = Vec::new();
        for ((metric, filter), ours) in first {
            let Some(theirs) = second.get(&(metric.clone(), filter.clone())) else {
                continue;
            };
            let both = ours
                .iter()
                .filter_map(|(document, value)| Some((*value, *theirs.get(document)?)));
            let (ours, theirs): (Vec<f64>, Vec<f64>) = both.unzip();
            compared.push(Compared {
                comparison: compare(&ours, &theirs)
                    .with_context(|| format!("{metric}, {filter}"))?,
                metric,
                filter,
            });
        }
        if compared.is_empty() {
            return Err(anyhow!("the files have no metric of the same documents in common").into());
        }
        print(&match self.json {
            true => serde_json::to_string_pretty(&compared)?,
            false => table(&compared),
        })
    }
}

/// The figures that each document has by itself. Documents are known by what was asked, so that another order does not matter.
fn values(path: &Path) -> anyhow::Result<Values> {
    let mut values = Values::new();
    for (index, line) in text(path)?.lines().enumerate() {
        let place = || format!("`{}` line {}", path.display(), index + 1);
        let sample: Value = serde_json::from_str(line).with_context(place)?;
        let field = |name: &str| sample[name].as_str().map(String::from);
        let (Some(filter), Some(document), Some(metrics)) = (
            field("filter"),
            field("doc_hash"),
            sample["metrics"].as_array(),
        ) else {
            bail!("{} has no `filter`, `doc_hash` and `metrics`", place());
        };
        for metric in metrics.iter().filter_map(Value::as_str) {
            // Only what is a number for each document can be paired.
            if let Some(value) = sample[metric].as_f64() {
                let key = (metric.to_string(), filter.clone());
                values
                    .entry(key)
                    .or_default()
                    .insert(format!("{document} {}", sample["doc_id"]), value);
            }
        }
    }
    Ok(values)
}

fn table(compared: &[Compared]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "metric",
        "filter",
        "n",
        "first",
        "second",
        "difference",
        "95 % interval",
        "p",
    ]);
    for Compared {
        metric,
        filter,
        comparison,
    } in compared
    {
        table.add_row([
            metric.clone(),
            filter.clone(),
            comparison.documents.to_string(),
            format!("{:.4}", comparison.first),
            format!("{:.4}", comparison.second),
            format!("{:+.4}", comparison.difference),
            format!("{:+.4} to {:+.4}", comparison.low, comparison.high),
            format!("{:.4}", comparison.p_value),
        ]);
    }
    for index in 2..8 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
