//! The files of the page: what a browser asks a server for, or a folder that any host serves.
//!
//! The page is embedded, with the compiled module; only the models are added. `docs/decisions` says
//! why under `web-page`.

use pyroclast_core::shown::shown;
use pyroclast_train::model_file::{ModelError, ModelFile};
use std::borrow::Cow;
use std::fmt::Write;

/// What the page may do: run its own script and module, and read its own files.
pub const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    base-uri 'none'; form-action 'none'";

const PAGE: &str = include_str!("../page/index.html");
const STYLE: &[u8] = include_bytes!("../page/pyroclast.css");
/// The part that wasm-bindgen writes, and ours: one script.
const SCRIPT: &str = concat!(
    include_str!("../page/glue.js"),
    include_str!("../page/worker.js"),
    include_str!("../page/paint.js"),
    include_str!("../page/page.js"),
);
const MODULE: &[u8] = include_bytes!("../page/pyroclast.wasm");
/// The same for a worker that samples on a GPU, which a browser loads when it is asked to.
const GPU_SCRIPT: &str = concat!(
    include_str!("../page/gpu-glue.js"),
    include_str!("../page/worker.js"),
    include_str!("../page/gpu.js"),
);
const GPU_MODULE: &[u8] = include_bytes!("../page/pyroclast-gpu.wasm");

/// A file of the page.
#[derive(Debug, Clone)]
pub struct PageFile {
    /// Its name: there are no folders.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its contents.
    pub contents: Cow<'static, [u8]>,
}

/// The files of a page that shows these models; the first is the one that it opens. The models are
/// in half precision.
///
/// # Errors
/// [`ModelError`]: a model with parameters that are not finite.
///
/// # Panics
/// If there is no model.
pub fn files(models: &[ModelFile]) -> Result<Vec<PageFile>, ModelError> {
    assert!(!models.is_empty(), "a page shows a model");
    let (mut stored, mut options) = (Vec::new(), String::new());
    for model in models {
        let name = &model.header().about.data.name;
        let file = unused(&file_name(name), &stored);
        let label = escaped(&shown(name).to_string());
        let _ = write!(options, "<option value=\"{file}\">{label}</option>");
        stored.push(PageFile {
            name: file,
            media_type: "application/octet-stream",
            contents: model.in_half_precision()?.into(),
        });
    }
    let page = PAGE.replace("<!-- models -->", &options);
    let page = page.replace("POLICY", POLICY);
    let file = |name: &str, media_type, contents| PageFile {
        name: name.to_owned(),
        media_type,
        contents,
    };
    let script = |name, text: &'static str| {
        let contents = text.as_bytes().into();
        file(name, "text/javascript; charset=utf-8", contents)
    };
    let module = |name, bytes: &'static [u8]| file(name, "application/wasm", bytes.into());
    let html = page.into_bytes().into();
    let mut files = vec![
        file("index.html", "text/html; charset=utf-8", html),
        file("pyroclast.css", "text/css; charset=utf-8", STYLE.into()),
        script("pyroclast.js", SCRIPT),
        module("pyroclast.wasm", MODULE),
        script("pyroclast-gpu.js", GPU_SCRIPT),
        module("pyroclast-gpu.wasm", GPU_MODULE),
    ];
    files.extend(stored);
    Ok(files)
}

/// The name of a model's file: that of its data, of letters that any host serves.
fn file_name(data: &str) -> String {
    let data = data.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = data.chars().take(60).map(plain).collect();
    match name.trim_matches('-') {
        "" => "model".to_owned(),
        name => name.to_owned(),
    }
}

/// This name with the ending of a model, or with a number before it where others have it.
fn unused(name: &str, files: &[PageFile]) -> String {
    let numbered = (2..).map(|k| format!("{name}-{k}.safetensors"));
    let mut names = std::iter::once(format!("{name}.safetensors")).chain(numbered);
    let is_free = |name: &String| files.iter().all(|file| file.name != *name);
    names.find(is_free).expect("one of them is free")
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn files_of_models_have_names_of_their_own_that_any_host_serves() {
        for (data, name) in [
            ("moons", "moons"),
            ("../../etc/My Table.csv", "my-table-csv"),
            ("<script>", "script"),
            ("Ö", "model"),
            ("", "model"),
        ] {
            assert_eq!(file_name(data), name, "{data}");
        }
        let file = |name: &str| PageFile {
            name: name.to_owned(),
            media_type: "",
            contents: Cow::Borrowed(&[]),
        };
        let files = [file("moons.safetensors"), file("moons-2.safetensors")];
        assert_eq!(unused("moons", &files), "moons-3.safetensors");
        assert_eq!(unused("digits", &files), "digits.safetensors");
    }

    #[test]
    fn a_name_from_outside_is_text_on_the_page() {
        assert_eq!(escaped("<b a='&\">"), "&lt;b a=&#39;&amp;&quot;&gt;");
    }

    #[test]
    fn the_modules_are_small() {
        for (module, largest) in [(MODULE, 4_000_000), (GPU_MODULE, 6_000_000)] {
            assert!(module.starts_with(b"\0asm"), "no module");
            let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
            compressed.write_all(module).expect("memory");
            let compressed = compressed.finish().expect("memory").len();
            assert!(
                module.len() < largest && compressed < 1_500_000,
                "{} bytes, {compressed} compressed",
                module.len()
            );
        }
    }

    #[test]
    fn the_page_has_places_for_the_models_and_the_policy() {
        for place in ["<!-- models -->", "content=\"POLICY\""] {
            assert_eq!(PAGE.matches(place).count(), 1, "{place}");
        }
        assert!(
            !PAGE.contains("style=") && !PAGE.contains("<style"),
            "inline styles"
        );
        assert_eq!(
            PAGE.matches("<script").count(),
            PAGE.matches("<script src=").count()
        );
    }
}
