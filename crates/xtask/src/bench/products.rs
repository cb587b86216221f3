//! Products of activations with weights alone: in Chromium beside onnxruntime-web's, natively beside what the processor can do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use super::text::{median, section};
use super::{in_chromium, said};
use crate::build;
use crate::place::Place;
use crate::process::{cargo, run, step};

/// How many times as fast as `MatMulNBits` Jeoul wants to be, by rows.
const GOALS: [(usize, f64); 2] = [(256, 2.2), (1, 20.0)];
/// The share of the peak that a 4-bit product of 256 rows wants to reach.
const PEAK: f64 = 0.6;
/// How much longer a row may take among 1,024 than among 64.
const GROWTH: f64 = 0.15;

const BROWSER: &str = "Products alone (headless Chromium, one thread, 4-bit weights)";
const BROWSER_HEAD: &str = "\
| rows | K × N | Jeoul, G MAC/s | of the peak | MatMulNBits | Jeoul's | MatMul in f32 |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";
const NATIVE: &str = "Products alone (natively, one thread, 576 × 1536)";
const NATIVE_HEAD: &str = "\
| weights | rows | Jeoul, G MAC/s | peak | of it |
| --- | ---: | ---: | ---: | ---: |
";

/// The two sections.
pub(super) fn measure(place: &Place, repeats: u32) -> anyhow::Result<String> {
    let module = build::example(place, &build::PRODUCTS, true)?;
    let browser = step("products in Chromium", || {
        let mut browser = in_chromium(place, "products.mjs")?;
        browser.arg(module).arg(repeats.to_string());
        Ok(said::<Browser>(&mut browser)?.lines())
    })?;
    let native = step("products natively", || {
        let criterion = place.target.join("bench/criterion");
        let mut bench = cargo(place, "bench", &place.target);
        // With the command's packages and features most dependencies are those of its build.
        bench.args(["--package", "jeoul", "--package", "jeoul-kernels"]);
        bench.args(["--no-default-features", "--bench", "matmul"]);
        run(bench.env("CRITERION_HOME", &criterion))?;
        native(&read(&criterion)?)
    })?;
    Ok(section(BROWSER, BROWSER_HEAD, &browser) + &section(NATIVE, NATIVE_HEAD, &native))
}

