"""Each component alone on a page, with made-up data and no Streamlit: `python -m tests.fakes.components` serves them.

The scripts are read from the disk whenever a page is loaded. What a component tells Python stands below it, and in the
list `sent` of the page. A page `/notebook` shows a widget as a notebook does; a test gives it.
"""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import uvicorn
from PIL import Image
from pydantic_core import to_jsonable_python
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from streamlit.logger import set_log_level

from avhcurate.ui.components import chips, classify, facets, grid, mount, review, scatter, ticks, viewer
from avhcurate.ui.grid import grid_routes
from avhcurate.ui.grid.grid_views import GridView, register
from avhcurate.ui.server.decisions import Outcome
from tests.fakes.waiting import wait_until
from tests.fakes.web import free_port

FOLDER = Path(mount.__file__).parent
PORT = 8630
CLASSES = ["cat", "dog", "bird", "a class with a rather long name"]
#: What decisions are about.
ABOUT = {"dataset": "made up", "version": "1", "entry": 0}
#: The tiles of the grid.
COUNT = 1797
_THEME = {
    "font": "system-ui, sans-serif",
    "text-color": "light-dark(#1f2430, #e8eaf0)",
    "background-color": "light-dark(#ffffff, #14161c)",
    "secondary-background-color": "light-dark(#f3f5f9, #20242e)",
    "border-color": "light-dark(#d8dce6, #3a4050)",
    "primary-color": "light-dark(#3b5bdb, #748ffc)",
    "base-radius": "8px",
}
_PAGE = """<!doctype html>
<meta charset="utf-8"><title>NAME</title>
<style>:root { color-scheme: light dark; THEME } body { margin: 0; font: 15px var(--st-font); }
main { height: 100vh; overflow: auto; box-sizing: border-box; padding: 16px;
  color: var(--st-text-color); background: var(--st-background-color); } pre { white-space: pre-wrap; }</style>
<main data-testid="stMain"><div id="host"></div><pre></pre></main>
<script type="application/json">SENT</script>
<script type="module">
SCRIPT
</script>
"""
_ALONE = """const { html, style, data } = JSON.parse(document.querySelector("[type='application/json']").textContent);
const parentElement = document.getElementById("host").attachShadow({ mode: "open" });
parentElement.innerHTML = `<style>${style}</style>${html}`;
window.sent = [];
const send = (name, value) => {
  sent.push([name, value]);
  document.querySelector("pre").textContent += `${name} ${JSON.stringify(value)}\\n`;
};
const { default: run } = await import("/scripts/NAME/NAME.js");
const { connect, listen } = await import("/scripts/outbox.js");
listen({ answered: ({ decided }) => send("decided", decided) });
connect({ keeper: "", decisions: "/decisions", window: "" });
// `show({ count: 3 })` is what Python would say next.
window.show = (more) => run({
  parentElement, data: Object.assign(data, more), setTriggerValue: send, setStateValue: send,
});
show({});
"""
#: A model as a notebook has it, whose messages go to Python and back by HTTP.
_NOTEBOOK = """const { script, traits } = JSON.parse(document.querySelector("[type='application/json']").textContent);
const heard = new Map();
const call = (event, ...given) => heard.get(event)?.forEach((hear) => hear(...given));
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
let last = Promise.resolve();
const talk = (body) => (last = last.then(async () => {
  const answer = await fetch("/notebook/messages", { method: "POST", body: JSON.stringify(body) });
  const { sent, data } = await answer.json();
  for (const [content, buffers] of sent) call("msg:custom", content, buffers.map(bytes));
  if (JSON.stringify(data) === JSON.stringify(traits.data)) return;
  traits.data = data;
  call("change:data");
}));
const model = {
  get: (name) => traits[name],
  set: (name, value) => (traits[name] = value),
  save_changes: () => talk({ selection: traits.selection }),
  send: (content) => talk({ content }),
  on: (event, hear) => heard.set(event, [...(heard.get(event) ?? []), hear]),
  off: (event, hear) => heard.set(event, heard.get(event).filter((one) => one !== hear)),
};
const module = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
const widget = await module.default();
await widget.initialize({ model });
await widget.render({ model, el: document.getElementById("host") });
"""
_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96">
<rect width="96" height="96" fill="hsl({hue} 60% 60%)"/>
<text x="48" y="60" font-size="34" text-anchor="middle" fill="#fff">{id}</text></svg>
"""


# --- made-up data -----------------------------------------------------------------------------------------------


def picture(id: int) -> str:
    """The address of a picture with a number on it."""
    return f"/pictures/{id}"


def actions(**more: Any) -> dict[str, Any]:
    """What keys and a field need."""
    keys = {"1": {"action": "relabel", "value": 0, "text": "label cat"}}
    names = {"classes": CLASSES, "tags": ["blurred", "odd"], "sets": [], "keys": keys, "done": None, "handled": 0}
    return ABOUT | names | more


def task(**more: Any) -> dict[str, Any]:
    """What every card for annotators needs."""
    return ABOUT | {"scope": "made up", "echo": 0, "who": "ada"} | more


def tile(id: int) -> grid.Tile:
    title, badges = CLASSES[id % 3], ("odd",) * (id % 11 == 5)
    return grid.Tile(
        id, picture(id), title, predicted=CLASSES[id % 2], percentile=id * 37 % 101, note="HSF 0.80", badges=badges
    )


@cache
def view() -> GridView:
    """A grid's rows, of which the browser asks for most."""
    return register(
        GridView(
            "made up",
            COUNT,
            list(map(tile, range(grid.FIRST))),
            order=lambda: np.arange(COUNT),
            tiles=lambda ids: list(map(tile, ids)),
        )
    )


