// The grids on the page, for a card that waits until the pictures below it are there.

const grids = /** @type {Set<import("./grid.js").Grid>} */ (new Set());

/** @param {import("./grid.js").Grid} grid */
export const enlist = (grid) => grids.add(grid);

/** @param {import("./grid.js").Grid} grid */
export const delist = (grid) => grids.delete(grid);

// Whether a view is on the page, with all pictures in sight.
/** @param {string} view */
export const arrived = (view) => [...grids].some(({ data, lines }) => data?.view === view && lines.arrived());
