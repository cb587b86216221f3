//! The Markdown table that the harness prints: `make_table` (`lm_eval/utils.py`) over pytablewriter 1.2.

use crate::python;
use crate::run::TaskRun;
use crate::task::Task;

const HEADERS: [&str; 9] = [
    "Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr",
];

/// The table of some runs, sorted by task, with a line break at its end.
pub fn table(runs: &[(&Task, &TaskRun)]) -> String {
    let mut sorted = runs.to_vec();
    sorted.sort_by_key(|(task, _)| task.name());
    let mut rows: Vec<[String; 9]> = Vec::new();
    for (task, run) in sorted {
        let alias = task
            .config
            .json
            .get("task_alias")
            .filter(|alias| !alias.is_null())
            .map(python::str_of);
        let mut name = alias.unwrap_or_else(|| task.name().into());
        let mut version = task.version();
        let mut metrics: Vec<_> = run.score.metrics.iter().zip(&task.config.metrics).collect();
        metrics.sort_by_key(|(metric, _)| metric.name.clone());
        for (metric, (_, higher)) in metrics {
            rows.push([
                std::mem::take(&mut name),
                std::mem::take(&mut version),
                "none".into(),
                run.score.num_fewshot.to_string(),
                metric.name.clone(),
                if *higher { "↑" } else { "↓" }.into(),
                format!("{:.4}", metric.value),
                "±".into(),
                metric
                    .stderr
                    .map_or("   N/A".into(), |stderr| format!("{stderr:.4}")),
            ]);
        }
    }
    render(&rows)
}

/// Text in Markdown columns; numbers lose the zeros that no other number of their column needs.
fn render(rows: &[[String; 9]]) -> String {
    let columns: Vec<Column> = (0..HEADERS.len())
        .map(|i| Column::new(HEADERS[i], rows.iter().map(|row| row[i].as_str()).collect()))
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
    /// Whether every cell that is not empty holds a number.
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
            .all(|(text, places)| text.is_empty() || places.is_some())
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
        assert_eq!(render(&rows.iter().map(row).collect::<Vec<_>>()), expected);
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
