//! Fréchet distances of files: statistics stand for their rows, and what cannot be compared is
//! refused.

mod place;

use place::Place;
use serde_json::Value;
use std::fs;

fn rows(n: u32, shift: f64) -> String {
    (0..n)
        .map(|i| {
            let x = f64::from(i);
            format!(
                "{},{},{}\n",
                x.sin() + shift,
                (1.7 * x).cos(),
                (0.3 * x).sin()
            )
        })
        .collect()
}

fn report(place: &Place, command: &str) -> Value {
    serde_json::from_str(&place.ok(&format!("{command} --json")).stdout).expect("JSON")
}

#[test]
fn statistics_stand_for_their_rows() {
    let place = Place::new();
    place
        .write("real.csv", &rows(60, 0.0))
        .write("fake.csv", &rows(40, 0.5));
    let whole = report(&place, "distance real.csv fake.csv --statistics s.npz");
    let short = report(&place, "distance s.npz fake.csv");
    let frechet = |report: &Value| report["frechet"].as_f64().expect("a number");
    assert!(frechet(&whole) > 0.2);
    assert!((frechet(&whole) - frechet(&short)).abs() < 1e-9 * frechet(&whole));
    assert_eq!(
        (&short["real"], &short["fake"]),
        (&Value::Null, &Value::from(40))
    );
    assert_eq!(short["kid"], Value::Null);
    assert!(frechet(&report(&place, "distance s.npz s.npz")) < 1e-9);
    place.fails(
        "distance s.npz fake.csv --statistics t.npz",
        2,
        &["has statistics already"],
    );
    place.fails("distance s.npz s.npz --inception w.pth", 2, &["no effect"]);
    place.write("two.csv", "1,2\n3,4\n5,7\n6,1\n2,2\n");
    place.fails("distance s.npz two.csv", 1, &["3 features", "has 2"]);
    let bytes = fs::read(place.path("s.npz")).expect("statistics");
    fs::write(place.path("cut.npz"), &bytes[..bytes.len() / 2]).expect("writable");
    place.fails("distance cut.npz fake.csv", 1, &["cut.npz is damaged"]);
}

/// 24 pictures of 8×8 in two shades, as `numpy.save` writes them.
fn pictures(place: &Place) {
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (24, 8, 8, 3), }";
    file.extend(format!("{header:<117}\n").bytes());
    file.extend((0..24 * 8 * 8 * 3_u32).map(|i| {
        if i / 192 % 2 == 0 {
            40
        } else {
            (i % 251) as u8
        }
    }));
    fs::write(place.path("p.npy"), file).expect("writable");
}

#[test]
fn pictures_go_to_the_evaluator_of_guided_diffusion_and_need_the_right_network() {
    let place = Place::new();
    pictures(&place);
    place.ok(
        "train p.npy --out run --device flex --steps 2 --set training.batch=4 \
         --set network.channels=8",
    );
    place.ok("sample run -n 5 --steps 2 --device flex --out x.npz");
    let inspected = report(&place, "data inspect x.npz");
    assert_eq!(inspected["count"], 5, "{inspected}");
    assert_eq!(
        inspected["shape"],
        serde_json::json!([3, 8, 8]),
        "{inspected}"
    );
    place.fails(
        "distance x.npz p.npy --inception run/checkpoints --device flex",
        1,
        &["run/checkpoints is a folder"],
    );
    place.ok("export run --out other.safetensors");
    place.fails(
        "distance x.npz p.npy --inception other.safetensors --device flex",
        1,
        &["`Conv2d_1a_3x3.conv.weight` is missing", "pytorch-fid's"],
    );
    place.fails(
        "evaluate run -n 4 --inception other.safetensors --likelihoods 0 --device flex",
        1,
        &["is missing"],
    );
    for (flags, parts) in [
        ("--resize clean", ["--inception", "required"]),
        (
            "--inception w.pth --resize cleen",
            ["cleen", "did you mean `clean`?"],
        ),
        (
            "--inception w.pth --classifier c.safetensors",
            ["--inception", "--classifier"],
        ),
    ] {
        place.fails(&format!("distance x.npz p.npy {flags}"), 2, &parts);
    }
    place.ok("train moons --out points --device flex --steps 2");
    place.fails(
        "evaluate points -n 4 --inception other.safetensors --device flex",
        2,
        &["--inception compares 8-bit pictures"],
    );
}
