"""Functions of the feature tasks, for the harness; Jeoul has the same built in."""


def macro_f1_score(items):
    from sklearn.metrics import f1_score

    golds, chosen = zip(*items)
    return f1_score(golds, chosen, average="macro")