@cache
def cloud() -> scatter.PointCloud:
    """Three heaps of points."""
    heap, noise = np.arange(3000) % 3, np.random.default_rng(0).normal(size=(2, 3000))
    return scatter.point_cloud(2 * heap + noise[0], heap % 2 + noise[1], heap)


def draw_grid() -> None:
    names = {"tag": "Tag", "relabel": "Relabel", "exclude": "Exclude"}
    look = {"icon": "", "help": "", "primary": False, "always": False, "disabled": False, "decides": True, "of": ""}
    bar = [{"name": name, "label": label, "asks": name * (name == "tag")} | look for name, label in names.items()]
    grid.image_grid(
        view().first,
        key="grid",
        count=COUNT,
        source=view().url,
        view=view().key,
        height="window",
        selectable=True,
        hint=True,
        actions=actions(bar=bar),
    )


def draw_chips() -> None:
    texts = {"classes": "Class cat or dog", "ranges:avh": "AVH 0.2 to 0.4"}
    buttons = [chips.ChipButton(key, text, facets.FacetEvent(key, "values")) for key, text in texts.items()]
    chips.chip_buttons(buttons, key="chips", on_remove=print)


def draw_facets() -> None:
    rows = [facets.Bar(name, 40 + place, 7 * place, place) for place, name in enumerate(CLASSES)]
    columns = [facets.Bar(f"{low / 5}", 50, 10 * low, low) for low in range(5)]
    spans = [facets.Bar(f"{low / 10}", 30 + low, low, low=low / 10, high=(low + 1) / 10) for low in range(10)]
    panels = [
        facets.Panel("label", "Class", "rows", tuple(rows), (1,), help="The class", more=12),
        facets.Panel("bin", "HSF", "columns", tuple(columns), ()),
        facets.Panel("avh", "AVH", "range", tuple(spans), (0.2, None), ends=(0.0, 1.0), removable=True),
    ]
    facets.facet_panels(panels, key="facets", label="Filters", on_event=print)


def draw_scatter() -> None:
    colors = ["#3b5bdb", "#e8590c", "#2b8a3e"]
    shown = [{"name": CLASSES[at], "color": color, "symbol": at, "shade": at} for at, color in enumerate(colors)]
    left, right, low, high = cloud().bounds
    scatter.scatter(
        key="scatter",
        region=None,
        on_event=print,
        source=cloud().url,
        count=3000,
        bounds=cloud().bounds,
        rows=view().url,
        score="AVH",
        window=None,
        whole=(left - 0.2, right + 0.2, low - 0.2, high + 0.2),
        tool="lasso",
        label="A map of heaps",
        axes=["across", "up"],
        colors=[[59, 91, 219, 255], [232, 89, 12, 255], [43, 138, 62, 255]],
        symbols=[0, 1, 2],
        none=[140, 140, 140, 150],
        legend={"title": "Class", "entries": shown},
        marks={
            "x": [0, 2, 4],
            "y": [0, 1, 0],
            "names": CLASSES[:3],
            "named": True,
            "title": "Weights",
            "what": "class",
        },
        names=[],
        found=None,
        linked=False,
    )


def draw_classify() -> None:
    items = [classify.Item(id, f"task {id}", picture(id)) for id in range(5)]
    progress = {"done": 3, "goal": 20, "apart": "", "finished": False, "skip": True, "least_ms": 0}
    classify.classify_card(items, CLASSES, key="classify", **task(**progress))


def draw_review() -> None:
    rows = (
        review.Row("Angles", "dog", "nearest to dog", True),
        review.Row("Votes", "cat", "7 of 10 say cat", False),
    )
    strips = (review.Strip("Labelled dog", tuple(map(picture, range(20, 26)))),)
    suspects = [
        review.Suspect(
            id=id,
            place=id,
            choices=(review.NamedClass(1, "dog"), review.NamedClass(2, "bird")),
            suggested=1,
            src=picture(id),
            name=f"{id}.png",
            given="cat",
            lead="Likely dog",
            facts="AVH 0.4",
            rows=rows,
            strips=strips,
        )
        for id in range(4)
    ]
    about = {
        "queue": "q",
        "of": "run/list",
        "place": 0,
        "total": 4,
        "left": 4,
        "tally": "3 of the last 4 were wrong",
        "least_ms": 0,
    }
    review.review_card(suspects, key="review", **task(actions=actions(), **about))


