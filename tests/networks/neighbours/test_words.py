"""Images by words: the angles are those of the network's own logits, and order, filter and export like any column."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import avhcurate
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.networks.neighbours.words import angles_to_words, words_column
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import add_dataset
from tests.fakes.networks import save_clip, save_siglip

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

COLOURS = ("red", "green", "blue", "black", "white", "navy")


@pytest.fixture(scope="module", params=[save_clip, save_siglip])
def scored(tmp_path_factory, request):
    """A dataset of twelve images scored by a tiny network, and the folder of that."""
    root = tmp_path_factory.mktemp("words")
    request.param(root / "network")
    workspace = Workspace(root / "workspace")
    add_dataset(workspace, root, {f"{name}/{colour}.png": colour for name in ("cat", "dog") for colour in COLOURS})
    return avhcurate.open(workspace.root, "pets").score(f"clip:{root / 'network'}"), root / "network"


def test_the_angle_to_a_text_is_that_of_the_networks_own_logit(scored):
    dataset, folder = scored
    network = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        ["a red car", "snow"], padding="max_length", return_tensors="pt"
    )
    # The image side of the run, which is held to the network's own in tests/networks/models.
    features = torch.from_numpy(np.array(dataset.opened.run.features()))
    with torch.inference_mode():
        output = network(**tokens, pixel_values=torch.zeros(1, 3, 16, 16))
        scale = network.logit_scale.exp()
        logits = (features / features.norm(dim=1, keepdim=True)) @ output.text_embeds.T * scale
    texts = output.text_embeds.double().numpy()
    rows = dataset.like("A red  car").set_index("id").sort_index()
    np.testing.assert_allclose(np.cos(rows["like: a red car"]) * scale.item(), logits[:, 0], atol=2e-3 * scale.item())
    sums = texts[0] - texts[1]
    rows = dataset.like(["a red car", "-snow"]).set_index("id").sort_index()
    cosines = features.double().numpy() @ sums / np.linalg.norm(sums) / features.norm(dim=1).numpy()
    np.testing.assert_allclose(np.cos(rows["like: a red car, -snow"]), cosines, atol=2e-3)


def test_words_order_filter_and_export_by_a_column_that_names_them(scored, tmp_path, cli):
    dataset, _ = scored
    run = dataset.opened.run
    near = dataset.like("black cat, -white")
    column = near.columns[-1]
    assert near[column].is_monotonic_increasing
    bytes_before = run.words_path.read_bytes()
    assert angles_to_words(run, ["black cat", "-white"]) == column == "like: black cat, -white"
    assert run.words_path.read_bytes() == bytes_before  # neither network nor images are read again
    opened, cut = open_dataset(dataset.workspace, "pets"), float(near[column][5])
    within = Filters(ranges=((column, None, cut),))
    assert opened.samples.order(within, sort=column).tolist() == near["id"][near[column] <= cut].tolist()
    assert Filters.from_query(within.to_query()) == within  # the words are in the address
    assert opened.samples.count(Filters(where=f'"{column}" <= {cut}')) == opened.samples.count(within)
    out, there = tmp_path / "near.csv", ("--workspace", dataset.workspace.root)
    assert cli("export", "pets", "--like-text", "navy", "--where", "id < 6", "--out", out, *there)[0] == 0
    written = pd.read_csv(out)
    assert written["like: navy"].is_monotonic_increasing
    assert len(written) == 6
    _, printed, _ = cli("neighbours", "pets", "--like-text", "navy", "--json", *there)
    assert json.loads(printed)["nearest"][0]["like: navy"] == pytest.approx(dataset.table["like: navy"].min())
    assert "like: navy" in json.loads((tmp_path / "near.csv.manifest.json").read_text())["words"]


def test_words_that_cannot_be_looked_for_say_what_to_do(scored, demo_root, tmp_path):
    dataset, folder = scored
    run = dataset.opened.run
    for words, named in ((["-snow"], "without a dash"), (["red", ""], "Say what"), (["x" * 201], "at most 200")):
        with pytest.raises(CurateError, match=named):
            words_column(words)
    with pytest.raises(CurateError, match="cancel each other"):
        angles_to_words(run, ["red", "-red"])
    with pytest.raises(CurateError, match=r"To find images by words.*clip:FOLDER"):
        angles_to_words(open_dataset(Workspace(demo_root), "digits").run, ["red"])
    aside = folder.rename(tmp_path / "network")
    save_clip(folder) if "siglip" in (aside / "config.json").read_text() else save_siglip(folder)
    with pytest.raises(CurateError, match="no longer the network of run"):
        angles_to_words(run, ["yellow"])


#: Serves itself by a process of its own, and says so once that has answered.
SERVED = """
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from avhcurate.networks.neighbours.words import end_with_parent
worker = ProcessPoolExecutor(1, get_context("spawn"), end_with_parent)
print(worker.submit(abs, -7).result(), flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_the_process_that_keeps_the_encoder_ends_with_one_that_is_killed():
    process = subprocess.Popen([sys.executable, "-c", SERVED], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "7\n"
    process.kill()
    process.communicate(timeout=120)  # ends once nobody holds its output
