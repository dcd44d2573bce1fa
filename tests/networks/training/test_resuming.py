"""A training that was cut or killed goes on to the same bits, and a checkpoint of another is refused."""

import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from avhcurate.errors import CurateError
from avhcurate.networks.training.checkpoints import checkpoint_step
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.trainer import FULL, PLAIN, bits, linear, stripes, wavering


def test_a_training_cut_at_any_step_resumes_to_the_same_bits_and_evaluations(digit_halves, tmp_path):
    known, held = digit_halves

    def run(stops, file):
        evaluations = []
        for stop in [*stops, None]:
            begun = checkpoint_step(file)
            evaluations = [one for one in evaluations if one.step <= begun]
            done = max(begun, 0)

            def should_stop(stop=stop):
                nonlocal done
                done += 1
                return stop is not None and done >= stop

            try:
                module = train(
                    wavering(),
                    known,
                    FULL,
                    held_out=held,
                    device="cpu",
                    early=(0, 0.5),
                    on_eval=evaluations.append,
                    checkpoint=file,
                    progress=Progress(should_stop=should_stop),
                )
            except Cancelled:
                assert checkpoint_step(file) == stop
        return bits(module), evaluations

    undisturbed, cut = run([], tmp_path / "one.pt"), run([2, 9, 16, 17, 18], tmp_path / "two.pt")
    assert undisturbed[0] == cut[0]
    assert [one.step for one in undisturbed[1]] == [one.step for one in cut[1]] == [0, 4, 9, 18, 27]
    for one, two in zip(undisturbed[1], cut[1], strict=True):
        assert one.train_loss == two.train_loss
        for key, values in one.samples.items():
            np.testing.assert_array_equal(values, two.samples[key])


def test_images_mapped_from_disk_train_to_the_same_bits(digit_halves, tmp_path):
    """Rows of a file in another order and layout, as the cache of a dataset holds them, read ahead by a thread."""
    known, _ = digit_halves
    stored = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (2 * len(known), 8, 8, 1))
    rows = np.arange(len(known))[::-1] * 2
    stored[rows] = known.images.permute(0, 2, 3, 1).numpy()
    stored = np.load(tmp_path / "images.npy", mmap_mode="r").transpose(0, 3, 1, 2)
    mapped = LabelledImages(stored, known.labels, known.mean, known.std, rows)
    recipe = replace(FULL, epochs=1)
    found = [bits(train(wavering(), data, recipe, held_out=data, device="cpu")) for data in (known, mapped)]
    assert found[0] == found[1]


#: Starts from one import of torch, which takes seconds: a child for each moment, killed before or after that rename.
KILLED = """
    import os, signal, sys
    from pathlib import Path
    import torch
    import torch._dynamo  # by the first optimiser of each child, otherwise
    torch.set_num_threads(1)
    from avhcurate.networks.models.own import DigitsNet
    from avhcurate.networks.training.recipe import Recipe
    from avhcurate.networks.training.checkpoints import save_weights
    from avhcurate.networks.training.trainer import train
    from tests.fakes.killing import die_at_rename
    from tests.fakes.trainer import first_digits

    def run(folder):
        torch.manual_seed(0)
        recipe = Recipe(epochs=2, batch_size=50, crop_padding=1, fast=True)
        options = {"device": "cpu", "checkpoint": folder / "c.pt", "checkpoint_seconds": 0.0}
        module = train(DigitsNet(), first_digits(300), recipe, **options)
        save_weights(module, folder / "weights.safetensors")

    for moment in ("", "4 after", "9 before"):
        folder = Path(sys.argv[1]) / (moment or "whole")
        for attempt in ("killed", "again") if moment else ("whole",):
            child = os.fork()
            if child == 0:
                if attempt == "killed":
                    die_at_rename(int(moment.split()[0]), moment.endswith("before"))
                run(folder)
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_a_training_that_is_killed_resumes_to_the_same_file(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [int(code) for code in ended.stdout.split()] == [0] + [-signal.SIGKILL, 0] * 2
    files = {path.parent.name: path.read_bytes() for path in tmp_path.glob("*/weights.safetensors")}
    assert len(files) == 3
    assert set(files.values()) == {files["whole"]}


def test_a_finished_training_comes_back_from_its_checkpoint_and_another_is_refused(tmp_path):
    file = tmp_path / "c.pt"
    evaluations = []
    first = train(linear(), stripes(), PLAIN, device="cpu", checkpoint=file)
    second = train(linear(seed=9), stripes(), PLAIN, device="cpu", checkpoint=file, on_eval=evaluations.append)
    assert bits(first) == bits(second)
    assert evaluations == []
    with pytest.raises(CurateError, match="other settings"):
        train(linear(), stripes(), replace(PLAIN, learning_rate=0.2), device="cpu", checkpoint=file)
