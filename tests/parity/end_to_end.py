"""The harness with the command as its model, against `jeoul eval`, on the same rows.

    python tests/parity/end_to_end.py --jeoul COMMAND --model GGUF --data_dir DIR [--tasks a:0,a:5] [--limit N]

DIR is what `real.py` lays out. Prompts, responses, filtered answers and hashes must be equal, metrics and standard errors to
1e-9; and the harness's own tooling must read the files that `jeoul eval` wrote.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["DISABLE_MULTIPROC"] = "1"

from lm_eval.evaluator import simple_evaluate  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.utils import get_results_filenames, get_sample_results_filenames, make_table  # noqa: E402

import rows  # noqa: E402
from golden import ROOT, figures, ours, sample_line  # noqa: E402
from jeoul_lm import JeoulLM  # noqa: E402

TOLERANCE = 1e-9
BOOTSTRAP = 1000
# Tasks at zero shots and at the number people use.
TASKS = (
    "arc_challenge:0,arc_challenge:25,hellaswag:0,hellaswag:10,mmlu_abstract_algebra:0,mmlu_abstract_algebra:5,truthfulqa_mc2:0,"
    "winogrande:0,winogrande:5,gsm8k:0,gsm8k:5,lambada_openai:0,kobest_copa:0,kobest_copa:5,kobest_boolq:0,kobest_boolq:5,"
    "klue_nli:0,klue_nli:5"
)


def close(ours, theirs):
    if isinstance(ours, float) or isinstance(theirs, float):
        return abs(float(ours) - float(theirs)) <= TOLERANCE * max(1.0, abs(float(theirs)))
    return ours == theirs


def compare(task, shots, arguments, manager):
    """Differences between the two ways to the same scores."""
    with tempfile.TemporaryDirectory() as folder:
        settings = ["--num_fewshot", str(shots), "--limit", str(arguments.limit), "--data_dir", arguments.data_dir]
        files = ["--output_path", folder, "--log_samples", "--bootstrap_iters", str(BOOTSTRAP)]
        command = [arguments.jeoul, "eval", "--model", arguments.model, "--tasks", task, *settings, *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return [f"{task}: {done.stderr}"]
        written = sorted(str(path) for path in Path(folder).rglob("*"))
        (results_file,) = get_results_filenames([path for path in written if path.endswith(".json")])
        (samples_file,) = get_sample_results_filenames([path for path in written if path.endswith(".jsonl")])
        mine = json.loads(Path(results_file).read_text(encoding="utf-8"))
        lines = Path(samples_file).read_text(encoding="utf-8").splitlines()
        if mine["results"][task]["alias"] not in make_table(mine):
            return [f"{task}: make_table does not show it"]
    theirs = simple_evaluate(
        model=JeoulLM(arguments.jeoul, arguments.model),
        tasks=[task],
        num_fewshot=shots,
        limit=arguments.limit,
        task_manager=manager,
        bootstrap_iters=BOOTSTRAP,
        log_samples=True,
    )
    differences = []
    expected = [json.loads(sample_line(sample)) for sample in theirs["samples"][task]]
    if len(lines) != len(expected):
        differences.append(f"{task} {shots}: {len(lines)} samples, the harness has {len(expected)}")
    for line, sample in zip(lines, expected):
        sample_of_ours = json.loads(line)
        for key in sample.keys() | sample_of_ours.keys():
            if not close(sample_of_ours.get(key), sample.get(key)):
                place = f"{task} {shots}, document {sample['doc_id']}, {key}"
                differences.append(f"{place}: {sample_of_ours.get(key)!r}, the harness has {sample.get(key)!r}")
    expected = figures(theirs["results"][task])
    found = figures(mine["results"][task])
    for key in expected.keys() | found.keys():
        if not close(found.get(key), expected.get(key)):
            differences.append(f"{task} {shots}, {key}: {found.get(key)}, the harness has {expected.get(key)}")
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jeoul", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--limit", type=int, default=20)
    arguments = parser.parse_args()

    rows.serve(rows.folder(arguments.data_dir))
    own = sorted({str(file.parent) for file, _ in ours() if (file.parent / "utils.py").exists()})
    manager = TaskManager(include_path=own)
    differences = []
    for entry in arguments.tasks.split(","):
        task, shots = entry.split(":")
        found = compare(task, int(shots), arguments, manager)
        print(f"{task} {shots}: {len(found)} differences", flush=True)
        differences += found
    for difference in differences[:20]:
        print(difference[:2000], file=sys.stderr)
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
