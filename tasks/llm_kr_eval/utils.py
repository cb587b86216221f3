"""Functions of the llm_kr_eval task files; those of klue and korquad are taken from there, so that both read rows alike."""

import importlib.util
import re
from pathlib import Path

# Below the scale, as llm-kr-eval scores an answer that holds no number.
NO_NUMBER = -2.0


def _utils_of(family):
    path = Path(__file__).resolve().parent.parent / family / "utils.py"
    spec = importlib.util.spec_from_file_location(f"{family}_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_klue, _korquad = _utils_of("klue"), _utils_of("korquad")
nli_process_docs = _klue.nli_process_docs
sts_process_docs = _klue.sts_process_docs
ynat_process_docs = _klue.ynat_process_docs
korquad_process_results = _korquad.korquad_process_results


def sts_process_results(doc, results):
    """The pair of right and answered similarity, for both correlations."""
    number = re.search(r"-?[0-9]+(?:\.[0-9]+)?", results[0])
    answered = NO_NUMBER if number is None else min(max(float(number.group()), 0.0), 5.0)
    pair = (float(doc["score"]), answered)
    return {"pearson": pair, "spearman": pair}


def _correlation(function, items):
    golds, answered = zip(*items)
    # A correlation needs two values on either side.
    if len(set(golds)) < 2 or len(set(answered)) < 2:
        return 0.0
    return float(function(golds, answered)[0])


def pearson(items):
    """Pearson's correlation; 0 where one side is the same throughout."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, items)


def spearman(items):
    """Spearman's rank correlation, equal values sharing their mean rank; 0 where one side is the same throughout."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, items)
