"""Self-training as a job on a real shift: blurred digits, scored on the way, killed, compared, taken away."""

import filecmp
import io
import json
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from avhcurate import cli
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.export import service as export
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels import round_export
from avhcurate.features.pseudo_labels.service import COLUMNS
from avhcurate.lab.self_training import service as self_training_service
from avhcurate.lab.self_training.domains import domains
from avhcurate.lab.self_training.probe import FILE
from avhcurate.lab.self_training.service import self_train_dataset
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import write_parquet
from tests.fakes.datasets import bare_dataset
from tests.fakes.sources import attach
from tests.fakes.workspaces import copied

#: Trained on 300 digits, adapted to the other half, blurred.
SETTINGS = SelfTrainSettings(
    source="digits",
    target="blurred",
    model="avhcurate:digits",
    portion="0.2:0.5:0.15",
    epochs=8,
    learning_rate=0.02,
    source_where="split = 'train' AND id < 600",
)


def blurred(encoded):
    png = io.BytesIO()
    Image.open(io.BytesIO(encoded)).filter(ImageFilter.GaussianBlur(0.75)).save(png, "PNG")
    return png.getvalue()


def write_blurred(source, out, *, classes=None):
    """The other half of the digits, out of focus; with other class names."""
    table = pq.read_table(source)
    metadata = table.schema.metadata[b"huggingface"]
    rows = table.to_pandas().query("split == 'test'")
    rows["image"] = [{**image, "bytes": blurred(image["bytes"])} for image in rows["image"]]
    if classes:
        described = json.loads(metadata)
        described["info"]["features"]["label"]["names"] = classes
        metadata = json.dumps(described).encode()
    new = pa.Table.from_pandas(rows, preserve_index=False)
    write_parquet(out, new.replace_schema_metadata({b"huggingface": metadata}))
    return out


@pytest.fixture(scope="module")
def shifted_root(demo_root, tmp_path_factory):
    """The demo with the blurred digits beside it, not scored; to copy."""
    root = tmp_path_factory.mktemp("shifted") / "demo"
    copied(demo_root, root)
    source = root / "downloads" / "digits" / "digits.parquet"
    import_dataset(Workspace(root), "blurred", write_blurred(source, root / "blurred.parquet"))
    return root


@pytest.fixture(scope="module")
def adapted_root(shifted_root, tmp_path_factory):
    """A copy in which AVC and confidence adapted the digits, by the command line; for reading only."""
    root = copied(shifted_root, tmp_path_factory.mktemp("adapted") / "demo")
    for rule in ("avc", "confidence"):
        argv = ["avhcurate", *SETTINGS.with_(rule=rule).argv, "--json", "--workspace", str(root)]
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
            patch.setattr(sys, "argv", argv)
            with pytest.raises(SystemExit, match=r"^0$"):
                cli.main()
        (root / f"{rule}.json").write_text(printed.getvalue())
    return root


@pytest.fixture(scope="module")
def space(adapted_root):
    return Workspace(adapted_root)


@pytest.fixture(scope="module")
def adapted(space):
    """The two, AVC first."""
    return space.dataset("blurred").self_trainings()


@pytest.fixture
def own_root(adapted_root, tmp_path):
    return copied(adapted_root, tmp_path / "own")


def test_the_command_scores_what_is_missing_and_adapts(adapted_root, space, adapted):
    run = space.dataset("blurred").run()
    assert run.complete
    assert [folder.record.rule for folder in adapted] == ["avc", "confidence"]
    for folder in adapted:
        printed = json.loads((adapted_root / f"{folder.record.rule}.json").read_text())
        assert printed == self_training_service.summary(folder)
        assert printed["accuracy"] > printed["source_only"] + 0.04
        assert printed["accuracy_low"] < printed["accuracy"] < printed["accuracy_high"]
    record = adapted[0].record
    assert record.weights_sha256 == run.record.weights_sha256
    assert (record.source_run, record.target_run) == (space.dataset("digits").run().name, run.name)
    assert (record.target_samples, record.done, record.rounds) == (896, 3, 3)
    assert record.finished > record.started
    # The same again does nothing.
    before = (adapted[0].root / "self-training.json").stat().st_mtime_ns
    assert self_train_dataset(space, SETTINGS).name == adapted[0].name
    assert (adapted[0].root / "self-training.json").stat().st_mtime_ns == before


