"""Lays real documents out as `<task>.<split>.jsonl`, where both `jeoul eval --data_dir` and `rows.folder` look.

    python tests/parity/real.py SOURCE TARGET

SOURCE is a folder with parts of the real datasets, named as in `PARTS`; they are not in the repository. Where only one
split is at hand, its later rows serve as examples.
"""

import sys
from pathlib import Path

# Task -> split -> file, first and last row.
PARTS = {
    "arc_easy": {"test": ("arc_easy_val-first200", 0, 100), "train": ("arc_easy_val-first200", 100, 200)},
    "arc_challenge": {"test": ("arc_challenge_val-first149", 0, 75), "train": ("arc_challenge_val-first149", 75, 149)},
    "hellaswag": {"validation": ("hellaswag_val-first250", 0, 125), "train": ("hellaswag_val-first250", 125, 250)},
    "mmlu_abstract_algebra": {"test": ("mmlu_abstract_algebra_test", 0, 100), "dev": ("mmlu_abstract_algebra_dev", 0, 5)},
    "truthfulqa_mc1": {"validation": ("truthfulqa_val-first200", 0, 200)},
    "truthfulqa_mc2": {"validation": ("truthfulqa_val-first200", 0, 200)},
    "winogrande": {"validation": ("winogrande_val-first250", 0, 125), "train": ("winogrande_val-first250", 125, 250)},
    "gsm8k": {"test": ("gsm8k-test-400", 0, 400), "train": ("gsm8k-train-200", 0, 200)},
    "piqa": {"validation": ("piqa_val-first250", 0, 125), "train": ("piqa_val-first250", 125, 250)},
    "boolq": {"validation": ("boolq_val-first150", 0, 75), "train": ("boolq_val-first150", 75, 150)},
    "openbookqa": {"test": ("openbookqa_val-first200", 0, 100), "train": ("openbookqa_val-first200", 100, 200)},
    "lambada_openai": {"test": ("lambada_test-first200", 0, 200)},
    "kobest_boolq": {"test": ("kobest_boolq_test-first200", 0, 200), "train": ("kobest_boolq_train-first60", 0, 60)},
    "kobest_copa": {"test": ("kobest_copa_test-first200", 0, 200), "train": ("kobest_copa_train-first60", 0, 60)},
    "kobest_hellaswag": {
        "test": ("kobest_hellaswag_test-first200", 0, 200),
        "train": ("kobest_hellaswag_train-first60", 0, 60),
    },
    "kobest_sentineg": {
        "test": ("kobest_sentineg_test-first150", 0, 150),
        "train": ("kobest_sentineg_train-first60", 0, 60),
    },
    "kobest_wic": {"test": ("kobest_wic_test-first200", 0, 200), "train": ("kobest_wic_train-first60", 0, 60)},
    "klue_nli": {"validation": ("klue-nli-dev-1000", 0, 800), "train": ("klue-nli-dev-1000", 800, 1000)},
    "klue_sts": {"validation": ("klue-sts-dev-200", 0, 150), "train": ("klue-sts-dev-200", 150, 200)},
}
# The same rows, answered in words.
for kind, of in {"nli": "klue", "sts": "klue", "copa": "kobest", "hellaswag": "kobest", "sentineg": "kobest", "wic": "kobest"}.items():
    PARTS[f"llm_kr_eval_{kind}"] = PARTS[f"{of}_{kind}"]


def lay_out(source, target):
    """Writes the files and gives the tasks that have all of theirs."""
    target.mkdir(parents=True, exist_ok=True)
    tasks = []
    for task, splits in PARTS.items():
        files = {split: source / f"{name}.jsonl" for split, (name, _, _) in splits.items()}
        if not all(file.exists() for file in files.values()):
            print(f"skipped {task}: no documents in {source}", file=sys.stderr)
            continue
        for split, (_, first, last) in splits.items():
            lines = files[split].read_text(encoding="utf-8").splitlines(keepends=True)
            (target / f"{task}.{split}.jsonl").write_text("".join(lines[first:last]), encoding="utf-8")
        tasks.append(task)
    return tasks


if __name__ == "__main__":
    print(",".join(lay_out(Path(sys.argv[1]), Path(sys.argv[2]))))
