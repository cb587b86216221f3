//! The Markdown table that the harness prints: `make_table` (`lm_eval/utils.py`) over pytablewriter 1.2.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::group::{Group, GroupScore};
use crate::python;
use crate::report::Runs;
use crate::run::TaskRun;
use crate::task::Task;

/// Headers after the first, which is `Tasks` or `Groups`.
const HEADERS: [&str; 8] = [
    "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr",
];

/// Cells of a row.
type Row = [String; 9];

/// The table of some runs, groups before their tasks, with a line break at its end; then the table of the groups alone, where
/// some have metrics of their own.
pub fn table(runs: Runs<'_>) -> String {
    let groups = runs.group_scores();
    let mut text = render("Tasks", &rows(runs, &groups, true));
    if groups.iter().any(|(group, _)| group.aggregates()) {
        text += "\n";
        text += &render("Groups", &rows(runs, &groups, false));
    }
    text
}

/// The rows of a table as comma-separated values, one line per figure, for spreadsheets.
pub fn csv(runs: Runs<'_>) -> String {
    let mut text = String::from("task,version,filter,n_shot,metric,value,stderr\n");
    let (groups, shots) = (runs.group_scores(), runs.shots());
    let mut line = |name: &str, version: String, shots: Option<u32>, figure: &Figure| {
        let shots = shots.map_or(String::new(), |shots| shots.to_string());
        let stderr = figure.stderr.map_or(String::new(), python::float);
        let cells = [
            name.into(),
            version,
            figure.filter.clone(),
            shots,
            figure.name.clone(),
            python::float(figure.value),
            stderr,
        ];
        text += &cells.map(|cell: String| quoted(&cell)).join(",");
        text.push('\n');
    };
    for (task, run) in runs.tasks {
        for figure in figures(run) {
            let shots = Some(run.score.num_fewshot);
            line(task.name(), task.version(), shots, &figure);
        }
    }
    for (group, score) in &groups {
        for figure in group_figures(score) {
            line(
                &group.name,
                group.version.clone(),
                shots.get(group.name.as_str()).copied(),
                &figure,
            );
        }
    }
    text
}

/// A cell of RFC 4180.
fn quoted(cell: &str) -> String {
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.into(),
    }
}

/// One figure of a task or a group.
struct Figure {
    name: String,
    filter: String,
    value: f64,
    stderr: Option<f64>,
}

fn figures(run: &TaskRun) -> Vec<Figure> {
    let metrics = run.score.metrics.iter();
    metrics
        .map(|metric| Figure {
            name: metric.name.clone(),
            filter: metric.filter.clone(),
            value: metric.value,
            stderr: metric.stderr,
        })
        .collect()
}

fn group_figures(score: &GroupScore) -> Vec<Figure> {
    let metrics = score.metrics.iter().map(|metric| Figure {
        name: metric.name.clone(),
        filter: metric.filter.clone(),
        value: metric.value,
        stderr: metric.stderr,
    });
    let average = score.average.map(|value| Figure {
        name: "average".into(),
        filter: "none".into(),
        value,
        stderr: None,
    });
    metrics.chain(average).collect()
}

