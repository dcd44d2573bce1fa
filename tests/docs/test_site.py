"""The documentation site builds strictly, asks no other server, and has every verb, score and formula."""

import re
from pathlib import Path
from types import FunctionType

import pytest
import typer

from avhcurate import scores
from avhcurate.cli import app
from avhcurate.workspace.disk.app_files import PAGES, added_pages

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    build = pytest.importorskip("mkdocs.commands.build")
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        patch.chdir(ROOT)
        build.build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def test_every_verb_is_in_the_reference_of_the_command_line(site):
    page = (site / "cli.html").read_text(encoding="utf-8")
    verbs = typer.main.get_command(app).commands
    assert [verb for verb in verbs if f"avhcurate {verb}</code>" not in page] == []
    assert "--head" in page
    assert "--workspace" in page
    assert "&lt;" in page
    assert "&amp;lt;" not in page
    cut = re.findall(r'<a href="#avhcurate-[\w-]+"><code>([\w-]+)</code></a>: [^\n]*\.\.\.', page)
    assert cut == []


def test_the_interfaces_of_python_are_there(site):
    named = {
        "api": ("avhcurate.dataset", "avhcurate.notebook.dataset.Dataset.export", "avhcurate.notebook.plots.Plots.map"),
        "api-scores": ("avhcurate.measures.scores.avh",),
        "api-losses": ("avhcurate.networks.training.losses.AVHLoss",),
    }
    pages = {name: (site / f"{name}.html").read_text(encoding="utf-8") for name in named}
    assert [one for page, names in named.items() for one in names if f'id="{one}"' not in pages[page]] == []
    assert pages["api"].count('<span class="gp">') > 20  # examples of docstrings are code, no quotations
    assert "Images in a forward pass." in pages["api"]  # an option of `score`, with what its settings say of it
    assert "Unpack" not in pages["api"]
    assert "<blockquote>" not in "".join(pages.values())


def test_every_function_and_class_of_the_scores_is_in_the_reference(site):
    page = (site / "api-scores.html").read_text(encoding="utf-8")
    named = [name for name in scores.__all__ if isinstance(getattr(scores, name), type | FunctionType)]
    assert len(named) > 20
    there = set(re.findall(r'id="avhcurate\.measures\.scores\.(?:blocks\.)?(\w+)"', page))
    assert set(named) - there == set()


def test_formulas_are_drawn_without_a_script(site):
    page = (site / "method.html").read_text(encoding="utf-8")
    assert page.count("<math") > 30
    assert "arithmatex" not in page
    assert re.findall(r"<m[io][^>]*>[^<]*\\[^<]*<", page) == []  # TeX that the converter does not know


def test_no_page_asks_another_server(site):
    asking = re.compile(
        r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+rel="(?:stylesheet|preconnect)"[^>]+//'
    )
    assert [path for path in site.rglob("*.html") if asking.search(path.read_text(encoding="utf-8"))] == []


def test_the_search_and_the_palette_work_from_the_disk(site):
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = {")
    assert "angular_gap" in index
    page = (site / "guides" / "label-errors.html").read_text(encoding="utf-8")
    assert '<script src="../iframe-worker.js"></script>' in page
    assert (site / "iframe-worker.js").is_file()
    assert page.count('name="__palette"') == 3


def test_every_notebook_is_a_page_with_what_it_showed(site):
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (site / "notebooks").glob("*.html")}
    assert set(pages) == {path.stem for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    assert "12 of the 12 planted errors" in pages["curate"]


def test_a_picture_opens_at_its_full_size(site):
    for page in ("index.html", "tour.html"):
        text = (site / page).read_text(encoding="utf-8")
        pictures = re.findall(r'(<a class="picture" href="([^"]+)">)?<img [^>]*src="(images/[^"]+)"', text)
        assert pictures
        assert [link for _, link, image in pictures if link != image or not (site / image).is_file()] == []


def test_the_tour_shows_every_page_of_the_app():
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    pages = [*(path.stem for path in PAGES.glob("*.py")), *added_pages()]
    assert [page for page in pages if f"(images/{page}.png)" not in tour] == []
