//! The text of BENCHMARKS.md: tables of medians and ratios, and the goals that are missed.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::thread;

use super::{GENERATE, Load, Measured, PROMPT};
use crate::needs;
use crate::place::Place;
use crate::process::output;
use crate::registry;

pub(super) const BROWSER: &str = "In the browser (headless Chromium, CPU, one thread)";
pub(super) const BROWSER_2: &str = "In the browser (headless Chromium, CPU, two threads)";
pub(super) const LOADING: &str = "Loading in the browser (CPU)";
pub(super) const NATIVE: &str = "Natively (CPU, one thread)";
pub(super) const NATIVE_2: &str = "Natively (CPU, two threads)";
pub(super) const GPU: &str = "Natively (GPU)";
pub(super) const GPU_BROWSER: &str = "In the browser (headless Chromium, GPU lane on SwiftShader)";

/// Head of a table of [`rows`].
pub(super) const SPEEDS: &str = "\
| file | engine | prefill, tokens/s | decode, tokens/s | Jeoul's prefill | Jeoul's decode |
| --- | --- | ---: | ---: | ---: | ---: |
";

/// The same for [`NATIVE`], whose engines answered requests too.
pub(super) const SPEEDS_AND_ERRORS: &str = "\
| file | engine | prefill, tokens/s | decode, tokens/s | Jeoul's prefill | Jeoul's decode | mean \\|Δ log-likelihood\\| a token, nats |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
";

/// Head of a table of [`loads`].
pub(super) const LOADS: &str = "\
Q4_1 comes from where the page keeps it, the others are files that were chosen. Reading is what a page can do with either: \
`arrayBuffer` of 8 MiB after the other.

| file | size, MB | reading it, s | to the first probability, s | times as long | wasm memory, MB | times the file |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// How many times as fast as another engine Jeoul wants to be: where, on which file, which engine, in prefill and in decode.
const GOALS: [(&str, &str, &str, [f64; 2]); 10] = [
    (BROWSER, "Q4_1", "wllama-1", [14.0, 8.0]),
    (BROWSER, "Q8_0", "wllama-1", [8.0, 6.0]),
    (BROWSER, "Q8_0", "flare", [4.0, 4.0]),
    (NATIVE, "Q4_1", "llama.cpp", [2.5, 2.5]),
    (NATIVE, "Q4_0", "llama.cpp", [1.0, 1.0]),
    (NATIVE, "Q8_0", "llama.cpp", [1.0, 1.0]),
    (BROWSER_2, "Q4_1", "wllama-2", [14.0, 8.0]),
    (BROWSER_2, "Q4_1", "jeoul", [1.8, 0.0]),
    (GPU, "Q4_1", super::STOCK, [4.0, 4.0]),
    (GPU_BROWSER, "Q4_1", super::STOCK, [4.0, 4.0]),
];
/// The same for prefill in the browser beside native llama.cpp with one thread.
const ACROSS: [(&str, f64); 2] = [("Q4_1", 1.2), ("Q4_0", 0.5)];
/// Most time to the first probability, in times that reading the file takes, and most memory in times its size.
const LOAD_MOST: [f64; 2] = [2.0, 1.6];
/// Most wasm memory of a checkpoint whose weights lie on the GPU, in MiB, whatever its size.
const GPU_MEMORY: f64 = 96.0;
/// How many times as far from the reference another engine's log-likelihoods are at least.
const ERROR_LEAST: f64 = 100.0;

/// A section of a machine's part: lines below `head`, which may be empty.
pub(super) fn section(title: &str, head: &str, lines: &[String]) -> String {
    format!("\n### {title}\n\n{head}{}", lines.concat())
}

/// Lines of the table: medians, how many times as fast Jeoul is, and where a goal is missed, the goal.
pub(super) fn rows(title: &str, file: &str, measured: &Measured) -> String {
    let (ours, mut lines) = (measured.first().map(|(_, ours)| ours), String::new());
    for (name, speeds) in measured {
        if let Some(error) = &speeds.error {
            let error = error.replace('|', "\\|");
            _ = writeln!(lines, "| {file} | {name} | not measured: {error} | | | |");
            continue;
        }
        let [prefill, decode] = [&speeds.prefill, &speeds.decode].map(|speeds| median(speeds));
        let goal = GOALS
            .iter()
            .find(|goal| (goal.0, goal.1, goal.2) == (title, file, name))
            .map_or([0.0; 2], |goal| goal.3);
        let ratio = |ours: Option<&Vec<f64>>, theirs: f64, goal: f64| match ours
            .map(|ours| median(ours) / theirs)
        {
            Some(ratio) if ratio < goal => format!("{ratio:.2} × (goal {goal})"),
            Some(ratio) if ratio.is_finite() => format!("{ratio:.2} ×"),
            _ => "–".to_owned(),
        };
        let ratios = [
            ratio(ours.map(|ours| &ours.prefill), prefill, goal[0]),
            ratio(ours.map(|ours| &ours.decode), decode, goal[1]),
        ];
        let error = match title {
            NATIVE => error(ours.and_then(|ours| ours.error_nats), speeds.error_nats),
            _ => String::new(),
        };
        _ = writeln!(
            lines,
            "| {file} | {name} | {prefill:.1} | {decode:.1} | {} | {} |{error}",
            ratios[0], ratios[1]
        );
    }
    lines
}

