// The part of the script that runs in a worker.

/** In a worker: a model in memory answers messages, one after another, by this module. */
function pyroclastWork(module) {
  "use strict";
  let session = null;
  let ready = null;
  // The module for GPUs calls it.
  globalThis.pyroclastLost = (reason) => postMessage({ gone: reason });
  const request = (r) =>
    new wasm_bindgen.Request(r.n, r.class, r.method, r.steps, r.guidance, r.seed);
  const load = () => wasm_bindgen({ module_or_path: module }).catch(() => {
    ready = null;
    throw new Error(`${module} cannot be loaded; is it beside this page?`);
  });
  /** The module for GPUs sets one up, which is a trap where there is none. */
  async function start() {
    if (!wasm_bindgen.start) return;
    if (!await navigator.gpu?.requestAdapter()) throw new Error("this browser gives pages no GPU");
    await wasm_bindgen.start();
  }
  const answers = {
    async open({ name, bytes }) {
      ready ??= load().then(start);
      await ready;
      const opened = wasm_bindgen.Session.open(name, new Uint8Array(bytes));
      const about = opened.about ? JSON.parse(opened.about()) : null;
      session?.free();
      session = opened;
      return about;
    },
    async sample({ id, request: r }) {
      const start = performance.now();
      const see = (t, values) => postMessage({ id, state: { t, values } }, [values.buffer]);
      const numbers = await session.sample(request(r), see);
      return {
        milliseconds: performance.now() - start,
        evaluations: numbers[0],
        samples: numbers.subarray(1),
      };
    },
    velocity: ({ request: r, t, points }) => session.velocity(request(r), t, points),
    density: ({ request: r, points }) => session.log_density(request(r), points, 1e-3),
  };
  const answer = async (data) => {
    try {
      postMessage({ id: data.id, answer: await answers[data.kind](data) });
    } catch (error) {
      // A trap leaves the module unusable: the page starts another worker.
      const lost = error instanceof WebAssembly.RuntimeError;
      const failed = "the model has failed here, perhaps for want of memory";
      postMessage({ id: data.id, error: lost ? failed : String(error?.message ?? error), lost });
    }
  };
  let line = Promise.resolve();
  onmessage = ({ data }) => { line = line.then(() => answer(data)); };
}
