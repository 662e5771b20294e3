//! Every layout is read as the same pictures, and bad ones are refused in a line.

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageFormat, RgbImage, RgbaImage};
use pyroclast_data::{
    Background, DataError, Fit, Labels, Options, PictureSet, folder_of_batches, holds_pictures,
    recognise, write_zip,
};
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("the system's temporary folder can be written"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the place")).expect("made");
        fs::write(path, bytes).expect("written");
        self
    }

    fn open(&self, name: &str) -> Result<PictureSet, DataError> {
        self.open_with(name, &Options::default())
    }

    fn open_with(&self, name: &str, options: &Options) -> Result<PictureSet, DataError> {
        PictureSet::open(self.path(name), options, self.path("cache"), &|_, _| {})
    }

    fn refusal(&self, name: &str) -> String {
        let text = self.open(name).expect_err("it is refused").to_string();
        assert!(!text.contains('\n') && text.len() < 600, "{text}");
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// Picture i: 4 wide and 5 high, every pixel and channel different.
fn rgb(i: u8) -> RgbImage {
    RgbImage::from_fn(4, 5, |x, y| {
        image::Rgb([0, 1, 2].map(|c| 20 * i + (y * 4 + x) as u8 + 60 * c))
    })
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image: DynamicImage = image.into();
    image
        .write_to(&mut Cursor::new(&mut bytes), format)
        .expect("memory takes all bytes");
    bytes
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all bytes");
    encoder.finish().expect("memory takes all bytes")
}

/// The planes of a picture, as rows hold them.
fn planes(image: &RgbImage) -> Vec<u8> {
    (0..3)
        .flat_map(|c| image.pixels().map(move |pixel| pixel[c]))
        .collect()
}

fn row(set: &PictureSet, i: usize) -> Vec<u8> {
    let mut row = vec![0; set.pixels.width()];
    set.pixels.read(i, &mut row).expect("the cache is open");
    row
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .expect("a new name");
        archive.write_all(bytes).expect("memory takes all bytes");
    }
    archive
        .finish()
        .expect("memory takes all bytes")
        .into_inner()
}

fn tarred(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // The library refuses `..`, which this writes all the same.
        header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive
            .append(&header, *bytes)
            .expect("memory takes all bytes");
    }
    archive.into_inner().expect("memory takes all bytes")
}

/// The array `[n, …]` of bytes as numpy writes it.
fn npy(shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(|axis| format!("{axis},")).collect();
    let header = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({}), }}",
        axes.join(" ")
    );
    let header = format!("{header:<117}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), bytes].concat()
}

/// Files in a zip as they are.
fn stored(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        archive.start_file(*name, options).expect("started");
        archive.write_all(bytes).expect("written");
    }
    archive.finish().expect("finished").into_inner()
}

/// Four pictures with the classes 0, 0, 1, 1.
fn tensors(pictures: &[u8]) -> Vec<u8> {
    let end = pictures.len();
    let header = format!(
        r#"{{"images":{{"dtype":"U8","shape":[4,5,4,3],"data_offsets":[4,{}]}},"#,
        end + 4
    ) + r#""labels":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend([0, 0, 1, 1]);
    bytes.extend(pictures);
    bytes
}

