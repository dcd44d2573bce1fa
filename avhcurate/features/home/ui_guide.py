"""The guide of the Home page: what do you have? For each answer what it gives, its form, and the one next step."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.curate.locked import told, untouched
from avhcurate.datasets.sources.demo import is_demo
from avhcurate.datasets.sources.fetch import PUBLIC
from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES
from avhcurate.datasets.sources.service import absolute, name_for
from avhcurate.datasets.sources.settings import FetchSettings, ImportSettings, ReviewSettings
from avhcurate.datasets.sources.uploads import MOST_BYTES, MOST_FILES, TABLES, keep_upload
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.networks.models.names import IMAGENET_CLASSES, knows_imagenet, usual_here
from avhcurate.networks.scoring.settings import AttachSettings, ScoreSettings
from avhcurate.people.settings import VotesSettings
from avhcurate.ui.base.frame import Frame, announce, attempt, show_error
from avhcurate.ui.base.job_forms import DEVICES, PRECISIONS, JobForm, for_jobs, job_form, models, start
from avhcurate.ui.base.job_panel import job_panel
from avhcurate.ui.base.layout import in_a_row, turn, turns
from avhcurate.ui.base.page_choices import one_of
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.user_errors import plain, said
from avhcurate.ui.components.folder import folder_field
from avhcurate.workspace.data.bursts import AUTO
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace, check_name
from avhcurate.workspace.disk.app_files import PAGES

HELP = """
Every image is scored by the angle between its embedding and the classifier's weight vectors: the further from those of
its label, the harder (AVH). How often people pick the label says how hard it is for them (HSF). The pages compare the
two, find labels that are likely wrong, and export what you decide.

**Images** alone give near duplicates and odd files; labels, a network and votes add the rest.
"""


class Have(NamedTuple):
    """One thing that a user may have: what it gives them, and where they go next (page, sentence)."""

    label: str
    gives: str
    next_page: str
    next_step: str


_HARDEST = ("gallery", "Then see the hardest images first")
#: In the order in which they build on each other.
HAVE = {
    "images": Have(
        "Images",
        "Near duplicates, odd files and votes of people; with a network, AVC, confidence, the norm and a map.",
        "quality",
        "Then look for near duplicates and odd files",
    ),
    "labels": Have(
        "+ labels",
        "Label files in and out, splits, curated labels; with a network, AVH and label suspects.",
        "home",
        "Then score the images with a classifier",
    ),
    "classifier": Have(
        "+ a classifier",
        "Every score for every image. Without a classifier of your own, take any network and fit its last layer.",
        *_HARDEST,
    ),
    "outputs": Have("+ embeddings or probabilities", "The same from outputs that were computed elsewhere.", *_HARDEST),
    "votes": Have(
        "+ votes of people",
        "HSF: how each score follows people, and where people and the network disagree.",
        "disagreement",
        "Then see where people and the network disagree",
    ),
    "nothing": Have(
        "Nothing yet",
        "Public datasets with human votes, or with labels known to be wrong.",
        "gallery",
        "Then look at them",
    ),
}
#: The default means that the guide proposes.
CHOICE = one_of("home.have", list(HAVE), "")

_REVIEW = "Find wrong labels in my photos"
_ABOUT_REVIEW = """
A folder for each class. The photos are scored by the network that is here, and the first label that is likely wrong
opens by itself. Photos without labels get a map.
"""
_REVIEWED = "home.review_"
_DROPPED = "home.dropped"
_PATH = "home.review_path"

_TABLES = [suffix.removeprefix(".") for suffix in TABLES]
_UPLOADS = (
    f"Kept in the workspace: a zip of at most {MOST_FILES:,} files and {MOST_BYTES >> 30} GiB unpacked. Folders and "
    "larger files on the server are imported by their path, without a copy."
)
_SOURCE = """
A path on the server: a folder with a sub-folder per class, also below train, val and test; a CSV or Parquet manifest;
or a Parquet file or folder with image bytes. Nothing is written there. Or `list:FILE` (lines of path and class index),
`wds:shard-{000..099}.tar` (here or at an address), or `hf:REPO[@REVISION][:CONFIG/SPLIT]`.
"""
_ATTACH = """
Outputs that were computed elsewhere make a run like any other: .npy, .npz, safetensors or Parquet files on the server.
With class weights it has every score; without, those of the softmax output, and angles to class prototypes, which are
not a classifier's AVH.
"""
#: Examples of the arrays that can be attached.
_ARRAYS = {
    "features": "/data/features.npy",
    "probs": "/data/probs.npy",
    "logits": "/data/logits.npy",
    "class_weights": "/data/head.npz:weight",
    "bias": "/data/head.npz:bias",
}


# --- wrong labels in one go ---------------------------------------------------------------------------------------


def review(page: Frame) -> None:
    """Draw the workspace's job, and while none runs where photos are dropped, which starts one by itself."""
    with st.container(border=True, key="home.review"):
        st.header(_REVIEW, anchor=False)
        if job_panel():
            return
        st.caption(_ABOUT_REVIEW)
        look = for_jobs() | {"on_change": attempt, "args": (_start_review, page.workspace), "kwargs": {"at": "review"}}
        key = f"{_dropped()}.upload"
        st.file_uploader("Drop a folder or a zip of photos", ["zip"], key=key, **({"help": _UPLOADS} | look))
        folder_field(sorted({*IMAGE_SUFFIXES, *TABLES}), MOST_FILES, key="home.folder")
        st.text_input("Or a path on the server", key=_PATH, placeholder="/data/pets or s3://bucket/pets", **look)
        JobForm(_REVIEWED, ReviewSettings).ask("lock")
        show_error("review", ReviewSettings.verb)


