"""Scores of KorQuAD 1.0: exact match and F1 over characters, as its evaluation program defines them."""

import string
from collections import Counter

# Quotation marks and brackets count as spaces, other ASCII punctuation as nothing.
SPACES = str.maketrans({mark: " " for mark in "'\"《》<>〈〉()‘’"})
NOTHING = str.maketrans("", "", string.punctuation)


def normalise(text):
    """Lower case, without punctuation, words one space apart."""
    return " ".join(text.translate(SPACES).lower().translate(NOTHING).split())


def char_f1(answer, reference):
    """F1 of the characters of two normalised texts, spaces left out, however they are ordered."""
    answer, reference = answer.replace(" ", ""), reference.replace(" ", "")
    same = sum((Counter(answer) & Counter(reference)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(answer), same / len(reference)
    return 2 * precision * recall / (precision + recall)


def korquad_process_results(doc, results):
    """Each metric by the reference that fits it best."""
    answer = normalise(results[0])
    references = [normalise(text) for text in doc["answers"]["text"]]
    return {
        "exact_match": max((float(answer == text) for text in references), default=0.0),
        "char_f1": max((char_f1(answer, text) for text in references), default=0.0),
    }
