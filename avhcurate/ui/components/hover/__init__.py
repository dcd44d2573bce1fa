"""The card under the pointer, a thumbnail with a few words, as a part of components.

A component that puts `MARKUP` into its HTML and precedes its script by `SCRIPT` has `createHover`.
"""

from pathlib import Path

MARKUP = """
<figure class="card" role="status" aria-live="polite" aria-label="Sample under the pointer" hidden>
  <img alt="">
  <figcaption><span class="title"></span><span class="line"></span><span class="value"></span></figcaption>
</figure>
"""
SCRIPT, STYLE = (Path(__file__).with_name(f"hover.{ending}").read_text(encoding="utf-8") for ending in ("js", "css"))
