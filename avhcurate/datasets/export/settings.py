"""The options of export and split."""

from pathlib import Path
from typing import Literal

from avhcurate.workspace.data.settings import VerbSettings, option

_FORMATS = "csv, jsonl, parquet, folder, yolo, webdataset, hf, fiftyone, label-studio, cleanlab or coco"


class ExportSettings(VerbSettings):
    """Write curated labels of the images that satisfy a condition."""

    verb = "export"
    dataset: str = option(help="The dataset.", argument=True)
    out: Path = option(
        help="File or folder to write; a folder that ends in .zip is packed; hf:OWNER/NAME[/FILE] goes to the hub; "
        "- for standard output."
    )
    format: str | None = option(None, f"{_FORMATS}.", usual="by --out")
    model: str | None = option(None, "Which run: a model's or a run's name.", usual="the default")
    where: str = option("", 'SQL condition over the columns, as "relative_avh > 1 AND hsf < 0.4".')
    set: tuple[str, ...] = option((), "Only images of this set; with several, of all of them.", repeat=True)
    view: str | None = option(
        None, "A saved view, or the address of a page (or its part after ?): its images in its order."
    )
    sort: str | None = option(None, "Column to order by, the highest first; COLUMN:asc for the lowest first.")
    like: tuple[int, ...] = option((), "Ids, as 3,14: order by the angle to the nearest of them.")
    like_text: tuple[str, ...] = option(
        (), "Words, as 'a red car,-snow': order by the angle to them, which is a column. For a run of clip:NAME."
    )
    confirmed: bool = option(
        False, "Only decisions that a second person agrees with; others go out with the given label."
    )
    labels: Literal["curated", "consensus"] = option(
        "curated", "Whose labels go out: those curated, or the consensus of people and network where there is one."
    )
    force: bool = option(False, "Replace an existing export.")


class SplitSettings(VerbSettings):
    """Divide images into train, validation and test parts, stratified by class and HSF bin, with a manifest."""

    verb = "split"
    dataset: str = option(help="The dataset.", argument=True)
    shares: tuple[float, ...] = option(help="Shares of the parts, which sum to 1, as 0.8,0.1,0.1.")
    out: Path | None = option(None, "A .csv, .jsonl or .parquet file; - for standard output.")
    by: tuple[str, ...] = option(("class", "hsf"), 'Balanced across the parts: class, hsf, both, or "" for neither.')
    group: str | None = option(None, "Column whose values stay in one part, as duplicate_group, or `auto`: bursts.")
    seed: int = option(0, "Seed of the split.", low=0)
    as_sets: str | None = option(None, "Save each part as a set with this name and the part's.")
    where: str = option("", "Only images that satisfy this SQL condition.")
    set: tuple[str, ...] = option((), "Only images of this set; with several, of all of them.", repeat=True)
    force: bool = option(False, "Replace existing files.")
