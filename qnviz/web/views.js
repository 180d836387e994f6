// What a canvas shows besides heads: a strip of images, or a cloud of points, at the playhead.
//
// A view says by `key()` what it would draw, so that a frame that changes nothing draws nothing.

const LEAST_CELL = 15; // CSS pixels; smaller images tell nothing
const CELL_GAP = 1; // at least; what room is left over widens it
const BAND_GAP = 8;
const NAME_FONT = (scale) => `600 ${12 * scale}px`;
const NOTE_FONT = (scale) => `${11 * scale}px`;
const NARROWED = 0.85; // of their width letters may keep at least, before a text is cut
const GLYPH = 11; // height of a point's digit in CSS pixels

/** The view that a panel's spec asks for, or null. */
function viewOf(spec, panel) {
  if (spec.strip) return new Strip(spec.strip, panel);
  return spec.cloud ? new Cloud(spec.cloud, panel) : null;
}

/** The view row of an entrant at a frame. */
function rowAt(rows, entrant, frame) {
  return rows[Math.min(entrant.index[frame], rows.length - 1)];
}

/** A row of inputs, then one row of images per visible entrant; long rows wrap into bands. */
class Strip {
  constructor(data, panel) {
    this.panel = panel;
    [this.height, this.width] = data.shape;
    this.count = data.count;
    this.photo = data.photo;
    this.size = this.height * this.width * this.count;
    this.inputs = { images: decode(data.inputs), atlas: null, shown: -1 };
    this.rows = data.rows.map((row) => ({
      entrant: row.entrant, images: decode(row.images), rows: decode(row.rows),
      errors: row.errors && decode(row.errors), mean: row.mean && decode(row.mean), shown: -1,
    }));
    this.pointed = null;
  }

  get visible() {
    const { model, hidden } = this.panel.player;
    return this.rows.filter((row) => !hidden.has(model.entrants[row.entrant].label));
  }

  at(row) {
    const { model, frame } = this.panel.player;
    return rowAt(row.rows, model.entrants[row.entrant], frame);
  }

  key() {
    const { model, frame } = this.panel.player;
    const state = (row) => [row.entrant, this.at(row), model.entrants[row.entrant].over[frame]];
    return JSON.stringify([this.visible.map(state), this.pointed]);
  }

  /** Where everything goes, in device pixels: as many rows as fit, in the bands that fill best. */
  layout(c, width, height, ratio) {
    const rows = this.visible;
    const { entrants } = this.panel.player.model;
    const { scale } = this.panel;
    c.font = `${NAME_FONT(scale)} ${this.panel.font}`;
    const names = ["input", ...rows.map((row) => entrants[row.entrant].title)];
    const longest = Math.max(...names.map((name) => c.measureText(name).width)) * ratio;
    const name = Math.min(longest + 22 * scale * ratio, 0.34 * width);
    const left = Math.round(name < 52 * scale * ratio ? 20 * scale * ratio : name); // no room: the markers alone
    const gap = Math.max(1, Math.round(CELL_GAP * ratio));
    for (let shown = rows.length; ; shown--) {
      const more = shown < rows.length ? Math.round(18 * ratio) : 0;
      let best = null;
      for (let bands = 1; bands <= this.count; bands++) {
        const columns = Math.ceil(this.count / bands);
        if (columns * (bands - 1) >= this.count) continue; // a band would stay empty
        const between = Math.round(BAND_GAP * ratio) * (bands - 1);
        const across = ((width - left) / columns - gap) / this.width;
        const down = ((height - more - between) / (bands * (shown + 1)) - gap) / this.height;
        const size = Math.min(across, down);
        // More bands only for a clear gain: one row is easier to read.
        if (!best || size > 1.15 * best.scale) best = { scale: size, bands, columns, between };
      }
      if (shown <= 1 || best.scale * this.height >= LEAST_CELL * ratio) {
        return this.place({ ...best, rows: rows.slice(0, shown), left, gap, more, width, height, ratio });
      }
    }
  }

