//! A palette of few colours for a frame: GIF allows 256.

use image::Rgb;

/// The most colours of a palette; one of the 256 indices means "unchanged".
const MOST_COLOURS: usize = 255;
/// Colours that differ by at most this, in each channel, may share an index.
const FINE_ENOUGH: u8 = 6;

/// A palette made for some pixels, with the index of each of their colours.
pub(crate) struct Palette {
    colours: Vec<Rgb<u8>>,
    /// The index of each colour, sorted by colour.
    places: Vec<([u8; 3], u8)>,
}

impl Palette {
    /// As few colours as show all these pixels well, found by cutting the colour cube repeatedly.
    pub(crate) fn of(pixels: impl Iterator<Item = Rgb<u8>>) -> Self {
        let mut parts = vec![Part::of(counted(pixels))];
        parts.retain(|part| !part.colours.is_empty());
        while parts.len() < MOST_COLOURS {
            let Some(widest) = widest(&parts) else {
                break;
            };
            let halves = parts.swap_remove(widest).halves();
            parts.extend(halves);
        }
        Self::from_parts(&parts)
    }

    fn from_parts(parts: &[Part]) -> Self {
        let place = |(index, part): (usize, &Part)| {
            let colours = part.colours.iter();
            // There are at most 255 parts.
            colours
                .map(move |counted| (counted.colour, index as u8))
                .collect::<Vec<_>>()
        };
        let mut places: Vec<_> = parts.iter().enumerate().flat_map(place).collect();
        places.sort_unstable();
        Self {
            colours: parts.iter().map(Part::mean).collect(),
            places,
        }
    }

    /// The colours, by index.
    pub(crate) fn colours(&self) -> &[Rgb<u8>] {
        &self.colours
    }

    /// The index after the last colour, which means "unchanged".
    pub(crate) fn transparent(&self) -> u8 {
        // There are at most 255 colours.
        self.colours.len() as u8
    }

    /// The index of the colour that replaces this one, which must be among those of the pixels.
    pub(crate) fn index(&self, colour: Rgb<u8>) -> u8 {
        self.places
            .binary_search_by_key(&colour.0, |(known, _)| *known)
            .map_or(0, |found| self.places[found].1)
    }
}

#[derive(Clone, Copy)]
struct Counted {
    colour: [u8; 3],
    count: u32,
}

fn counted(pixels: impl Iterator<Item = Rgb<u8>>) -> Vec<Counted> {
    let mut colours: Vec<[u8; 3]> = pixels.map(|pixel| pixel.0).collect();
    colours.sort_unstable();
    colours
        .chunk_by(|a, b| a == b)
        .map(|same| Counted {
            colour: same[0],
            count: same.len() as u32,
        })
        .collect()
}

/// A box of the colour cube: its colours, its widest channel, and that channel's range.
struct Part {
    colours: Vec<Counted>,
    channel: usize,
    low: u8,
    high: u8,
}

impl Part {
    fn of(colours: Vec<Counted>) -> Self {
        let ends = |channel: usize| {
            let values = colours.iter().map(|counted| counted.colour[channel]);
            let ends = values.fold((255, 0), |(low, high), v| (v.min(low), v.max(high)));
            (channel, ends.0, ends.1)
        };
        let (channel, low, high) = (0..3)
            .map(ends)
            .max_by_key(|(_, low, high)| high.saturating_sub(*low))
            .unwrap_or((0, 0, 0));
        Self {
            colours,
            channel,
            low,
            high,
        }
    }

    fn width(&self) -> u8 {
        self.high.saturating_sub(self.low)
    }

    fn weight(&self) -> u64 {
        self.colours
            .iter()
            .map(|counted| u64::from(counted.count))
            .sum()
    }

    /// Cuts the widest channel in the middle; neither part is empty if it has any width.
    fn halves(self) -> [Self; 2] {
        let middle = self.low + self.width() / 2;
        let channel = self.channel;
        let (below, above) = self
            .colours
            .into_iter()
            .partition(|counted| counted.colour[channel] <= middle);
        [Self::of(below), Self::of(above)]
    }

    fn mean(&self) -> Rgb<u8> {
        let weight = self.weight().max(1);
        Rgb([0, 1, 2].map(|channel| {
            let value = |c: &Counted| u64::from(c.colour[channel]) * u64::from(c.count);
            let sum: u64 = self.colours.iter().map(value).sum();
            ((sum + weight / 2) / weight) as u8
        }))
    }
}

/// The part that gains most from a cut; none if all are fine enough.
fn widest(parts: &[Part]) -> Option<usize> {
    let gain = |part: &Part| f64::from(part.width()) * (part.weight() as f64).sqrt();
    let wide = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| part.width() > FINE_ENOUGH);
    wide.max_by(|(_, a), (_, b)| gain(a).total_cmp(&gain(b)))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(palette: &Palette, colour: Rgb<u8>) -> Rgb<u8> {
        palette.colours()[usize::from(palette.index(colour))]
    }

    #[test]
    fn colours_far_apart_stay_exact() {
        let flag = [Rgb([255, 0, 0]), Rgb([255, 255, 255]), Rgb([0, 0, 90])];
        let palette = Palette::of(flag.into_iter());
        assert_eq!(palette.colours().len(), 3);
        assert!(flag.iter().all(|&colour| shown(&palette, colour) == colour));
    }

    #[test]
    fn greys_are_nearly_exact_with_few_colours() {
        let greys = || (0..=255).map(|value| Rgb([value; 3]));
        let palette = Palette::of(greys());
        assert!(palette.colours().len() < 80);
        for grey in greys() {
            assert!(grey[0].abs_diff(shown(&palette, grey)[0]) <= FINE_ENOUGH);
        }
    }

    #[test]
    fn many_colours_become_a_full_palette() {
        let cube = || (0..4096u32).map(|i| Rgb([i, i >> 4, i >> 8].map(|v| (v % 16 * 17) as u8)));
        let palette = Palette::of(cube());
        assert_eq!(palette.colours().len(), MOST_COLOURS);
        for colour in cube() {
            let close = shown(&palette, colour);
            assert!((0..3).all(|c| colour[c].abs_diff(close[c]) <= 34));
        }
    }

    #[test]
    fn no_pixels_have_no_colours() {
        assert!(Palette::of(std::iter::empty()).colours().is_empty());
    }
}