#[test]
fn a_folder_an_archive_and_an_array_hold_the_same_pictures() {
    let place = Place::new();
    let pictures: Vec<RgbImage> = (0..4).map(rgb).collect();
    let names = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"];
    let pngs: Vec<Vec<u8>> = pictures.iter().map(|image| png(image.clone())).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .zip(&pngs)
        .map(|(name, png)| (*name, png.as_slice()))
        .collect();
    for (name, bytes) in &files {
        place.write(&format!("folder/{name}"), bytes);
    }
    place
        .write("a.zip", &zipped(&files))
        .write("a.tar", &tarred(&files))
        .write("a.tar.gz", &gzip(&tarred(&files)));
    let last: Vec<u8> = pictures
        .iter()
        .flat_map(|image| image.as_raw().clone())
        .collect();
    let first: Vec<u8> = pictures.iter().flat_map(planes).collect();
    let labels = npy(&[4], &[0, 0, 1, 1]);
    place
        .write("last.npy", &npy(&[4, 5, 4, 3], &last))
        .write("last-labels.npy", &labels)
        .write(
            "a.npz",
            &zipped(&[("x.npy", &npy(&[4, 3, 5, 4], &first)), ("y.npy", &labels)]),
        )
        .write(
            "stored.npz",
            &stored(&[
                ("arr_0.npy", &npy(&[4, 5, 4, 3], &last)),
                ("arr_1.npy", &labels),
            ]),
        )
        .write("np.safetensors", &tensors(&last));
    let arrays = ["last.npy", "a.npz", "stored.npz", "np.safetensors"];
    for name in ["folder", "a.zip", "a.tar", "a.tar.gz"]
        .into_iter()
        .chain(arrays)
    {
        let set = place.open(name).expect(name);
        assert_eq!((set.len(), set.shape), (4, [3, 5, 4]), "{name}");
        assert_eq!(
            set.labels.classes(),
            Some([0, 0, 1, 1].as_slice()),
            "{name}"
        );
        for (i, picture) in pictures.iter().enumerate() {
            assert_eq!(row(&set, i), planes(picture), "{name}");
        }
        let names: &[&str] = if name.contains("np") {
            &["0", "1"]
        } else {
            &["cat", "dog"]
        };
        assert_eq!(set.labels.names(), names, "{name}");
        assert!(
            holds_pictures(&place.path(name), recognise(&place.path(name)).expect(name))
                .expect(name)
        );
    }
}

#[test]
fn what_is_converted_is_read_back_bit_for_bit() {
    let place = Place::new();
    for i in 0..5 {
        place.write(
            &format!("folder/{}/{i}.png", ["a", "b"][i % 2]),
            &png(rgb(i as u8)),
        );
    }
    let set = place.open("folder").expect("five pictures");
    write_zip(&set, &place.path("a.zip"), &|_, _| {}).expect("written");
    let back = place.open("a.zip").expect("as written");
    assert_eq!((&back.pixels, &back.labels), (&set.pixels, &set.labels));
    let vectors = Labels::Vectors {
        values: (0..10).map(|i| i as f32 / 4.0).collect(),
        width: 2,
    };
    let set = PictureSet {
        labels: vectors.clone(),
        ..set
    };
    write_zip(&set, &place.path("b.zip"), &|_, _| {}).expect("written");
    assert_eq!(place.open("b.zip").expect("as written").labels, vectors);
}