  place(plan) {
    const { scale, bands, columns, between, rows, left, gap, more, width, height } = plan;
    const whole = Math.floor(scale);
    // Whole multiples are crispest; where they would waste the room, blocks with soft edges.
    plan.crisp = whole >= 0.8 * scale && whole > 0;
    const used = plan.crisp ? whole : Math.max(scale, 1 / this.height);
    plan.blocks = plan.crisp || scale < 1 ? 1 : Math.ceil(scale);
    plan.cell = [Math.max(1, Math.floor(this.width * used)), Math.max(1, Math.floor(this.height * used))];
    const slots = [(width - left) / columns, (height - more - between) / (bands * (rows.length + 1))];
    plan.step = plan.cell.map((size, k) => size + clamp(Math.floor(slots[k]) - size, gap, 4 * gap));
    plan.bandStep = (rows.length + 1) * plan.step[1] + (bands > 1 ? between / (bands - 1) : 0);
    plan.top = Math.max(0, Math.floor((height - more - bands * (rows.length + 1) * plan.step[1] - between) / 2));
    plan.side = Math.max(0, Math.floor((width - left - columns * plan.step[0]) / 2));
    return plan;
  }

  /** Upper left corner of image `s` in line `line` (0 is the inputs), in device pixels. */
  corner(plan, line, s) {
    const band = Math.floor(s / plan.columns);
    return [
      plan.side + plan.left + (s % plan.columns) * plan.step[0],
      Math.round(plan.top + band * plan.bandStep + line * plan.step[1]),
    ];
  }

  draw(c) {
    const { canvas, ratio, player } = this.panel;
    c.setTransform(1, 0, 0, 1, 0, 0);
    const plan = this.plan = this.layout(c, canvas.width, canvas.height, ratio);
    this.tones = tones(player.ink, this.photo);
    this.drawLine(c, plan, 0, this.inputs, 0);
    plan.rows.forEach((row, k) => this.drawLine(c, plan, k + 1, row, this.at(row)));
    if (plan.rows.length < this.visible.length) {
      const y = plan.top + plan.bands * (plan.rows.length + 1) * plan.step[1] + plan.between;
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.font = `${NOTE_FONT(this.panel.scale)} ${this.panel.font}`;
      c.fillStyle = player.ink.text;
      c.textBaseline = "middle";
      c.fillText(`… and ${this.visible.length - plan.rows.length} more`, (plan.side + plan.left) / ratio, y / ratio + 8);
    }
    if (this.pointed) {
      const [x, y] = this.corner(plan, ...this.pointed);
      c.setTransform(1, 0, 0, 1, 0, 0);
      c.strokeStyle = player.ink.text;
      c.lineWidth = Math.max(1, Math.round(1.5 * ratio));
      c.strokeRect(x - 0.5, y - 0.5, plan.cell[0] + 1, plan.cell[1] + 1);
    }
  }

  drawLine(c, plan, line, row, view) {
    const atlas = this.atlas(row, view, plan.blocks);
    const [w, h] = [this.width * plan.blocks, this.height * plan.blocks];
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.imageSmoothingEnabled = !plan.crisp;
    c.imageSmoothingQuality = "high";
    for (let s = 0; s < this.count; s++) {
      c.drawImage(atlas, s * w, 0, w, h, ...this.corner(plan, line, s), ...plan.cell);
    }
    for (let band = 0; band < plan.bands; band++) {
      const [x, y] = this.corner(plan, line, band * plan.columns);
      this.drawName(c, plan, row, view, x / plan.ratio, (y + plan.cell[1] / 2) / plan.ratio);
    }
  }

  drawName(c, plan, row, view, right, middle) {
    const { ratio, player, font, scale } = this.panel;
    const entrant = player.model.entrants[row.entrant];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.textBaseline = "middle";
    const left = right - plan.left / ratio;
    const room = plan.left / ratio - 22 * scale;
    const named = room >= 20;
    const noted = named && row.mean && plan.cell[1] >= 26 * scale * ratio;
    const line = middle - (noted ? 7 * scale : 0);
    if (entrant) {
      drawMarker(c, entrant.path, left + 8 * scale, line, entrant.color, player.ink.background,
        entrant.over[player.frame], scale);
    }
    if (!named) return;
    c.font = `${NAME_FONT(scale)} ${font}`;
    c.fillStyle = entrant ? mixed(entrant.color, player.ink.text, 0.4) : player.ink.text;
    writeWithin(c, entrant?.title ?? "input", left + 18 * scale, line, room);
    if (!noted) return;
    c.font = `${NOTE_FONT(scale)} ${font}`;
    c.fillStyle = mixed(player.ink.text, player.ink.background, 0.28);
    writeWithin(c, `error ${formatNumber(row.mean[view])}`, left + 18 * scale, middle + 7 * scale, room);
  }

