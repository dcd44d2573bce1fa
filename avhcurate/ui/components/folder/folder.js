// A folder that is dropped on the field for a zip, or chosen here, becomes a zip in that field, as if that were dropped.

import { consume, mounted } from "../shared.js";
import { zipOf } from "./zip.js";

/** @import { Folder } from "../messages.js" */

export default mounted(createFolder);

// The files below an entry of a drop, by their paths.
/** @param {FileSystemEntry} entry @returns {Promise<[string, File][]>} */
async function filesIn(entry) {
  const path = entry.fullPath.slice(1);
  if (entry.isFile) {
    const read = /** @type {FileSystemFileEntry} */ (entry);
    return [[path, await new Promise((done, failed) => read.file(done, failed))]];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const files = /** @type {[string, File][]} */ ([]);
  for (;;) {
    // Browsers give a hundred at a time.
    const entries = /** @type {FileSystemEntry[]} */ (await new Promise((...ends) => reader.readEntries(...ends)));
    if (!entries.length) return files;
    for (const inside of entries) files.push(...(await filesIn(inside)));
  }
}

/** @param {ShadowRoot} parent */
function createFolder(parent) {
  const button = /** @type {HTMLButtonElement} */ (parent.querySelector("button"));
  const chooser = /** @type {HTMLInputElement} */ (parent.querySelector("input"));
  const status = /** @type {HTMLElement} */ (parent.querySelector("[role=status]"));
  let data = /** @type {Folder.Data} */ ({ suffixes: [], most: 0 });

  const block = () => parent.host.closest("[data-testid=stVerticalBlock]");
  const field = () =>
    /** @type {HTMLInputElement | null} */ (block()?.querySelector("[data-testid=stFileUploaderDropzoneInput]"));

  /** @param {string} path */
  function taken(path) {
    const name = path.toLowerCase();
    return !/(^|\/)\./.test(name) && data.suffixes.some((suffix) => name.endsWith(suffix));
  }

  /** @param {[string, File][]} all */
  async function give(all) {
    const files = all.filter(([path]) => taken(path)).sort(([one], [other]) => (one < other ? -1 : 1));
    if (!files.length) throw new Error("This folder holds no photo.");
    if (files.length > data.most) throw new Error(`More than ${data.most.toLocaleString("en")} files: give its path.`);
    const folders = new Set(files.map(([path]) => path.split("/")[0]));
    const name = folders.size === 1 ? [...folders][0] : "photos";
    const carried = new DataTransfer();
    const zip = await zipOf(files, `${name}.zip`, (done) => {
      status.textContent = `Packing ${done} of ${files.length.toLocaleString("en")}`;
    });
    carried.items.add(zip);
    status.textContent = "";
    const input = field();
    if (!input) return;
    input.files = carried.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {() => Promise<[string, File][]>} read */
  async function take(read) {
    try {
      await give(await read());
    } catch (error) {
      status.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  // A single file is left to the field.
  /** @param {DragEvent} event */
  function dropped(event) {
    const entries = [...(event.dataTransfer?.items ?? [])].flatMap((item) => item.webkitGetAsEntry() ?? []);
    const zone = block()?.querySelector("[data-testid=stFileUploader]");
    const elsewhere = !zone || !event.composedPath().includes(zone) || field()?.disabled;
    if (elsewhere || !entries.length || (entries.length === 1 && entries[0].isFile)) return;
    consume(event);
    take(async () => (await Promise.all(entries.map(filesIn))).flat());
  }

  button.onclick = () => chooser.click();
  chooser.onchange = () => {
    const files = [...(chooser.files ?? [])];
    take(async () => files.map((file) => [file.webkitRelativePath || file.name, file]));
    chooser.value = "";
  };
  addEventListener("drop", dropped, true);

  return {
    /** @param {Folder.Data} next */
    update(next) {
      data = next;
      button.disabled = field()?.disabled ?? false;
    },
    destroy: () => removeEventListener("drop", dropped, true),
  };
}