/// The cell with an engine's error.
fn error(ours: Option<f64>, theirs: Option<f64>) -> String {
    let Some((ours, theirs)) = ours.zip(theirs) else {
        return " – |".to_owned();
    };
    let ratio = theirs / ours;
    let beside = match ratio {
        1.0 => String::new(),
        ratio if ratio < ERROR_LEAST => format!(", {ratio:.0} × (goal {ERROR_LEAST})"),
        ratio => format!(", {ratio:.0} ×"),
    };
    format!(" {theirs:.1e}{beside} |")
}

/// How fast the browser reads a prompt beside native llama.cpp.
pub(super) fn across(file: &str, browser: &Measured, native: &Measured) -> Option<String> {
    let of = |measured: &Measured, name: &str| {
        let (_, speeds) = measured.iter().find(|(other, _)| other == name)?;
        Some(median(&speeds.prefill))
    };
    let ratio = of(browser, "jeoul")? / of(native, "llama.cpp")?;
    let goal = ACROSS.iter().find(|(other, _)| *other == file);
    let missed = match goal {
        Some((_, goal)) if ratio < *goal => format!(" (goal {goal})"),
        _ => String::new(),
    };
    ratio.is_finite().then(|| {
        format!("\nIn the browser Jeoul reads {file} prompts {ratio:.2} × as fast as this llama.cpp{missed}.\n")
    })
}

/// Line of the table of loads: medians.
pub(super) fn loads(file: &str, loads: &[Load]) -> String {
    let middle = |value: fn(&Load) -> f64| median(&loads.iter().map(value).collect::<Vec<_>>());
    let [read, first] = [middle(|load| load.read), middle(|load| load.first)];
    let [memory, size] =
        [middle(|load| load.memory), middle(|load| load.size)].map(|bytes| bytes / 1e6);
    let ratio = |ratio: f64, most: f64| match ratio > most {
        true => format!("{ratio:.2} (goal {most})"),
        false => format!("{ratio:.2}"),
    };
    format!(
        "| {file} | {size:.1} | {read:.3} | {first:.3} | {} | {memory:.1} | {} |\n",
        ratio(first / read, LOAD_MOST[0]),
        ratio(memory / size, LOAD_MOST[1])
    )
}

/// What the GPU lane's module holds in main memory; nothing if it never loaded.
pub(super) fn gpu_memory(loads: &[Load]) -> String {
    if loads.is_empty() {
        return String::new();
    }
    let memory: Vec<f64> = loads.iter().map(|load| load.memory).collect();
    let mebibytes = median(&memory) / f64::from(1 << 20);
    let goal = match mebibytes > GPU_MEMORY {
        true => format!(" (goal {GPU_MEMORY})"),
        false => String::new(),
    };
    format!("\nAfter the first probability wasm memory is {mebibytes:.0} MiB large{goal}.\n")
}

/// The middle value, of an even count the mean of the two; 0 of none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// The beginning of the page.
const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which replaces the part of the machine that it runs on. Ratios are of engines that ran in turns; those \
of two parts do not compare. Columns with Jeoul's name say how many times as fast it is, and what it wants to be where it is not. \
Errors are measured from the reference lane, plain f32 on the same weights.
";
/// What the title of a machine's part begins with.
const ON: &str = "\n## On ";

/// This machine: processor, its widest vectors that Jeoul has kernels for, cores.
fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let value = |line: &str| Some(line.strip_prefix(key)?.split_once(':')?.1.trim().to_owned());
        cpuinfo.lines().find_map(value)
    };
    let name = of("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    // Hosts of virtual machines leave the rest of the name out.
    let kind = of("cpu family").zip(of("model\t"));
    let kind = kind.map_or_else(String::new, |(family, model)| {
        format!(" (family {family}, model {model})")
    });
    let flags = of("flags").unwrap_or_default();
    let vectors = [("avx512_vnni", ", AVX-512 with VNNI"), ("avx2", ", AVX2")];
    let vectors = vectors
        .iter()
        .find(|(flag, _)| flags.split(' ').any(|other| other == *flag));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{name}{kind}{}, {cores} cores",
        vectors.map_or("", |(_, name)| name)
    )
}

/// The head of this machine's part: what else the numbers depend on, versions, commit, day.
pub(super) fn head(place: &Place, repeats: u32) -> String {
    let told = |command: &mut Command| output(command).unwrap_or_default();
    let git =
        |arguments: &[&str]| told(Command::new("git").args(arguments).current_dir(&place.root));
    let commit = git(&["describe", "--always", "--dirty"]);
    let day = git(&["log", "-1", "--format=%cs"]);
    let chromium = needs::chromium().map(|path| told(Command::new(path).arg("--version")));
    let packages = fs::read_to_string(place.bench().join("package.json")).unwrap_or_default();
    format!(
        "{ON}{}\n\n{}, a prompt of {PROMPT} tokens, then {GENERATE} generated; medians of {repeats}. {}; commit {commit} of {day}; {}.\n",
        machine(),
        registry::DEFAULT,
        chromium.unwrap_or_default(),
        versions(&packages).join(", ")
    )
}

