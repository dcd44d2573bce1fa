"""The command line end to end: what it prints, what it writes, and how it ends."""

import errno
import io
import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from typer.exceptions import TyperException
from typer.main import get_command

import avhcurate
from avhcurate.cli import app, home_of, main
from avhcurate.errors import CurateError
from avhcurate.plugins import names
from avhcurate.ui.base import navigation
from tests.fakes.datasets import write_images
from tests.fakes.waiting import wait_until
from tests.fakes.web import free_port
from tests.fakes.workspaces import copied


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes and a votes file about it."""
    rng = np.random.default_rng(0)
    pictures, votes = {"dark/broken.png": b"\x89PNG\r\n\x1a\nnothing"}, []
    for name, tone in (("dark", 40), ("light", 200)):
        for i in range(6):
            pictures[f"{name}/{i}.png"] = np.clip(rng.normal(tone, 30, (40, 50, 3)), 0, 255).astype("uint8")
            votes += [(f"{name}/{i}.png", annotator, "dark" if annotator <= i else name) for annotator in range(5)]
    write_images(tmp_path / "photos", pictures)
    pd.DataFrame(votes, columns=["sample", "annotator", "label"]).to_csv(tmp_path / "votes.csv", index=False)
    (tmp_path / "small_nets.py").write_text(
        "import torch\n"
        "def tiny(num_classes=2):\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),\n"
        "                               torch.nn.Flatten(), torch.nn.Linear(8, num_classes))\n"
    )
    return tmp_path


@pytest.fixture(scope="module")
def copied_root(demo_root, tmp_path_factory):
    """A copy of the demo for all calls that are refused: some leave a job behind."""
    return copied(demo_root, tmp_path_factory.mktemp("copied") / "demo")


def test_from_a_folder_to_a_label_file(cli, photos, monkeypatch):
    """The main job: own images, own model, own votes, and out with the labels."""
    monkeypatch.chdir(photos)
    space = ("--workspace", photos / "space")
    code, out, _ = cli("import", "photos", photos / "photos", "--votes", photos / "votes.csv", *space)
    assert (code, "13 images" in out or "12 images" in out) == (0, True)
    code, out, err = cli("score", "photos", "--model", "small_nets:tiny", "--crop", "32", "--weights", "random", *space)
    assert code == 0, err
    assert "1 skipped" in out
    assert "avhcurate remove photos --run small_nets-tiny-" in out
    code, out, _ = cli("correlate", "photos", *space, "--out", photos / "c.csv", "--json")
    table = pd.DataFrame(json.loads(out)["rows"])
    assert code == 0
    assert table.loc[(table["score"] == "avh") & (table["bin"] == "all"), "n"].item() == 12
    assert len(pd.read_csv(photos / "c.csv")) == len(table)
    assert cli("disagree", "photos", *space)[0] == 0
    assert cli("select", "photos", "--rule", "avc", "--portion", "0.5", "--out", photos / "p.csv", *space)[0] == 0
    assert pd.read_csv(photos / "p.csv")["pseudo_label_name"].isin(["dark", "light"]).all()
    assert cli("export", "photos", "--where", "hsf < 0.6", "--out", photos / "labels.csv", *space)[0] == 0
    assert (pd.read_csv(photos / "labels.csv")["hsf"] < 0.6).all()


@pytest.mark.parametrize(("votes", "verb"), [(True, "correlate"), (False, "suspects")])
def test_what_is_to_be_tried_next_works_as_it_is_printed(cli, photos, monkeypatch, votes, verb):
    monkeypatch.chdir(photos)
    space = ("--workspace", "a space")
    cli("import", "photos", "photos", *(["--votes", "votes.csv"] if votes else []), *space)
    out = cli("score", "photos", "--model", "small_nets:tiny", "--crop", "32", "--weights", "random", *space).out
    next_one, serve = (shlex.split(line) for line in out.partition("Now try:\n")[2].splitlines())
    assert next_one == ["avhcurate", verb, "photos", *space]
    assert serve == ["avhcurate", "serve", *space]
    assert cli(*next_one[1:])[0] == 0


def test_the_digits_correlate_and_say_that_their_votes_are_simulated(cli, demo_root):
    out = cli("correlate", "digits", "--workspace", demo_root).out
    assert all(text in out for text in ("SIMULATED", "n=1797"))
    assert re.search(r"^noise ceiling: 0\.9\d to 0\.9\d$", out, re.MULTILINE)


def test_correlations_by_class_and_further_analyses_of_some_samples(cli, demo_root):
    some = ["correlate", "digits", "--scores", "avh", "--where", "id < 900", "--workspace", demo_root]
    _, out, _ = cli(*some, "--analysis", "classes", "--json")
    first = json.loads(out)["rows"][0]
    assert list(first)[:8] == ["score", "bin", "n", "spearman", "ci_low", "ci_high", "fisher_z", "p_value"]
    assert (first["class"], first["n"]) == ("mean of classes", 900)
    assert "partial_p_holm" in cli(*some, "--analysis", "adding")[1]
    beyond = json.loads(cli(*some, "--beyond", "confidence,norm", "--bins", "0,0.5,1", "--json").out)["rows"]
    assert [(row["bin"], row["held"]) for row in beyond] == [
        (label, "confidence, norm") for label in ("all", "[0, 0.5)", "[0.5, 1]")
    ]
    assert cli(*some, "--beyond", "confidence", "--analysis", "hard").code == 2
    code, _, said = cli(*some, "--analysis", "adding", "--against", "sharpness")
    assert (code, "needs human votes" in said) == (2, True)


def test_json_has_null_for_what_is_unknown_small_numbers_and_dates_as_text(cli, columns_root):
    def refuse(constant):
        raise AssertionError(constant)

    at = ["digits", "--json", "--workspace", columns_root]
    found = json.loads(cli("correlate", *at, "--against", "my_score", "--scores", "avh").out, parse_constant=refuse)
    assert found["noise_ceiling"] is None
    assert 0 < found["rows"][0]["p_value"] < 1e-10
    described = {row["column"]: row for row in json.loads(cli("columns", *at).out)["columns"]}
    assert (described["taken"]["low"], described["taken"]["high"]) == ("2024-01-01", "2024-12-31")
    assert described["my_score"]["values"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["correlate", "nothing"], "nothing"),
        (["correlate", "digits", "--scores", "hardness"], "hardness"),
        (["correlate", "digits", "--model", "torchvision:resnet50"], "resnet50"),
        (["export", "digits", "--format", "xls", "--out", "x.xls"], "xls"),
        (["correlate", "nothing", "--out", "x.xls"], ".csv, .jsonl or .parquet"),
        (["correlate", "digits", "--out", "-", "--json"], "both print to standard output"),
        (["export", "digits", "--out", "-", "--json", "--format", "csv"], "both print to standard output"),
        (["export", "digits", "--out", "-", "--format", "folder"], "cannot go to standard output"),
        (["score", "digits", "--model", "avhcurate:digits", "--out", "x.csv"], "score has no table"),
        (["export", "digits", "--format", "csv", "--out", f"{__file__}/x.csv"], "test_cli.py"),
        (["export", "digits", "--format", "csv", "--out", f"{'x' * 5000}.csv"], "too long"),
        (["export", "digits", "--format", "csv", "--out", "x.csv", "--where", "1; DROP TABLE samples"], "condition"),
        (["select", "digits", "--rule", "avc", "--portion", "2", "--out", "x.csv"], "portion"),
        (["import", "digits2", "/no/such/folder"], "/no/such/folder"),
        (["score", "digits", "--model", "torchvision:resnet5000"], "resnet"),
        (["score", "digits", "--model", "avhcurate:digits", "--mean", "grey"], "--mean"),
        (["score", "digits", "--model", "avhcurate:digits", "--precision", "float8"], "float8"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(cli, copied_root, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(*arguments, "--workspace", copied_root)  # which checks that it is one line
    assert (code, message in err) == (2, True), err


@pytest.mark.parametrize(
    "call",
    [
        *("import new ''", "votes digits ''", "list --workspace ''"),
        *("export digits --format csv --out ''", "export digits --format csv --out /"),
        *("votes-out digits --out ''", "votes-out digits --out ."),
        "select digits --rule avc --portion 0.5 --out ''",
    ],
)
def test_an_empty_path_is_never_the_current_folder(cli, demo_root, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*shlex.split(call), *([] if "--workspace" in call else ["--workspace", demo_root]))
    assert (code, out, list(tmp_path.iterdir())) == (2, "", [])
    assert 'Use "." for' in err or "Give the name" in err


@pytest.mark.parametrize(
    "call",
    [
        *("import d ~nobody-of-that-name/photos", "import d list:~nobody-of-that-name/list.txt"),
        *("import d . --classes ~nobody-of-that-name/classes.txt", "list --workspace ~nobody-of-that-name/space"),
        "attach digits --features ~nobody-of-that-name/features.npy",
    ],
)
def test_the_home_of_nobody_is_refused_with_the_next_step(cli, copied_root, monkeypatch, call):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(copied_root))
    code, _, err = cli(*call.split())
    assert (code, "~nobody-of-that-name" in err, "Write the whole path" in err) == (2, True, True)


def test_a_name_cannot_send_commands_to_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("avhcurate.cli._app", lambda _: lambda **_: print("cat\x1b[2J\u202egnp.exe\x07\tdog"))
    monkeypatch.setattr("avhcurate.cli.options.name_run", lambda: None)
    with pytest.raises(SystemExit):
        main()
    monkeypatch.undo()
    assert capsys.readouterr().out == "cat\ufffd[2J\ufffdgnp.exe\ufffd\tdog\n"


@pytest.mark.parametrize(
    "error", [CurateError("no\x1b[31m \u202egnp.exe\x07\n dog"), TyperException("No such option: --no\x1b[31m")]
)
def test_why_a_call_ends_shows_control_characters_and_never_sends_them(monkeypatch, capsys, error):
    def ends(_):
        raise error

    monkeypatch.setattr("avhcurate.cli._app", ends)
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert ("no\\x1b[31m" in said, said[-1]) == (True, "\n")
    assert said.strip("\n").isprintable()


def test_a_fault_of_ours_is_raised_which_is_exit_code_1(cli, demo_root, monkeypatch):
    monkeypatch.setattr("avhcurate.datasets.table.open_dataset.open_dataset", None)
    with pytest.raises(TypeError):
        cli("correlate", "digits", "--workspace", demo_root)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["score"], "Missing argument 'DATASET'"),
        (["score", "digits", "--model", "avhcurate:digits", "--limit", "many"], "'--limit'"),
        (["scor"], "'score'"),
        (["export", "digits", "--fromat", "csv"], "--format"),
    ],
)
def test_a_call_that_does_not_fit_is_said_in_one_line(cli, call, said):
    code, out, err = cli(*call)
    assert (code, out, said in err, "--help" in err) == (2, "", True, True), err


@pytest.mark.slow
def test_a_table_goes_to_a_file_by_its_ending_or_to_standard_output(cli, demo_root, tmp_path):
    at = ["correlate", "digits", "--scores", "avh,loss", "--workspace", demo_root]
    rows = json.loads(cli(*at, "--json").out)["rows"]
    assert "noise ceiling" in cli(*at, "--out", tmp_path / "a.csv").out
    assert cli("--out", tmp_path / "a.parquet", *at).code == 0
    assert cli(*at, "--quiet", f"--out={tmp_path / 'a.jsonl'}").code == 0
    printed = cli(*at, "--out", "-").out
    tables = [pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")]
    tables += [pd.read_json(tmp_path / "a.jsonl", lines=True), pd.read_csv(io.StringIO(printed))]
    for table in tables:
        assert table["spearman"].tolist() == pytest.approx([row["spearman"] for row in rows])
    again = cli(*at, "--out", tmp_path / "a.csv")
    assert (again.code, "give --force" in again.err) == (2, True)
    assert cli(*at[:2], "--scores", "avh", *at[4:], "--force", "--out", tmp_path / "a.csv").code == 0
    assert pd.read_csv(tmp_path / "a.csv")["score"].unique().tolist() == ["avh"]
    export = ("export", "digits", "--where", "id < 5", "--workspace", demo_root)
    found = cli(*export, "--out", "-", "--format", "jsonl")
    assert [json.loads(line)["id"] for line in found.out.splitlines()] == list(range(5))
    assert "5 images of digits written to -" in found.err
    assert "worst to train on" not in found.err
    hard = cli("export", "digits", "--where", "relative_avh > 0.1", "--out", tmp_path / "hard.csv", *at[-2:])
    assert "note: hard images are to look at, and the worst to train on" in hard.err
    votes = cli("votes-out", "digits", "--out", "-", "--workspace", demo_root)
    assert len(pd.read_csv(io.StringIO(votes.out))) == int(votes.err.split()[0]) > 0
    pseudo = ("select", "digits", "--rule", "avc", "--portion", "0.1", "--out", "-", "--workspace", demo_root)
    assert pd.read_csv(io.StringIO(cli(*pseudo).out))["selected"].all()


@pytest.mark.parametrize(
    "call",
    [
        *("columns digits", "list", "export digits", "votes-out digits", "report digits --no-images"),
        *("split digits --shares 0.5,0.5", "select digits --rule avc --portion 0.1"),
    ],
)
def test_a_file_of_out_is_replaced_by_force_alone_and_when_the_new_one_is_whole(
    cli, demo_root, tmp_path, monkeypatch, call
):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    words = [*call.split(), "--out", out, "--workspace", demo_root]
    refused = cli(*words)
    assert (refused.code, f"{out} exists. Choose another name, or give --force" in refused.err) == (2, True)
    with monkeypatch.context() as full:
        full.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
        assert cli(*words, "--force").code == 2
    assert out.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert cli(*words, "--force").code == 0
    assert out.read_text() != "mine"


def test_every_verb_with_a_table_takes_force(cli, tmp_path):
    (tmp_path / "out.csv").touch()
    told = {verb: " ".join(cli(verb, "-h").out.split()) for verb in get_command(app).commands}
    verbs = [verb for verb, text in told.items() if "--out FILE writes the table" in text]
    assert len(verbs) > 10
    for verb in verbs:
        call = [verb, "digits", "--out", tmp_path / "out.csv", "--workspace", tmp_path]
        assert "exists. Choose another name, or give --force" in cli(*call).err
        assert "exists" not in cli(*call, "--force").err


@pytest.mark.parametrize(
    "call",
    [
        *("list", "jobs", "plugins", "fetch", "roles list", "columns digits", "models digits", "disagree digits"),
        *("history digits", "saved digits", "export digits --out labels.csv", "votes-out digits --out votes.csv"),
        "split digits --shares 0.5,0.5 --out split.csv",
        "select digits --rule avc --portion 0.1 --out pseudo.csv",
        "report digits --no-images --out report.html",
        *("roles grant ann@x.org owner", "roles revoke ann@x.org"),
    ],
)
def test_every_result_is_json_on_request(cli, copied_root, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*call.split(), "--json", "--workspace", copied_root)
    assert (code, out.count("\n")) == (0, 1), err
    assert json.loads(out)


def test_quiet_prints_the_result_alone_and_verbose_what_was_done(cli, workspace, caplog):
    images = np.zeros((2, 4, 4), np.uint8)
    avhcurate.dataset("pets", images, workspace=workspace.root)
    (workspace.root / "ids.txt").write_text("0\n7\n")
    tag = ("tag", "pets", "odd", "--ids", workspace.root / "ids.txt", "--workspace", workspace.root)
    assert cli(*tag, "-q") == (0, "tag: images of pets: 1; --undo reverts it\n", "")
    assert "note: 1 entries" in cli(*tag).err
    assert "exclude each other" in cli(*tag, "-q", "-v").err
    assert cli("quality", "pets", "-v", "--workspace", workspace.root).code == 0
    first = next(record for record in caplog.records if record.name == "avhcurate")
    assert first.getMessage().partition(" in ")[0] == "avhcurate quality pets"
    assert "quality of pets done" in caplog.text
    logging.getLogger("avhcurate").setLevel(logging.NOTSET)


def test_a_file_of_the_project_sets_workspace_dataset_and_model(cli, demo_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AVHCURATE_WORKSPACE", raising=False)
    project = tmp_path / "avhcurate.toml"
    project.write_text(f'workspace = "{demo_root}"\ndataset = "digits"\nmodel = "avhcurate:digits"\n')
    assert "n=1797" in cli("correlate").out
    assert cli("export", "--where", "id < 2", "--out", "two.csv").code == 0
    assert "no run 'nothing'" in cli("correlate", "--model", "nothing").err.lower()
    assert "Unknown dataset 'pets'" in cli("correlate", "pets").err
    assert "Missing argument 'NAME'" in cli("remove", "--yes").err  # what destroys is named
    project.write_text("datset = 'digits'")
    assert "It may set workspace, dataset, model" in cli("correlate").err


def test_without_a_verb_there_is_the_help(cli):
    code, out, err = cli()
    assert (code, "correlate" in out + err) == (2, True)
    titles = [line[:-1] for line in (out + err).splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert [title for title in navigation.ANALYSES if title not in titles] == []


#: Libraries that take a tenth of a second or more to import, and what each call may use of them. Whatever Arrow and
#: DuckDB convert, they import pandas for.
HEAVY = {
    *("cleanlab", "duckdb", "openvino", "pandas", "plotly", "ray", "scipy", "sklearn", "sqlalchemy", "streamlit"),
    *("torch", "umap"),
}
TABLE = {"duckdb", "pandas", "sqlalchemy"}
MAY_IMPORT = {
    "list": set(),
    "jobs --json": set(),
    "tag digits odd --ids 1": TABLE,
    "export digits --out all.csv": TABLE,
    "disagree digits": TABLE,
    "correlate digits": TABLE | {"scipy"},
    "suspects digits": TABLE | {"cleanlab", "scipy", "sklearn"},
}


def test_a_verb_is_where_it_is_looked_for():
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        folder = "avhcurate.lab.cli" if name in names("verbs") else "avhcurate.cli"
        assert f"{folder}.{home_of(name)}" == command.callback.__module__


@pytest.mark.slow
@pytest.mark.parametrize("call", MAY_IMPORT)
def test_a_verb_imports_what_it_uses(call, own_demo_root, tmp_path):
    """Every program that is started pays for what it imports."""
    script = "import sys; from avhcurate import cli\ntry: cli.main()\nfinally: print(*sys.modules, file=sys.stderr)"
    argv = [sys.executable, "-c", script, *call.split(), "--workspace", own_demo_root]
    ended = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=tmp_path)
    modules = ended.stderr.splitlines()[-1].split()
    imported = {name.partition(".")[0] for name in modules}
    assert "avhcurate" in imported
    assert imported & HEAVY <= MAY_IMPORT[call]
    assert "avhcurate.lab.cli.train" not in modules


def test_help_and_version_are_asked_for_as_elsewhere(cli):
    assert cli("-V").out == cli("--version").out
    assert cli("-h").out == cli("help").out == cli("--help").out
    assert cli("score", "-h").out == cli("help", "score").out == cli("score", "--help").out
    assert "--head" in cli("score", "-h").out


def test_a_verb_says_in_which_group_it_stands_and_whether_it_has_a_table(cli):
    sections = re.findall(r"^([A-Z].*):\n((?:  .+\n)+)", cli("--help").out, re.MULTILINE)
    verbs = {title: re.findall(r"^  (\S+)", lines, re.MULTILINE) for title, lines in sections if title != "Options"}
    assert list(verbs) == ["Start", "Images", "People and network", "Data", "Training", "Workspace"]
    assert verbs["Start"] == ["demo", "review", "import", "fetch", "score", "attach", "serve"]
    assert verbs["Training"] == ["train", "self-train", "degrade", "toy"]
    assert {"list", "roles"} <= {*verbs["Workspace"]}
    said = {verb: " ".join(cli(verb, "-h").out.split()) for group in verbs.values() for verb in group}
    tables = {verb for verb, text in said.items() if "--out FILE writes the table" in text}
    assert {"list", "suspects", "degrade"} <= tables
    assert not {"score", "export", "train"} & tables


@pytest.mark.parametrize(("words", "code"), [("--version", 0), ("nothing", 2)])
def test_a_process_ends_without_clearing_up_once_all_that_asked_to_be_done_is_done(words, code):
    script = """
    import atexit, threading
    from avhcurate import cli

    class Held:
        def __del__(self):
            print("cleared up")

    def late():
        threading.main_thread().join()
        print("thread")

    held = Held()
    atexit.register(print, "exit")
    threading.Thread(target=late).start()
    cli.run()
    """
    ended = subprocess.run([sys.executable, "-c", dedent(script), words], capture_output=True, text=True)
    assert ended.returncode == code
    assert ended.stdout.splitlines()[-2:] == ["thread", "exit"]


def test_what_a_verb_has_written_is_in_the_file_of_the_database(own_demo_root):
    argv = [sys.executable, "-m", "avhcurate", "tag", "digits", "odd", "--ids", "1", "--workspace", own_demo_root]
    subprocess.run(argv, check=True, capture_output=True)
    assert [path.name for path in Path(own_demo_root).glob("annotations.db*")] == ["annotations.db"]


@pytest.mark.slow
def test_a_dataset_may_have_the_name_of_a_verb(tmp_path):
    argv = [sys.executable, "-m", "avhcurate", "train", "score", "--model", "avhcurate:digits", "--workspace", tmp_path]
    ended = subprocess.run(argv, capture_output=True, text=True)
    assert (ended.returncode, "Unknown dataset 'score'" in ended.stderr) == (2, True), ended.stderr


def test_killing_serve_ends_the_server(tmp_path):
    port = free_port()

    def answers():
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    command = [sys.executable, "-m", "avhcurate", "serve", "--workspace", tmp_path, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: answers() or process.poll() is not None)
    process.kill()
    process.wait()
    assert not answers()
