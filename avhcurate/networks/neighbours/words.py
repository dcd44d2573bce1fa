"""Words as a score of a zero-shot run: the angle between a text and each image, a column of the run for each text."""

import os
from collections.abc import Sequence
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError
from avhcurate.measures.stats.neighbours import angles_with
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import WORDS, RunFolder
from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.jobs import SILENT, Progress

if TYPE_CHECKING:
    from avhcurate.networks.models.zero_shot import TextEncoder

#: Texts that a run keeps, the newest; characters of one, of which an encoder reads about as many.
MOST = 100
LONGEST = 200


def words_column(words: Sequence[str]) -> str:
    """Return the name of the column of some texts, of which those that begin with a dash count against.

    Raises CurateError for texts that are empty, too long or all count against.

    >>> words_column(["A red  car", "-snow"])
    'like: a red car, -snow'
    """
    texts = [" ".join(text.lower().split()) for text in words]
    name = ", ".join(texts)
    if not all(text.strip("- ") for text in texts) or all(text.startswith("-") for text in texts):
        raise CurateError("Say what the images are like, as a red car, -snow: at least one text without a dash.")
    if len(name) > LONGEST or not name.isprintable():
        raise CurateError(f"The words are too long or hold a line break. Give at most {LONGEST} characters.")
    return WORDS + name


def words_lacking(run: RunFolder | None) -> str:
    """Return, in a sentence, what images need to be found by words; "" where the run has it."""
    if run is None or run.record.attached or not run.record.model.startswith("clip:"):
        return "To find images by words, score them with a model `clip:FOLDER-or-HUB` (CLIP or SigLIP) first."
    return ""


def run_with_words(dataset: DatasetFolder) -> RunFolder | None:
    """Return the newest run of a dataset whose images can be found by words."""
    return next((run for run in reversed(dataset.runs()) if run.complete and not words_lacking(run)), None)


def angles_to_words(run: RunFolder | None, words: Sequence[str], *, progress: Progress = SILENT) -> str:
    """Give a zero-shot run the column of its images' angles (rad) to some texts, and return the column's name.

    With several texts it is the angle to the sum of their unit vectors, those that begin with a dash subtracted; each
    text is embedded unchanged. A column that is there is kept. Its vector is kept too, as the field's metadata.
    Raises CurateError for a run of another kind, texts that are not words, and a network that is not the run's.
    """
    name = words_column(words)
    lacking = words_lacking(run)
    if run is None or lacking:
        raise CurateError(lacking)
    with run.alone():
        features = run.features()
        table = pa.table({"id": np.arange(len(features))})
        if run.words_path.exists():
            table = pq.read_table(run.words_path)
        if name in table.column_names:
            return name
        progress.tell(0, 1, "loading the encoder of texts")
        vector = _vector(_encoder(run.root), name)
        angles = angles_with(features, vector[None].astype(np.float64), among=np.arange(len(features)))
        field = pa.field(name, pa.float32(), metadata={"vector": vector.astype(np.float32).tobytes()})
        table = table.append_column(field, pa.array(angles, pa.float32(), from_pandas=True))
        columns = ["id", *table.column_names[1:][-MOST:]]
        write_parquet(run.words_path, table.select(columns))
        run.write_record(run.record)  # by which pages see that the run has changed
        progress.tell(1, 1, "")
    return name


def words_vector(run: RunFolder, column: str) -> np.ndarray:
    """Return the unit vector (D,) of the texts of a column, by the network of the run, which a process loads once."""
    return _vector(_kept_encoder(run.root), column)


def _vector(encoder: "TextEncoder", column: str) -> np.ndarray:
    texts = column.removeprefix(WORDS).split(", ")
    signs = 1.0 - 2.0 * np.array([text.startswith("-") for text in texts])
    vector = signs @ encoder.texts([text.lstrip("- ") for text in texts]).astype(np.float64)
    length = np.linalg.norm(vector)
    if length < 1e-6:
        raise CurateError("These words cancel each other. Leave one out.")
    return np.asarray(vector / length)


def end_with_parent() -> None:
    """Have this process, which serves another one, end when that is killed."""

    def wait() -> None:
        if parent := parent_process():
            parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def _encoder(root: Path) -> "TextEncoder":
    """Return the encoder of texts of a run; refuse one that is no longer its network."""
    from avhcurate.networks.models.zero_shot import TextEncoder

    run = RunFolder(root)
    encoder = TextEncoder(run.record.model.removeprefix("clip:"))
    if run.record.prompts is not None and run.record.fitted is None:
        again = encoder.classes(run.record.prompts)
        if again.shape != run.class_weights().shape or not np.allclose(again, run.class_weights(), atol=1e-3):
            raise CurateError(f"{run.record.model} is no longer the network of run {run.name}. Score with it again.")
    return encoder


_kept_encoder = lru_cache(maxsize=1)(_encoder)
