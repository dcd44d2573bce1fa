"""Which head a run's scores come from, in words: fitted heads, rows of a published one, or nothing to say."""

from avhcurate.workspace.data.bursts import AUTO, found_text
from avhcurate.workspace.data.run_records import FittedHeads, RunRecord

#: On pages that work with one head for all samples.
HEAD_OF_ALL = (
    "The class weights here are those of one head fitted on all labelled images; the scores come from heads that have "
    "not seen the image, so angles differ a little."
)
#: On pages that show scores of the epochs, which a fitted head does not have.
EPOCHS_OF_NETWORK = "Scores of the epochs are those of the network's own training, with its own head."


def head_note(record: RunRecord) -> str:
    """Return sentences on a run's head; "" for a model's own."""
    if record.fitted is not None:
        return _fitted(record.fitted)
    if record.rows is not None:
        return f"Of the model's classes these are the {len(record.rows)} of the dataset, by name."
    return ""


def _fitted(heads: FittedHeads) -> str:
    """Return sentences on heads that were fitted on frozen features, or on networks that were trained in folds.

    >>> heads = FittedHeads(folds=5, seed=0, groups=None, recipe={}, samples=1000, accuracy=0.9, loss=0.25)
    >>> _fitted(heads)[-46:]
    ' of all. Out of fold 90.0 % right, loss 0.250.'
    """
    folds = f"Linear heads fitted on frozen features, in {heads.folds} folds over {heads.samples:,} labelled images"
    judge = "head"
    rest = ", others by the head of all"
    if heads.networks:
        folds = f"{heads.folds} networks, each trained on all but one fold of {heads.samples:,} labelled images"
        judge = "network"
        rest = ". Embeddings of several networks cannot be compared, so there are no neighbours and no map"
    apart = "neither it nor its copies"
    if heads.groups == AUTO:
        apart = "nothing of its burst, nor its copies"
        rest += f". {found_text(heads.duplicates)[:-1]}"
    elif heads.groups is not None:
        apart = f"nothing of its {heads.groups}, nor its copies"
    text = f"{folds}: each is scored by the {judge} that saw {apart}{rest}."
    if heads.accuracy is None or heads.loss is None:
        return text
    return f"{text} Out of fold {100 * heads.accuracy:.1f} % right, loss {heads.loss:.3f}."
