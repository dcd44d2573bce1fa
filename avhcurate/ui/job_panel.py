"""The job panel: progress of the workspace's job, how it ended, cancel and resume, in any tab."""

import re
from pathlib import Path

import streamlit as st

from avhcurate.data import background
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import JobRecord, Jobs
from avhcurate.ui import url_state
from avhcurate.ui.frame import announce, attempt, page, show_error, while_allowed
from avhcurate.ui.job_forms import STARTED
from avhcurate.ui.signin import for_curators
from avhcurate.ui.url_state import View
from avhcurate.ui.user_errors import plain

#: Seconds between two updates, while a job runs and while none does.
_OFTEN, _SELDOM = 1.0, 5.0
#: Session state: the job last seen running, jobs dismissed, jobs asked to stop.
_SEEN, _HIDDEN, _ASKED = "jobs.seen", "jobs.hidden", "jobs.asked"

_DOING = {
    "score": "Scoring {}",
    "import": "Importing {}",
    "fetch": "Fetching {}",
    "export": "Packing images of {}",
    "votes": "Attaching votes to {}",
    "attach": "Attaching outputs to {}",
    "demo": "Preparing the digits demo",
    "degrade": "Degrading images of {}",
    "quality": "Measuring images of {}",
    "train": "Training for {}",
    "self-train": "Adapting a model to {}",
    "project": "Mapping {}",
    "predict": "Predicting HSF of {}",
    "neighbours": "Searching neighbours in {}",
    "suspects": "Looking for label suspects in {}",
}
_STOPPED = {
    "failed": ("failed", ":material/error:"),
    "cancelled": ("was cancelled", ":material/cancel:"),
    "interrupted": ("was interrupted", ":material/power_off:"),
}
#: Verbs whose progress does not count images, and that start over when started again.
_NO_IMAGES = ("import", "export", "fetch", "project", "self-train", "attach")
#: What a message of a failed scoring may advise, as a button.
_OTHERWISE = {"--head fit": "Fit a head for these classes", "--classes-from-model": "Take the model's own classes"}
#: Verbs that make the dataset that they name.
_MAKES = ("import", "fetch")
_START_OVER = ("import", "export", "votes", "project")
#: Verbs of several steps, whose progress counts percents of them.
_IN_PERCENT = ("demo",)


def job_panel(workspace: Workspace) -> JobRecord | None:
    """Shows the newest job while it runs, or why it stopped, and keeps itself up to date; returns the job.

    The whole page runs again when the job ends.
    """
    job = Jobs(workspace.root).newest()
    _notice_the_end(workspace, job)
    watch = st.fragment(_watch, run_every=_OFTEN if job and job.active else _SELDOM)
    watch(workspace.root, _phase(job))
    return job


def describe(job: JobRecord) -> str:
    """What a job does, in words, and who started it where that is known.

    >>> describe(JobRecord(id="", verb="score", dataset="pets", argv=["--model", "x:y"], started=0, updated=0))
    'Scoring pets with x:y'
    >>> describe(JobRecord(id="", verb="score", dataset="pets", who="ann@x.org", started=0, updated=0))
    'Scoring pets, by ann@x.org'
    """
    what = _DOING.get(job.verb, f"{job.verb} {{}}").format(job.dataset)
    model = re.search(r"--model[= ](\S+)", " ".join(job.argv))
    return f"{what}{f' with {model[1]}' if model else ''}{f', by {job.who}' if job.who else ''}"


def progress_text(job: JobRecord) -> str:
    """Progress of a job: done, rate, time left, message.

    >>> progress_text(JobRecord(id="", verb="score", done=500, total=2000, rate=50, eta_s=30, started=0, updated=0))
    '500 of 2,000 · 50 images/s · 30 s left'
    """
    parts = [_done_of(job)] if job.total else []
    rate = None if job.verb in (*_NO_IMAGES, *_IN_PERCENT) else job.rate
    parts += [f"{rate:,.0f} images/s" if rate >= 10 else f"{rate:.1f} images/s"] if rate else []
    parts += [f"{duration(job.eta_s)} left"] if job.eta_s is not None and job.done < job.total else []
    return " · ".join([*parts, *([job.message] if job.message else [])]) or "Starting …"


def _done_of(job: JobRecord) -> str:
    return f"{job.done / job.total:.0%}" if job.verb in _IN_PERCENT else f"{job.done:,} of {job.total:,}"


