// Where the rows of a grid lie: all of one height, or below the names of their groups.

const GAP = 10;
const HEADING = 26; // pixels of a group's name

function gridLayout(count, columns, rowHeight, groups) {
  return groups.some(Boolean)
    ? groupedLayout(groups, columns, rowHeight)
    : flatLayout(count, columns, rowHeight);
}

function flatLayout(count, columns, rowHeight) {
  const rows = Math.ceil(count / columns);
  return {
    rows,
    height: Math.max(0, rows * rowHeight - GAP),
    rowOf: (place) => Math.floor(place / columns),
    rowAt: (y) => Math.max(0, Math.min(rows - 1, Math.floor(y / rowHeight))),
    top: (row) => row * rowHeight,
    bottom: (row) => (row + 1) * rowHeight - GAP,
    first: (row) => row * columns,
    end: (row) => Math.min(count, (row + 1) * columns),
    heading: () => "",
  };
}

function groupedLayout(groups, columns, rowHeight) {
  const rows = [];
  let y = 0;
  for (let place = 0; place < groups.length; place++) {
    const last = rows.at(-1);
    if (last && last.group === groups[place] && place - last.first < columns) last.end = place + 1;
    else {
      const heading = last?.group === groups[place] ? "" : groups[place];
      rows.push({ group: groups[place], heading, first: place, end: place + 1, top: y });
      y += rowHeight + (heading ? HEADING : 0);
    }
  }
  const after = (test) => {
    const found = rows.findIndex(test);
    return (found < 0 ? rows.length : found) - 1;
  };
  return {
    rows: rows.length,
    height: Math.max(0, y - GAP),
    rowOf: (place) => after((row) => row.first > place),
    rowAt: (y) => Math.max(0, after((row) => row.top > y)),
    top: (row) => rows[row].top,
    bottom: (row) => (rows[row + 1]?.top ?? y) - GAP,
    first: (row) => rows[row].first,
    end: (row) => rows[row].end,
    heading: (row) => rows[row].heading,
  };
}
