"""The timers of pages: what one rings for ends with its page."""

from streamlit.runtime.scriptrunner import RerunData, ScriptRunner


def end_with_their_page() -> None:
    """Let no timer of a page run anything once another page is shown.

    The browser asks for a fragment with `run_every`, and may do so while the server runs another page. Streamlit then
    finds no such fragment, but takes the address and the widgets of the page before for those of the new one.
    """
    run = ScriptRunner._run_script

    def run_unless_late(self: ScriptRunner, rerun_data: RerunData) -> None:
        shown = self._get_script_run_ctx().page_script_hash  # "" before the first run
        if not rerun_data.is_auto_rerun or shown in ("", rerun_data.page_script_hash):
            run(self, rerun_data)

    ScriptRunner._run_script = run_unless_late  # type: ignore[method-assign]
