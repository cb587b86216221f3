"""Functions of the KLUE task files: rows of the hub and of the KLUE repository, made alike."""

NLI_LABELS = ["entailment", "neutral", "contradiction"]
YNAT_LABELS = ["IT과학", "경제", "사회", "생활문화", "세계", "스포츠", "정치"]


def nli_process_docs(docs):
    """Adds `claim`, the hypothesis as a sentence with a full stop, and `gold`, an index into NLI_LABELS."""

    def add(row):
        claim = row["hypothesis"].strip()
        if not claim.endswith("."):
            claim += "."
        gold = row.get("label")  # the hub's; the repository has names
        if gold is None:
            gold = NLI_LABELS.index(row["gold_label"])
        return {"claim": claim, "gold": gold}

    return docs.map(add)


def sts_process_docs(docs):
    """Adds `score`, 0 to 5, and `gold`, 1 for sentences that mean about the same."""

    def add(row):
        labels = row.get("labels")
        if labels is None:  # rows whose labels were flattened
            labels = row
        return {"score": labels["label"], "gold": labels["binary-label"]}

    return docs.map(add)


def ynat_process_docs(docs):
    """Adds `gold`, an index into YNAT_LABELS."""

    def add(row):
        label = row["label"]  # a number on the hub, a name in the repository
        return {"gold": YNAT_LABELS.index(label) if isinstance(label, str) else label}

    return docs.map(add)


def macro_f1_score(items):
    """Mean F1 of the labels that occur, over pairs of right and chosen label."""
    from sklearn.metrics import f1_score

    golds, chosen = zip(*items)
    return f1_score(golds, chosen, average="macro")
