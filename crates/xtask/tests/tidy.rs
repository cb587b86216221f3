//! What no compiler checks: module docs, left marks, links in the docs, arrows between the crates.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each may use. Arrows point one way; see ARCHITECTURE.md.
const ARROWS: [(&str, &[&str]); 10] = [
    ("jeoul-eval", &[]),
    ("jeoul-dataset", &["jeoul-eval"]),
    ("jeoul-checkpoint", &[]),
    ("jeoul-kernels", &[]),
    ("jeoul-record", &["jeoul-eval"]),
    ("jeoul-board", &["jeoul-eval", "jeoul-record"]),
    (
        "jeoul-model",
        &["jeoul-checkpoint", "jeoul-eval", "jeoul-kernels"],
    ),
    (
        "jeoul-web",
        &[
            "jeoul-checkpoint",
            "jeoul-dataset",
            "jeoul-eval",
            "jeoul-model",
            "jeoul-record",
        ],
    ),
    (
        "jeoul",
        &[
            "jeoul-board",
            "jeoul-checkpoint",
            "jeoul-dataset",
            "jeoul-eval",
            "jeoul-model",
            "jeoul-record",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that build in seconds because they know no tensors.
const WITHOUT_TENSORS: [&str; 5] = [
    "jeoul-eval",
    "jeoul-checkpoint",
    "jeoul-record",
    "jeoul-board",
    "xtask",
];

fn root() -> PathBuf {
    // Cargo runs tests in their crate. `env!` would name another checkout, if one built this into a shared target folder.
    Path::new("../..").canonicalize().unwrap()
}

/// All files that git keeps or would keep and that end in one of `endings`, with their text.
fn files(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root());
    let listed = String::from_utf8(git.output().unwrap().stdout).unwrap();
    let ours = listed
        .lines()
        .filter(|path| endings.iter().any(|ending| path.ends_with(ending)));
    let paths = ours
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file());
    let found: Vec<_> = paths
        .map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap()))
        .collect();
    assert!(!found.is_empty(), "no file ends in {endings:?}");
    found
}

/// Fails with all findings at once.
#[track_caller]
fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let without = files(&[".rs"])
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"));
    none(
        without
            .map(|(path, _)| format!("{}: does not begin with `//!`", path.display()))
            .collect(),
    );
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    // Written in halves, so that this file does not find itself.
    let marks = [
        concat!("dbg", "!("),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
        concat!("test.", "only("),
        concat!("test.", "skip("),
        concat!("describe.", "only("),
        concat!("console.", "debug("),
    ];
    let mut findings = Vec::new();
    for (path, text) in files(&[".rs", ".ts", ".svelte", ".css", ".toml", ".md", ".yaml"]) {
        for (number, line) in text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                findings.push(format!("{}:{}: `{mark}`", path.display(), number + 1));
            }
        }
    }
    none(findings);
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    let mut findings = Vec::new();
    for (path, text) in files(&[".md"]) {
        let folder = root().join(&path).parent().unwrap().to_path_buf();
        for link in links(&text) {
            let target = link.split('#').next().unwrap();
            if !link.contains("://") && !target.is_empty() && !folder.join(target).exists() {
                findings.push(format!("{}: `{link}` leads nowhere", path.display()));
            }
        }
    }
    none(findings);
}

/// Targets of `[text](target)`.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .collect()
}

#[test]
fn links_are_found() {
    assert_eq!(
        links("see [a](b.md), ![c](d/e.png#f) and (g)"),
        ["b.md", "d/e.png#f"]
    );
}

/// Direct dependencies of our crates, by name.
fn dependencies(tests: bool) -> BTreeMap<String, Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root());
    let metadata: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let all = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|one| tests || one["kind"] != "dev")
            .map(name)
            .collect()
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (name(package), all(package)))
        .collect()
}

#[test]
fn crates_depend_only_the_way_the_arrows_point() {
    // Tests may look further: parity with the harness is one of `eval`, and needs a tokenizer.
    let dependencies = dependencies(false);
    let expected: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let unknown = dependencies
        .keys()
        .filter(|name| !expected.contains(&name.as_str()));
    let mut findings: Vec<String> = unknown
        .map(|name| format!("`{name}` has no place among the arrows"))
        .collect();
    for (name, allowed) in ARROWS {
        let ours = dependencies[name]
            .iter()
            .filter(|other| expected.contains(&other.as_str()));
        let wrong = ours.filter(|other| !allowed.contains(&other.as_str()));
        findings.extend(wrong.map(|other| format!("`{name}` may not use `{other}`")));
    }
    none(findings);
}

#[test]
fn crates_without_tensors_stay_without() {
    let is_tensors = |name: &str| {
        ["burn", "cubecl", "wgpu"]
            .iter()
            .any(|family| name.starts_with(family))
    };
    let dependencies = dependencies(true);
    let mut findings = Vec::new();
    for name in WITHOUT_TENSORS {
        let wrong = dependencies[name].iter().filter(|other| is_tensors(other));
        findings.extend(wrong.map(|other| format!("`{name}` may not use `{other}`")));
    }
    none(findings);
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    let manifests = files(&["Cargo.toml"])
        .into_iter()
        .filter(|(path, _)| path.starts_with("crates"));
    let without = manifests.filter(|(_, text)| !text.contains("[lints]\nworkspace = true"));
    none(
        without
            .map(|(path, _)| format!("{}: no `[lints] workspace = true`", path.display()))
            .collect(),
    );
}
