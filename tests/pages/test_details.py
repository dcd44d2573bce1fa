"""The details of a sample: what lies beside it, what is done there, and where it goes on after it has left the list."""

import pytest


@pytest.fixture
def details(open_page, own_demo_root, grids):
    """Opens the gallery by position with details, in a panel, and gives the app and what the viewer is sent."""

    def opened(**query):
        app = open_page("gallery", own_demo_root, sort="id", order="asc", **query)
        app.session_state["details.panel"] = True
        app.run()
        return app, lambda: grids(app)["Image viewer"]

    return opened


def test_what_is_done_is_said_with_a_way_back_and_the_image_that_left_the_list_keeps_its_place(details):
    app, viewer = details(sample="7")
    assert (viewer()["panel"], viewer()["near"]["place"], viewer()["near"]["count"]) == (True, 7, 1797)
    app.toggle(key="detail.excluded").set_value(True).run()
    done, near = viewer()["actions"]["done"], viewer()["near"]
    assert (done["text"], done["undo"]) == ("1 image excluded", True)
    assert (near["place"], near["next"], near["count"]) == (None, 7, 1796)
    assert near["ids"][near["next"] - near["first"]] == 8
    app.selectbox(key="detail.label").set_value(3).run()
    assert viewer()["actions"]["done"]["text"] == "1 image labelled 3"
    assert viewer()["images"][0]["alt"].startswith("Image 7, label 3")


def test_images_side_by_side_are_those_of_the_address_while_the_open_one_is_among_them(details):
    app, viewer = details(sample="9", details__beside="4,9,30")
    assert ([image["id"] for image in viewer()["images"]], viewer()["active"]) == ([4, 9, 30], 1)
    app.query_params["sample"] = "5"
    app.run()
    assert [image["id"] for image in viewer()["images"]] == [5]
    app.query_params["details.beside"] = "5,99999"
    app.run()
    assert [image["id"] for image in viewer()["images"]] == [5]
    app.query_params["details.beside"] = "1,2,3,4,5"
    app.run()
    assert "not understood" in app.warning[0].value


def test_more_like_this_orders_the_gallery_by_the_angle_to_what_is_open(details, asked, grids):
    app, _ = details(sample="9", details__beside="4,9")
    app.button(key="detail.like").click().run()
    assert (asked(app, "gallery.like"), asked(app, "sample")) == ("4,9", "")
    assert {tile["id"] for tile in grids(app)["Samples"]["tiles"][:2]} == {4, 9}
