// The names that the field of the commands completes, and what is meant by what one types.

const MATCHES = 8;

/**
 * @typedef {object} Asked
 * @property {(images: string) => string} title
 * @property {string} hint
 * @property {"tags" | "classes" | "sets"} names
 * @property {boolean} free
 * @property {boolean} [replaces]
 * @property {[string, string]} add
 * @property {[string, string] | null} away
 */
/** @typedef {{ name: string, low: string }} Match */

// What the field asks for, by kind: the names that complete it, and what its two buttons do. What `replaces` another of
// its name is never completed unasked.
/** @type {Record<string, Asked>} */
export const ASKED = {
  tag: {
    title: (images) => `Tag ${images}`,
    hint: "a tag, new or known",
    names: "tags",
    free: true,
    add: ["Add tag", "tag"],
    away: ["Remove tag", "untag"],
  },
  label: {
    title: (images) => `Label ${images}`,
    hint: "a class",
    names: "classes",
    free: false,
    add: ["Relabel", "relabel"],
    away: ["Restore label", "relabel"],
  },
  set: {
    title: (images) => `Save ${images} as a set`,
    hint: "a new name, or a set to replace",
    names: "sets",
    free: true,
    replaces: true,
    add: ["Save", "set"],
    away: null,
  },
};

// The places of the names that hold a text: first those that begin with it, then those with a word that does.
/** @param {string[]} names @param {string} text */
export function matches(names, text) {
  const wanted = text.trim().toLowerCase();
  /** @param {string} name */
  const rank = (name) => {
    if (name.startsWith(wanted)) return 0;
    if (name.split(/[\s,_-]+/).some((word) => word.startsWith(wanted))) return 1;
    return name.includes(wanted) ? 2 : 3;
  };
  const ranked = names.map((name, place) => [rank(name.toLowerCase()), place]);
  const holding = ranked.filter(([order]) => order < 3).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return holding.map(([, place]) => place);
}

// The first of them; before anything is typed the `likely` name leads.
/** @param {string[]} names @param {string} text @param {string} [likely] @returns {Match[]} */
export function completed(names, text, likely) {
  const leads = (/** @type {number} */ place) => Number(!text && names[place] === likely);
  const places = matches(names, text).sort((a, b) => leads(b) - leads(a));
  return places.slice(0, MATCHES).map((place) => ({ name: names[place], low: names[place].toLowerCase() }));
}

// A new name is what was typed, unless a known one was pointed at or begins so.
/** @param {string} text @param {Match | undefined} exact @param {{ known?: Match, picked: boolean }} at */
function newName(text, exact, { known, picked }) {
  const completes = known && (picked || known.low.startsWith(text.toLowerCase()));
  return exact?.name ?? (completes ? known.name : text);
}

// What the field means: [action, name], or null. `known` is the match at hand, which may have been `picked`.
/**
 * @param {Pick<Asked, "free" | "add" | "away">} asked
 * @param {boolean} away
 * @param {string} typed
 * @param {{ matches: Match[], known?: Match, picked: boolean }} found
 * @returns {[action: string, name: string | null] | null}
 */
export function meant(asked, away, typed, { matches, known, picked }) {
  const text = typed.trim();
  const action = (away ? asked.away : asked.add)?.[1];
  if (!action) return null;
  const exact = matches.find(({ name }) => name === text);
  if (asked.free) {
    const name = newName(text, exact, { known, picked });
    return name ? [action, name] : null;
  }
  if (away) return [action, null]; // back to the label as given
  return known ? [action, (exact ?? known).name] : null;
}