def _start_review(workspace: Workspace) -> None:
    """Start the job on what was dropped, or on the path."""
    called = source = st.session_state[_PATH].strip()
    if file := sent(_dropped()):
        called = file.name
        turn(_DROPPED)
        source = str(keep_upload(workspace, file.name, file))
    st.session_state[_PATH] = ""
    if source:
        lock = st.session_state[f"{_REVIEWED}lock"]
        settings = ReviewSettings(source=absolute(source), dataset=name_for(workspace, source, called), lock=lock)
        start(lambda: settings)


def _dropped() -> str:
    return f"{_DROPPED}.{turns(_DROPPED)}"


# --- the forms ----------------------------------------------------------------------------------------------------


def score_form(dataset: DatasetFolder, run: RunFolder | None, decisions: Decisions) -> None:
    """Choose a model and score the dataset with it: proposed is that of the last run, else one that is on this machine.

    A head is fitted by default where the proposed model tells other classes apart.
    """
    samples = decisions.samples
    scored = [other.record.model for other in dataset.runs()]
    names = models(*scored[-1:], usual=usual_here())
    fits = bool(samples.classes) and knows_imagenet(names[0]) and len(samples.classes) != IMAGENET_CLASSES
    with job_form("home.score_", ScoreSettings, dataset=samples.name) as form:
        with in_a_row():
            form.ask_model(names, width=300)
            form.ask("weights", width=300)
            ways = ["", "fit"]
            form.ask("head", widget=st.selectbox, options=ways, index=int(fits), accept_new_options=True, width=220)
            form.submit("Start scoring", "model_training")
        if samples.locked_by:
            st.caption(said(told(decisions, run)))
        elif untouched(decisions):
            form.ask("lock")
        with st.expander("More"), in_a_row():
            form.ask("device", widget=st.selectbox, options=DEVICES, width=130)
            form.ask("precision", widget=st.selectbox, options=PRECISIONS, width=130)
            form.ask("batch_size", "limit", "folds")
            form.ask("groups", widget=st.selectbox, options=["", AUTO, *samples.user_columns], width=150)
            form.ask("classes_from_model", "prompt", "classes", "resize", "crop", "mean", "std")
            form.ask_where()


def attach_form(samples: SampleTable) -> None:
    """Choose files and attach them as a run."""
    st.caption(_ATTACH)
    with job_form("home.attach_", AttachSettings, dataset=samples.name) as form:
        with in_a_row():
            for name, example in _ARRAYS.items():
                form.ask(name, placeholder=example, width=300)
            form.submit("Attach outputs", "extension")
        with st.expander("More"), in_a_row():
            form.ask("by", "rows", "classes", "name")


def _upload(label: str, field: str, kinds: list[str], *, several: bool = False) -> None:
    """Ask for a file of a form, or several: Streamlit lets the form wait until they are there."""
    allowed = for_curators("Giving files to the server", help=_UPLOADS)
    st.file_uploader(label, kinds, key=f"{field}.upload", accept_multiple_files=several, **allowed)


def sent(field: str) -> Any:
    """Return the file or files that were uploaded for a field, None or an empty list if none was."""
    return st.session_state.get(f"{field}.upload")


def _import_settings(workspace: Workspace, **values: Any) -> ImportSettings:
    if file := sent("home.import_source"):
        path = keep_upload(workspace, file.name, file)
        values = {"dataset": name_for(workspace, str(path), file.name)} | values | {"source": str(path)}
    if votes := sent("home.import_votes"):
        values["votes"] = _kept_votes(workspace, votes)
    if not values.get("source"):
        raise CurateError("There is nothing to import. Choose a file, or give the path of a folder on the server.")
    values = {"dataset": name_for(workspace, values["source"])} | values
    check_name(values["dataset"])
    return ImportSettings(**values)


def _kept_votes(workspace: Workspace, files: list[Any]) -> list[str]:
    """Keep uploaded files of votes; return where they are."""
    return [str(keep_upload(workspace, file.name, file)) for file in files]


def import_form(workspace: Workspace) -> None:
    """Name a source of images and import it as a dataset."""
    with job_form("home.import_", ImportSettings, make=partial(_import_settings, workspace)) as form:
        with in_a_row("top"):
            with st.container(width=360):
                _upload("Upload a zip of images, or a table", "home.import_source", [*_TABLES, "zip"])
            with st.container(width=360):
                _upload("Votes of people, a file or one of each", "home.import_votes", _TABLES, several=True)
        with in_a_row():
            path = "Or a path on the server"
            form.ask("source", label=path, help=_SOURCE, placeholder="/data/pets, /data/pets.csv or hf:REPO", width=300)
            form.ask("dataset", key="home.import_name", label="Name", placeholder="as the source", width=140)
            form.submit("Import", "download")
        with st.expander("More"), in_a_row():
            form.ask("votes", label="Votes by their paths on the server")
            form.ask("label_column", "image_column", "split_column", "root", "classes", "force")


