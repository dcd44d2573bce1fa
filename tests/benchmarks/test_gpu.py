"""The check of a GPU: it says where there is none, and its measurements run, here on the CPU."""

import pytest
import torch

from benchmarks import gpu


def test_without_a_card_it_fails_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    with pytest.raises(SystemExit, match=r"^PyTorch .* sees no NVIDIA GPU here, so there is nothing to check\.$"):
        gpu.main()


@pytest.mark.slow
def test_one_table_holds_peak_network_scoring_and_training(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"IMAGES": 12, "BATCH": 2, "SIDE": 16, "SECONDS": 0.01}.items():
        monkeypatch.setattr(gpu, name, value)
    monkeypatch.setattr(torch, "compile", lambda run: run)
    monkeypatch.setattr(gpu, "PRECISIONS", dict.fromkeys(("float32", "tf32"), torch.float32))
    page = gpu.report(torch.device("cpu"), "avhcurate:resnet20", tests_passed=True)
    assert page.startswith("cpu, PyTorch ")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()[2:]]
    float32 = {row[0]: row for row in rows if row[1] == "float32"}
    assert list(float32) == [
        *("product of 16 x 16", "network", "network, torch.compile", "ready batches, with copies"),
        *("from files to the table", "training, ResNet-20, 32 px"),
    ]
    assert all(float(row[2]) > 0 for name, row in float32.items() if not name.startswith("product"))
    assert "tf32 is for NVIDIA GPUs" in next(row[5] for row in rows if row[:2] == ["network", "tf32"])
    shares = {name: row[5] for name, row in float32.items()}
    assert (shares["network"], shares["ready batches, with copies"][-2:]) == ("100 %", " %")
