//! Event files that TensorBoard reads: scalars and pictures by step.
//!
//! A file is a sequence of records `length, crc(length), event, crc(event)`, with lengths and
//! masked CRC-32C sums in little-endian order; an event is a protocol buffer with the time, the
//! step, and a summary of named values.
//!
//! Source: TensorFlow's `tensorflow/core/util/event.proto`, `summary.proto` and the TFRecord
//! format.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A file of events that grows.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

/// The value of a summary.
#[derive(Debug, Clone, Copy)]
pub enum Summary<'a> {
    /// A number.
    Scalar(f64),
    /// A picture in colour, encoded as PNG.
    Picture {
        /// The width in pixels.
        width: u32,
        /// The height in pixels.
        height: u32,
        /// The PNG file.
        png: &'a [u8],
    },
}

impl EventFile {
    /// Begins a new file in a folder, which is made if it does not exist.
    ///
    /// TensorBoard joins all files of a folder. Of steps after `step` it then shows those of this
    /// file alone: a resumed training takes them again.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn create(folder: &Path, step: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!(
            "events.out.tfevents.{}.{}.pyroclast",
            now.as_secs(),
            now.subsec_nanos()
        );
        let path = folder.join(name);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)?;
        let mut events = Self { file, path };
        let mut version = Message::default();
        version.bytes(3, b"brain.Event:2");
        events.append(0, version)?;
        let mut start = Message::default();
        start.varint(1, 1);
        let mut session = Message::default();
        session.bytes(7, &start.0);
        events.append(step, session)?;
        Ok(events)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends named values of one step.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, step: u64, values: &[(&str, Summary<'_>)]) -> io::Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes());
            match *value {
                Summary::Scalar(number) => entry.fixed32(2, (number as f32).to_bits()),
                Summary::Picture { width, height, png } => {
                    let mut picture = Message::default();
                    picture.varint(1, height.into());
                    picture.varint(2, width.into());
                    // The colour space of RGB.
                    picture.varint(3, 3);
                    picture.bytes(4, png);
                    entry.bytes(4, &picture.0);
                }
            }
            summary.bytes(1, &entry.0);
        }
        let mut event = Message::default();
        event.bytes(5, &summary.0);
        self.append(step, event)
    }

    fn append(&mut self, step: u64, rest: Message) -> io::Result<()> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut event = Message::default();
        event.fixed64(1, now.as_secs_f64().to_bits());
        event.varint(2, step);
        event.0.extend(rest.0);
        self.file.write_all(&record(&event.0))
    }
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked_crc(event).to_le_bytes());
    record
}

/// A protocol buffer in the making.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire: u64) {
        self.raw(field << 3 | wire);
    }

    fn raw(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn varint(&mut self, field: u64, number: u64) {
        self.key(field, 0);
        self.raw(number);
    }

    fn fixed64(&mut self, field: u64, bits: u64) {
        self.key(field, 1);
        self.0.extend(bits.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.raw(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn fixed32(&mut self, field: u64, bits: u32) {
        self.key(field, 5);
        self.0.extend(bits.to_le_bytes());
    }
}

/// The sum that TFRecord stores: turned and shifted, since it also covers data that hold sums.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: a record has some hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0x82f6_3b78
            } else {
                crc >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4, and the check value of CRC-32C.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_scalar_is_the_record_that_tensorflow_writes() {
        // wall_time 1.5, step 300, summary { value { tag: "loss", simple_value: 0.25 } }.
        let mut entry = Message::default();
        entry.bytes(1, b"loss");
        entry.fixed32(2, 0.25_f32.to_bits());
        let mut summary = Message::default();
        summary.bytes(1, &entry.0);
        let mut event = Message::default();
        event.fixed64(1, 1.5_f64.to_bits());
        event.varint(2, 300);
        event.bytes(5, &summary.0);
        let expected = [
            &[0x09][..],
            &1.5_f64.to_le_bytes(),
            &[0x10, 0xac, 0x02, 0x2a, 13, 0x0a, 11, 0x0a, 4],
            b"loss",
            &[0x15, 0, 0, 0x80, 0x3e],
        ]
        .concat();
        assert_eq!(event.0, expected);
    }

    #[test]
    fn a_file_is_whole_records_in_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut events = EventFile::create(&folder.path().join("tensorboard"), 7).expect("made");
        let png = [1, 2, 3];
        let picture = Summary::Picture {
            width: 4,
            height: 5,
            png: &png,
        };
        events
            .write(8, &[("loss", Summary::Scalar(0.5)), ("samples", picture)])
            .expect("written");
        let bytes = std::fs::read(events.path()).expect("the file");
        let (mut rest, mut records) = (bytes.as_slice(), 0);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("eight")) as usize;
            let event = &rest[12..12 + length];
            assert_eq!(rest[8..12], masked_crc(&rest[..8]).to_le_bytes());
            assert_eq!(
                rest[12 + length..16 + length],
                masked_crc(event).to_le_bytes()
            );
            rest = &rest[16 + length..];
            records += 1;
        }
        assert_eq!(records, 3);
        assert!(bytes.windows(13).any(|part| part == b"brain.Event:2"));
    }
}
