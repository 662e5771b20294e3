//! The page in a browser: the same samples as the command, what it says of what goes wrong, and how
//! it looks; and the report of a run.
//!
//! Needs Chromium, so these are run by `cargo test --workspace --test browser -- --ignored`.
//! `CHROMIUM` names the program; `PAGE_MODULE` a folder with a module compiled just now, to test in
//! place of the embedded one; `SCREENSHOTS` a folder for pictures of the page.

mod chromium;
mod host;
mod place;

use chromium::Chromium;
use host::host;
use place::Place;
use pyroclast_plot::write_gif;
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The bytes of the largest picture for the README.
const LARGEST: usize = 600_000;

/// The models that ship with the page.
fn shipped(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models");
    folder
        .join(name)
        .canonicalize()
        .expect("a model that ships")
}

/// The page of the models that ship, as files on a host, in a browser.
struct Shown {
    place: Place,
    address: String,
    browser: Chromium,
}

impl Shown {
    fn new() -> Self {
        Self::of(["moons", "digits"])
    }

    /// The page that opens the first of these.
    fn of(models: [&str; 2]) -> Self {
        Self::in_browser(models, Chromium::start())
    }

    fn in_browser(models: [&str; 2], browser: Chromium) -> Self {
        let place = Place::new();
        let [first, second] = models.map(|name| shipped(&format!("{name}.safetensors")));
        let (first, second) = (first.display(), second.display());
        place.ok(&format!("page {first} {second} --out site"));
        let site = place.path("site");
        if let Some(folder) = env::var_os("PAGE_MODULE") {
            let read = |path: PathBuf| fs::read(path).expect("a module compiled just now");
            let folder = Path::new(&folder);
            let on_cpu = &["worker.js", "paint.js", "page.js"][..];
            let on_gpu = &["worker.js", "gpu.js"][..];
            for (name, glue, parts) in [
                ("pyroclast", "glue.js", on_cpu),
                ("pyroclast-gpu", "gpu-glue.js", on_gpu),
            ] {
                let module = format!("{name}.wasm");
                let bytes = read(folder.join(&module));
                fs::write(site.join(module), bytes).expect("a writable folder");
                let ours = parts
                    .iter()
                    .map(|part| read(shipped(&format!("../page/{part}"))));
                let script = std::iter::once(read(folder.join(glue))).chain(ours);
                let script: Vec<u8> = script.flatten().collect();
                fs::write(site.join(format!("{name}.js")), script).expect("a writable folder");
            }
        }
        Self {
            address: host(site),
            place,
            browser,
        }
    }

    fn load(&mut self) {
        let address = self.address.clone();
        self.browser.open(&address);
        self.drawn();
    }

    /// Waits until the page has drawn what its controls say.
    fn drawn(&mut self) {
        self.browser.wait("globalThis.pyroclast?.drawn");
    }

    /// Waits until the page has drawn samples of these data.
    fn drawn_of(&mut self, data: &str) {
        self.browser.wait(&format!(
            "globalThis.pyroclast?.about?.name === '{data}' && pyroclast.drawn"
        ));
    }

    /// Waits until the page has drawn samples of these data and shown how they come about.
    fn played(&mut self, data: &str) {
        self.drawn_of(data);
        self.browser
            .wait("document.getElementById('play').textContent === 'play'");
    }

    /// Waits for all bands of the density.
    fn shaded(&mut self) {
        self.browser
            .wait("globalThis.pyroclast?.density?.values.every(v => v > -Infinity)");
    }