/// The page with another part of one machine; those of others stay as they are.
pub(super) fn with_part(page: &str, part: &str) -> String {
    let title = |part: &str| part.lines().next().map(str::to_owned);
    let own = title(part.trim_start_matches(ON));
    let others = page.split(ON).skip(1).filter(|other| title(other) != own);
    others.fold(format!("{INTRODUCTION}{part}"), |page, other| {
        page.trim_end().to_owned() + "\n" + ON + other
    })
}

/// `name version` of the dependencies in a package.json.
fn versions(packages: &str) -> Vec<String> {
    let parsed: serde_json::Value = serde_json::from_str(packages).unwrap_or_default();
    let dependencies = parsed["dependencies"].as_object().into_iter().flatten();
    dependencies
        .map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Speeds;
    use super::*;

    #[test]
    fn the_table_says_how_many_times_as_fast_jeoul_is() {
        let speeds = |prefill: &[f64], decode: &[f64]| Speeds {
            prefill: prefill.to_vec(),
            decode: decode.to_vec(),
            ..Speeds::default()
        };
        let broken = Speeds {
            error: Some("no | memory".into()),
            ..Speeds::default()
        };
        let measured = vec![
            ("Jeoul".to_owned(), speeds(&[90.0, 110.0, 100.0], &[40.0])),
            ("wllama-1".to_owned(), speeds(&[25.0, 75.0], &[5.0])),
            ("broken".to_owned(), broken),
        ];
        assert_eq!(
            rows(BROWSER, "Q8_0", &measured),
            "| Q8_0 | Jeoul | 100.0 | 40.0 | 1.00 × | 1.00 × |\n\
             | Q8_0 | wllama-1 | 50.0 | 5.0 | 2.00 × (goal 8) | 8.00 × |\n\
             | Q8_0 | broken | not measured: no \\| memory | | | |\n"
        );
    }

    #[test]
    fn errors_stand_beside_jeouls() {
        let speeds = |name: &str, error_nats| {
            let speeds = Speeds {
                error_nats,
                ..Speeds::default()
            };
            (name.to_owned(), speeds)
        };
        let cells = |theirs| {
            let measured = vec![speeds("Jeoul", Some(2e-4)), speeds("llama.cpp", theirs)];
            let lines = rows(NATIVE, "Q4_0", &measured);
            let cells = lines.lines().map(|line| line.split('|').nth(7).unwrap());
            cells.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(cells(Some(6e-2)), [" 2.0e-4 ", " 6.0e-2, 300 × "]);
        assert_eq!(cells(Some(4e-3))[1], " 4.0e-3, 20 × (goal 100) ");
        assert_eq!(cells(None)[1], " – ");
    }

    #[test]
    fn a_load_that_takes_too_long_says_what_it_should_take() {
        let load = |first, memory| Load {
            read: 0.1,
            first,
            memory,
            size: 100e6,
        };
        assert_eq!(
            loads(
                "Q4_1",
                &[load(0.1, 150e6), load(0.3, 150e6), load(0.3, 150e6)]
            ),
            "| Q4_1 | 100.0 | 0.100 | 0.300 | 3.00 (goal 2) | 150.0 | 1.50 |\n"
        );
    }

    #[test]
    fn the_browser_stands_beside_native_llama() {
        let speeds = |name: &str, prefill| {
            let prefill = vec![prefill];
            (
                name.to_owned(),
                Speeds {
                    prefill,
                    ..Speeds::default()
                },
            )
        };
        let (browser, native) = (
            vec![speeds("jeoul", 90.0)],
            vec![speeds("llama.cpp", 200.0)],
        );
        assert_eq!(
            across("Q4_0", &browser, &native).as_deref(),
            Some(
                "\nIn the browser Jeoul reads Q4_0 prompts 0.45 × as fast as this llama.cpp (goal 0.5).\n"
            )
        );
        assert_eq!(across("Q4_0", &browser, &Vec::new()), None);
    }

    #[test]
    fn a_part_replaces_that_of_its_machine_alone() {
        let part =
            |machine: &str, number: u32| format!("{ON}{machine}\n\n### Speeds\n\n{number}\n");
        let page = with_part("", &part("A", 1));
        let page = with_part(&page, &part("B", 2));
        let page = with_part(&page, &part("A", 3));
        assert_eq!(
            page,
            format!("{INTRODUCTION}{}{}", part("A", 3), part("B", 2))
        );
    }

    #[test]
    fn versions_stand_in_package_json() {
        let packages = r#"{"dependencies": {"a": "1.2.3", "@b/c": "4.0.0"}}"#;
        assert_eq!(versions(packages), ["a 1.2.3", "@b/c 4.0.0"]);
    }
}
