// Packs files into a zip as they are: it refers to the files on the disk, of which only the check sums are kept here.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
function checkSum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

// Fields of a zip, in their order: numbers of two or four bytes.
/** @param {[2 | 4, number][]} fields */
function packed(fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((length, [size]) => length + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view;
}

// The zip of files by their paths, without times, so that the same photos make the same zip.
/** @param {[string, File][]} files @param {string} name @param {(done: number) => void} tell */
export async function zipOf(files, name, tell) {
  const parts = /** @type {BlobPart[]} */ ([]);
  const directory = /** @type {BlobPart[]} */ ([]);
  let at = 0;
  let listed = 0;
  for (const [number, [path, file]] of files.entries()) {
    tell(number);
    const title = new TextEncoder().encode(path);
    const sum = checkSum(new Uint8Array(await file.arrayBuffer()));
    // version, names in UTF-8, stored, 1 January 1980; check sum, sizes, length of the name
    /** @type {[2 | 4, number][]} */
    const about = [
      [2, 20],
      [2, 2048],
      [2, 0],
      [2, 0],
      [2, 33],
      [4, sum],
      [4, file.size],
      [4, file.size],
      [2, title.length],
      [2, 0],
    ];
    const head = packed([[4, 0x04034b50], ...about]);
    const entry = packed([[4, 0x02014b50], [2, 20], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]]);
    parts.push(head, title, file);
    directory.push(entry, title);
    at += head.byteLength + title.length + file.size;
    listed += entry.byteLength + title.length;
  }
  const count = files.length;
  const end = packed([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [4, listed],
    [4, at],
    [2, 0],
  ]);
  return new File([...parts, ...directory, end], name, { type: "application/zip" });
}
