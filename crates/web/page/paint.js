// The part of the script that paints. A function sees a scene, and changes nothing but the canvas.
//
// A scene is { canvas, about, request, values, t, reach, colours, density, arrows }: what the model
// is, what was asked for, the state at time t, half of the width of the plane, and what lies behind
// and over the points, if anything does.

const pyroclastPaint = (() => {
  "use strict";

  // Okabe and Ito's colours, which people with any colour vision tell apart.
  const HUES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"];
  /** The pixels between two pictures. */
  const GAP = 1;

  const sheetOfSize = (width, height) =>
    Object.assign(document.createElement("canvas"), { width, height });

  function paint(scene) {
    const { canvas, about } = scene;
    const layout = about.shape.length === 3 ? layoutOf(scene) : { aspect: 1 };
    const tall = Math.round(Math.min(canvas.width, canvas.width * layout.aspect));
    if (canvas.height !== tall) canvas.height = tall;
    const c = canvas.getContext("2d");
    c.fillStyle = scene.colours.ground;
    c.fillRect(0, 0, canvas.width, canvas.height);
    if (about.shape.length === 3) {
      pictures(c, scene, layout);
      return;
    }
    const scale = canvas.width / (2 * scene.reach);
    const x = (v) => canvas.width / 2 + scale * v;
    const y = (v) => canvas.height / 2 - scale * v;
    if (scene.density) cloud(c, scene, scale);
    points(c, scene, x, y);
    if (scene.arrows) field(c, scene, x, y);
  }

  /**
   * Rows and columns of pictures, as large as fit a square. Where classes follow in turn, a column
   * is of one class, or of every second, third … one.
   */
  function layoutOf({ about, request }) {
    const [, height, width] = about.shape;
    const classes = about.classes.length;
    const inTurn = request.class < 0 && classes > 1 && classes <= 20;
    const rowsOf = (columns) => Math.ceil(request.n / columns);
    const side = (columns) => Math.max(columns, rowsOf(columns));
    const divisors = Array.from({ length: classes }, (_, i) => i + 1).filter((k) => classes % k === 0);
    const columns = inTurn
      ? divisors.reduce((a, b) => (side(b) <= side(a) ? b : a))
      : Math.ceil(Math.sqrt(request.n));
    const rows = rowsOf(columns);
    const [w, h] = [columns * (width + GAP) - GAP, rows * (height + GAP) - GAP];
    return { columns, w, h, aspect: h / w };
  }

  function pictures(c, { canvas, about, request, values }, { columns, w, h }) {
    const [channels, height, width] = about.shape;
    const area = height * width;
    const sheet = sheetOfSize(w, h);
    const s = sheet.getContext("2d");
    const image = new ImageData(width, height);
    for (let k = 0; k < request.n; k++) {
      for (let i = 0; i < area; i++) {
        for (let j = 0; j < 3; j++) {
          const channel = k * channels + (channels >= 3 ? j : 0);
          image.data[4 * i + j] = 127.5 * (1 + values[channel * area + i]);
        }
        image.data[4 * i + 3] = 255;
      }
      const [column, row] = [k % columns, Math.floor(k / columns)];
      s.putImageData(image, column * (width + GAP), row * (height + GAP));
    }
    const size = Math.min(canvas.width / w, canvas.height / h);
    const scale = size >= 1 ? Math.floor(size) : size;
    const left = Math.round((canvas.width - w * scale) / 2);
    const top = Math.round((canvas.height - h * scale) / 2);
    c.imageSmoothingEnabled = false;
    c.drawImage(sheet, left, top, w * scale, h * scale);
  }

  function points(c, { about, request, values, colours }, x, y) {
    const classes = about.classes.length;
    const size = Math.max(2, Math.min(7, 220 / Math.sqrt(request.n)));
    const dim = about.shape[0];
    c.globalAlpha = 0.75;
    for (let i = 0; i < request.n; i++) {
      const label = request.class < 0 ? i % (classes || 1) : request.class;
      c.fillStyle = classes > 1 ? HUES[label % HUES.length] : colours.point;
      c.beginPath();
      c.arc(x(values[dim * i]), y(dim > 1 ? values[dim * i + 1] : 0), size / 2 + 0.5, 0, 7);
      c.fill();
    }
    c.globalAlpha = 1;
  }

  /** The density of the samples, which appears with them. */
  function cloud(c, { canvas, density, t, colours }, scale) {
    const half = scale * density.reach;
    const [left, top] = [canvas.width / 2 - half, canvas.height / 2 - half];
    c.globalAlpha = t * t;
    c.imageSmoothingEnabled = true;
    c.imageSmoothingQuality = "high";
    c.drawImage(cloudOf(density, colours), left, top, 2 * half, 2 * half);
    c.globalAlpha = 1;
  }

  function cloudOf({ values }, colours) {
    const side = Math.sqrt(values.length);
    const image = new ImageData(side, side);
    const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
    values.forEach((value, i) => {
      // The square root shows the slopes too.
      const share = Math.sqrt(Math.exp(value - most));
      image.data.set([...colours.density, 190 * (share || 0)], 4 * i);
    });
    const sheet = sheetOfSize(side, side);
    sheet.getContext("2d").putImageData(image, 0, 0);
    return sheet;
  }

  /** Arrows, the longest as long as two of them are apart. */
  function field(c, { canvas, arrows, colours }, x, y) {
    const { points: at, values } = arrows;
    const count = values.length / 2;
    const size = (_, i) => Math.hypot(values[2 * i], values[2 * i + 1]);
    const sizes = Array.from({ length: count }, size);
    const apart = canvas.width / Math.sqrt(count);
    const length = (0.95 * apart) / (Math.max(...sizes) || 1);
    c.strokeStyle = colours.arrow;
    c.fillStyle = colours.arrow;
    c.lineWidth = 2.5;
    for (let i = 0; i < count; i++) {
      const [u, v] = [length * values[2 * i], -length * values[2 * i + 1]];
      const [px, py] = [x(at[2 * i]), y(at[2 * i + 1])];
      c.beginPath();
      c.moveTo(px - u / 2, py - v / 2);
      c.lineTo(px + u / 2, py + v / 2);
      c.stroke();
      const norm = length * sizes[i];
      if (norm < 4) continue;
      const [a, b] = [(7 * u) / norm, (7 * v) / norm];
      c.beginPath();
      c.moveTo(px + u / 2 + a / 2, py + v / 2 + b / 2);
      c.lineTo(px + u / 2 - a - b * 0.6, py + v / 2 - b + a * 0.6);
      c.lineTo(px + u / 2 - a + b * 0.6, py + v / 2 - b - a * 0.6);
      c.fill();
    }
  }

  return paint;
})();
