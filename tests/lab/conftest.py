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

    def begin(root, argv, *, verb, dataset):
        assert verb == argv[0]
        assert any(word.endswith(dataset) for word in argv[1:])
        started.append(argv)

    monkeypatch.setattr(background, "start", begin)

    def press(app, label):
        next(button for button in app.button if button.label == label).click().run()
        return started

    return press