#: Dies in the middle of writing round 2: its head is there, its report is not.
KILLED = """
    import sys
    from avhcurate.lab.self_training.service import self_train_dataset
    from avhcurate.lab.self_training.settings import SelfTrainSettings
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.killing import die_at_rename

    die_at_rename(3, True, "report.json")
    self_train_dataset(Workspace(sys.argv[1]), SelfTrainSettings(**OPTIONS))
"""


def test_features_attached_again_under_their_old_name_are_another_self_training(workspace, tmp_path):
    labels, features = np.arange(80) % 2, tmp_path / "features.npy"
    bare_dataset(workspace, [f"{id}.png" for id in range(80)], labels.tolist(), ["even", "odd"], "dots")
    np.save(tmp_path / "head.npy", np.eye(2, dtype=np.float32))
    settings = SETTINGS.with_(source="dots", target="dots", model=None, source_where="id < 40", rounds=1)

    def adapted(seed):
        np.save(features, (np.random.default_rng(seed).random((80, 2)) + np.eye(2)[labels]).astype(np.float32))
        run = attach(workspace, "dots", str(features), str(tmp_path / "head.npy"), name="mine")
        found = self_train_dataset(workspace, settings)
        shutil.rmtree(run.root)
        return found

    first, again, corrected = adapted(0), adapted(0), adapted(1)
    assert again.name == first.name
    assert corrected.name != first.name


@pytest.mark.slow
def test_a_run_killed_in_mid_round_resumes_to_the_very_same_bits(own_root, adapted):
    workspace = Workspace(own_root)
    shutil.rmtree(workspace.dataset("blurred").root / "self-training")
    script = textwrap.dedent(KILLED).replace("OPTIONS", repr(dict(SETTINGS)))
    ended = subprocess.run([sys.executable, "-c", script, str(own_root)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (cut,) = workspace.dataset("blurred").self_trainings()
    assert (cut.rounds(), cut.complete, cut.name) == ([0, 1], False, adapted[0].name)
    whole = self_train_dataset(workspace, SETTINGS)
    assert whole.rounds() == adapted[0].rounds() == [0, 1, 2, 3]
    for number in whole.rounds():
        assert filecmp.cmp(whole.round(number) / FILE, adapted[0].round(number) / FILE, shallow=False)
        timeless = [folder.report(number).model_dump(exclude={"seconds"}) for folder in (whole, adapted[0])]
        assert timeless[0] == timeless[1]
    assert not list(whole.root.rglob("*.tmp"))


def test_classes_in_another_order_or_of_other_names_are_refused(own_root, tmp_path):
    workspace = Workspace(own_root)
    source = own_root / "downloads" / "digits" / "digits.parquet"
    for name, classes, said in (
        ("turned", [*"1023456789"], "must have the same classes in the same order"),
        ("named", [*"012345678", "nine"], "Only in 'digits': 9. Only in 'named': nine"),
    ):
        import_dataset(workspace, name, write_blurred(source, tmp_path / f"{name}.parquet", classes=classes))
        with pytest.raises(CurateError, match=said):
            self_train_dataset(workspace, SETTINGS.with_(target=name))
        assert not workspace.dataset(name).runs()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "digits", "source_where": ""}, "--source-where and --target-where"),
        ({"target": "digits", "source_where": "id < 9", "target_where": "id < 5"}, "5 samples satisfy both"),
        ({"source_where": "label = 3"}, "no samples of two classes"),
        ({"target_where": "id < 0"}, "no samples to adapt to"),
        ({"rule": "best"}, "confidence"),
        ({"rounds": 0}, "--rounds"),
        ({"seed": -1}, "--seed"),
        ({"portion": "a"}, "--portion"),
        ({"model": None, "target": "digits2"}, "digits2"),
    ],
)
def test_mistakes_say_what_to_do(space, changes, said):
    with pytest.raises(CurateError, match=said):
        self_train_dataset(space, SETTINGS.with_(**changes))