    /// Moves the slider to a time, and waits for the arrows where there are some.
    fn go(&mut self, t: f64) {
        self.browser.value(&format!(
            "(() => {{ const t = document.getElementById('t'); t.value = {t};
               t.dispatchEvent(new Event('input')); return 0; }})()"
        ));
        self.browser.wait(&format!(
            "pyroclast.about.shape.length > 1 || Math.abs(pyroclast.arrows?.t - {t}) < 1e-6"
        ));
    }

    /// Sets controls of the page, and waits for the samples: the numbers that the command writes.
    fn sample(&mut self, controls: &Value) -> Vec<f64> {
        self.browser.value(&format!(
            "(() => {{ const all = {controls};
               for (const [id, value] of Object.entries(all)) {{
                 const control = id === 'class'
                   ? document.querySelector(`input[name=class][value='${{value}}']`)
                   : document.getElementById(id);
                 if (id === 'class') control.checked = true; else control.value = value;
               }}
               document.getElementById('n').dispatchEvent(new Event('change'));
               return 0; }})()"
        ));
        self.drawn();
        let values = self.browser.value("Array.from(pyroclast.drawn.samples)");
        let values = values.as_array().expect("numbers").iter();
        values.map(|v| v.as_f64().expect("a number")).collect()
    }

    /// The samples of the command for the page's own model file.
    fn command(&self, model: &str, arguments: &str) -> Vec<f64> {
        let (model, out) = (shipped(model), self.place.path("s.csv"));
        let _ = fs::remove_file(&out);
        let (model, out) = (model.display(), out.display());
        self.place.ok(&format!(
            "sample {model} --device flex --out {out} {arguments}"
        ));
        let text = fs::read_to_string(self.place.path("s.csv")).expect("samples");
        let mut rows = text.lines();
        let names: Vec<&str> = rows.next().expect("names").split(',').collect();
        let label = names.iter().position(|name| *name == "label");
        let number = |cell: &str| cell.parse::<f64>().expect("a number");
        rows.flat_map(|row| {
            let cells = row.split(',').enumerate();
            cells
                .filter(|(i, _)| Some(*i) != label)
                .map(|(_, cell)| number(cell))
                .collect::<Vec<_>>()
        })
        .collect()
    }

    /// Chooses a model of the page, or another file of the host, and forgets an earlier sentence.
    fn choose(&mut self, model: &str) {
        self.browser.value(&format!(
            "(() => {{ const m = document.getElementById('model');
               const file = '{model}.safetensors';
               if (![...m.options].some((o) => o.value === file)) m.append(new Option(file, file));
               m.value = file; m.dispatchEvent(new Event('change')); return 0; }})()"
        ));
    }

    /// The sentence that the page shows, once there is one.
    fn sentence(&mut self) -> String {
        let shown = "(e => e.hidden ? '' : e.textContent)(document.getElementById('error'))";
        self.browser.wait(&format!("({shown}) || 0"));
        self.browser.value(shown).as_str().expect("text").to_owned()
    }
}

