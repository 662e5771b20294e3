//! Damaged files cost no more memory than four times their size and a constant.

use peak_alloc::PeakAlloc;
use pyroclast_data::{Options, PictureSet};
use std::fs;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Counts every byte that this program has allocated.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Damaged files per layout.
const FILES: u32 = 300;
/// What a reader may take whatever the size of the file: buffers of threads, and a picture that its
/// header alone describes.
const CONSTANT: usize = 16 << 20;

/// Numbers that follow from the one before.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as usize
}

fn damaged(whole: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=next(state) % 4 {
        let at = next(state) % bytes.len();
        match next(state) % 4 {
            0 => bytes[at] ^= 1 << (next(state) % 8),
            // Sizes are large where they are damaged.
            1 => bytes[at] = 0xff,
            2 => bytes[at] = (next(state) % 256) as u8,
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

/// The largest number of bytes allocated beyond those before, and the files, over damaged copies.
fn worst(name: &str, whole: &[u8]) -> usize {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    let (mut state, mut worst) = (0x9e37_79b9, 0);
    for _ in 0..FILES {
        let bytes = damaged(whole, &mut state);
        // Some file systems flush a file that is cut to nothing and written again.
        let _ = fs::remove_file(&path);
        fs::write(&path, &bytes).expect("written");
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let options = Options::default();
        // What matters is the memory, not whether it can be read.
        drop(PictureSet::open(
            &path,
            &options,
            folder.path().join("cache"),
            &|_, _| {},
        ));
        let used = ALLOCATOR.peak_usage().saturating_sub(before);
        worst = worst.max(used.saturating_sub(4 * bytes.len()));
    }
    worst
}

fn png(side: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let mut bytes = Vec::new();
    image::DynamicImage::from(image)
        .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png)
        .expect("memory takes all bytes");
    bytes
}

fn zipped() -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["a/0.png", "a/1.png", "b/0.png"] {
        archive
            .start_file(name, SimpleFileOptions::default())
            .expect("started");
        archive.write_all(&png(12)).expect("written");
    }
    archive.finish().expect("finished").into_inner()
}

fn tarred() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for name in ["0.png", "1.png"] {
        let mut header = tar::Header::new_gnu();
        let bytes = png(12);
        header.set_size(bytes.len() as u64);
        archive
            .append_data(&mut header, name, bytes.as_slice())
            .expect("written");
    }
    archive.into_inner().expect("finished")
}

fn idx() -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for side in [4_u32, 6, 6] {
        bytes.extend(side.to_be_bytes());
    }
    bytes.extend((0..4 * 36).map(|i| i as u8));
    bytes
}

fn npy() -> Vec<u8> {
    array(4, 6)
}

/// An array file of n pictures.
fn array(n: usize, side: usize) -> Vec<u8> {
    let header =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({n}, {side}, {side}, 3), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend((0..n * side * side * 3).map(|i| i as u8));
    bytes
}

/// A set may be larger than the memory.
fn large_arrays_are_read_in_parts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.npy");
    fs::write(&path, array(2000, 64)).expect("written");
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let options = Options::default();
    let set = PictureSet::open(&path, &options, folder.path().join("cache"), &|_, _| {});
    let used = ALLOCATOR.peak_usage() - before;
    assert_eq!(set.expect("pictures").len(), 2000);
    assert!(used < CONSTANT, "{used} bytes for 24 MB of pictures");
}

/// One test for all, since the allocator counts for the whole program.
#[test]
fn damaged_files_cost_no_more_memory_than_four_times_their_size_and_a_constant() {
    large_arrays_are_read_in_parts();
    let cifar: Vec<u8> = (0..2 * 3073).map(|i| (i % 10) as u8).collect();
    let mut array = ZipWriter::new(Cursor::new(Vec::new()));
    array
        .start_file("x.npy", SimpleFileOptions::default())
        .expect("started");
    array.write_all(&npy()).expect("written");
    let npz = array.finish().expect("finished").into_inner();
    let tensors = {
        let header = r#"{"x":{"dtype":"U8","shape":[4,3,6,6],"data_offsets":[0,432]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend((0..432).map(|i| i as u8));
        bytes
    };
    for (name, whole) in [
        ("x.zip", zipped()),
        ("x.tar", tarred()),
        ("train-images-idx3-ubyte", idx()),
        ("data_batch_1.bin", cifar),
        ("x.npy", npy()),
        ("x.npz", npz),
        ("x.safetensors", tensors),
    ] {
        let used = worst(name, &whole);
        assert!(used < CONSTANT, "{name}: {used} bytes");
    }
}