def test_samples_whose_condition_is_unknown_are_of_the_rest(demo_root):
    unknown = "CASE WHEN id >= 100 THEN id < 700 END"
    source, target = domains(Workspace(demo_root), SETTINGS.with_(target="digits", source_where=unknown))
    assert (len(source.ids), len(target.ids)) == (600, 1197)
    assert set(range(100)) <= set(target.ids.tolist())


def test_without_a_model_and_a_run_the_message_names_the_option(shifted_root):
    with pytest.raises(CurateError, match=r"No model has scored both 'digits' and 'blurred'.*--model"):
        self_train_dataset(Workspace(shifted_root), SETTINGS.with_(model=None))


def test_one_dataset_in_two_parts_and_what_people_decided(own_root):
    """One condition parts it; an excluded sample is not learnt from, and a curated label is what is learnt."""
    workspace = Workspace(own_root)
    opened = open_dataset(workspace, "digits")
    annotate(opened.decisions, [2], "exclude")
    settings = SETTINGS.with_(target="digits", source_where="id < 700", rounds=1, portion="0.3")
    found = self_train_dataset(workspace, settings)
    assert found.record.source_samples == 699
    assert found.record.target_where == "(id < 700) IS NOT TRUE"
    assert found.selection(1)["id"].tolist() == list(range(700, opened.samples.size))


def test_rounds_and_selections_as_tables(adapted):
    folder = adapted[0]
    table, reports = self_training_service.table(folder), [folder.report(number) for number in range(4)]
    assert table["round"].tolist() == [0, 1, 2, 3]
    for key in ("accuracy", "mean_accuracy", "ece"):
        shares = [getattr(report, key) for report in reports]
        for end, name in (("", "value"), ("_low", "low"), ("_high", "high"), ("_n", "n")):
            assert table[f"{key}{end}"].tolist() == [getattr(share, name) for share in shares]
    assert table["accuracy_n"].tolist() == [896] * 4
    assert table["portion"].isna().tolist() == table["precision"].isna().tolist() == [True, False, False, False]
    assert table["portion"][1:].tolist() == [0.2, 0.35, 0.5]
    rows, found = folder.selection(2).set_index("id"), self_training_service.selections(folder, 2)
    assert [self_training_service.gates(one, 2)[0] for one in adapted] == ["avc", "confidence"]
    for gate in ("avc", "confidence"):
        assert found[f"by_{gate}"].tolist() == rows[f"by_{gate}"].tolist()


def test_an_unknown_self_training_or_round_says_what_there_is(space, adapted):
    with pytest.raises(CurateError, match=f"no self-training 'x'. It has: {adapted[0].name}"):
        space.dataset("blurred").self_training("x")
    for number, said in ((9, r"has no round 9\. It has 4 rounds"), (0, "selects nothing")):
        with pytest.raises(CurateError, match=said):
            adapted[0].selection(number)


def test_pseudo_labels_have_the_columns_of_select_and_their_manifest(space, adapted):
    chosen = round_export.pseudo_labels(space, adapted[0], 2)
    assert list(chosen.columns) == list(COLUMNS)
    assert chosen["selected"].all()
    assert chosen["pseudo_label"].notna().sum() == len(chosen) == adapted[0].report(2).selected
    paths = space.dataset("blurred").samples(["id", "path"]).set_index("id")["path"]
    assert chosen["path"].tolist() == paths[chosen["id"]].tolist()
    manifest = json.loads(json.dumps(round_export.describe(adapted[0], 2)))
    assert (manifest["rule"], manifest["round"], manifest["portion"]) == ("avc", 2, 0.35)
    assert sum(row["selected"] for row in manifest["per_class"]) == manifest["selected"] == len(chosen)
    assert manifest["self_training"]["recipe"]["hidden"] == 512


def test_pseudo_labels_of_another_import_are_refused(own_root, adapted):
    """Its ids would name other samples."""
    workspace = Workspace(own_root)
    folder = workspace.dataset("blurred").self_training(adapted[0].name)
    folder.write_record(folder.record.model_copy(update={"target_fingerprint": "another"}))
    with pytest.raises(CurateError, match="was imported again"):
        round_export.export(workspace, folder, 1, "csv", own_root / "out.csv")


