"""The Toy page: settings, training, epochs, and the result in words."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.lab.toy import service
from avhcurate.lab.toy.plots import agreement_by_epoch, course, maps
from avhcurate.lab.toy.service import HELD_OUT, ToyResult
from avhcurate.lab.toy.settings import LOSSES, ToySettings
from avhcurate.ui.base.frame import show_user_error, while_allowed
from avhcurate.ui.base.layout import fact, in_a_row
from avhcurate.ui.base.page_choices import number, one_of
from avhcurate.ui.base.text import signed
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts.show import show_chart

_OPTIONS = {option.name: option for option in ToySettings.options()}
LOSS = one_of("toy.loss", LOSSES, LOSSES[0])
LOSS_NAMES = {"softmax": "Softmax", "avh": "AVH loss"}
#: Step of each slider.
_STEPS = {"overlap": 0.1, "noise": 0.05, "classes": 1, "epochs": 5}
NUMBERS = {
    name: number(f"toy.{name}", option.default, low=option.low, high=option.high)
    for name, option in _OPTIONS.items()
    if option.low is not None and option.high is not None
}

ABOUT = rf"""
Each class is a Gaussian in space whose draws are scaled to length 1, so its density, and with it the **Bayes error**
$1 - \max_k P(k \mid x)$, the error of the best possible classifier at each place, is known exactly. A network with two
hidden ReLU layers learns the classes from 1,000 points. **AVH** on the map is that of the most likely label there; over
the {HELD_OUT:,} held-out points it is that of the given label. Lines are where the network's prediction changes.

The paper (section 4) finds AVH high where classes overlap and the norm not, and conjectures that training first turns
the angles and then lengthens the embeddings. Both are measured here.
"""


def settings() -> ToySettings:
    """Return the settings of the address."""
    numbers: dict[str, Any] = {name: choice.asked() for name, choice in NUMBERS.items()}
    return ToySettings(**numbers | {"loss": LOSS.asked()})


def choose_settings(settings: ToySettings) -> None:
    """Draw the widgets of all settings; a change trains a network, or reads a stored result."""
    with in_a_row(gap="medium"):
        LOSS.show(st.segmented_control, "Loss", LOSS_NAMES, value=settings.loss)
        for name, step in _STEPS.items():
            _show(name, st.slider, settings, step=step, width=150)
        _show("seed", st.number_input, settings, step=1, width=120)


def _show(name: str, widget: Any, settings: ToySettings, **layout: Any) -> None:
    option = _OPTIONS[name]
    value = getattr(settings, name)
    NUMBERS[name].show(widget, option.title, option.low, option.high, value=value, help=option.help, **layout)


def trained(workspace: Path, settings: ToySettings) -> ToyResult:
    """Return the result, which is trained first unless it is stored; stop the page where that fails."""
    try:
        with st.spinner("Training the network: some seconds …"):
            return service.trained(workspace, settings)
    except CurateError as error:
        show_user_error(error)
        return st.stop()


def summary(result: ToyResult) -> str:
    """Say how closely AVH and the norm follow the exact Bayes error after the last epoch."""
    last = result.curves.iloc[-1]
    avh = _rho(last["avh_samples"])
    norm = _rho(last["norm_samples"])
    return f"Spearman with the exact Bayes error after {last['epoch']:g} epochs: **AVH {avh}**, norm {norm}."


@st.fragment
@while_allowed
def explore(result: ToyResult) -> None:
    """Draw a slider over the epochs, the maps at that epoch, and the curves with it marked."""
    last = result.settings.epochs
    epoch = one_of("toy.epoch", range(last + 1), last).show(
        st.slider,
        "Epoch",
        0,
        last,
        help="0 is the network before training. With the slider in focus, the arrow keys step.",
    )
    _facts(result, epoch)
    show_chart(maps(result, epoch), key="toy.maps")
    settling, following = st.columns(2, gap="large")
    with settling:
        st.markdown("**What settles first**")
        show_chart(course(result.curves, epoch=epoch), key="toy.course")
    with following:
        st.markdown("**What follows the Bayes error**")
        show_chart(agreement_by_epoch(result.curves, epoch=epoch), key="toy.agreement")
    details = result.details
    versions = ", ".join(f"{name} {number}" for name, number in details["versions"].items())
    st.caption(
        f"Means over {HELD_OUT:,} held-out points. Trained in {details['seconds']:.1f} s on one core, "
        f"{plain(details['created'])}, {plain(versions)}. In a shell: `{result.settings.line}`"
    )


def _facts(result: ToyResult, epoch: int) -> None:
    row = result.curves.iloc[epoch]
    with in_a_row("top", gap="large"):
        for key, name in (("avh", "AVH with Bayes error"), ("norm", "Norm with Bayes error")):
            fact(name, _rho(row[f"{key}_samples"]), f"Spearman; over the map {_rho(row[f'{key}_map'])}")
        error = 1 - row["accuracy"]
        fact("Held-out error", f"{100 * error:.1f} %", f"Bayes error {100 * result.details['bayes_error']:.1f} %")
        fact("Mean AVH", f"{row['avh']:.3f}", f"95 % by epoch {result.settled['avh']}")
        fact("Mean norm", f"{row['norm']:.2f}", f"95 % by epoch {result.settled['norm']}")


def _rho(value: float) -> str:
    if np.isnan(value):
        return "–"
    return signed(value, 2)