#[track_caller]
fn agree(name: &str, page: &[f64], command: &[f64], tolerance: f64) {
    assert_eq!(page.len(), command.len(), "{name}");
    let largest = |all: &[f64]| all.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(largest(command) > 0.1, "{name} are no samples");
    let difference = page
        .iter()
        .zip(command)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    println!("{name}: the page and the command differ by at most {difference:.1e}");
    assert!(difference < tolerance, "{name}: {difference:e}");
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_draws_the_samples_of_the_command_and_sends_nothing() {
    let mut shown = Shown::of(["digits", "moons"]);
    for time in ["first", "second"] {
        let start = Instant::now();
        shown.load();
        let seconds = start.elapsed().as_secs_f64();
        let cost = shown
            .browser
            .value("document.getElementById('cost').textContent");
        println!("digits, the {time} time: samples {seconds:.2} s after the address: {cost}");
    }
    for (controls, arguments) in [
        (
            json!({"n": 10, "steps": 20, "seed": 0, "guidance": 1.5, "method": "heun"}),
            "-n 10 --steps 20 --seed 0 --guidance 1.5 --method heun",
        ),
        (
            json!({"n": 6, "class": 7, "steps": 8, "seed": 9, "guidance": 3, "method": "dpmpp-2m"}),
            "-n 6 --class 7 --steps 8 --seed 9 --guidance 3 --method dpmpp-2m",
        ),
    ] {
        let (page, command) = (
            shown.sample(&controls),
            shown.command("digits.safetensors", arguments),
        );
        agree(&format!("digits {arguments}"), &page, &command, 1e-5);
    }
    let size = fs::metadata(shipped("digits.safetensors"))
        .expect("a file")
        .len();
    assert!(size < 1_500_000, "the model of digits has {size} bytes");
    let one =
        shown.sample(&json!({"n": 1, "class": 3, "steps": 20, "guidance": 1.5, "method": "heun"}));
    assert_eq!(one.len(), 64);
    let cost = shown
        .browser
        .value("document.getElementById('cost').textContent");
    println!("digits, one sample: {cost}");

    shown.choose("moons");
    shown.drawn_of("moons");
    for (controls, arguments) in [
        (
            json!({"n": 500, "method": "heun", "steps": 20, "seed": 3}),
            "-n 500 --method heun --steps 20 --seed 3",
        ),
        (
            json!({"n": 100, "method": "dopri5", "steps": 7, "seed": 4}),
            "-n 100 --method dopri5 --steps 7 --seed 4",
        ),
        (
            json!({"n": 2500, "method": "euler", "steps": 5, "seed": 5}),
            "-n 2500 --method euler --steps 5 --seed 5",
        ),
    ] {
        let (page, command) = (
            shown.sample(&controls),
            shown.command("moons.safetensors", arguments),
        );
        agree(&format!("moons {arguments}"), &page, &command, 1e-5);
    }
    // Every state on the way.
    let states = shown
        .browser
        .value("pyroclast.drawn.states.map(s => [s.t, s.values.length])");
    assert_eq!(
        states,
        json!([
            [0, 5000],
            [0.2, 5000],
            [0.4, 5000],
            [0.6, 5000],
            [0.8, 5000],
            [1, 5000]
        ])
    );

    // Only its own files, from its own server.
    let address = shown.address.clone();
    for url in shown.browser.requests() {
        let is_own =
            url.starts_with(&address) || url.starts_with("data:") || url.starts_with("blob:");
        assert!(is_own, "the page asked for {url}");
    }
    assert_eq!(shown.browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_draws_the_same_samples_on_a_gpu_until_it_is_lost() {
    let mut shown = Shown::in_browser(["digits", "moons"], Chromium::with_gpu());
    shown.load();
    let cost = "document.getElementById('cost').textContent";
    let is_offered = "!document.getElementById('faster').hidden";
    shown.browser.wait(is_offered);
    // Few steps, since a GPU of software is slow.
    shown.sample(&json!({"n": 4, "steps": 2}));
    let switch = "(() => { document.getElementById('gpu').click(); return 0; })()";
    shown.browser.value(switch);
    shown.browser.wait("pyroclast.isOnGpu && pyroclast.drawn");
    // Guided, with noise on the way, and of another model in parts.
    for (model, controls, arguments) in [
        (
            "digits",
            json!({"n": 10, "steps": 10, "seed": 0, "guidance": 1.5, "method": "heun"}),
            "-n 10 --steps 10 --seed 0 --guidance 1.5 --method heun",
        ),
        (
            "digits",
            json!({"n": 4, "steps": 6, "seed": 2, "guidance": 1, "method": "euler-maruyama"}),
            "-n 4 --steps 6 --seed 2 --guidance 1 --method euler-maruyama",
        ),
        (
            "moons",
            json!({"n": 2500, "steps": 3, "seed": 5, "method": "euler"}),
            "-n 2500 --steps 3 --seed 5 --method euler",
        ),
    ] {
        if shown.browser.value("pyroclast.about.name") != model {
            shown.choose(model);
            shown.drawn_of(model);
        }
        let page = shown.sample(&controls);
        let said = shown.browser.value(cost).to_string();
        assert!(said.contains("on the GPU"), "{said}");
        let command = shown.command(&format!("{model}.safetensors"), arguments);
        // Sums have other orders there, and functions such as the exponential other last digits.
        agree(&format!("{said}: {arguments}"), &page, &command, 1e-4);
        shown.browser.picture(&format!("{model}-gpu"));
        let states = shown.browser.value("pyroclast.drawn.states.length");
        assert_eq!(
            states,
            json!(controls["steps"].as_u64().expect("steps") + 1)
        );
    }
    // A request that is refused is no fault of the GPU.
    let steps = |n: usize| {
        format!(
            "(() => {{ const c = document.getElementById('steps'); c.value = '{n}';
               c.dispatchEvent(new Event('change')); return 0; }})()"
        )
    };
    shown.browser.value(&steps(0));
    let sentence = shown.sentence();
    assert_eq!(sentence, "0 steps are out of range; take 1 to 1000.");
    assert_eq!(shown.browser.value("pyroclast.isOnGpu"), json!(true));
    shown.browser.value(&steps(2));
    let is_hidden = "document.getElementById('error').hidden";
    shown
        .browser
        .wait(&format!("{is_hidden} && pyroclast.drawn"));

    // Off and on and off and on, before it has started: the last choice holds.
    for _ in 0..4 {
        shown.browser.value(switch);
    }
    shown.browser.wait("pyroclast.isOnGpu && pyroclast.drawn");
    // Its module is not there.
    let module = shown.place.path("site/pyroclast-gpu.wasm");
    let bytes = fs::read(&module).expect("the module");
    fs::remove_file(&module).expect("the module");
    shown.browser.value(switch);
    shown.browser.wait("!pyroclast.isOnGpu && pyroclast.drawn");
    shown.browser.value(switch);
    assert_eq!(
        shown.sentence(),
        "pyroclast-gpu.wasm cannot be loaded; is it beside this page? Samples are drawn on the CPU."
    );
    fs::write(&module, bytes).expect("a writable folder");
    // Lost at rest; found again; lost at work. A third time Chromium gives pages no GPU any more.
    for at_work in [false, true] {
        shown.browser.value(switch);
        shown.browser.wait("pyroclast.isOnGpu && pyroclast.drawn");
        assert_eq!(shown.browser.value(is_hidden), json!(true));
        if at_work {
            shown.browser.value(&steps(200));
        }
        shown.browser.lose_gpu();
        shown.browser.wait("!pyroclast.isOnGpu && pyroclast.drawn");
        assert_eq!(
            shown.sentence(),
            "The GPU was lost. Samples are drawn on the CPU."
        );
        assert!(!shown.browser.value(cost).to_string().contains("GPU"));
        shown.browser.value(&steps(2));
        shown
            .browser
            .wait(&format!("{is_hidden} && pyroclast.drawn"));
    }
}