def duration(seconds: float) -> str:
    """A length of time to two units.

    >>> duration(8.4), duration(75), duration(7500)
    ('8 s', '1 min 15 s', '2 h 5 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _phase(job: JobRecord | None) -> str:
    """Changes when a job begins or ends."""
    return "" if job is None else f"{job.id} {'active' if job.active else job.state}"


@while_allowed
def _watch(root: Path, drawn: str) -> None:
    job = Jobs(root).newest()
    if _phase(job) != drawn:
        st.rerun()
    show_error()
    if job is None or job.id in st.session_state.get(_HIDDEN, ()):
        return
    if job.active:
        _show_active(root, job)
    elif job.state in _STOPPED:
        _show_stopped(root, job)


def _show_active(root: Path, job: JobRecord) -> None:
    asked = job.id in st.session_state.get(_ASKED, ())
    with st.container(border=True, key="jobs.active"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f":material/progress_activity: **{plain(describe(job))}**", width="content")
            st.button(
                "Stopping …" if asked else "Cancel",
                key="jobs.cancel",
                icon=":material/cancel:",
                on_click=_cancel,
                args=(root, job),
                **for_curators("Cancelling jobs", disabled=asked),
            )
        share = job.done / job.total if job.total else 0.0
        text = "Stopping after the current batch; committed shards are kept." if asked else progress_text(job)
        st.progress(min(share, 1.0), text=plain(text))


def _show_stopped(root: Path, job: JobRecord) -> None:
    how, icon = _STOPPED[job.state]
    with st.container(border=True, key="jobs.stopped"):
        st.markdown(f"{icon} **{plain(describe(job))}** {how}{f' at {_done_of(job)}' if job.total else ''}.")
        if job.state == "failed" and job.message:
            st.error(plain(job.message.removeprefix("avhcurate: ")))
        elif job.state == "interrupted":
            st.caption("Its process no longer runs, perhaps after a restart. Committed results are kept.")
        if not job.argv:
            st.caption("It took arrays from the memory of a notebook: run the cell again there.")
        with st.container(horizontal=True):
            if job.argv:
                _offer_again(root, job)
            for option, label in _OTHERWISE.items():
                if job.verb == "score" and job.state == "failed" and option in job.message:
                    name = option.replace(" ", "=")
                    otherwise = job.model_copy(update={"argv": [*job.argv, name]})
                    st.button(
                        label,
                        key=f"jobs.{name}",
                        icon=":material/model_training:",
                        on_click=attempt,
                        args=(_resume, root, otherwise),
                        **for_curators("Running jobs"),
                    )
            st.button("Dismiss", key="jobs.dismiss", on_click=_hide, args=(job.id,))


def _offer_again(root: Path, job: JobRecord) -> None:
    resumes = job.verb not in _START_OVER and job.done > 0
    st.button(
        "Resume" if resumes or job.state != "failed" else "Try again",
        key="jobs.resume",
        icon=":material/play_arrow:",
        type="primary",
        on_click=attempt,
        args=(_resume, root, job),
        **for_curators("Running jobs"),
    )


def _resume(root: Path, job: JobRecord) -> None:
    background.resume(root, job)
    st.session_state[STARTED] = job.argv


def _cancel(root: Path, job: JobRecord) -> None:
    attempt(background.cancel, root, job.id)
    st.session_state[_ASKED] = {*st.session_state.get(_ASKED, ()), job.id}


def _hide(job: str) -> None:
    st.session_state[_HIDDEN] = {*st.session_state.get(_HIDDEN, ()), job}


def _notice_the_end(workspace: Workspace, job: JobRecord | None) -> None:
    """Announces the end of a job that this session saw running, and opens the dataset that its own job made."""
    if job is not None and job.active:
        st.session_state[_SEEN] = job.id
    elif job is not None and st.session_state.pop(_SEEN, None) == job.id and job.state == "done":
        announce(f"{describe(job)}: done in {duration(job.updated - job.started)}")
        made = job.verb in _MAKES and st.session_state.pop(STARTED, None) == job.argv
        shown = page().table
        if made and job.dataset in workspace.names() and (shown is None or shown.dataset.name != job.dataset):
            url_state.write(View(dataset=job.dataset))
        st.rerun()
