"""Predicted HSF on pages: its section on Correlation, and the choice on Disagreement."""

import re

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.predicted_hsf.ui import needed_sentence, summary
from avhcurate.workspace.data.prediction import CurvePoint, PredictionFolder
from avhcurate.workspace.data.workspace import Workspace


def test_without_a_prediction_the_section_offers_one(open_page, demo_root, words):
    page = open_page("correlation", demo_root)
    assert "a model of these votes predicts the HSF of all others" in words(page)
    assert [button.label for button in page.button if button.key == "predicted.start"] == ["Predict HSF"]


def test_the_section_says_what_was_reached_and_what_a_target_needs(open_page, predicted_root, words):
    text = words(open_page("correlation", predicted_root))
    assert "HSF of 1,797 images is predicted from simulated votes on 250 of them" in text
    assert "predicted, not voted" in text
    assert "The noise ceiling is 0.9" in text
    assert "What the intervals hold" in text
    assert "HSF [0.8, 1]" in text
    assert "claim 90%" in text
    assert re.search(r"not for naming the hard ones: by the HSF that people gave they hold \d+% of an HSF in \[", text)
    assert text.count("Predicted [") == 5
    text = words(open_page("correlation", predicted_root, predicted__target="0.3"))
    assert "0.30 is reached with votes on" in text


def test_disagreement_compares_all_images_by_predicted_hsf(open_page, predicted_root, words):
    assert "250 images have both HSF and" in words(open_page("disagreement", predicted_root))
    text = words(open_page("disagreement", predicted_root, **{"gap.predicted": "1"}))
    assert "1,797 images have both predicted HSF and" in text
    assert "predicted HSF ≥ 0.8" in text


def test_the_queue_that_asks_where_votes_teach_most_says_what_was_not_shown(open_page, predicted_root, words):
    page = open_page("annotators", predicted_root)
    (queue,) = [box for box in page.selectbox if box.label == "Which images first"]
    assert "not been shown" not in words(page)
    queue.set_value("informative").run()
    assert "not been shown to need fewer votes than a random order" in words(page)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (0.2, "0.20 is reached with votes on 100 images: 0.25 (0.10 to 0.50)"),
        (0.42, "(95 %: from 200), **4,200 more**, by the forecast"),
        (0.44, "more than the dataset has"),
        (0.6, "0.60 is out of reach"),
    ],
)
def test_how_many_votes_a_target_needs(predicted_root, target, says):
    dataset = Workspace(predicted_root).dataset("digits")
    found = PredictionFolder.newest(dataset, dataset.record.fingerprint, 0).record
    points = [CurvePoint(learnt=n, n=250, rho=0.45 - 2 / n**0.5, low=0.1, high=0.5) for n in (50, 100, 200)]
    forecast = found.model_copy(update={"curve": points, "samples": 10_000})
    assert says in needed_sentence(forecast, target)
    assert "predicted, not voted" in summary(forecast)


def test_the_details_of_an_image_without_votes_call_its_hsf_predicted(open_page, predicted_root, words):
    opened = open_dataset(Workspace(predicted_root), "digits")
    id = int(opened.samples.frame(columns=["id", "hsf"]).query("hsf.isna()")["id"].iloc[0])
    page = open_page("gallery", predicted_root, sample=str(id))
    assert "Predicted HSF (not votes)" in words(page)
    value = f"{opened.samples.sample(id)['hsf_predicted']:.2f}, interval"
    assert any(value in text.value for text in page.text)