/// Rows of tasks and groups (`column="results"`), or of groups that have metrics (`column="groups"`).
fn rows(runs: Runs<'_>, groups: &[(&Group, GroupScore)], tasks: bool) -> Vec<Row> {
    let (all_shots, all_directions) = (runs.shots(), runs.higher_is_better());
    let mut rows = Vec::new();
    for (name, depth) in order(runs, tasks) {
        let task: Option<&(&Task, &TaskRun)> =
            runs.tasks.iter().find(|(task, _)| task.name() == name);
        let group = groups.iter().find(|(group, _)| group.name == name);
        let (alias, version, mut figures) = match (task, group) {
            (Some((task, run)), _) => {
                let alias = task.config.file.get("task_alias").map(python::str_of);
                let alias = alias.unwrap_or_else(|| name.to_string());
                (alias, task.version(), figures(run))
            }
            (None, Some((group, score))) => (
                group.alias.clone(),
                group.version.clone(),
                group_figures(score),
            ),
            (None, None) => continue,
        };
        let indent = match depth {
            0 => String::new(),
            depth => format!("{}- ", " ".repeat(depth)),
        };
        let mut first = format!("{indent}{alias}");
        let mut version = version;
        let shots = all_shots.get(name).map_or(" ".into(), u32::to_string);
        figures.sort_by_key(|figure| format!("{},{}", figure.name, figure.filter));
        for figure in figures {
            let arrow = match all_directions
                .get(name)
                .and_then(|all| all.get(&figure.name))
            {
                Some(Json::Bool(true)) => "↑",
                Some(Json::Bool(false)) => "↓",
                _ => "",
            };
            // The average of a leaderboard is ours, and has no standard error.
            let (sign, stderr) = match (figure.stderr, figure.name == "average") {
                (_, true) => ("", String::new()),
                (None, _) => ("±", "   N/A".into()),
                (Some(stderr), _) => ("±", format!("{stderr:.4}")),
            };
            rows.push([
                std::mem::take(&mut first),
                std::mem::take(&mut version),
                figure.filter,
                shots.clone(),
                figure.name,
                arrow.into(),
                format!("{:.4}", figure.value),
                sign.into(),
                stderr,
            ]);
        }
    }
    rows
}

/// Names in the order of the table with their depth below groups: `_build_hierarchy_info`.
fn order<'a>(runs: Runs<'a>, tasks: bool) -> Vec<(&'a str, usize)> {
    let groups: BTreeMap<&str, &Group> = runs
        .groups
        .iter()
        .map(|group| (group.name.as_str(), group))
        .collect();
    let shown = |name: &str| match groups.get(name) {
        Some(group) => tasks || group.aggregates(),
        None => tasks,
    };
    let mut order: Vec<(&str, usize)> = Vec::new();
    let is_child = |name: &str| {
        let mut children = groups.values().flat_map(|group| &group.children);
        children.any(|child| child == name)
    };
    // Depth first, without recursion: the next name is the last of the stack.
    let mut stack: Vec<(&str, usize)> = groups
        .keys()
        .rev()
        .filter(|name| !is_child(name))
        .map(|name| (*name, 0))
        .collect();
    while let Some((name, depth)) = stack.pop() {
        if shown(name) {
            order.push((name, depth));
        }
        if let Some(group) = groups.get(name) {
            let mut children: Vec<&str> = group.children.iter().map(String::as_str).collect();
            children.sort_unstable();
            stack.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
        }
    }
    if tasks {
        let mut alone: Vec<&str> = runs.tasks.iter().map(|(task, _)| task.name()).collect();
        alone.retain(|name| !is_child(name));
        alone.sort_unstable();
        order.extend(alone.into_iter().map(|name| (name, 0)));
    }
    order
}

/// Text in Markdown columns; numbers lose the zeros that no other number of their column needs.
fn render(first: &'static str, rows: &[Row]) -> String {
    let headers = [first].into_iter().chain(HEADERS);
    let columns: Vec<Column> = headers
        .enumerate()
        .map(|(i, header)| Column::new(header, rows.iter().map(|row| row[i].as_str()).collect()))
        .collect();
    let line = |cell: &dyn Fn(&Column) -> String| -> String {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        format!("|{}|\n", cells.join("|"))
    };
    let mut text = line(&|column| format!("{:^1$}", column.header, column.width));
    text += &line(&|column| match column.numeric {
        true => format!("{}:", "-".repeat(column.width - 1)),
        false => "-".repeat(column.width),
    });
    for index in 0..rows.len() {
        text += &line(&|column| {
            let (cell, width) = (&column.cells[index], column.width);
            if cell.number {
                format!("{:>width$}", cell.text)
            } else {
                format!("{:<width$}", cell.text)
            }
        });
    }
    text
}

struct Cell {
    text: String,
    number: bool,
}

struct Column {
    header: &'static str,
    cells: Vec<Cell>,
    /// Whether every cell that is not blank holds a number.
    numeric: bool,
    /// Characters.
    width: usize,
}