  /** All images of a line side by side in true pixels, or in square blocks of them. */
  atlas(row, view, blocks) {
    if (row.shown === view && row.tones === this.tones && row.blocks === blocks) return row.atlas;
    const [w, h] = [this.width * this.count, this.height];
    row.plain ??= Object.assign(document.createElement("canvas"), { width: w, height: h });
    const context = row.plain.getContext("2d");
    const image = context.createImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer);
    for (let s = 0, from = view * this.size; s < this.count; s++) {
      for (let y = 0; y < h; y++) {
        const start = y * w + s * this.width;
        for (let x = 0; x < this.width; x++) pixels[start + x] = this.tones[row.images[from++]];
      }
    }
    context.putImageData(image, 0, 0);
    row.atlas = blocks === 1 ? row.plain : enlarged(row.plain, blocks, row.large);
    if (blocks > 1) row.large = row.atlas;
    Object.assign(row, { shown: view, tones: this.tones, blocks });
    return row.atlas;
  }

  /** Point at CSS pixels of the canvas, or at nothing; says whether that changed the picture. */
  point(x, y) {
    const { plan, pointed } = this;
    this.pointed = null;
    if (plan && x !== undefined) {
      for (let line = 0; line <= plan.rows.length; line++) {
        for (let s = 0; s < this.count; s++) {
          const [left, top] = this.corner(plan, line, s);
          const [right, down] = [x * plan.ratio - left, y * plan.ratio - top];
          if (right >= 0 && down >= 0 && right < plan.cell[0] && down < plan.cell[1]) this.pointed = [line, s];
        }
      }
    }
    return String(pointed) !== String(this.pointed);
  }

  /** Words about the image pointed at, and where its middle and top are. */
  tip() {
    if (!this.pointed || this.pointed[0] > this.plan.rows.length) return null;
    const [line, s] = this.pointed;
    const [x, y] = this.corner(this.plan, line, s).map((v) => v / this.plan.ratio);
    const row = this.plan.rows[line - 1];
    const title = row && this.panel.player.model.entrants[row.entrant].title;
    const error = row?.errors?.[this.at(row) * this.count + s];
    const words = error === undefined ? "" : `: squared error ${formatNumber(error)}`;
    return { x: x + this.plan.cell[0] / this.plan.ratio / 2, y, text: `${title ?? "Input"}, image ${s + 1}${words}` };
  }
}

/** Points that stand where the latest look found them, each drawn as its class's digit. */
class Cloud {
  constructor(data, panel) {
    this.panel = panel;
    this.entrant = data.entrant;
    this.colors = data.colors;
    this.labels = decode(data.labels);
    this.views = decode(data.views); // whole steps from an origin, 0 for a point that is nowhere
    this.origin = data.origin;
    this.step = data.step;
    this.rows = decode(data.rows);
  }

  at() {
    const { model, frame } = this.panel.player;
    return rowAt(this.rows, model.entrants[this.entrant], frame);
  }

  get faint() {
    const { model, hidden } = this.panel.player;
    return hidden.has(model.entrants[this.entrant].label);
  }

  key() {
    return `${this.at()} ${this.faint}`;
  }

  draw(c) {
    const { axes: [xa, ya], ratio } = this.panel;
    const sprites = this.glyphs(ratio);
    const count = this.labels.length;
    const from = 2 * count * this.at();
    const [x0, y0] = [toPixel(xa, this.origin[0]), toPixel(ya, this.origin[1])];
    const dx = toPixel(xa, this.origin[0] + 65535 * this.step[0]) - x0;
    const dy = toPixel(ya, this.origin[1] + 65535 * this.step[1]) - y0;
    c.setTransform(1, 0, 0, 1, 0, 0); // glyphs on whole device pixels stay crisp
    c.globalAlpha = this.faint ? 0.15 : 1;
    for (let n = 0; n < count; n++) {
      const [across, up] = [this.views[from + 2 * n], this.views[from + 2 * n + 1]];
      if (!across) continue;
      const x = x0 + (dx * across) / 65535;
      const y = y0 + (dy * up) / 65535;
      const sprite = sprites.get(this.labels[n]);
      c.drawImage(sprite, Math.round(x * ratio - sprite.width / 2), Math.round(y * ratio - sprite.height / 2));
    }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.globalAlpha = 1;
  }