def _fetch_settings(*, yes: bool, **values: Any) -> FetchSettings:
    if not yes:
        raise CurateError("Read the terms and tick that you agree to them, then fetch the dataset.")
    return FetchSettings(yes=True, **values)


def fetch_form() -> None:
    """Choose a public dataset, read its terms, and fetch it with its human votes."""
    titles = {name: public.title for name, public in PUBLIC.items()}
    name = st.selectbox("Public dataset", PUBLIC, format_func=titles.__getitem__, key="home.public", width=640)
    public = PUBLIC[name]
    st.caption(plain(f"From {public.home}, {public.megabytes}. Licence: {public.licence}. To cite: {public.citation}."))
    with job_form("home.fetch_", FetchSettings, make=_fetch_settings, dataset=name) as form:
        with in_a_row():
            form.ask("mirror", placeholder="the official places", width=250)
            form.submit("Fetch", "cloud_download")
        with in_a_row():
            form.ask("yes", key=f"home.fetch_agreed.{name}", label="I agree to these terms")
            form.ask("force")


def _votes_settings(workspace: Workspace, **values: Any) -> VotesSettings:
    if files := sent("home.votes_file"):
        values["files"] = _kept_votes(workspace, files)
    if not values.get("files"):
        raise CurateError("There are no votes to attach. Choose a file, or give its path on the server.")
    return VotesSettings(**values)


def votes_form(workspace: Workspace, samples: SampleTable) -> None:
    """Attach files of votes to the dataset, which label images that came without labels."""
    make = partial(_votes_settings, workspace)
    with job_form("home.votes_", VotesSettings, make=make, dataset=samples.name) as form:
        _upload("Upload votes, a file or one of each labeler", "home.votes_file", _TABLES, several=True)
        with in_a_row():
            form.ask("files", label="Or a path on the server", placeholder="/data/votes.csv", width=300)
            form.submit("Attach votes", "how_to_vote")
        with in_a_row():
            form.ask("classes", "simulated", "force")


# --- the guide -----------------------------------------------------------------------------------------------------

#: Forms by what they ask for; the open dataset hands each what it names.
_FORMS: dict[str, Callable[..., None]] = {"classifier": score_form, "outputs": attach_form, "votes": votes_form}


def guide(page: Frame) -> None:
    """Ask what the user has, and show what it gives, its form and the next step."""
    with st.container(border=True):
        st.header("Your own images", anchor=False)
        _ask(page)


def _ask(page: Frame) -> None:
    labels = {key: have.label for key, have in HAVE.items()}
    shown = CHOICE.show(st.segmented_control, "What do you have?", labels, value=_proposed(page))
    have = HAVE[shown]
    opened = page.opened
    form = _FORMS.get(shown)
    st.caption(have.gives)
    if form and opened is None:
        st.info("Import the images first; then this form is here.", icon=":material/arrow_upward:")
    if shown == "labels" and opened is not None:
        _labels_form(page.workspace, opened.decisions)
        st.markdown("**Import another dataset**")
    if form and opened is not None:
        opened.hand(form)
    elif shown == "nothing":
        fetch_form()
    else:
        import_form(page.workspace)
    if opened is not None:
        query = page.view.elsewhere
        if have.next_page == "home":
            query = query | {"home.have": "classifier"}
        target = PAGES / f"{have.next_page}.py"
        st.page_link(target, label=have.next_step, icon=":material/arrow_forward:", query_params=query)


def _proposed(here: Frame) -> str:
    """Return what the address names, else the first thing that a dataset of the user's lacks."""
    if choice := CHOICE.asked():
        return choice
    opened = here.opened
    if opened is None or is_demo(opened.dataset):
        return "images"
    if opened.run is None:
        return "classifier"
    if opened.samples.votes is None:
        return "votes"
    return "images"


def _labels_form(workspace: Workspace, decisions: Decisions) -> None:
    st.markdown(f"**Correct labels of {plain(decisions.samples.name)}**")
    with st.form("home.labels_form", border=False), in_a_row():
        kinds = ["csv", "parquet", "jsonl", "json"]
        st.file_uploader("CSV, Parquet, JSON lines or JSON of a tool", kinds, key="home.labels.upload", width=420)
        act = partial(attempt, _relabel, workspace, decisions, at="labels")
        st.form_submit_button("Relabel", type="primary", icon=":material/edit:", on_click=act, **for_curators())
    show_error("labels")


def _relabel(workspace: Workspace, decisions: Decisions) -> None:
    file = sent("home.labels")
    if file is None:
        raise CurateError("Choose a file of labels first: CSV, Parquet or JSON lines, or JSON of another tool.")
    announce(str(relabel_from(decisions, keep_upload(workspace, file.name, file))))
