// The part of the script that runs in the worker.

/** In the worker: a model in memory answers messages, one after another. */
function pyroclastWork() {
  "use strict";
  let session = null;
  let ready = null;
  const request = (r) =>
    new wasm_bindgen.Request(r.n, r.class, r.method, r.steps, r.guidance, r.seed);
  const answers = {
    async open({ name, bytes }) {
      ready ??= wasm_bindgen({ module_or_path: "pyroclast.wasm" }).catch(() => {
        ready = null;
        throw new Error("pyroclast.wasm cannot be loaded; is it beside this page?");
      });
      await ready;
      const opened = new wasm_bindgen.Session(name, new Uint8Array(bytes));
      const about = JSON.parse(opened.about());
      session?.free();
      session = opened;
      return about;
    },
    sample({ id, request: r }) {
      const start = performance.now();
      const see = (t, values) => postMessage({ id, state: { t, values } }, [values.buffer]);
      const numbers = session.sample(request(r), see);
      return {
        milliseconds: performance.now() - start,
        evaluations: numbers[0],
        samples: numbers.subarray(1),
      };
    },
    velocity: ({ request: r, t, points }) => session.velocity(request(r), t, points),
    density: ({ request: r, points }) => session.log_density(request(r), points, 1e-3),
  };
  onmessage = async ({ data }) => {
    try {
      postMessage({ id: data.id, answer: await answers[data.kind](data) });
    } catch (error) {
      // A trap leaves the module unusable: the page starts another worker.
      const lost = error instanceof WebAssembly.RuntimeError;
      const failed = "the model has failed here, perhaps for want of memory";
      postMessage({ id: data.id, error: lost ? failed : String(error?.message ?? error), lost });
    }
  };
}
