"""Forms that start a job: score with a model, import images, fetch public ones, attach votes; by the command line."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.services import jobs
from avhcurate.services.fetching import PUBLIC
from avhcurate.services.tables import DatasetTable
from avhcurate.storage.workspace import check_name
from avhcurate.ui.frame import attempt
from avhcurate.ui.mistakes import plain

#: Model names to choose from; any other name that the command line takes may be typed.
MODELS = (
    "torchvision:resnet50",
    "torchvision:resnet18",
    "torchvision:convnext_tiny",
    "torchvision:vit_b_16",
    "efficientnet-lite0",
    "avhcurate:digits",
    "avhcurate:resnet20",
)
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")

_BUSY = "A job is running: wait for it or cancel it."


def score_command(
    dataset: str,
    model: str,
    *,
    weights: str = "",
    head: str = "",
    precision: str = "auto",
    device: str = "auto",
    batch_size: int | None = None,
    limit: int | None = None,
) -> list[str]:
    """Arguments of `avhcurate score`, defaults left out; what users type cannot turn into an option.

    >>> score_command("pets", "torchvision:resnet50", weights="--force", limit=100)
    ['score', 'pets', '--model=torchvision:resnet50', '--weights=--force', '--limit=100']
    """
    if not model.strip():
        raise CurateError("which model? Choose one or type its name, such as torchvision:resnet50")
    options = {
        "model": model,
        "weights": weights,
        "head": head,
        "precision": "" if precision == "auto" else precision,
        "device": "" if device == "auto" else device,
        "batch-size": batch_size,
        "limit": limit,
    }
    return ["score", dataset, *_options(options)]


def import_command(
    name: str,
    source: str,
    *,
    votes: str = "",
    columns: dict[str, str] | None = None,
    root: str = "",
    classes: str = "",
    force: bool = False,
) -> list[str]:
    """Arguments of `avhcurate import`.

    >>> import_command("pets", "~/pets", columns={"label": "breed"}, force=True)[2:]
    ['~/pets', '--label-column=breed', '--force']
    """
    check_name(name.strip())
    source = _place(
        source, "where are the images? Give a folder, a file, list:FILE, wds:PATTERN, torchvision:NAME or hf:REPO"
    )
    options: dict[str, Any] = {f"{column}-column": title for column, title in (columns or {}).items()}
    options |= {"votes": votes, "root": root, "classes": classes}
    return ["import", name.strip(), source, *_options(options), *(["--force"] if force else [])]


def fetch_command(dataset: str, *, mirror: str = "", images: str = "", agreed: bool, force: bool = False) -> list[str]:
    """Arguments of `avhcurate fetch`; refused before its terms are agreed to.

    >>> fetch_command("cifar10h", mirror="/mnt/mirror", agreed=True)
    ['fetch', 'cifar10h', '--mirror=/mnt/mirror', '--yes']
    """
    if not agreed:
        raise CurateError(f"read the terms of {dataset} and tick that you agree to them, then fetch it")
    options = _options({"mirror": mirror, "images": images})
    return ["fetch", dataset, *options, "--yes", *(["--force"] if force else [])]


def votes_command(dataset: str, file: str, *, simulated: bool = False, force: bool = False) -> list[str]:
    """Arguments of `avhcurate votes`."""
    file = _place(file, "which file holds the votes? Give a .npy, .csv, .parquet or .json file")
    return ["votes", dataset, file, *(["--simulated"] if simulated else []), *(["--force"] if force else [])]


def score_form(root: Path, table: DatasetTable, *, busy: bool) -> None:
    """Choose a model and score the dataset with it."""
    runs = [run.record.model for run in table.dataset.runs()]
    first = runs[-1] if runs else MODELS[0]
    with st.form("home.score", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox(
                "Model",
                list(dict.fromkeys([first, *MODELS])),
                key="home.model",
                accept_new_options=True,
                help="Choose one, or type `torchvision:NAME`, `timm:NAME`, `efficientnet-lite0/1/2`, `avhcurate:NAME` "
                "or `PACKAGE.MODULE:FACTORY`.",
                width=300,
            )
            st.text_input(
                "Weights",
                key="home.weights",
                placeholder="the model's own",
                help="Path of a safetensors file or a weights-only checkpoint on the server; `random` for none.",
                width=300,
            )
            _submit("Start scoring", "model_training", busy, partial(_start_score, root, table.dataset.name))
        with st.expander("More"), st.container(horizontal=True):
            st.selectbox("Device", DEVICES, key="home.device", width=130)
            st.selectbox(
                "Precision",
                PRECISIONS,
                key="home.precision",
                help="A reduced precision is faster; the run then records how far its ranking agrees with float32.",
                width=130,
            )
            _whole("Batch size", "home.batch_size", "chosen", "Images a forward pass.")
            _whole("Limit", "home.limit", "all", "Score only so many samples, spread evenly.")
            st.text_input(
                "Last layer", key="home.head", placeholder="found", help="Name of its linear head.", width=150
            )


def import_form(root: Path, *, busy: bool) -> None:
    """Name a source of images and import it as a dataset."""
    with st.form("home.import", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Name", key="home.name", placeholder="pets", width=160)
            st.text_input(
                "Source",
                key="home.source",
                placeholder="/data/pets, /data/pets.csv or hf:REPO",
                help="A path on the server: a folder with a sub-folder per class, a CSV or Parquet manifest, or a "
                "Parquet file or folder with image bytes; nothing is written there. Or `list:FILE` (lines of path and "
                "class index), `wds:shard-{000..099}.tar` (here or at an address), `torchvision:NAME`, or "
                "`hf:REPO[@REVISION][:CONFIG/SPLIT]`.",
                width=360,
            )
            st.text_input(
                "Votes",
                key="home.import_votes",
                placeholder="none",
                help="A file of human votes, or the source's column that holds them.",
                width=160,
            )
            _submit("Import", "download", busy, partial(_start_import, root))
        with st.expander("More"), st.container(horizontal=True, vertical_alignment="bottom"):
            for column in ("label", "image", "split"):
                title = f"{column.capitalize()} column"
                st.text_input(title, key=f"home.{column}_column", placeholder="found", width=150)
            st.text_input(
                "Root",
                key="home.import_root",
                placeholder="beside the file",
                help="Folder from which the paths of a list or manifest count.",
                width=150,
            )
            st.text_input(
                "Classes",
                key="home.import_classes",
                placeholder="found",
                help="Names in order of their index: `cat,dog`, a file with a name a line, or `visda17`.",
                width=150,
            )
            st.checkbox(
                "Replace a dataset of that name",
                key="home.import_force",
                help="Keeps its votes and annotations by path; drops its model runs.",
            )


def fetch_form(root: Path, *, busy: bool) -> None:
    """Choose a public dataset, read its terms, and fetch it with its human votes."""
    name = st.selectbox(
        "Public dataset", list(PUBLIC), format_func=lambda name: PUBLIC[name].title, key="home.public", width=640
    )
    public = PUBLIC[name]
    size = f"about {public.size / 1e6:,.0f} MB"
    st.caption(plain(f"From {public.home}, {size}. Licence: {public.licence}. To cite: {public.citation}."))
    with st.form("home.fetch", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                "Mirror",
                key="home.fetch_mirror",
                placeholder="the official places",
                help=f"A folder on the server or an address that holds {public.files[0].name} and the rest.",
                width=250,
            )
            if public.needs_images:
                st.text_input(
                    "Images",
                    key="home.fetch_images",
                    placeholder="/data/imagenet/val",
                    help="The folder of ImageNet's validation images, which nobody may hand on.",
                    width=250,
                )
            _submit("Fetch", "cloud_download", busy, partial(_start_fetch, root, name))
        with st.container(horizontal=True):
            st.checkbox("I agree to these terms", key=f"home.fetch_agreed.{name}")
            st.checkbox("Replace a dataset of that name", key="home.fetch_force")


def votes_form(root: Path, table: DatasetTable, *, busy: bool) -> None:
    """Attach a file of votes to the dataset."""
    known = table.dataset.record.votes is not None
    with st.form("home.votes", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                "File",
                key="home.votes_file",
                placeholder="/data/votes.csv",
                help="A path on the server: counts (N, K) as .npy or a list column, a long CSV or Parquet (sample, "
                "annotator, label or class + selected), or Label Studio JSON.",
                width=360,
            )
            _submit("Attach votes", "how_to_vote", busy, partial(_start_votes, root, table.dataset.name))
        with st.container(horizontal=True):
            st.checkbox("These votes are simulated", key="home.votes_simulated")
            if known:
                st.checkbox("Replace votes of another kind", key="home.votes_force")


def _submit(label: str, icon: str, busy: bool, action: Any) -> None:
    st.form_submit_button(
        label,
        icon=f":material/{icon}:",
        type="primary",
        disabled=busy,
        help=_BUSY if busy else None,
        on_click=attempt,
        args=(action,),
    )


def _whole(label: str, key: str, placeholder: str, help: str) -> None:
    st.number_input(label, min_value=1, value=None, step=1, placeholder=placeholder, key=key, help=help, width=150)


def _start_score(root: Path, dataset: str) -> None:
    said = st.session_state
    argv = score_command(
        dataset,
        said["home.model"] or "",
        weights=said["home.weights"],
        head=said["home.head"],
        precision=said["home.precision"],
        device=said["home.device"],
        batch_size=said["home.batch_size"],
        limit=said["home.limit"],
    )
    jobs.start(root, argv, verb="score", dataset=dataset)


def _start_import(root: Path) -> None:
    said = st.session_state
    columns = {column: said[f"home.{column}_column"] for column in ("label", "image", "split")}
    argv = import_command(
        said["home.name"],
        said["home.source"],
        votes=said["home.import_votes"],
        columns=columns,
        root=said["home.import_root"],
        classes=said["home.import_classes"],
        force=said["home.import_force"],
    )
    jobs.start(root, argv, verb="import", dataset=argv[1])


def _start_fetch(root: Path, name: str) -> None:
    said = st.session_state
    argv = fetch_command(
        name,
        mirror=said["home.fetch_mirror"],
        images=said.get("home.fetch_images", ""),
        agreed=said[f"home.fetch_agreed.{name}"],
        force=said["home.fetch_force"],
    )
    jobs.start(root, argv, verb="fetch", dataset=name)


def _start_votes(root: Path, dataset: str) -> None:
    said = st.session_state
    force = said.get("home.votes_force", False)
    argv = votes_command(dataset, said["home.votes_file"], simulated=said["home.votes_simulated"], force=force)
    jobs.start(root, argv, verb="votes", dataset=dataset)


def _options(values: dict[str, Any]) -> Sequence[str]:
    texts = {name: "" if value is None else str(value).strip() for name, value in values.items()}
    return [f"--{name}={text}" for name, text in texts.items() if text]


def _place(text: str, question: str) -> str:
    """A path or address as a positional argument, which must not look like an option."""
    text = text.strip()
    if not text or text.startswith("-"):
        raise CurateError(question)
    return text
