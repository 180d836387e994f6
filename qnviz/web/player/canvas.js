// Colours, images, texts and markers on a canvas.

const NARROWED = 0.85; // of their width letters may keep at least, before a text is cut

/** A CSS colour as [red, green, blue]. */
function parts(color) {
  if (!parts.known.has(color)) {
    const c = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext(
      "2d",
    );
    c.fillStyle = color;
    c.fillRect(0, 0, 1, 1);
    parts.known.set(color, [...c.getImageData(0, 0, 1, 1).data.slice(0, 3)]);
  }
  return parts.known.get(color);
}
parts.known = new Map();

const blend = (from, to, share) =>
  parts(from).map((v, k) => Math.round(v + share * (parts(to)[k] - v)));
export const mixed = (from, to, share) => `rgb(${blend(from, to, share).join(" ")})`;

/** Pixels for bytes 0 … 255: ink on the page's own ground, or black to white for photographs. */
export function tones(ink, photo) {
  const name = `${ink.text} ${ink.background} ${photo}`;
  if (!tones.known.has(name)) {
    // A ground a shade off the page's shows where an empty image is.
    const [low, high] = photo
      ? ["#000", "#fff"]
      : [mixed(ink.background, ink.text, 0.07), ink.text];
    const table = new Uint8ClampedArray(1024);
    for (let v = 0; v < 256; v++) table.set([...blend(low, high, v / 255), 255], 4 * v);
    tones.known.set(name, new Uint32Array(table.buffer));
  }
  return tones.known.get(name);
}
tones.known = new Map();

export function enlarged(image, factor, canvas = document.createElement("canvas")) {
  Object.assign(canvas, { width: image.width * factor, height: image.height * factor });
  const c = canvas.getContext("2d");
  c.imageSmoothingEnabled = false;
  c.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Write a text in a room, narrowed a little where it is too wide, and cut with "…" beyond that. */
export function writeWithin(c, text, x, y, room) {
  const widest = room / NARROWED;
  let end = text.length;
  const cut = () => (end < text.length ? `${text.slice(0, end)}…` : text);
  while (end > 1 && c.measureText(cut()).width > widest) end--;
  c.fillText(cut(), x, y, room);
}

/** A marker around a point, ringed in the background's colour; hollow for a run that is over. */
export function drawMarker(c, shape, x, y, color, background, hollow, scale = 1, angle = 0) {
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