def draw_ticks() -> None:
    tiles = [ticks.TickTile(id, picture(id), picture(id)) for id in range(12)]
    ticks.tick_grid(tiles, key="ticks", **task(task="grid 1", name="cat", size=110, ticked=[2, 5], can_go_back=True))


def draw_viewer() -> None:
    shown = [
        viewer.Picture(
            id, picture(id), picture(id), f"image {id}", f"{id}.png", CLASSES[0], CLASSES[0], "dog", ("odd",), False
        )
        for id in (3, 4)
    ]
    viewer.image_viewer(
        shown,
        key="viewer",
        on_shown=print,
        on_alone=print,
        active=0,
        near=viewer.Nearby("a", 3, None, 9, 0, tuple(range(9))),
        src="/pictures/{id}",
        whole="/pictures/{id}",
        actions=actions(),
        closed="",
    )


#: Draws each component; the one that watches other windows draws nothing.
EXAMPLES: dict[str, Callable[[], None]] = {
    name.removeprefix("draw_"): draw for name, draw in list(globals().items()) if name.startswith("draw_")
}


def drawn(name: str) -> dict[str, Any]:
    """The HTML and the style of a component, and the data that its script is sent."""
    found: dict[str, Any] = {}

    def component(folder: Path, html: str, style: str, module: str) -> Callable[..., None]:
        found.update(html=html, style=mount.BASE + style + mount.own_style(folder))
        return lambda data, **_: found.update(data=data)

    with patch.object(mount, "_component", component):
        EXAMPLES[name]()
    return found


# --- the server -------------------------------------------------------------------------------------------------

#: The widget on the page `/notebook`.
_shown: list[Any] = []


def show_widget(widget: Any) -> None:
    """Show a widget on the page `/notebook`."""
    _shown[:] = [widget]


def _filled(template: str, name: str, script: str, sent: Any) -> HTMLResponse:
    theme = " ".join(f"--st-{key}: {value};" for key, value in _THEME.items())
    text = json.dumps(sent).replace("</", "<\\/")
    page = template.replace("THEME", theme).replace("SCRIPT", script).replace("NAME", name)
    return HTMLResponse(page.replace("SENT", text))


def _component_page(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in EXAMPLES:
        return HTMLResponse("".join(f'<p><a href="/{one}">{one}</a>' for one in EXAMPLES), 404 * bool(name) or 200)
    return _filled(_PAGE, name, _ALONE, drawn(name))


def _notebook_page(_: Request) -> Response:
    (widget,) = _shown
    sent = {"script": widget._esm, "traits": {"data": widget.data, "selection": widget.selection}}
    return _filled(_PAGE, "notebook", _NOTEBOOK, sent)


async def _messages(request: Request) -> Response:
    (widget,), body = _shown, await request.json()
    sent: list[Any] = []

    def send(content: Any, buffers: Any = None) -> None:
        sent.append([content, [base64.b64encode(buffer).decode() for buffer in buffers or ()]])

    with patch.object(widget, "send", send):
        if "selection" in body:
            widget.selection = body["selection"]
        else:
            widget._handle_custom_msg(body["content"], [])
    return JSONResponse(to_jsonable_python({"sent": sent, "data": widget.data}))


async def _decisions(request: Request) -> Response:
    """Everything that is decided counts."""
    return JSONResponse({"outcomes": [asdict(Outcome(nonce=one["nonce"])) for one in await request.json()]})


def _picture(request: Request) -> Response:
    id = request.path_params["id"]
    return Response(_PICTURE.format(id=id, hue=id * 47 % 360), media_type="image/svg+xml")


async def _several(request: Request) -> Response:
    """A square a picture, of pixels: a browser draws an SVG by its media type alone, which several have not."""
    pictures = []
    for address in request.query_params.getlist("at"):
        hue = int(address.rpartition("/")[2]) * 33 % 256
        drawn = io.BytesIO()
        Image.new("HSV", (96, 96), (hue, 90, 200)).convert("RGB").save(drawn, "PNG")
        pictures.append(drawn.getvalue())
    return Response(b"".join(pictures), headers={"Sizes": ",".join(str(len(one)) for one in pictures)})


def _script(request: Request) -> Response:
    return FileResponse(FOLDER / request.path_params["name"], headers={"Cache-Control": "no-store"})


def server(port: int) -> uvicorn.Server:
    """The server of all pages, not yet running."""
    routes = [
        Route("/notebook", _notebook_page),
        Route("/notebook/messages", _messages, methods=["POST"]),
        Route("/decisions", _decisions, methods=["POST"]),
        Route("/several", _several),
        Route("/pictures/{id:int}", _picture),
        Route("/scripts/{name:path}", _script),
        *grid_routes.routes(),
        *scatter.routes(),
        Route("/{name}", _component_page),
        Route("/", _component_page),
    ]
    return uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_level="error"))


@contextmanager
def served() -> Iterator[str]:
    """The address of the pages while the block works."""
    port = free_port()
    running = server(port)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    wait_until(lambda: running.started)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


if __name__ == "__main__":
    set_log_level("ERROR")  # there is no session, as Streamlit says
    print(f"http://127.0.0.1:{PORT}")
    server(PORT).run()
