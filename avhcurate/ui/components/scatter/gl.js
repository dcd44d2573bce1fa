// The points of a scatter chart, drawn by WebGL from the bytes that the server sent.

export const NOT_DRAWN = 255; // the last row of the palette belongs to points without a group or a value
export const MOST_STEP = 63; // WebGL reads at most 255 bytes apart
const SMALLEST_SYMBOL = 3; // pixels below which all symbols are squares
const OUTSIDE = "vec4(0.525, 0.557, 0.588, 0.19 * opacity * opacity)"; // grey, paler than any colour

const VERTEX = `#version 300 es
in vec2 place; // shares of the bounds
in float shade; // row of the palette
in float inside; // of the region
uniform vec2 scale, shift;
uniform float size, opacity;
uniform int layer; // 0: there is no region, 1: outside it, 2: inside
uniform sampler2D palette;
flat out vec4 color;
flat out int symbol;
void main() {
  vec4 own = texelFetch(palette, ivec2(int(shade), 0), 0);
  symbol = int(255.0 * texelFetch(palette, ivec2(int(shade), 1), 0).r + 0.5);
  bool skipped = own.a == 0.0 || (layer == 1 && inside > 0.5) || (layer == 2 && inside < 0.5);
  gl_Position = skipped ? vec4(2, 2, 2, 1) : vec4(place * scale + shift, 0, 1);
  gl_PointSize = size;
  color = layer == 1 ? ${OUTSIDE} : vec4(own.rgb, own.a * opacity);
}`;