@pytest.mark.parametrize("format", sorted(export.FORMATS))
def test_a_round_goes_out_in_every_format(space, adapted, format, tmp_path):
    out = tmp_path / f"labels.{format}"
    count = round_export.export(space, adapted[0], 2, format, out)
    assert count == adapted[0].report(2).selected
    manifest = out / "manifest.json" if out.is_dir() else out.with_name(out.name + ".manifest.json")
    content = json.loads(manifest.read_text())
    assert content.get("pseudo_labels", content)["selected"] == count
    chosen = adapted[0].selection(2).query("selected").set_index("id")["pseudo_label"]
    if format == "csv":
        read = pd.read_csv(out).set_index("id")
        assert read["pseudo_label"].to_dict() == chosen.to_dict()
    if format == "folder":
        held = {int(path.stem.rpartition("-")[2]): int(path.parent.name) for path in out.glob("*/*.png")}
        assert held == chosen.to_dict()
    if format == "label-studio":
        tasks, names = json.loads((out / "tasks.json").read_text()), {}
        for task in tasks:
            (told,) = [one["result"][0] for one in task["annotations"] if "curated" in one["result"][0]["meta"]]
            names[task["data"]["path"]] = told["value"]["choices"][0]
        paths = space.dataset("blurred").samples(["id", "path"]).set_index("id")["path"]
        assert names == {paths[id]: str(label) for id, label in chosen.items()}
    if format == "hf":
        read = pq.read_table(out / "data").to_pandas().set_index("id")
        assert read["label"].to_dict() == chosen.to_dict()
    with pytest.raises(CurateError, match="--force"):
        round_export.export(space, adapted[0], 2, format, out)


@pytest.mark.slow
def test_the_whole_network_adapts_by_the_same_command(shifted_root, tmp_path, cli):
    root = copied(shifted_root, tmp_path / "own")
    arguments = shlex.split(
        "self-train --source digits --target blurred --model avhcurate:digits --weights random --trainer full "
        "--epochs 12 --learning-rate 0.05 --rounds 2 --portion 0.4:0.5:0.1"
    )
    arguments += ["--target-where", "id < 400", "--source-where", SETTINGS.source_where, "--workspace", str(root)]
    ended = cli(*arguments)
    assert ended.code == 0, ended.err
    assert "the source alone" in " ".join(ended.out.split())
    (folder,) = Workspace(root).dataset("blurred").self_trainings()
    assert (folder.record.trainer, folder.record.target_run, folder.rounds()) == ("full", None, [0, 1, 2])
    assert folder.report(2).accuracy.value > folder.report(0).accuracy.value
    assert not list(folder.root.glob("*.pt"))
    assert round_export.export(Workspace(root), folder, 2, "folder", tmp_path / "out") == folder.report(2).selected


def test_select_writes_a_round_as_the_page_offers_it(adapted_root, adapted, tmp_path, cli):
    def select(*arguments):
        return cli("select", "blurred", *arguments, "--workspace", adapted_root)

    out, name = tmp_path / "labels.jsonl", adapted[0].name
    assert select("--self-training", name, "--round", "2", "--out", out).code == 0
    chosen = adapted[0].selection(2).query("selected").set_index("id")["pseudo_label"]
    assert pd.read_json(out, lines=True).set_index("id")["pseudo_label"].to_dict() == chosen.to_dict()
    said = select("--self-training", name, "--format", "folder", "--out", tmp_path / "folder", "--json")
    assert json.loads(said.out)["round"] == 3  # the last
    assert len(list((tmp_path / "folder").glob("*/*.png"))) == adapted[0].report(3).selected
    for arguments, words in (
        (["--self-training", name, "--rule", "avc"], "--rule cannot be given with --self-training"),
        (["--rule", "avc", "--portion", "0.2", "--round", "2"], "--round cannot be given with --rule"),
        ([], "--rule and --portion, or --self-training"),
        (["--self-training", "x"], "has no self-training 'x'"),
    ):
        said = select(*arguments, "--out", tmp_path / "none.csv")
        assert said.code == 2
        assert words in said.err
