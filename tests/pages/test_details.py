"""The details of a sample: what lies next to it, what is done there, and where it goes on after it left the list."""

from dataclasses import replace

import pytest

from avhcurate.ui.grid import detail


@pytest.fixture
def details(open_page, own_demo_root, grids):
    """Opens the gallery by position with details, and gives the app and what the viewer is sent."""

    def opened(**query):
        app = open_page("gallery", own_demo_root, sort="id", descending="false", **query)
        return app, lambda: grids(app)["Image viewer"]

    return opened


@pytest.mark.slow
def test_what_is_decided_shows_and_the_image_that_left_the_list_keeps_its_place(details, act):
    app, viewer = details(sample="7")
    assert (viewer()["near"]["place"], viewer()["near"]["count"]) == (7, 1797)
    act(app, "exclude", id=7)
    near = viewer()["near"]
    assert (near["place"], near["next"], near["count"]) == (None, 7, 1796)
    assert near["ids"][near["next"] - near["first"]] == 8
    act(app, "relabel", value=3, id=7)
    assert viewer()["images"][0]["alt"].startswith("Image 7, label 3")
    act(app, "tag", value="odd", id=7)
    (image,) = viewer()["images"]
    assert (image["title"], image["given"], image["badges"], image["muted"]) == ("3", "7", ["odd"], True)


@pytest.mark.slow
def test_up_to_four_chosen_images_stand_side_by_side(details, act, asked):
    app, viewer = details()
    ids = act(app, "compare", 2, 8)
    assert (asked(app, "details.together"), asked(app, "sample")) == (",".join(map(str, ids[:4])), str(ids[0]))
    shown = lambda: ([image["id"] for image in viewer()["images"]], viewer()["active"])  # noqa: E731
    assert shown() == (ids[:4], 0)
    app.query_params["sample"] = str(ids[2])
    app.run()
    assert shown() == (ids[:4], 2)
    app.query_params["sample"] = str(ids[5])  # none of them: alone
    app.run()
    assert shown() == ([ids[5]], 0)


def test_more_like_this_orders_the_gallery_by_the_angle_to_what_is_open(details, asked, grids):
    app, _ = details(sample="9")
    app.button(key="detail.like").click().run()
    assert (asked(app, "gallery.like"), asked(app, "sample")) == ("9", "")
    assert grids(app)["Images"]["tiles"][0]["id"] == 9


def test_the_path_and_the_problem_of_an_image_are_shown_as_text(details, monkeypatch):
    read, image = detail.inspect, "![p](https://evil.example/t.png)"

    def broken(*given):
        found = read(*given)
        return replace(found, row=found.row | {"problem": f"truncated {image}", "path": f"a\n\n{image}.png"})

    monkeypatch.setattr(detail, "inspect", broken)
    app, _ = details(sample="7")
    (warning,) = app.warning
    assert warning.value == r"The image could not be read: truncated !\[p\](https\://evil.example/t.png)"
    assert f"`a  {image}.png`" in [one.value for one in app.markdown]