// The distance of a place in the point's square from the edge of its symbol; the symbols are those of symbols.js.
const FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 color;
flat in int symbol;
uniform float size;
out vec4 painted;
float beyond(vec2 p) {
  vec2 a = abs(p);
  float square = max(a.x, a.y);
  vec2 turned = abs(vec2(p.x + p.y, p.x - p.y)) * 0.7071;
  if (symbol == 1) return square - 0.4;
  if (symbol == 2) return max(p.y - 0.35, (a.x - (p.y + 0.45) * 0.5625) * 0.87);
  if (symbol == 3) return min(max(turned.x - 0.13, turned.y - 0.5), max(turned.y - 0.13, turned.x - 0.5));
  if (symbol == 4) return min(max(a.x - 0.13, a.y - 0.46), max(a.y - 0.13, a.x - 0.46));
  if (symbol == 5) return abs(length(p) - 0.34) - 0.11;
  if (symbol == 6) return max(-p.y - 0.35, (a.x + (p.y - 0.45) * 0.5625) * 0.87);
  if (symbol == 7) return abs(square - 0.33) - 0.09;
  if (symbol == 8) return max(a.y - 0.42, (a.x - a.y - 0.06) * 0.7);
  if (symbol == 9) return max(a.x - 0.42, (a.y - a.x - 0.06) * 0.7);
  return length(p) - 0.46;
}
void main() {
  float cover = size < ${SMALLEST_SYMBOL}.0 ? 1.0 : clamp(0.5 - beyond(gl_PointCoord - 0.5) * size, 0.0, 1.0);
  if (cover == 0.0) discard;
  painted = vec4(color.rgb, 1.0) * color.a * cover;
}`;

// The program that draws points; null if the browser cannot compile it.
/** @param {WebGL2RenderingContext} gl */
function createProgram(gl) {
  const program = gl.createProgram();
  for (const [kind, text] of /** @type {[number, string][]} */ ([
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "place");
  gl.linkProgram(program);
  if (gl.getProgramParameter(program, gl.LINK_STATUS) || gl.isContextLost()) return program;
  console.warn(gl.getProgramInfoLog(program));
  return null;
}

/** @param {WebGL2RenderingContext} gl @param {() => void} done */
function afterDrawing(gl, done) {
  const fence = /** @type {WebGLSync} */ (gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0));
  gl.flush();
  (function look() {
    const lost = gl.isContextLost();
    const ready = !lost && gl.getSyncParameter(fence, gl.SYNC_STATUS) === gl.SIGNALED;
    if (!lost && !ready) return void setTimeout(look, 8);
    if (ready) gl.deleteSync(fence);
    done();
  })();
}

// Null where the browser has no WebGL 2 that works. `restored()` is called when a lost context is there again.
/** @param {HTMLCanvasElement} canvas @param {() => void} restored */
export function createPainter(canvas, restored) {
  const context = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
  if (!context) return null;
  const gl = context;
  let at = /** @type {Record<string, any>} */ ({});
  let points = /** @type {WebGLBuffer | null} */ (null); // the buffer of places and shades
  let flags = /** @type {WebGLBuffer | null} */ (null); // that of what lies inside the region, if there is one
  let count = 0;

  function begin() {
    const program = createProgram(gl);
    if (!program) return false;
    gl.useProgram(program);
    at = Object.fromEntries(["shade", "inside"].map((name) => [name, gl.getAttribLocation(program, name)]));
    for (const name of ["scale", "shift", "size", "opacity", "layer"]) at[name] = gl.getUniformLocation(program, name);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    [points, flags, count] = [gl.createBuffer(), null, 0];
    return true;
  }

  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => begin() && restored());
  if (!begin()) return null;

  return {
    // `bytes`: places, two numbers of 16 bits each, then a byte of shade each.
    /** @param {ArrayBuffer} bytes @param {number} number */
    load(bytes, number) {
      count = number;
      gl.bindBuffer(gl.ARRAY_BUFFER, points);
      gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.STATIC_DRAW);
    },
    // Colour as [red, green, blue, opacity] of 255 and number of the symbol of each shade; opacity 0 is not drawn.
    /** @param {number[][]} colors @param {number[]} symbols */
    paint(colors, symbols) {
      const texels = new Uint8Array(2 * 256 * 4);
      colors.forEach((color, index) => texels.set(color, 4 * index));
      symbols.forEach((symbol, index) => (texels[4 * (256 + index)] = symbol));
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
    },
    // Which points lie in the region, a byte each; null where there is none.
    /** @param {Uint8Array<ArrayBuffer> | null} inside */
    mark(inside) {
      if (flags) gl.deleteBuffer(flags);
      flags = inside ? gl.createBuffer() : null;
      if (!inside) return;
      gl.bindBuffer(gl.ARRAY_BUFFER, flags);
      gl.bufferData(gl.ARRAY_BUFFER, inside, gl.STATIC_DRAW);
    },
    // Draws every `step`th point, which takes so much less time.
    /** @param {{ scale: number[], shift: number[], size: number, opacity: number, step: number }} look */
    draw({ scale, shift, size, opacity, step }) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.bindBuffer(gl.ARRAY_BUFFER, points);
      gl.enableVertexAttribArray(0);
      gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 4 * step, 0);
      gl.enableVertexAttribArray(at.shade);
      gl.vertexAttribPointer(at.shade, 1, gl.UNSIGNED_BYTE, false, step, 4 * count);
      if (flags) {
        gl.bindBuffer(gl.ARRAY_BUFFER, flags);
        gl.enableVertexAttribArray(at.inside);
        gl.vertexAttribPointer(at.inside, 1, gl.UNSIGNED_BYTE, false, step, 0);
      } else gl.disableVertexAttribArray(at.inside);
      gl.uniform2f(at.scale, scale[0], scale[1]);
      gl.uniform2f(at.shift, shift[0], shift[1]);
      gl.uniform1f(at.size, size);
      gl.uniform1f(at.opacity, opacity);
      for (const layer of flags ? [1, 2] : [0]) {
        gl.uniform1i(at.layer, layer);
        gl.drawArrays(gl.POINTS, 0, Math.ceil(count / step));
      }
    },
    // Calls `done` once what was drawn so far is there.
    whenDrawn: (/** @type {() => void} */ done) => afterDrawing(gl, done),
    destroy: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
  };
}
