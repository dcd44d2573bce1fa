// A popover takes the focus when it opens: Streamlit leaves it on the button.

const WAIT_MS = 1000;
const FIELDS = "input:not([type=file]), textarea, [role=combobox]";

document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[data-testid=stPopover]")) return;
  const until = performance.now() + WAIT_MS;
  const look = () => {
    const body = document.querySelector("[data-testid=stPopoverBody]");
    if (!body || body.contains(document.activeElement)) return performance.now() < until && requestAnimationFrame(look);
    const fields = [...body.querySelectorAll(FIELDS)];
    (fields.find((one) => one.checkVisibility()) ?? body.querySelector("button, a"))?.focus();
  };
  requestAnimationFrame(look);
});
