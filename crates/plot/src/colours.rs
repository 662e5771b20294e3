//! The colours of every figure.

use image::Rgb;

/// The background.
pub(crate) const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
/// Titles.
pub(crate) const INK: Rgb<u8> = Rgb([38, 41, 46]);
/// Numbers along the axes, and legends.
pub(crate) const TEXT: Rgb<u8> = Rgb([74, 79, 86]);
/// The two axes.
pub(crate) const AXIS: Rgb<u8> = Rgb([160, 165, 172]);
/// The lines across the panel, one per number of an axis.
pub(crate) const GRIDLINE: Rgb<u8> = Rgb([236, 237, 239]);
/// A cloud in the background.
pub(crate) const PALE: Rgb<u8> = Rgb([196, 200, 206]);
/// What the figure is about.
pub(crate) const FIRE: Rgb<u8> = Rgb([228, 87, 46]);
/// The curves of one figure, in order.
pub(crate) const CURVES: [Rgb<u8>; 12] = [
    FIRE,
    Rgb([36, 72, 112]),
    Rgb([42, 157, 143]),
    Rgb([214, 158, 46]),
    Rgb([128, 82, 160]),
    Rgb([94, 166, 221]),
    Rgb([140, 86, 75]),
    Rgb([219, 112, 147]),
    Rgb([102, 124, 40]),
    Rgb([110, 118, 128]),
    Rgb([0, 0, 0]),
    Rgb([232, 176, 140]),
];
/// A value that is not a number: nothing else in a picture has this colour.
pub(crate) const NOT_A_NUMBER: Rgb<u8> = Rgb([255, 0, 255]);

/// matplotlib's magma, as ten evenly spaced colours from low to high.
pub const MAGMA: [Rgb<u8>; 10] = [
    Rgb([0, 0, 4]),
    Rgb([24, 15, 61]),
    Rgb([68, 15, 118]),
    Rgb([114, 31, 129]),
    Rgb([158, 47, 127]),
    Rgb([205, 64, 113]),
    Rgb([241, 96, 93]),
    Rgb([253, 150, 104]),
    Rgb([254, 202, 141]),
    Rgb([252, 253, 191]),
];

/// matplotlib's viridis, as five evenly spaced colours from low to high.
pub const VIRIDIS: [Rgb<u8>; 5] = [
    Rgb([68, 1, 84]),
    Rgb([59, 82, 139]),
    Rgb([33, 145, 140]),
    Rgb([94, 201, 98]),
    Rgb([253, 231, 37]),
];

/// The colour at this place, 0 for the first and 1 for the last; between two, their mixture.
pub(crate) fn between(colours: &[Rgb<u8>], place: f64) -> Rgb<u8> {
    if !place.is_finite() {
        return NOT_A_NUMBER;
    }
    let place = place.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let low = place as usize;
    let high = (low + 1).min(colours.len() - 1);
    mixed(colours[low], colours[high], (place - low as f64) as f32)
}

/// `share` of `over`, and the rest of `under`.
pub(crate) fn mixed(under: Rgb<u8>, over: Rgb<u8>, share: f32) -> Rgb<u8> {
    let channel = |i: usize| {
        let [under, over] = [under, over].map(|colour| f32::from(colour[i]));
        (under + (over - under) * share).round() as u8
    };
    Rgb([0, 1, 2].map(channel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_from_the_first_colour_to_the_last() {
        assert_eq!(between(&MAGMA, 0.0), MAGMA[0]);
        assert_eq!(between(&MAGMA, 1.0), MAGMA[9]);
        assert_eq!(between(&MAGMA, -7.0), MAGMA[0]);
        assert_eq!(between(&MAGMA, 7.0), MAGMA[9]);
        let grey = between(&[Rgb([0; 3]), Rgb([200; 3])], 0.25);
        assert_eq!(grey, Rgb([50; 3]));
        assert_eq!(between(&MAGMA, f64::NAN), NOT_A_NUMBER);
    }
}
