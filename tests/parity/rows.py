"""Serves documents to lm-evaluation-harness from files, in place of the hub.

Either the sample documents in `tasks/*/samples` (see `crates/eval/src/bundled.rs` for the names of the files), or a folder
with `<task>.<split>.jsonl`, where `jeoul eval --data_dir` looks too.
"""

import json
import re
from pathlib import Path

import datasets
from lm_eval.api.task import ConfigurableTask

HERE = Path(__file__).resolve().parent
TASKS = HERE.parents[1] / "tasks"
# Tasks that no benchmark is: each tries features of task files that bundled tasks do not use.
FEATURES = HERE / "features"


def read(path, keep=lambda row: True):
    lines = path.read_text(encoding="utf-8").split("\n")
    return [row for row in (json.loads(line) for line in lines if line.strip()) if keep(row)]


def family(dataset_path):
    """The folder with samples among whose task files one names the dataset."""
    for folder in [*sorted(path for path in TASKS.iterdir() if (path / "samples").is_dir()), FEATURES]:
        for file in sorted(folder.iterdir()):
            if file.suffix == ".yaml" or file.name.endswith("_yaml"):
                named = re.search(r'^"?dataset_path"?: *["\']?([^"\'\n#]+)', file.read_text(encoding="utf-8"), re.M)
                if named and named[1].strip() == dataset_path:
                    return folder
    raise LookupError(f"no samples for {dataset_path}")


def samples(config):
    """Rows of all splits that the samples of a task's dataset serve."""
    splits = {}
    name = config.dataset_name or "default"
    for file in sorted((family(config.dataset_path) / "samples").glob("*.jsonl")):
        configuration, served = file.name.removesuffix(".jsonl").rsplit(".", 1)
        if configuration == name:
            rows = read(file)
        elif configuration.startswith("by-"):
            column = configuration.removeprefix("by-")
            rows = read(file, lambda row: row[column] == name)
        else:
            continue
        for split in served.split("+"):
            splits[split] = rows
    return splits


def folder(path):
    """Rows of `<task>.<split>.jsonl`."""

    def of_task(config):
        files = Path(path).glob(f"{config.task}.*.jsonl")
        return {file.name.removeprefix(f"{config.task}.").removesuffix(".jsonl"): read(file) for file in files}

    return of_task


def serve(source):
    """Makes every task of the harness take its documents from `source`."""

    def download(self, dataset_kwargs=None, **_):
        splits = source(self.config)
        self.dataset = datasets.DatasetDict(
            {split: datasets.Dataset.from_list(rows) for split, rows in splits.items() if rows}
        )

    ConfigurableTask.download = download
