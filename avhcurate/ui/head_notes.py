"""Which head a run's scores come from, in words: fitted heads, rows of a published one, or nothing to say."""

from avhcurate.data.runs import FittedHeads, RunRecord

#: Where class weights of fitted heads are drawn.
HEAD_OF_ALL = (
    "Class weights are those of the fitted head of all, which has seen every label; scores elsewhere come from heads "
    "that have not seen the image, so that angles differ a little."
)
#: Where the table has scores of the epochs, which a fitted head has not.
EPOCHS_OF_NETWORK = "Scores of the epochs are those of the network's own training, with its own head."


def head_note(record: RunRecord) -> str:
    """Sentences on a run's head; empty for a model's own."""
    if record.fitted is not None:
        return _fitted(record.fitted)
    if record.rows is not None:
        return f"of the model's classes the {len(record.rows)} that are the dataset's by name."
    return ""


def _fitted(heads: FittedHeads) -> str:
    """
    >>> heads = FittedHeads(folds=5, seed=0, groups=None, recipe={}, samples=1000, accuracy=0.9, loss=0.25)
    >>> print(_fitted(heads).replace(" neither", "\\nneither"))
    linear heads fitted on frozen features. Each of 1,000 labelled images is scored by the one of 5 that saw
    neither it nor its copies, others by the head of all. Out of fold 90.0 % right, loss 0.250.
    """
    apart = "neither it nor its copies" if heads.groups is None else f"nothing of its {heads.groups}, nor its copies"
    text = f"linear heads fitted on frozen features. Each of {heads.samples:,} labelled images is scored by the one of "
    text += f"{heads.folds} that saw {apart}, others by the head of all."
    if heads.accuracy is None or heads.loss is None:
        return text
    return f"{text} Out of fold {100 * heads.accuracy:.1f} % right, loss {heads.loss:.3f}."