impl Column {
    fn new(header: &'static str, texts: Vec<&str>) -> Self {
        let places: Vec<Option<usize>> = texts.iter().map(|text| decimal_places(text)).collect();
        let numeric = texts
            .iter()
            .zip(&places)
            .all(|(text, places)| text.trim().is_empty() || places.is_some())
            && places.iter().any(Option::is_some);
        let most = places.iter().flatten().copied().max().unwrap_or(0);
        let cell = |(text, places): (&&str, &Option<usize>)| {
            let number = text.parse::<f64>().ok().zip(*places);
            let text = match number {
                // Among texts a whole number stays whole.
                Some((number, 0)) if !numeric => format!("{number:.0}"),
                Some((number, _)) => format!("{number:.most$}"),
                None => text.to_string(),
            };
            Cell {
                text,
                number: number.is_some(),
            }
        };
        let cells: Vec<Cell> = texts.iter().zip(&places).map(cell).collect();
        let longest = cells
            .iter()
            .map(|cell| cell.text.chars().count())
            .max()
            .unwrap_or(0);
        Self {
            header,
            numeric,
            width: longest.max(header.len()).max(3),
            cells,
        }
    }
}

/// Decimal places a number needs, `None` for what is no number.
fn decimal_places(text: &str) -> Option<usize> {
    text.parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())?;
    let (_, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(fraction.trim_end_matches('0').len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of (task, version, shots, metric, value, stderr).
    #[track_caller]
    fn prints(rows: &[[&str; 6]], expected: &str) {
        let row = |[task, version, shots, metric, value, stderr]: &[&str; 6]| {
            [
                task, version, &"none", shots, metric, &"↑", value, &"±", stderr,
            ]
            .map(|cell| cell.to_string())
        };
        assert_eq!(
            render("Tasks", &rows.iter().map(row).collect::<Vec<_>>()),
            expected
        );
    }

    // Expected tables: lm_eval.utils.make_table of 0.4.13.

    #[test]
    fn numbers_of_a_column_share_their_decimal_places() {
        prints(
            &[
                ["arc_easy", "1.0", "0", "acc", "0.6000", "0.1124"],
                ["", "", "0", "acc_norm", "0.5500", "0.1141"],
            ],
            "| Tasks  |Version|Filter|n-shot| Metric |   |Value|   |Stderr|\n\
             |--------|------:|------|-----:|--------|---|----:|---|-----:|\n\
             |arc_easy|      1|none  |     0|acc     |↑  | 0.60|±  |0.1124|\n\
             |        |       |none  |     0|acc_norm|↑  | 0.55|±  |0.1141|\n",
        );
    }

    #[test]
    fn a_column_with_text_is_aligned_left_and_keeps_whole_numbers() {
        prints(
            &[
                ["x", "Yaml", "10", "acc", "0.6000", "0.1000"],
                ["y", "2.0", "5", "acc", "1.0000", "   N/A"],
                ["zzzzzzz_long", "0.25", "5", "acc", "0.2500", "0.1250"],
            ],
            "|   Tasks    |Version|Filter|n-shot|Metric|   |Value|   |Stderr|\n\
             |------------|-------|------|-----:|------|---|----:|---|------|\n\
             |x           |Yaml   |none  |    10|acc   |↑  | 0.60|±  | 0.100|\n\
             |y           |      2|none  |     5|acc   |↑  | 1.00|±  |   N/A|\n\
             |zzzzzzz_long|   0.25|none  |     5|acc   |↑  | 0.25|±  | 0.125|\n",
        );
    }

    #[test]
    fn whole_numbers_alone_lose_their_places() {
        prints(
            &[["t", "1.0", "0", "acc", "1.0000", "0.0000"]],
            "|Tasks|Version|Filter|n-shot|Metric|   |Value|   |Stderr|\n\
             |-----|------:|------|-----:|------|---|----:|---|-----:|\n\
             |t    |      1|none  |     0|acc   |↑  |    1|±  |     0|\n",
        );
    }
}
