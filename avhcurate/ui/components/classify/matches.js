// The classes whose names hold a text: first those that begin with it, then those with a word that does.
/** @param {string[]} classes @param {string} text */
export function matches(classes, text) {
  const wanted = text.trim().toLowerCase();
  /** @param {string} name */
  const rank = (name) => {
    if (name.startsWith(wanted)) return 0;
    if (name.split(/[\s,_-]+/).some((word) => word.startsWith(wanted))) return 1;
    return name.includes(wanted) ? 2 : 3;
  };
  const ranked = classes.map((name, index) => [rank(name.toLowerCase()), index]);
  return ranked
    .filter(([place]) => place < 3)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .map(([, index]) => index);
}
