// The page: its controls, and the questions that it asks the worker in which the model runs.
(() => {
  "use strict";

  // The smallest module with an instruction on vectors.
  const VECTORS = new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253,
    15, 253, 98, 11,
  ]);

  if (typeof document === "undefined") {
    pyroclastWork("pyroclast.wasm");
    return;
  }

  const get = (id) => document.getElementById(id);
  // A browser that cannot read this script leaves it there, and it appears.
  get("stuck").remove();
  const canvas = get("view");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const LIGHT = { ground: "#ffffff", point: "#00507f", arrow: "#b34a00", density: [213, 94, 0] };
  const DARK = { ground: "#15161a", point: "#8ccdf7", arrow: "#e69f00", density: [230, 159, 0] };
  /** Points on a side of the density, rows of it that are asked for at once, arrows on a side. */
  const FINE = 72, BAND = 8, ARROWS = 15;
  const SECONDS = 2.5;

  let about = null;      // what the model is
  let drawn = null;      // the request, its states, and what it cost
  let place = 1;         // where in the states the view is, from 0 to 1
  let playing = 0;       // the animation, by number: a newer one ends it
  let arrows = null;     // velocities, and the time that they are of
  let density = null;    // an image of the density, and the request that it is of
  let reach = 4;         // half of the width of the view of the plane

  /** A worker that runs this script, and those who wait for its answers. `gone` is told if the
   * worker can answer nothing any more. */
  function work(script, gone) {
    const waiting = new Map();
    let last = 0;
    const inner = new Worker(script);
    const fail = (message, more) => {
      for (const { reject } of waiting.values()) reject(Object.assign(new Error(message), more));
      waiting.clear();
    };
    const end = (message) => {
      fail(message, { lost: true });
      gone?.(message);
    };
    inner.onmessage = ({ data }) => {
      if (data.gone !== undefined) return end("the GPU was lost");
      const asked = waiting.get(data.id);
      if (!asked) return;
      if (data.state) return asked.see?.(data.state);
      waiting.delete(data.id);
      if (data.error === undefined) return asked.resolve(data.answer);
      asked.reject(Object.assign(new Error(data.error), { lost: data.lost }));
    };
    // A script that is not there, or a trap in a promise of the module, which then never settles.
    inner.onerror = (event) => {
      event.preventDefault();
      const missing = "the script of this page cannot be loaded";
      if (gone) end(event.message ? "the GPU has failed" : missing);
      else fail(event.message || missing);
    };
    return {
      ask: (kind, more, see) => new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { resolve, reject, see });
        inner.postMessage({ id, kind, ...more });
      }),
      stop() {
        inner.terminate();
        fail("the model was started again", { stopped: true });
      },
    };
  }

  let cpu = null;        // the worker that knows everything of the model
  let gpu = null;        // the worker that samples in its place while the switch is on

  function start() {
    cpu?.stop();
    cpu = work(document.querySelector("script[src]").src);
  }

  /** Shows one sentence, or none. */
  function tell(error) {
    const text = error ? String(error.message ?? error) : "";
    get("error").hidden = !text;
    const end = /[.!?]$/.test(text) ? "" : ".";
    // The name of a file stays as it is.
    const first = /^[a-z]+[ ,]/.test(text) ? text[0].toUpperCase() : text.slice(0, 1);
    get("error").textContent = text && first + text.slice(1) + end;
  }

  const isPicture = () => about.shape.length === 3;
  const isPlane = () => about.shape.length === 1 && about.shape[0] === 2;
  const dim = () => about.shape.reduce((a, b) => a * b, 1);

  // --- the model -----------------------------------------------------------------------------

  let opening = 0;
  let opened = null; // the bytes of the model, for a worker that has to start

  async function open(name, read) {
    const mine = ++opening;
    get("cost").textContent = "loading…";
    tell(null);
    try {
      const bytes = await read();
      if (mine !== opening) return;
      const found = await cpu.ask("open", { name, bytes });
      if (mine !== opening) return;
      opened = { name, bytes };
      playing++;
      shading++;
      [about, drawn, arrows, density] = [found, null, null, null];
      describe();
      await choose();
    } catch (error) {
      if (mine !== opening) return;
      if (error.stopped) return open(name, read);
      get("cost").textContent = "";
      tell(error);
    }
  }

  const fetched = (name) => open(name, async () => {
    const answer = await fetch(name).catch(() => null);
    if (!answer?.ok) throw new Error(`${name} cannot be loaded; is it beside this page?`);
    return answer.arrayBuffer();
  });

  /** Sets the controls to what the model is. */
  function describe() {
    const size = isPicture()
      ? `pictures of ${about.shape[2]}×${about.shape[1]}`
      : isPlane() ? "points of the plane" : `rows of ${dim()} numbers`;
    get("what").textContent =
      `A model of ${about.name} (${size}, ${about.parameters.toLocaleString("en")} parameters) ` +
      "draws samples here, in this browser. Nothing is sent anywhere.";
    document.title = `${about.name}: from noise to data`;
    const classes = about.classes;
    get("classes").hidden = classes.length === 0;
    const list = get("classes").querySelector(".classes");
    list.replaceChildren(...["all", ...classes].map((name, i) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"),
        { type: "radio", name: "class", value: String(i - 1), checked: i === 0 });
      const text = Object.assign(document.createElement("span"), { textContent: name });
      label.append(input, text);
      return label;
    }));
    get("method").replaceChildren(...about.methods.map(({ name }) => new Option(name, name)));
    get("method").value = about.method;
    get("steps").value = Math.min(about.steps, 1000);
    get("guided").hidden = !about.is_guided;
    get("guidance").value = about.guidance;
    get("plane").hidden = !isPlane();
    get("dense").hidden = !about.has_density;
    const columns = Math.min(classes.length || 6, 10);
    get("n").value = isPicture() ? columns * Math.max(1, Math.round(10 / columns)) : 1000;
    shown();
  }

  function shown() {
    const method = about.methods.find(({ name }) => name === get("method").value);
    get("about-method").textContent = method?.about.trim() ?? "";
    get("guidance-shown").textContent = Number(get("guidance").value).toFixed(1);
  }

  // --- drawing samples -----------------------------------------------------------------------

  const whole = (id) => Math.trunc(Number(get(id).value));

  function asked() {
    const chosen = document.querySelector("input[name=class]:checked");
    return {
      n: Math.max(0, whole("n")),
      class: chosen ? Number(chosen.value) : -1,
      method: get("method").value,
      steps: Math.max(0, whole("steps")),
      guidance: about.is_guided ? Number(get("guidance").value) : 1,
      seed: Math.max(0, whole("seed")) >>> 0,
    };
  }

  let busy = false;
  let again = false;

  /** Draws what the controls say; what they say meanwhile is drawn afterwards. */
  async function draw() {
    if (!about) return;
    if (busy) { again = true; return; }
    busy = true;
    do {
      again = false;
      const sampler = await chosen();
      const request = asked();
      const states = [];
      const said = notice;
      try {
        const answer = await sampler.ask("sample", { request }, (state) => {
          states.push(state);
          get("cost").textContent = `step ${states.length - 1}…`;
        });
        tell(said);
        if (notice === said) notice = null;
        arrows = null;
        drawn = { request, states, ...answer };
        const per = request.n === 1 ? "" : " each";
        const ms = answer.milliseconds;
        get("cost").textContent = `${request.n} ${request.n === 1 ? "sample" : "samples"}, ` +
          `${answer.evaluations} evaluations${per}, ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` +
          (sampler === cpu ? "" : " on the GPU");
        frame();
        play();
        shade();
      } catch (error) {
        get("cost").textContent = "";
        if (error.stopped) again = true;
        else if (error.lost && sampler !== cpu) {
          if (sampler === gpu) leave(error);
          again = true;
        } else {
          tell(error);
          if (error.lost) await restart();
        }
      }
    } while (again);
    busy = false;
  }

  /** A worker that has failed is replaced, with the same model. */
  async function restart() {
    start();
    await cpu.ask("open", opened).catch(tell);
  }

  // --- where samples are drawn ---------------------------------------------------------------

  let notice = null;   // a sentence that the next samples are shown with
  let starting = null; // the worker for the GPU until it has opened the model, and the promise of it

  /** Starts the GPU if the switch is on, and draws there; on the CPU otherwise. */
  function choose() {
    starting?.worker.stop();
    gpu?.stop();
    starting = gpu = notice = null;
    if (get("gpu").checked && opened) {
      get("cost").textContent = "starting the GPU…";
      const worker = work("pyroclast-gpu.js", (message) => {
        // Samples that are being drawn there have failed too, and are drawn again.
        if (gpu !== worker) return;
        leave(new Error(message));
        draw();
      });
      const mine = { worker };
      mine.ready = worker.ask("open", opened).then(
        () => { if (starting === mine) gpu = worker; },
        (error) => {
          worker.stop();
          if (starting === mine) leave(error);
        },
      ).finally(() => { if (starting === mine) starting = null; });
      starting = mine;
    }
    return draw();
  }

  /** The worker that draws samples, once it has started. */
  async function chosen() {
    while (starting) await starting.ready;
    return gpu ?? cpu;
  }

  /** Goes back to the CPU, with sentences that say so. */
  function leave(error) {
    gpu?.stop();
    gpu = null;
    get("gpu").checked = false;
    const end = /[.!?]$/.test(error.message) ? "" : ".";
    notice = `${error.message}${end} Samples are drawn on the CPU.`;
  }

  // Not every browser that has the interface has a GPU behind it.
  async function offer() {
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    get("faster").hidden = !adapter;
  }

  /** The view of the plane: all of the data, and most of the noise. */
  function frame() {
    if (isPicture()) return;
    const most = (values, share) => {
      const sizes = Float32Array.from(values, Math.abs).sort();
      return sizes[Math.min(sizes.length - 1, Math.floor(share * sizes.length))] ?? 1;
    };
    const { states } = drawn;
    const data = most(states.at(-1).values, 1);
    reach = 1.12 * Math.max(data, Math.min(most(states[0].values, 0.99), 3 * data)) || 1;
  }

  // --- time ----------------------------------------------------------------------------------

  /** The two states around the place of the view, and the share of the second. */
  function around() {
    const { states } = drawn;
    const at = place * (states.length - 1);
    const i = Math.min(Math.floor(at), Math.max(0, states.length - 2));
    const [a, b] = [states[i], states[Math.min(i + 1, states.length - 1)]];
    return { a, b, share: at - i, t: a.t + (at - i) * (b.t - a.t) };
  }

  /** The place in the states of a time. */
  function placeOf(t) {
    const { states } = drawn;
    for (let i = 0; i + 1 < states.length; i++) {
      const [a, b] = [states[i].t, states[i + 1].t];
      if (t <= b && b > a) return (i + Math.max(0, (t - a) / (b - a))) / (states.length - 1);
    }
    return 1;
  }

  function go(to) {
    place = to;
    const { t } = around();
    get("t").value = t;
    get("t-shown").textContent = `t = ${t.toFixed(2)}`;
    paint();
    aim();
  }

  /** The way from noise to data. */
  function play() {
    const mine = ++playing;
    if (still.matches || drawn.states.length < 2) return stop(1);
    get("play").textContent = "pause";
    let first = null;
    const next = (now) => {
      if (mine !== playing) return;
      first ??= now;
      const share = (now - first) / (1000 * SECONDS);
      if (share >= 1) return stop(1);
      go(share);
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  }

  function stop(at) {
    playing++;
    get("play").textContent = "play";
    if (drawn) go(at);
  }

  const isPlaying = () => get("play").textContent === "pause";

  // --- arrows and density --------------------------------------------------------------------

  /** What a question about arrows or density ends with, unless the worker was replaced meanwhile. */
  function failed(error) {
    if (error.stopped) return;
    tell(error);
    if (error.lost && !busy) restart();
  }

  function grid(side) {
    const points = new Float32Array(2 * side * side);
    for (let i = 0; i < side * side; i++) {
      points[2 * i] = reach * (2 * ((i % side) + 0.5) / side - 1);
      points[2 * i + 1] = reach * (1 - 2 * (Math.floor(i / side) + 0.5) / side);
    }
    return points;
  }

  const hasOneCondition = () => about.classes.length === 0 || drawn.request.class >= 0;

  let aiming = false;

  /** Asks for the arrows at the time of the view, one question at a time. */
  async function aim() {
    if (aiming || !drawn || !isPlane() || !get("arrows").checked || !hasOneCondition()) return;
    const { t } = around();
    const of = drawn;
    if (arrows && arrows.t === t) return;
    aiming = true;
    const points = grid(ARROWS);
    try {
      const values = await cpu.ask("velocity", { request: of.request, t, points });
      if (of === drawn) arrows = { t, points, values };
    } catch (error) {
      if (of === drawn) failed(error);
      return;
    } finally {
      aiming = false;
    }
    paint();
    if (drawn && around().t !== t) aim();
  }

  let shading = 0;

  /** Asks for the density, a band at a time from the middle, unless it is there already. */
  async function shade() {
    if (!about.has_density || !get("density").checked || !hasOneCondition()) {
      density = null;
      return;
    }
    const key = `${drawn.request.class} ${reach.toPrecision(2)}`;
    if (density?.key === key) return;
    const mine = ++shading;
    reach = Number(reach.toPrecision(2));
    const points = grid(FINE);
    const values = new Float64Array(FINE * FINE).fill(-Infinity);
    density = { key, reach, values };
    const bands = Array.from({ length: FINE / BAND }, (_, i) => i);
    const away = (band) => Math.abs(band - bands.length / 2 + 0.5);
    bands.sort((a, b) => away(a) - away(b));
    for (const band of bands) {
      const [from, to] = [band * BAND * FINE, (band + 1) * BAND * FINE];
      try {
        const some = points.slice(2 * from, 2 * to);
        const part = await cpu.ask("density", { request: drawn.request, points: some });
        if (mine !== shading) return;
        values.set(part, from);
        paint();
      } catch (error) {
        if (mine === shading) failed(error);
        return;
      }
    }
  }

  function paint() {
    if (!drawn) return;
    const { a, b, share, t } = around();
    const { request } = drawn;
    const label = `${request.n} samples of ${about.name} at t = ${t.toFixed(2)}`;
    canvas.setAttribute("aria-label", label);
    pyroclastPaint({
      canvas,
      about,
      request,
      t,
      reach,
      values: a.values.map((v, i) => v + share * (b.values[i] - v)),
      colours: dark.matches ? DARK : LIGHT,
      density: get("density").checked ? density : null,
      arrows: get("arrows").checked ? arrows : null,
    });
  }

  // --- what people do ------------------------------------------------------------------------

  get("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    get("seed").value = (whole("seed") + 1) >>> 0;
    draw();
  });
  for (const id of ["n", "steps", "seed", "method", "guidance"]) {
    get(id).addEventListener("change", () => { if (about) { shown(); draw(); } });
  }
  get("guidance").addEventListener("input", () => about && shown());
  get("classes").addEventListener("change", draw);
  get("gpu").addEventListener("change", choose);
  get("arrows").addEventListener("change", () => { paint(); aim(); });
  get("density").addEventListener("change", () => { if (drawn) { shade(); paint(); } });
  get("t").addEventListener("input", () => {
    if (!drawn) return;
    const t = Number(get("t").value);
    stop(placeOf(t));
  });
  get("play").addEventListener("click", () => {
    if (!drawn) return;
    if (isPlaying()) stop(place);
    else play();
  });
  get("save").addEventListener("click", () => {
    if (!drawn) return;
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      const { request } = drawn;
      link.download = `${about.name.replace(/[^\w-]+/g, "-")}-seed-${request.seed}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  });
  get("model").addEventListener("change", () => fetched(get("model").value));
  get("file").addEventListener("change", () => {
    const file = get("file").files[0];
    if (file) open(file.name, () => file.arrayBuffer());
  });
  dark.addEventListener("change", paint);

  if (typeof WebAssembly !== "object" || !WebAssembly.validate(VECTORS)) {
    get("cost").textContent = "";
    tell("this browser is too old for the page, which needs WebAssembly with vectors; any " +
      "browser of 2023 or newer has that");
    return;
  }
  if (location.protocol === "file:") {
    get("cost").textContent = "";
    tell("browsers do not run this page from a file; open it through a web server");
    return;
  }
  start();
  offer();
  get("shipped").hidden = get("model").options.length < 2;
  fetched(get("model").value);

  /** What is drawn, for scripts that read it. */
  globalThis.pyroclast = {
    get about() { return about; },
    get drawn() { return busy ? null : drawn; },
    get arrows() { return arrows; },
    get density() { return density; },
    get isOnGpu() { return gpu !== null; },
  };
})();
