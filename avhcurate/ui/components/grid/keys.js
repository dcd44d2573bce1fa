// What the grid's own keys do, for the list of keys.

const GRID_KEYS = [
  ["arrows", "move"], ["Enter", "open"], ["Shift + Enter", "selected side by side"], ["Space", "select or not"], ["Shift + arrows", "select a range"],
  ["Ctrl + A", "select all that match"], ["Esc", "clear the selection"], ["Home, End", "first and last"],
];