#[test]
fn webdataset_and_edm_bring_their_labels() {
    let place = Place::new();
    let (a, b) = (png(rgb(0)), png(rgb(1)));
    place.write(
        "w.tar",
        &tarred(&[
            ("000.png", &a),
            ("000.cls", b"3"),
            ("001.png", &b),
            ("001.cls", b"1\n"),
        ]),
    );
    let set = place.open("w.tar").expect("two samples");
    assert_eq!(set.labels.classes(), Some([1, 0].as_slice()));
    assert_eq!(set.labels.names(), ["1", "3"]);
    // Words, and what else is said of a sample; files of samples without a picture say nothing.
    place.write(
        "j.tar",
        &tarred(&[
            ("000.json", br#"{"width": 4, "label": "dog"}"#),
            ("000.png", &a),
            ("001.png", &b),
            ("001.json", br#"{"label": "ant"}"#),
            ("001.cls", b"cat"),
            ("002.json", br#"{"label": [1]}"#),
            ("._000.json", b"\0\x05"),
        ]),
    );
    let set = place.open("j.tar").expect("two samples");
    assert_eq!(set.labels.classes(), Some([1, 0].as_slice()));
    assert_eq!(set.labels.names(), ["cat", "dog"]);
    for (name, json, expected) in [
        ("mixed.tar", r#"{"label": "ant"}"#, "one or the other"),
        (
            "list.tar",
            r#"{"label": [1]}"#,
            "neither a whole number nor a word",
        ),
        ("none.tar", r#"{"width": 4}"#, "have no label"),
    ] {
        let files: [(&str, &[u8]); 4] = [
            ("0.png", &a),
            ("0.cls", b"3"),
            ("1.png", &b),
            ("1.json", json.as_bytes()),
        ];
        place.write(name, &tarred(&files));
        assert!(place.refusal(name).contains(expected), "{name}");
    }
    // Shards, whose samples have the same names; one is held out.
    for (name, class, picture) in [
        ("set-train-000.tar", b"1", &b),
        ("set-val-000.tar", b"1", &a),
        ("set-train-001.tar", b"2", &a),
    ] {
        let files: [(&str, &[u8]); 2] = [("0.png", picture), ("0.cls", class)];
        place.write(&format!("shards/{name}"), &tarred(&files));
    }
    place.write("shards/.done", b"");
    let set = place.open("shards").expect("three samples");
    assert_eq!((set.len(), set.held_out), (3, 1));
    assert_eq!(set.labels.classes(), Some([0, 1, 0].as_slice()));
    // Without labels their folders are the classes, as those of one tar are.
    for (name, picture) in [("0.tar", &a), ("1.tar", &b)] {
        let files: [(&str, &[u8]); 2] = [("set/cat/0.png", picture), ("set/dog/0.png", picture)];
        place.write(&format!("folders/{name}"), &tarred(&files));
    }
    let set = place.open("folders").expect("four pictures");
    assert_eq!(set.labels.classes(), Some([0, 0, 1, 1].as_slice()));
    assert_eq!(set.labels.names(), ["cat", "dog"]);
    // And nothing is held out of shards that are all to be tested on.
    for name in ["test-0.tar", "test-1.tar"] {
        let files: [(&str, &[u8]); 2] = [("cat/0.png", &a), ("dog/0.png", &b)];
        place.write(&format!("tested/{name}"), &tarred(&files));
    }
    let set = place.open("tested").expect("four pictures");
    assert_eq!((set.labels.names().len(), set.held_out), (2, 0));
    let labels = br#"{"labels": [["00000/b.png", 0], ["00000/a.png", 1]], "classes": ["x", "y"]}"#;
    let files: [(&str, &[u8]); 3] = [
        ("00000/a.png", &a),
        ("00000/b.png", &b),
        ("dataset.json", labels),
    ];
    place.write("e.zip", &zipped(&files));
    let set = place.open("e.zip").expect("two pictures");
    assert_eq!(set.labels.classes(), Some([1, 0].as_slice()));
    assert_eq!(set.labels.names(), ["x", "y"]);
    // Without labels folders are no classes, and the end may be held out.
    let unlabelled = br#"{"labels": null, "held_out": 1}"#;
    let both: [(&str, &[u8]); 3] = [
        ("00000/a.png", &a),
        ("00001/b.png", &b),
        ("dataset.json", unlabelled),
    ];
    place.write("u.zip", &zipped(&both));
    let set = place.open("u.zip").expect("two pictures");
    assert_eq!((set.labels.classes(), set.held_out), (None, 1));
    let wrong = br#"{"labels": [["00000/b.png", 2], ["00000/a.png", 1]], "classes": ["x", "y"]}"#;
    place.write(
        "o.zip",
        &zipped(&[files[0], files[1], ("dataset.json", wrong)]),
    );
    assert!(
        place
            .refusal("o.zip")
            .contains("the label 2 is out of range")
    );
}

fn idx(magic: u32, axes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let numbers = [magic]
        .iter()
        .chain(axes)
        .flat_map(|n| n.to_be_bytes())
        .collect::<Vec<u8>>();
    [numbers.as_slice(), bytes].concat()
}

#[test]
fn idx_files_are_found_in_pairs_and_the_test_set_is_held_out() {
    let place = Place::new();
    let pixels: Vec<u8> = (0..18).collect();
    place
        .write(
            "m/train-images-idx3-ubyte.gz",
            &gzip(&idx(0x803, &[3, 2, 3], &pixels)),
        )
        .write(
            "m/train-labels-idx1-ubyte.gz",
            &gzip(&idx(0x801, &[3], &[5, 7, 5])),
        )
        .write(
            "m/t10k-images-idx3-ubyte",
            &idx(0x803, &[2, 2, 3], &pixels[..12]),
        )
        .write("m/t10k-labels-idx1-ubyte", &idx(0x801, &[2], &[7, 5]));
    for name in ["m", "m/train-images-idx3-ubyte.gz"] {
        let set = place.open(name).expect(name);
        assert_eq!((set.len(), set.shape, set.held_out), (5, [1, 2, 3], 2));
        assert_eq!(set.labels.classes(), Some([0, 1, 0, 1, 0].as_slice()));
        assert_eq!(row(&set, 1), pixels[6..12]);
    }
    let whole = idx(0x803, &[3, 2, 3], &pixels);
    for cut in 0..whole.len() {
        place.write("cut/train-images-idx3-ubyte", &whole[..cut]);
        let text = place.refusal("cut/train-images-idx3-ubyte");
        assert!(text.contains("is damaged"), "{cut}: {text}");
    }
    assert!(
        place
            .refusal("m/train-labels-idx1-ubyte.gz")
            .contains("give the file of images")
    );
}

#[test]
fn cifar_is_read_from_its_folder_its_files_and_its_archive() {
    let place = Place::new();
    let record = |label: u8, first: u8| {
        let planes = (0..3072_u32).map(|i| (i / 1024 * 50 + u32::from(first) + i % 7) as u8);
        [label].into_iter().chain(planes).collect::<Vec<u8>>()
    };
    let (train, test) = (
        [record(3, 0), record(9, 1)].concat(),
        [record(0, 2), record(1, 3)].concat(),
    );
    place
        .write("c/data_batch_1.bin", &train)
        .write("c/test_batch.bin", &test);
    let inside: [(&str, &[u8]); 2] = [
        ("cifar-10-batches-bin/test_batch.bin", &test),
        ("cifar-10-batches-bin/data_batch_1.bin", &train),
    ];
    place.write("cifar-10-binary.tar.gz", &gzip(&tarred(&inside)));
    for name in ["c", "cifar-10-binary.tar.gz"] {
        let set = place.open(name).expect(name);
        assert_eq!(
            (set.len(), set.shape, set.held_out),
            (4, [3, 32, 32], 2),
            "{name}"
        );
        assert_eq!(set.labels.classes(), Some([3, 9, 0, 1].as_slice()));
        assert_eq!(set.labels.names()[9], "truck");
        assert_eq!(row(&set, 1), record(9, 1)[1..]);
    }
    place.write("c/data_batch_2.bin", &train);
    let joined = |names: &[&str]| {
        let paths: Vec<PathBuf> = names.iter().map(|name| place.path(name)).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        folder_of_batches(&paths).map_err(|error| error.to_string())
    };
    let both = joined(&["c/data_batch_1.bin", "c/data_batch_2.bin"]);
    assert_eq!(both, Ok(place.path("c")));
    let message = joined(&["c/data_batch_1.bin"]).expect_err("one is left out");
    assert!(message.contains("data_batch_2.bin"), "{message}");
    let message = joined(&["c/data_batch_1.bin", "x/data_batch_2.bin"]).expect_err("elsewhere");
    assert!(message.contains("not a part of one set"), "{message}");
    let one = place.open("c/test_batch.bin").expect("a file");
    assert_eq!((one.len(), one.held_out), (2, 0));
    for cut in [0, 1, 100, 3072, 3074, 6145] {
        place.write("d/data_batch_1.bin", &train[..cut]);
        assert!(place.refusal("d").contains("no whole records"), "{cut}");
    }
    place.write(
        "o/data_batch_1.bin",
        &[record(10, 0), record(1, 0)].concat(),
    );
    assert!(place.refusal("o").contains("the label 10 is out of range"));
    let fine = [vec![1], record(42, 0), vec![0], record(7, 0)].concat();
    place.write("f/train.bin", &fine);
    let set = place.open("f").expect("CIFAR-100");
    assert_eq!(set.labels.classes(), Some([42, 7].as_slice()));
}

#[test]
fn every_format_and_kind_of_pixel_is_read() {
    let place = Place::new();
    let grey = GrayImage::from_fn(4, 5, |x, y| image::Luma([(20 * y + x) as u8]));
    // Half transparent black over white is middle grey, and so is white over black.
    let clear = GrayAlphaImage::from_pixel(4, 5, image::LumaA([0, 128]));
    let red = RgbaImage::from_pixel(4, 5, image::Rgba([255, 0, 0, 0]));
    place
        .write("g/a.png", &png(grey.clone()))
        .write("g/b.png", &png(clear));
    let set = place.open("g").expect("grey pictures");
    assert_eq!(set.shape, [1, 5, 4]);
    assert_eq!(row(&set, 0), *grey.as_raw());
    assert_eq!(row(&set, 1), [127; 20]);
    // A picture in colour makes all of them RGB, those before it as well.
    place
        .write("g/c.png", &png(red))
        .write("g/d.bmp", &encoded(rgb(2), ImageFormat::Bmp));
    place.write("g/e.webp", &encoded(rgb(3), ImageFormat::WebP));
    place.write("g/f.gif", &encoded(rgb(1), ImageFormat::Gif));
    place.write("g/g.jpg", &encoded(rgb(1), ImageFormat::Jpeg));
    let set = place.open("g").expect("pictures in colour");
    assert_eq!((set.len(), set.shape), (7, [3, 5, 4]));
    assert_eq!(row(&set, 0), [grey.as_raw().as_slice(); 3].concat());
    assert_eq!(row(&set, 2), [255; 60], "clear red is the white behind it");
    assert_eq!(row(&set, 3), planes(&rgb(2)));
    assert_eq!(row(&set, 4), planes(&rgb(3)));
    let black = Options {
        background: Background::BLACK,
        ..Options::default()
    };
    assert_eq!(
        row(&place.open_with("g", &black).expect("as before"), 2),
        [0; 60]
    );
}

#[test]
fn orientation_is_obeyed() {
    let place = Place::new();
    // 2 wide and 1 high, turned by a quarter: EXIF's orientation 6.
    let image = RgbImage::from_fn(16, 8, |x, _| image::Rgb([if x < 8 { 0 } else { 255 }; 3]));
    let jpeg = encoded(image, ImageFormat::Jpeg);
    let exif = [
        b"\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00",
        &b"\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"[..],
    ]
    .concat();
    let turned = [&jpeg[..2], &exif, &jpeg[2..]].concat();
    place.write("o/a.jpg", &turned).write("o/b.jpg", &turned);
    let set = place.open("o").expect("two pictures");
    assert_eq!(set.shape, [3, 16, 8]);
    let pixels = row(&set, 0);
    assert!(
        pixels[0] < 20 && pixels[15 * 8] > 235,
        "dark above and bright below"
    );
}

/// A PNG's header of this size, with a chunk of pixels that are not there.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(GrayImage::new(1, 1));
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

#[test]
fn pictures_that_cannot_be_used_are_named_counted_and_skipped_if_asked() {
    let place = Place::new();
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(4, 5, image::Luma([9_u16]));
    let jpeg = encoded(rgb(0), ImageFormat::Jpeg);
    let mut cmyk = jpeg.clone();
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .expect("a frame header");
    cmyk[frame + 9] = 4;
    place
        .write("b/ok1.png", &png(rgb(0)))
        .write("b/ok2.png", &png(rgb(1)))
        .write("b/broken.jpg", &jpeg[..jpeg.len() / 3])
        .write("b/cmyk.jpg", &cmyk)
        .write("b/deep.png", &png(deep))
        .write("b/bomb.png", &bomb(60_000, 60_000))
        .write("b/notes.txt", b"not a picture");
    let text = place.refusal("b");
    assert!(
        text.contains("4 of the 6 pictures of b cannot be used"),
        "{text}"
    );
    assert!(text.contains("bomb.png (60000×60000 pixels"), "{text}");
    assert!(text.contains("and 1 more"), "{text}");
    let options = Options {
        skip_broken: true,
        ..Options::default()
    };
    let set = place.open_with("b", &options).expect("two are left");
    assert_eq!(set.len(), 2);
    let reasons: Vec<(&str, &str)> = set
        .skipped
        .iter()
        .map(|s| (s.name.as_str(), s.reason.as_str()))
        .collect();
    assert_eq!(reasons[2], ("cmyk.jpg", "CMYK"));
    assert_eq!(reasons[3], ("deep.png", "16 bits per channel"));
    assert!(reasons[1].1.starts_with("broken"), "{reasons:?}");
}

#[test]
fn folders_and_archives_that_cannot_be_used_are_refused() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).expect("made");
    assert!(place.refusal("empty").contains("holds no picture"));
    place
        .write("m/a.png", &png(rgb(0)))
        .write("m/b.png", &png(RgbImage::new(5, 5)));
    assert!(
        place
            .refusal("m")
            .contains("pictures of 4×5 (a.png) and of 5×5 (b.png)")
    );
    let fitted = Options {
        fit: Fit {
            size: Some(2),
            ..Fit::default()
        },
        ..Options::default()
    };
    assert_eq!(
        place.open_with("m", &fitted).expect("one size").shape,
        [3, 2, 2]
    );
    let picture = png(rgb(0));
    place.write("e.zip", &zipped(&[("../evil.png", &picture)]));
    assert!(
        place
            .refusal("e.zip")
            .contains("`../evil.png`, which leads out of it")
    );
    place.write("e.tar", &tarred(&[("../evil.png", &picture)]));
    assert!(
        place
            .refusal("e.tar")
            .contains("`../evil.png`, which leads out of it")
    );
    place
        .write("x.zip", b"PK\x03\x04 and no more")
        .write("x.txt", b"text");
    assert!(place.refusal("x.zip").contains("is damaged"));
    assert!(place.refusal("x.txt").contains("is no data that is known"));
    assert!(place.refusal("nothing").contains("does not exist"));
    place.write("one/a.png", &picture);
    assert!(place.refusal("one").contains("at least 2"));
}

#[test]
fn a_second_start_reads_the_cache_and_a_change_makes_it_anew() {
    let place = Place::new();
    place
        .write("f/a.png", &png(rgb(0)))
        .write("f/b.png", &png(rgb(1)));
    let decoded = std::cell::Cell::new(0);
    let open = |options: &Options| {
        decoded.set(0);
        let progress = |done: usize, _: Option<usize>| decoded.set(done);
        PictureSet::open(place.path("f"), options, place.path("cache"), &progress)
            .expect("pictures")
    };
    let plain = Options::default();
    let first = open(&plain);
    assert_eq!(decoded.get(), 2);
    assert_eq!((open(&plain), decoded.get()), (first.clone(), 0));
    // Other options, a cache that was cut off, and a changed file.
    let small = Options {
        fit: Fit {
            size: Some(2),
            ..Fit::default()
        },
        ..plain
    };
    assert_eq!((open(&small).shape, decoded.get()), ([3, 2, 2], 2));
    for entry in fs::read_dir(place.path("cache")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a cache");
        fs::write(path, &bytes[..bytes.len() - 3]).expect("written");
    }
    assert_eq!((open(&plain), decoded.get()), (first.clone(), 2));
    place.write("f/b.png", &png(RgbImage::new(4, 5)));
    let changed = open(&plain);
    assert_eq!(decoded.get(), 2);
    assert_ne!(changed.digest, first.digest);
}

#[test]
fn arrays_with_other_axes_or_labels_are_told_what_to_be() {
    let place = Place::new();
    place.write("v.npy", &npy(&[3, 5], &[0; 15]));
    let layout = |name: &str| recognise(&place.path(name)).expect(name);
    assert!(!holds_pictures(&place.path("v.npy"), layout("v.npy")).expect("vectors"));
    // 500 bytes whose nested brackets once took a parser for ever.
    let nested = format!(
        "{{'descr': '|u1', 'shape': {}1{}}}",
        "(".repeat(60),
        ")".repeat(60)
    );
    let length = (nested.len() as u16).to_le_bytes();
    let bytes = [b"\x93NUMPY\x01\x00", &length[..], nested.as_bytes()].concat();
    place.write("n.npy", &bytes);
    let error = holds_pictures(&place.path("n.npy"), layout("n.npy")).expect_err("refused");
    assert!(error.to_string().contains("too many brackets"), "{error}");
    let x = npy(&[2, 2, 2, 3], &[0; 24]);
    place.write(
        "y.npz",
        &zipped(&[("images.npy", &x), ("labels.npy", &npy(&[3], &[0; 3]))]),
    );
    assert!(
        place
            .refusal("y.npz")
            .contains("there are 3 labels for 2 samples")
    );
    place.write("z.npz", &zipped(&[("weights.npy", &x)]));
    assert!(
        place
            .refusal("z.npz")
            .contains("name the samples x, images or arr_0")
    );
    // RGBA is put over white.
    let clear = [9, 9, 9, 0].repeat(8);
    place.write("a.npy", &npy(&[2, 2, 2, 4], &clear));
    let set = place.open("a.npy").expect("two pictures");
    assert_eq!((set.shape, row(&set, 0)), ([3, 2, 2], vec![255; 12]));
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("f/a.png", &png(rgb(0)));
    let set = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(place.path("f"), permissions).expect("changed");
    };
    set(0o000);
    // The superuser may read everything.
    let is_superuser = fs::read_dir(place.path("f")).is_ok();
    let found = place.open("f").map(|set| set.len());
    set(0o755);
    if !is_superuser {
        assert!(found.expect_err("closed").to_string().contains("may read"));
    }
}