#[test]
#[ignore = "needs Chromium"]
fn what_goes_wrong_is_one_sentence_on_the_page() {
    let mut shown = Shown::new();
    shown.load();
    let file = |bytes: &str| {
        format!(
            "(() => {{ const all = new DataTransfer();
               all.items.add(new File([{bytes}], 'mine.safetensors'));
               const input = document.getElementById('file');
               input.files = all.files;
               input.dispatchEvent(new Event('change')); return 0; }})()"
        )
    };
    shown.browser.value(&file("'no model'"));
    let sentence = shown.sentence();
    assert!(
        sentence.starts_with("mine.safetensors is damaged or not a safetensors file"),
        "{sentence}"
    );
    assert!(
        sentence.ends_with('.') && !sentence.contains('\n'),
        "{sentence}"
    );
    // Files of the host: one that it does not have, a network of another project, half a model.
    let other = "tests/networks/torchcfm_unet_f32.safetensors";
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join(other);
    let model = fs::read(shipped("moons.safetensors")).expect("a model");
    for (name, bytes, begins) in [
        ("none", None, "none.safetensors cannot be loaded"),
        (
            "foreign",
            Some(fs::read(other).expect("a network")),
            "foreign.safetensors is not a model of this library",
        ),
        (
            "half",
            Some(model[..model.len() / 2].to_vec()),
            "half.safetensors is damaged or not a safetensors file",
        ),
    ] {
        if let Some(bytes) = bytes {
            let path = format!("site/{name}.safetensors");
            fs::write(shown.place.path(&path), bytes).expect("a writable folder");
        }
        shown.choose(name);
        let sentence = shown.sentence();
        assert!(sentence.starts_with(begins), "{sentence}");
        assert!(sentence.ends_with(['.', '?']) && !sentence.contains('\n'));
    }
    // A plan that the model does not take; then one that it does.
    for (id, value, sentence) in [
        ("steps", "0", "0 steps are out of range; take 1 to 1000."),
        ("steps", "4", ""),
        (
            "n",
            "999999",
            "999999 samples are out of range; draw 1 to 20000.",
        ),
    ] {
        shown.browser.value(&format!(
            "(() => {{ const c = document.getElementById('{id}'); c.value = '{value}';
               c.dispatchEvent(new Event('change')); return 0; }})()"
        ));
        let said = "(e => e.hidden ? '' : e.textContent)(document.getElementById('error'))";
        shown.browser.wait(&format!("{said} === '{sentence}'"));
    }
    // Without its module, and as a file.
    fs::remove_file(shown.place.path("site/pyroclast.wasm")).expect("the module");
    let address = shown.address.clone();
    shown.browser.open(&address);
    assert_eq!(
        shown.sentence(),
        "pyroclast.wasm cannot be loaded; is it beside this page?"
    );
    let page = shown.place.path("site/index.html");
    shown.browser.open(&format!("file://{}", page.display()));
    assert_eq!(
        shown.sentence(),
        "Browsers do not run this page from a file; open it through a web server."
    );
    // A browser without vectors.
    shown
        .browser
        .before_scripts("WebAssembly.validate = () => false");
    shown.browser.open(&address);
    let sentence = shown.sentence();
    assert!(
        sentence.starts_with("This browser is too old"),
        "{sentence}"
    );
    // One that cannot even read the script.
    let script = shown.place.path("site/pyroclast.js");
    fs::write(script, "a newer ... language").expect("a writable folder");
    shown.browser.open(&address);
    let visibility = "getComputedStyle(document.getElementById('stuck')).visibility";
    assert_eq!(shown.browser.value(visibility), "hidden");
    shown.browser.wait(&format!("{visibility} === 'visible'"));
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_fits_a_phone_and_works_by_keyboard_in_light_and_dark() {
    let mut shown = Shown::new();
    let mut pictures = 0;
    for (scheme, [width, height]) in [
        ("light", [1200, 900]),
        ("dark", [1200, 900]),
        ("dark", [375, 812]),
    ] {
        shown.browser.window(scheme, width, height);
        shown.load();
        let wide = shown
            .browser
            .value("document.documentElement.scrollWidth - innerWidth");
        assert!(
            wide.as_f64().is_some_and(|w| w <= 0.0),
            "{width}: {wide} pixels too wide"
        );
        shown.shaded();
        shown.go(0.6);
        pictures += shown.browser.picture(&format!("moons-{scheme}-{width}"));
        shown.choose("digits");
        shown.played("digits");
        pictures += shown.browser.picture(&format!("digits-{scheme}-{width}"));
    }
    assert_eq!(pictures, 6);
    // By keyboard alone: the next class, then the button that is the form's.
    shown
        .browser
        .value("document.querySelector('input[name=class]:checked').focus()");
    shown.browser.press("ArrowRight");
    shown
        .browser
        .wait("globalThis.pyroclast.drawn?.request.class === 0");
    shown
        .browser
        .value("document.getElementById('steps').focus()");
    shown.browser.press("Enter");
    shown
        .browser
        .wait("globalThis.pyroclast.drawn?.request.seed === 1");
}