/// What the page measured, in G MAC/s.
#[derive(Deserialize)]
struct Browser {
    shapes: Vec<Shape>,
    /// The most that Jeoul's inner instructions allow.
    peak: Vec<f64>,
    /// Kinds of product that failed, and why.
    errors: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Shape {
    rows: usize,
    k: usize,
    n: usize,
    /// By kind of product.
    speeds: BTreeMap<String, Vec<f64>>,
}

impl Browser {
    fn lines(&self) -> Vec<String> {
        let peak = median(&self.peak);
        let mut lines: Vec<String> = self.shapes.iter().map(|shape| shape.line(peak)).collect();
        lines.push(format!(
            "\nMatMulNBits is onnxruntime-web's, the fastest of its variants: with zero points, as Q4_1 has minima, without, and \
             told that int8 is exact enough. Jeoul's products include the norm before them. The peak, {peak:.1} G MAC/s, is a \
             loop of `i32x4.dot_i16x8_s` and `i32x4.add`.\n"
        ));
        let errors = self.errors.iter();
        lines.extend(errors.map(|(kind, error)| format!("\nNot measured: {kind}: {error}\n")));
        lines
    }
}

impl Shape {
    fn line(&self, peak: f64) -> String {
        let Self { rows, k, n, speeds } = self;
        let of = |kind: &str| speeds.get(kind).map(|speeds| median(speeds));
        let variants = speeds
            .iter()
            .filter(|(kind, _)| kind.starts_with("matmulnbits"));
        let theirs = variants.map(|(_, speeds)| median(speeds)).reduce(f64::max);
        let ours = of("jeoul");
        let cell =
            |speed: Option<f64>| speed.map_or("–".to_owned(), |speed| format!("{speed:.2}"));
        let goal = GOALS
            .iter()
            .find(|(of, _)| of == rows)
            .map_or(0.0, |goal| goal.1);
        let ratio = match ours.zip(theirs).map(|(ours, theirs)| ours / theirs) {
            Some(ratio) if ratio < goal => format!("{ratio:.2} × (goal {goal})"),
            Some(ratio) => format!("{ratio:.2} ×"),
            None => "–".to_owned(),
        };
        format!(
            "| {rows} | {k} × {n} | {} | {} | {} | {ratio} | {} |\n",
            cell(ours),
            ours.map_or("–".to_owned(), |ours| share(ours / peak, *rows == 256)),
            cell(theirs),
            cell(of("f32"))
        )
    }
}

/// A share of the peak; with the goal where it is missed.
fn share(share: f64, has_goal: bool) -> String {
    let goal = match has_goal && share < PEAK {
        true => format!(" (goal {:.0} %)", PEAK * 100.0),
        false => String::new(),
    };
    format!("{:.0} %{goal}", share * 100.0)
}

/// G MAC/s by the name of the benchmark, such as `matmul/Q4_1/256`.
type Speeds = BTreeMap<String, f64>;

/// What criterion found out last.
fn read(criterion: &Path) -> anyhow::Result<Speeds> {
    #[derive(Deserialize)]
    struct Benchmark {
        full_id: String,
        throughput: Throughput,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Throughput {
        elements: f64,
    }
    #[derive(Deserialize)]
    struct Estimates {
        median: Estimate,
    }
    /// In nanoseconds.
    #[derive(Deserialize)]
    struct Estimate {
        point_estimate: f64,
    }
    fn json<T: for<'a> Deserialize<'a>>(file: PathBuf) -> anyhow::Result<T> {
        let bytes = fs::read(&file).with_context(|| format!("no {}", file.display()))?;
        serde_json::from_slice(&bytes).with_context(|| file.display().to_string())
    }
    let mut speeds = Speeds::new();
    let mut folders = vec![criterion.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name == "new") {
                let Benchmark {
                    full_id,
                    throughput,
                } = json(path.join("benchmark.json"))?;
                let estimates: Estimates = json(path.join("estimates.json"))?;
                let speed = throughput.elements / estimates.median.point_estimate;
                speeds.insert(full_id, speed);
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(speeds)
}

/// Lines of the native table.
fn native(speeds: &Speeds) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for format in ["Q4_0", "Q4_1", "Q8_0"] {
        for rows in [1, 4, 64, 256, 1024] {
            let speed = of(speeds, format, rows)?;
            let (peak, part) = match peak(speeds, &format!("{format}/{rows}")) {
                Some((_, peak)) => (
                    format!("{peak:.1}"),
                    share(speed / peak, (format, rows) == ("Q4_1", 256)),
                ),
                None => ("–".to_owned(), "–".to_owned()),
            };
            lines.push(format!(
                "| {format} | {rows} | {speed:.1} | {peak} | {part} |\n"
            ));
        }
    }
    if let (Some((name, one)), Some((_, two))) =
        (peak(speeds, "1 thread"), peak(speeds, "2 threads"))
    {
        lines.push(format!(
            "\nThe peak is a loop of `{name}`, measured before each product. On two threads at once it gives {:.2} × as much as on \
             one.\n",
            two / one
        ));
    }
    let growth = of(speeds, "Q4_1", 64)? / of(speeds, "Q4_1", 1024)? - 1.0;
    let goal = match growth > GROWTH {
        true => format!(" (goal at most {:.0} %)", GROWTH * 100.0),
        false => String::new(),
    };
    lines.push(format!(
        "\nA row of a Q4_1 product takes {:+.0} % longer among 1,024 than among 64{goal}.\n",
        growth * 100.0
    ));
    Ok(lines)
}

/// The peak-finding loop that was measured for a benchmark: its instructions, and G MAC/s.
fn peak<'a>(speeds: &'a Speeds, of: &str) -> Option<(&'a str, f64)> {
    speeds.iter().find_map(|(name, &speed)| {
        let (group, found) = name.split_once('/')?;
        Some((group.strip_prefix("peak ")?, speed)).filter(|_| found == of)
    })
}

fn of(speeds: &Speeds, format: &str, rows: u32) -> anyhow::Result<f64> {
    let name = format!("matmul/{format}/{rows}");
    let speed = speeds.get(&name).copied();
    speed.with_context(|| format!("criterion measured no `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_variant_counts_and_missed_goals_are_named() {
        let shape = |rows, jeoul: &[f64]| Shape {
            rows,
            k: 576,
            n: 1536,
            speeds: [
                ("jeoul", jeoul),
                ("matmulnbits", &[1.0]),
                ("matmulnbits-symmetric", &[2.0, 2.0, 8.0]),
            ]
            .map(|(kind, speeds)| (kind.to_owned(), speeds.to_vec()))
            .into(),
        };
        assert_eq!(
            shape(256, &[4.0]).line(8.0),
            "| 256 | 576 × 1536 | 4.00 | 50 % (goal 60 %) | 2.00 | 2.00 × (goal 2.2) | – |\n"
        );
        assert_eq!(
            shape(1, &[50.0, 30.0]).line(80.0),
            "| 1 | 576 × 1536 | 40.00 | 50 % | 2.00 | 20.00 × | – |\n"
        );
    }

    #[test]
    fn rows_that_slow_each_other_down_are_named() {
        let speeds = |many| -> Speeds {
            let threads = [("peak dot/1 thread", 100.0), ("peak dot/2 threads", 150.0)];
            let mut speeds: Speeds = threads.map(|(name, speed)| (name.to_owned(), speed)).into();
            for format in ["Q4_0", "Q4_1", "Q8_0"] {
                for rows in [1, 4, 64, 256, 1024] {
                    let speed = if rows == 1024 { many } else { 60.0 };
                    speeds.insert(format!("matmul/{format}/{rows}"), speed);
                    speeds.insert(format!("peak dot/{format}/{rows}"), 120.0);
                }
            }
            speeds.insert("peak dot/Q4_1/256".into(), 80.0);
            speeds
        };
        let lines = native(&speeds(40.0)).unwrap();
        assert_eq!(lines[7], "| Q4_1 | 64 | 60.0 | 120.0 | 50 % |\n");
        assert_eq!(lines[8], "| Q4_1 | 256 | 60.0 | 80.0 | 75 % |\n");
        assert_eq!(
            lines[15],
            "\nThe peak is a loop of `dot`, measured before each product. On two threads at once it gives 1.50 × as much as on one.\n"
        );
        assert_eq!(
            lines[16],
            "\nA row of a Q4_1 product takes +50 % longer among 1,024 than among 64 (goal at most 15 %).\n"
        );
        assert!(native(&Speeds::new()).is_err());
    }
}
