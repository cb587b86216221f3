"""Makes the golden files: what lm-evaluation-harness 0.4.13 itself says about our tasks and sample documents.

    python tests/parity/golden.py [--tasks a,b] [--data_dir DIR --limit N] [--output DIR]

Tasks that the harness has are run with its own task files, the others with ours (`--include_path`). For every task, number of
shots and seed the file holds a hash of each line of `samples_*.jsonl`, which contains prompts, token-level answers and filtered
answers, and the metrics of `results_*.json`. `crates/eval/tests/parity.rs` compares. `--show TASK,SETTING,DOC` prints a line.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

os.environ["DISABLE_MULTIPROC"] = "1"
# Metrics of the `evaluate` library, which task files name in vain, are not looked for on the network.
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_EVALUATE_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import yaml  # noqa: E402
from lm_eval.evaluator import evaluate  # noqa: E402
from lm_eval.loggers.evaluation_tracker import sanitize_list  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.utils import handle_non_serializable, make_table  # noqa: E402

import rows  # noqa: E402
from hash_model import HashModel  # noqa: E402
from tokenizer import CheckpointTokenizer  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Longer than any prompt, so that nothing is cut: truncation has tests of its own.
MAX_LENGTH = 1 << 20
BOOTSTRAP = 1000
SHOTS = [0, 1, 5, 25]
SEEDS = [0, 1234, 42]
INSTRUCTION = "Answer briefly."


def settings():
    """Name and arguments of every way a task is run."""
    yield "shots=0", {"shots": 0, "seed": 1234}
    for shots in SHOTS[1:]:
        for seed in SEEDS:
            yield f"shots={shots} seed={seed}", {"shots": shots, "seed": seed}
    yield "chat multiturn shots=1", {"shots": 1, "seed": 1234, "chat": True, "multiturn": True, "system": INSTRUCTION}
    yield "chat shots=1", {"shots": 1, "seed": 1234, "chat": True, "multiturn": False, "system": None}


def ours():
    """Task and group files of the repository, those that try features too: path -> keys as they stand there, without what they include."""
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    for file in [*sorted((ROOT / "tasks").rglob("*.yaml")), *sorted(rows.FEATURES.glob("*.yaml"))]:
        yield file, yaml.load(file.read_text(encoding="utf-8"), Loader)


def sample_line(sample):
    """A sample as `EvaluationTracker.save_results_samples` writes it."""
    arguments = {
        f"gen_args_{i}": {f"arg_{j}": part for j, part in enumerate(argument)}
        for i, argument in enumerate(sample["arguments"])
    }
    sample = dict(sample)
    sample["resps"] = sanitize_list(sample["resps"])
    sample["filtered_resps"] = sanitize_list(sample["filtered_resps"])
    sample["arguments"] = arguments
    sample["target"] = str(sample["target"])
    return json.dumps(sample, default=handle_non_serializable, ensure_ascii=False)


def fingerprint(sample):
    """Hash of a sample's line. Figures count to nine places: `numpy.exp` differs by a last bit between processors."""
    names = sample["metrics"]
    line = sample_line({key: value for key, value in sample.items() if key not in names})
    text = " ".join([line, *places({name: sample[name] for name in names})])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def places(value):
    """Everything in a value, numbers to nine places."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, np.ndarray)):
        return [text for item in value for text in places(item)]
    return [value if isinstance(value, str) else f"{float(value):.9f}"]


def watch(task):
    """Notes for which documents the harness shows the document itself as an example: there Jeoul deviates on purpose."""
    task.shown_itself = []
    if not hasattr(task, "sampler"):
        return
    drawn, sample, context = [], task.sampler.sample, task.fewshot_context

    def watched_sample(*arguments, **keywords):
        drawn[:] = sample(*arguments, **keywords)
        return list(drawn)

    def watched_context(doc, *arguments, **keywords):
        drawn.clear()
        text = context(doc, *arguments, **keywords)
        task.shown_itself.append(any(example == doc for example in drawn))
        return text

    task.sampler.sample, task.fewshot_context = watched_sample, watched_context


def run(manager, model, names, how, limit=None):
    loaded = manager.load(names)
    for task in loaded["tasks"].values():
        watch(task)
        if how.get("shots") is not None and task.get_config("num_fewshot") != 0:
            task.set_config(key="num_fewshot", value=how["shots"])
        elif task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=how["seed"])
    results = evaluate(
        lm=model,
        task_dict=loaded,
        limit=limit,
        bootstrap_iters=BOOTSTRAP,
        log_samples=True,
        apply_chat_template=how.get("chat", False),
        fewshot_as_multiturn=how.get("multiturn", False),
        system_instruction=how.get("system"),
    )
    results["shown_itself"] = {
        name: [doc for doc, shown in enumerate(task.shown_itself) if shown] for name, task in loaded["tasks"].items()
    }
    return results


def figures(metrics):
    figures = {key: value for key, value in metrics.items() if "," in key}
    return json.loads(json.dumps(figures, default=handle_non_serializable))


def golden_of_task(manager, model, name, limit):
    golden = {}
    for setting, how in settings():
        try:
            results = run(manager, model, [name], how, limit)
        except (ValueError, AssertionError) as error:
            # Fewer examples than shots: Jeoul must refuse too.
            golden[setting] = {"refused": type(error).__name__}
            continue
        task = manager_name(results)
        golden[setting] = {
            "samples": " ".join(fingerprint(sample) for sample in results["samples"][task]),
            "results": figures(results["results"][task]),
        }
        if results["shown_itself"][task]:
            golden[setting]["shown_itself"] = results["shown_itself"][task]
        if how["shots"] == 0 and "chat" not in how:
            zero = results["configs"][task]["num_fewshot"] == 0
            fixed = zero and golden_fixed(manager, name)
            if fixed:
                break
    return golden


def manager_name(results):
    (name,) = results["samples"]
    return name


def golden_fixed(manager, name):
    """Whether the task file says `num_fewshot: 0`, so that no other number of shots can be asked for."""
    return manager.load([name])["tasks"][name].get_config("num_fewshot") == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks")
    parser.add_argument("--data_dir")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--harness", help="tasks of the harness to run instead of those that the repository has too")
    parser.add_argument("--output", type=Path, default=HERE / "golden")
    parser.add_argument("--show", help="TASK,SETTING,DOC: print the harness's line")
    arguments = parser.parse_args()

    rows.serve(rows.folder(arguments.data_dir) if arguments.data_dir else rows.samples)
    own = sorted({str(file.parent) for file, _ in ours() if (file.parent / "utils.py").exists()})
    own.append(str(ROOT / "tasks" / "groups"))
    manager = TaskManager(include_path=own)
    model = HashModel(CheckpointTokenizer(ROOT / "models" / "tiny.gguf"), MAX_LENGTH)

    if arguments.show:
        name, setting, doc = arguments.show.split(",")
        results = run(manager, model, [name], dict(settings())[setting], arguments.limit)
        print(sample_line(results["samples"][name][int(doc)]))
        return

    if arguments.harness:
        tasks = {name: golden_of_task(manager, model, name, arguments.limit) for name in arguments.harness.split(",")}
        write(arguments.output, {"harness": {"tasks": tasks, "groups": {}}})
        return

    wanted = set(arguments.tasks.split(",")) if arguments.tasks else None
    families = {}
    for file, keys in ours():
        # Files of documents of their own (`dataset_path: json`) are Jeoul's alone.
        family = families.setdefault(file.parent.name, {"tasks": {}, "groups": {}})
        name = keys.get("group") or keys.get("task")
        if keys.get("dataset_path") == "json" or not name or (wanted and name not in wanted):
            continue
        print(name, flush=True)
        if "group" in keys:
            results = run(manager, model, [name], {"seed": 1234}, arguments.limit)
            family["groups"][name] = {
                "results": {key: figures(value) for key, value in results["results"].items()},
                "group_subtasks": results["group_subtasks"],
                "n-shot": results["n-shot"],
                "versions": results["versions"],
                "higher_is_better": results["higher_is_better"],
                "table": make_table(results) + ("\n" + make_table(results, "groups") if "groups" in results else ""),
            }
        else:
            family["tasks"][name] = golden_of_task(manager, model, name, arguments.limit)
    write(arguments.output, families)


def write(output, families):
    output.mkdir(parents=True, exist_ok=True)
    for family, golden in families.items():
        if golden["tasks"] or golden["groups"]:
            text = json.dumps(golden, indent=1, ensure_ascii=False, sort_keys=True)
            (output / f"{family}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