#[test]
#[ignore = "needs Chromium"]
fn the_report_of_a_run_opens_without_a_server() {
    let place = Place::new();
    place.ok(
        "train digits --out run --steps 4 --device flex --set training.batch=8 \
         --set network.channels=8 --set training.picture-every=2 --set training.log-every=1",
    );
    place.ok("evaluate run -n 40 --likelihoods 0 --steps 2");
    let report = place.path("run/report.html");
    let mut browser = Chromium::start();
    for scheme in ["light", "dark"] {
        browser.window(scheme, 390, 800);
        browser.open(&format!("file://{}", report.display()));
        browser.wait("[...document.images].every(i => i.complete && i.naturalWidth > 0)");
        let count = |browser: &mut Chromium, what: &str| {
            let found = browser.value(&format!("document.querySelectorAll('{what}').length"));
            found.as_u64().expect("a number")
        };
        assert!(count(&mut browser, "svg path, svg polyline") >= 2, "curves");
        assert_eq!(
            count(&mut browser, "img"),
            2,
            "a grid of each picture-every"
        );
        let headings = browser.value("[...document.querySelectorAll('h2')].map(h => h.innerText)");
        let headings = headings.to_string();
        for heading in ["Samples during training", "Evaluation", "Configuration"] {
            assert!(headings.contains(heading), "{headings}");
        }
        let text = browser.value("document.body.innerText").to_string();
        assert!(
            text.contains("sliced_w2") && !text.contains("null\\n"),
            "{text}"
        );
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.value(fits), json!(true), "on a phone");
        browser.picture(&format!("report-{scheme}"));
    }
    for url in browser.requests() {
        let is_own = url.starts_with("file:") || url.starts_with("data:");
        assert!(is_own || url == "about:blank", "the report asked for {url}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_in_motion_is_a_small_picture() {
    let mut shown = Shown::new();
    shown.browser.window("light", 800, 650);
    shown.load();
    let mut frames = Vec::new();
    for (data, n, steps, pause) in [("moons", 500, 8, 10), ("digits", 20, 12, 0)] {
        if data == "digits" {
            shown.choose(data);
        }
        shown.drawn_of(data);
        shown.sample(&json!({"n": n}));
        shown.played(data);
        if data == "moons" {
            shown.shaded();
        }
        for k in 0..=steps {
            shown.go(f64::from(k) / f64::from(steps));
            let picture = shown.browser.photograph();
            let picture = image::load_from_memory(&picture).expect("a picture");
            frames.push(picture.to_rgb8());
        }
        let last = frames.last().expect("a frame").clone();
        frames.extend(std::iter::repeat_n(last, pause));
    }
    let mut gif = Vec::new();
    let (delay, hold) = (Duration::from_millis(120), Duration::from_secs(2));
    write_gif(&mut gif, frames, delay, hold).expect("frames of one size");
    chromium::keep("page.gif", &gif);
    assert!(gif.len() < LARGEST, "{} bytes", gif.len());
}
