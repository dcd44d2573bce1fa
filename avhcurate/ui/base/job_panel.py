"""The job panel: progress of the workspace's job, how it ended, cancel and resume, in any tab."""

import re
import time
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from avhcurate.errors import Option, Text
from avhcurate.ui.base import url_state
from avhcurate.ui.base.frame import PAGE, announce, attempt, page, show_error, show_problem, while_allowed
from avhcurate.ui.base.job_forms import STARTED, newest_job, running_job
from avhcurate.ui.base.layout import apart, in_a_row
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.url_state import View
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data import background
from avhcurate.workspace.data.workspace import find_workspace
from avhcurate.workspace.disk.app_files import page_file
from avhcurate.workspace.disk.job_record import JobRecord, duration

#: Session state: the job last seen running, the page that it opened, jobs dismissed, jobs asked to stop.
_SEEN = "jobs.seen"
_OPENED = "jobs.opened"
_HIDDEN = "jobs.hidden"
_ASKED = "jobs.asked"

#: What a verb does, if its name does not say so.
_DOING = {
    "project": "map",
    "review": "find wrong labels in",
    "predict": "predict HSF of",
    "neighbours": "search neighbours in",
    "votes": "attach votes to",
}
_STOPPED = {
    "failed": ("failed", ":material/error:"),
    "cancelled": ("was cancelled", ":material/cancel:"),
    "interrupted": ("was interrupted", ":material/power_off:"),
}
#: What the error of a verb may advise, as a button.
_OTHERWISE = {
    ("score", Option("head", "fit")): "Fit a head for these classes",
    ("score", Option("classes_from_model", True)): "Take the model's own classes",
    ("review", Option("force", True)): "Import the changed photos",
}


def job_panel() -> JobRecord | None:
    """Show the newest job while it runs, or why it stopped, and keep the panel up to date; return the running job.

    The whole page runs again when the job ends.
    """
    job = newest_job()
    _notice_the_end(job)
    if job and job.opens and st.session_state.get(STARTED) == job.argv:
        _open(job)
    seconds = 5.0
    if running := running_job():
        seconds = 1.0
    st.fragment(_watch, run_every=seconds)(_phase(job))
    return running


def describe(job: JobRecord) -> str:
    """Say what a job does, and who started it if that is known.

    >>> describe(JobRecord(id="", verb="score", dataset="pets", argv=["--model", "x:y"], started=0, updated=0))
    'Score pets with x:y'
    >>> describe(JobRecord(id="", verb="project", dataset="pets", who="ann@x.org", started=0, updated=0))
    'Map pets, by ann@x.org'
    """
    verb = _DOING.get(job.verb, job.verb)
    text = f"{verb[:1].upper()}{verb[1:]} {job.dataset}".strip()
    if model := re.search(r"--model[= ](\S+)", " ".join(job.argv)):
        text += f" with {model[1]}"
    if job.who:
        text += f", by {job.who}"
    return text


def progress_text(job: JobRecord) -> str:
    """Say how far a job is, and what it does."""
    facts = job.facts(time.time())
    if job.message:
        facts.append(job.message)
    return " · ".join(facts) or "Starting …"


def _phase(job: JobRecord | None) -> object:
    """Return what changes when a job begins or ends."""
    return job and (job.id, job.opens, job.active or job.state)


@while_allowed
def _watch(drawn: object) -> None:
    job = newest_job()
    if _phase(job) != drawn:
        st.rerun()
    show_error()
    if job is None or job.id in st.session_state.get(_HIDDEN, ()):
        return
    if job.active:
        _show_active(job)
    elif job.state in _STOPPED:
        _show_stopped(job)


def _show_active(job: JobRecord) -> None:
    stopping = job.id in st.session_state.get(_ASKED, ())
    label = "Cancel"
    text = progress_text(job)
    if stopping:
        label = "Stopping …"
        text = "Stopping after the current batch; committed shards are kept."
    with st.container(border=True, key="jobs.active"):
        with apart():
            st.markdown(f":material/progress_activity: **{plain(describe(job))}**", width="content")
            _button(label, "cancel", "cancel", _cancel, job, disabled=stopping)
        st.progress(min(job.share, 1.0), text=plain(text))


def _show_stopped(job: JobRecord) -> None:
    ending, icon = _STOPPED[job.state]
    with st.container(border=True, key="jobs.stopped"):
        done = f" at {job.done:,} of {job.total:,}" if job.total else ""
        st.markdown(f"{icon} **{plain(describe(job))}** {ending}{done}.")
        if job.state == "failed" and job.message:
            show_problem(job.problem or Text(job.message.removeprefix("avhcurate: ")), job.verb)
        elif job.state == "interrupted":
            st.caption("Its process no longer runs, perhaps after a restart. Committed results are kept.")
        with in_a_row():
            if job.argv:
                _button("Resume", "resume", "play_arrow", _resume, job, type="primary")
            else:
                st.caption("It used arrays in the memory of a notebook. Run the cell there again.")
            for (verb, option), label in _OTHERWISE.items():
                if (job.verb, job.state) == (verb, "failed") and option in job.problem:
                    name = str(option).replace(" ", "=")
                    otherwise = job.model_copy(update={"argv": [*job.argv, name]})
                    _button(label, name, "model_training", _resume, otherwise)
            st.button("Dismiss", key="jobs.dismiss", on_click=_remember, args=(_HIDDEN, job.id))


def _button(label: str, key: str, icon: str, act: object, job: JobRecord, **widget: Any) -> None:
    """Draw a button for curators that does something with a job."""
    widget = for_curators("Running jobs", **widget)
    st.button(label, key=f"jobs.{key}", icon=f":material/{icon}:", on_click=attempt, args=(act, job), **widget)


def _resume(job: JobRecord) -> None:
    background.resume(find_workspace().root, job)
    st.session_state[STARTED] = job.argv


def _cancel(job: JobRecord) -> None:
    background.cancel(find_workspace().root, job.id)
    _remember(_ASKED, job.id)


def _remember(name: str, job: str) -> None:
    st.session_state.setdefault(name, set()).add(job)


def _open(job: JobRecord) -> None:
    """Go from Home, or from the page of its verb, to what a job of this session has made, once; nobody is led away from
    another page.
    """
    page, _, query = job.opens.partition("?")
    here = st.session_state[PAGE]
    if job.opens != st.session_state.get(_OPENED) and here in ("home", job.verb):
        st.session_state[_OPENED] = job.opens
        st.switch_page(page_file(page), query_params=dict(parse_qsl(query)))


def _notice_the_end(job: JobRecord | None) -> None:
    """Announce the end of a job that this session saw running, and open the dataset that its own job made."""
    if job is None:
        return
    if job.active:
        st.session_state[_SEEN] = job.id
    elif job.state == "done" and st.session_state.get(_SEEN) == job.id:
        del st.session_state[_SEEN]
        announce(f"{describe(job)}: done in {duration(job.updated - job.started)}")
        started_here = st.session_state.get(STARTED) == job.argv
        shown = page().opened
        if started_here and job.verb in ("import", "fetch") and job.dataset in find_workspace().names():
            del st.session_state[STARTED]
            if shown is None or shown.samples.name != job.dataset:
                url_state.write(View(dataset=job.dataset))
        st.rerun()
