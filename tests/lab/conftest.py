"""What pages of the laboratory draw, and the jobs that they start."""

import json

import pytest

from avhcurate.workspace.data import background


@pytest.fixture
def figures():
    """The figures of a page, in their order."""
    return lambda app: [json.loads(node.proto.spec) for node in app.get("plotly_chart")]


@pytest.fixture
def start(monkeypatch):
    """Presses the button that starts a job, and returns the command lines that were started."""
    started = []
    monkeypatch.setattr(background, "start", lambda root, argv, **_: started.append(argv))

    def press(app, label):
        next(button for button in app.button if button.label == label).click().run()
        return started

    return press