  /** One small picture per class: a thousand texts would not be drawn sixty times a second. */
  glyphs(ratio) {
    const { scale } = this.panel;
    if (this.sprites && this.ratio === ratio && this.scale === scale) return this.sprites;
    Object.assign(this, { ratio, scale });
    this.sprites = new Map();
    const side = Math.ceil((GLYPH + 4) * scale * ratio);
    for (const label of new Set(this.labels)) {
      const sprite = Object.assign(document.createElement("canvas"), { width: side, height: side });
      const c = sprite.getContext("2d");
      c.setTransform(scale * ratio, 0, 0, scale * ratio, side / 2, side / 2);
      c.fillStyle = label < 0 ? this.panel.player.ink.text : this.colors[label % this.colors.length];
      if (label < 0) {
        c.globalAlpha = 0.6;
        c.arc(0, 0, 2, 0, 2 * Math.PI);
        c.fill();
      } else {
        Object.assign(c, { font: `700 ${GLYPH}px ${this.panel.font}`, textAlign: "center", textBaseline: "middle" });
        c.fillText(label.toString(36), 0, 0.5);
      }
      this.sprites.set(label, sprite);
    }
    return this.sprites;
  }
}

// ---- colours and pixels ------------------------------------------------------------------------

/** A CSS colour as [red, green, blue]. */
function parts(color) {
  if (!parts.known.has(color)) {
    const c = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    c.fillStyle = color;
    c.fillRect(0, 0, 1, 1);
    parts.known.set(color, [...c.getImageData(0, 0, 1, 1).data.slice(0, 3)]);
  }
  return parts.known.get(color);
}
parts.known = new Map();

const blend = (from, to, share) => parts(from).map((v, k) => Math.round(v + share * (parts(to)[k] - v)));
const mixed = (from, to, share) => `rgb(${blend(from, to, share).join(" ")})`;

/** Pixels for bytes 0 … 255: ink on the page's own ground, or black to white for photographs. */
function tones(ink, photo) {
  const name = `${ink.text} ${ink.background} ${photo}`;
  if (!tones.known.has(name)) {
    // A ground a shade off the page's shows where an empty image is.
    const [low, high] = photo ? ["#000", "#fff"] : [mixed(ink.background, ink.text, 0.07), ink.text];
    const table = new Uint8ClampedArray(1024);
    for (let v = 0; v < 256; v++) table.set([...blend(low, high, v / 255), 255], 4 * v);
    tones.known.set(name, new Uint32Array(table.buffer));
  }
  return tones.known.get(name);
}
tones.known = new Map();

function enlarged(image, factor, canvas = document.createElement("canvas")) {
  Object.assign(canvas, { width: image.width * factor, height: image.height * factor });
  const c = canvas.getContext("2d");
  c.imageSmoothingEnabled = false;
  c.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Write a text in a room, narrowed a little where it is too wide, and cut with "…" beyond that. */
function writeWithin(c, text, x, y, room) {
  const widest = room / NARROWED;
  let end = text.length;
  const cut = () => (end < text.length ? `${text.slice(0, end)}…` : text);
  while (end > 1 && c.measureText(cut()).width > widest) end--;
  c.fillText(cut(), x, y, room);
}

/** A marker around a point, ringed in the background's colour; hollow for a run that is over. */
function drawMarker(c, shape, x, y, color, background, hollow, scale = 1, angle = 0) {
  c.save();
  c.translate(x, y);
  c.rotate(angle);
  c.scale(scale, scale);
  // The ring in the background's colour sets the marker off from lines and contours.
  c.lineJoin = "round";
  c.lineWidth = hollow ? 5 : 3;
  c.strokeStyle = background;
  c.stroke(shape);
  c.fillStyle = hollow ? background : color;
  c.fill(shape);
  if (hollow) {
    c.lineWidth = 2;
    c.strokeStyle = color;
    c.stroke(shape);
  }
  c.restore();
}
