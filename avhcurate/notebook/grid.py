"""The app's image grid in a notebook: a widget whose messages carry what HTTP carries in the app."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from pydantic_core import to_jsonable_python

from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui import components
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.url_state import View
from avhcurate.ui.components import commands
from avhcurate.ui.components import grid as component
from avhcurate.ui.components.mount import BASE, own_style
from avhcurate.ui.grid.grid_actions import hardest_first
from avhcurate.ui.grid.grid_bar import TAKERS, deciding_buttons, key_names
from avhcurate.ui.grid.grid_routes import answer_at
from avhcurate.ui.grid.grid_views import GridView, selected_in, table_view
from avhcurate.ui.server.decisions import take
from avhcurate.ui.server.image_routes import picture_at
from avhcurate.ui.server.script_routes import joined
from avhcurate.workspace.data.people import OPERATOR

if TYPE_CHECKING:
    from avhcurate.notebook.opened import OpenedDataset

#: Runs the scripts once for each widget.
_SCRIPT = """export default () => {
%s
return widget(...%s);
};
"""
#: Where the script sends decisions: see `widget.js`.
DECISIONS = "decisions/new"
#: Views that are kept: a selection made in one of the last can still be carried over to the one that is shown.
_HELD = 4


def _script() -> str:
    folder = Path(components.__file__).parent
    style = BASE + commands.STYLE + own_style(folder / "grid") + own_style(folder / "widget")
    return _SCRIPT % (joined("widget").replace("export ", ""), json.dumps([component.HTML, style]))


class SampleGrid(anywidget.AnyWidget):
    """The images of a dataset to scroll, select, tag and label by keys and buttons; see `Dataset.gallery`.

    `ids` are those of the selected images. Observe the trait `selection` to hear of changes.
    """

    _esm = _script()
    data = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)

    def __init__(self, dataset: "OpenedDataset", filters: Filters, *, sort: str | None, height: int) -> None:
        self._dataset = dataset
        self._filters = filters
        self._sort = sort
        self._height = height
        self._views: list[GridView] = []
        self.update()
        if not self.data["count"]:
            raise empty_view(self._page.samples, filters, "No image satisfies the condition. Widen it.")
        super().__init__()
        self.on_msg(self._hear)
        dataset.grids.add(self)

    @property
    def ids(self) -> list[int]:
        """Return the ids of the selected images, in the order of the grid."""
        return selected_in(self.selection, self._views[0]).ids

    def update(self) -> None:
        """Show what was decided since."""
        opened = self._dataset.opened
        entry = opened.samples.entry
        sort = self._sort or opened.samples.hardness
        shown = View(
            opened.samples.name, filters=self._filters, sort=sort, descending=hardest_first(opened.samples, sort)
        )
        count = opened.samples.count(self._filters)
        self._page = Opened(self._dataset.workspace, view=shown, opened=opened, count=count, entry=entry)
        view = table_view(self._page)
        self._views = [view, *(earlier for earlier in self._views if earlier is not view)][:_HELD]
        actions = {"done": None, "handled": 0, "bar": deciding_buttons(self._page)}
        data = component.grid_data(
            view.first,
            count=view.count,
            source=view.url,
            view=view.key,
            about=f"{id(self)} {view.subject}",  # two grids in a notebook share no selection
            order=view.order_name,
            height=self._height,
            selectable=True,
            hint=True,
            open=None,
            actions=key_names(self._page) | actions,
        )
        self.data = to_jsonable_python(data)

    def _hear(self, _: Any, question: dict[str, Any], __: Any) -> None:
        """Answer a question about rows or pictures, or do what was decided; where rows are lost, show new ones."""
        if "pictures" in question:
            pictures = [picture_at(self._dataset.workspace, address) for address in question["pictures"]]
            self.send({"answer": question["ask"]}, pictures)
        elif question.get("address") == DECISIONS:
            outcomes = take(self._dataset.workspace, json.loads(question["body"]), OPERATOR, TAKERS)
            self.send({"answer": question["ask"], "status": 200, "json": to_jsonable_python({"outcomes": outcomes})})
            self.update()
        elif "address" in question:
            answer, status = answer_at(question["address"], question["body"].encode())
            self.send({"answer": question["ask"], "status": status, "json": to_jsonable_python(answer)})
            if self._dataset.opened.samples.key != self._views[0].version:
                self.update()  # somebody else has decided something
        elif "lost" in question:
            self.update()
