//! A synthetic collection of charts: what is drawn, how many, and where it is put.

mod axes;
mod bar;
mod bubble;
pub mod canvas;
mod color;
mod draws;
mod encode;
mod frame;
mod noise;
mod pie;
mod radar;
mod shape;
mod style;
pub(crate) mod text;
mod treemap;
mod words;

use std::{fs, path::Path};

use anyhow::Context;
use engraft::{Progress, Rng};
use image::RgbImage;
use rayon::prelude::*;
use tiny_skia::Color;

use self::{canvas::Canvas, encode::Format, noise::Noise, style::Style};

/// Draws the collection into `root/{train,test}/CLASS/NNN.EXTENSION`, in the current thread pool.
///
/// Every image depends on `seed`, its part, class and number alone, so a second run writes the same bytes. A file is
/// replaced whole or not at all; images of an earlier collection are replaced, other files are left alone.
///
/// # Errors
/// If a folder or file cannot be written, or `progress` asks to stop.
pub fn draw_collection(root: &Path, seed: u64, progress: &dyn Progress) -> anyhow::Result<()> {
    for (part, _) in PARTS {
        for (class, _) in CHARTS {
            let folder = root.join(part).join(class);
            fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
    }
    let plan = plan();
    progress.begin("drawing", plan.len());
    plan.par_iter().try_for_each(|item| {
        anyhow::ensure!(!progress.is_cancelled(), engraft::Error::Interrupted);
        item.write(root, seed)?;
        progress.step();
        Ok(())
    })
}

/// Draws one chart with its surroundings.
type Draw = fn(&mut Canvas, &Style, &mut Rng);

/// The classes.
const CHARTS: &[(&str, Draw)] = &[
    ("bar_chart", bar::draw),
    ("bubble_chart", bubble::draw),
    ("pie_chart", pie::draw),
    ("radar_chart", radar::draw),
    ("treemap_chart", treemap::draw),
];

/// The parts, each with its number of images a class.
const PARTS: &[(&str, usize)] = &[("train", 40), ("test", 20)];

/// One image of the collection.
struct Item {
    part: &'static str,
    class: &'static str,
    draw: Draw,
    index: usize,
}

/// What is drawn before the chart, and without regard to its class.
struct Look {
    format: Format,
    noise: Noise,
    style: Style,
    /// Continues the image's random numbers.
    rng: Rng,
}

fn plan() -> Vec<Item> {
    let mut items = Vec::new();
    for &(part, count) in PARTS {
        for &(class, draw) in CHARTS {
            items.extend((0..count).map(|index| Item { part, class, draw, index }));
        }
    }
    items
}

impl Item {
    fn write(&self, root: &Path, seed: u64) -> anyhow::Result<()> {
        let folder = root.join(self.part).join(self.class);
        let (image, format) = self.render(seed);
        let bytes = format.encode(&image).context("cannot encode a chart")?;
        let path = folder.join(format!("{:03}.{}", self.index, format.extension()));
        let unfinished = folder.join(format!(".{:03}.unfinished", self.index));
        fs::write(&unfinished, bytes).with_context(|| format!("cannot write {}", unfinished.display()))?;
        fs::rename(&unfinished, &path).with_context(|| format!("cannot write {}", path.display()))?;
        self.remove_earlier(&folder, format)
    }

    /// A collection of another seed may have kept this image in another format.
    fn remove_earlier(&self, folder: &Path, format: Format) -> anyhow::Result<()> {
        for extension in Format::EXTENSIONS {
            let earlier = folder.join(format!("{:03}.{extension}", self.index));
            if extension != format.extension() && earlier.exists() {
                fs::remove_file(&earlier).with_context(|| format!("cannot remove {}", earlier.display()))?;
            }
        }
        Ok(())
    }

    fn render(&self, seed: u64) -> (RgbImage, Format) {
        let Look { format, noise, style, mut rng } = self.look(seed);
        let mut canvas = Canvas::new(style.size_px.0, style.size_px.1, Color::WHITE);
        (self.draw)(&mut canvas, &style, &mut rng);
        (noise.apply(canvas.into_image(), &mut rng), format)
    }

    fn look(&self, seed: u64) -> Look {
        let mut rng = Rng::new(self.seed(seed));
        Look {
            format: Format::draw(&mut rng),
            noise: Noise::draw(&mut rng),
            style: Style::draw(&mut rng),
            rng,
        }
    }

    /// A seed of its own, by the FNV-1a hash.
    fn seed(&self, seed: u64) -> u64 {
        let name = format!("{seed}/{}/{}/{}", self.part, self.class, self.index);
        name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use engraft::Silent;

    use super::*;

    /// Every file by its path below `root`.
    fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (part, _) in PARTS {
            for (class, _) in CHARTS {
                for entry in fs::read_dir(root.join(part).join(class)).unwrap() {
                    let path = entry.unwrap().path();
                    let name = path.file_name().unwrap().to_str().unwrap();
                    files.insert(format!("{part}/{class}/{name}"), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    #[test]
    fn the_collection_is_complete_and_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        draw_collection(folder.path(), 1, &Silent).unwrap();
        let files = files(folder.path());
        assert_eq!(files.len(), 300);
        assert_eq!(files.values().collect::<HashSet<_>>().len(), 300, "some images are the same");
        let mut sizes = HashSet::new();
        for (path, bytes) in &files {
            let image = image::load_from_memory(bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
            let (width, height) = (image.width(), image.height());
            assert!(
                (140..=700).contains(&width) && (140..=700).contains(&height),
                "{path}: {width} x {height}"
            );
            sizes.insert((width, height));
        }
        assert!(sizes.len() > 200, "{} sizes", sizes.len());
        for extension in Format::EXTENSIONS {
            let count = files.keys().filter(|path| path.ends_with(extension)).count();
            assert!(count >= 4, "{count} files in {extension}");
        }
    }

    #[test]
    fn a_seed_decides_every_byte_whatever_stood_there_and_however_many_threads_draw() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        draw_collection(first.path(), 2, &Silent).unwrap();
        draw_collection(second.path(), 3, &Silent).unwrap();
        assert_ne!(files(first.path()), files(second.path()));
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        one_thread.install(|| draw_collection(second.path(), 2, &Silent)).unwrap();
        assert_eq!(files(first.path()), files(second.path()));
    }

    /// Mean of a property for each class, over more images than one collection has.
    fn class_means(property: impl Fn(&Style, Format) -> f64) -> Vec<f64> {
        let mean = |class: &'static str| {
            let values = (0..1000).map(|index| {
                let item = Item { part: "train", class, draw: |_, _, _| {}, index };
                let look = item.look(6);
                property(&look.style, look.format)
            });
            values.sum::<f64>() / 1000.0
        };
        CHARTS.iter().map(|(class, _)| mean(class)).collect()
    }

    /// A property that tells nothing of the class, with the spread that its mean may have by chance.
    #[test]
    fn neither_size_nor_format_nor_colour_gives_a_class_away() {
        type Property = fn(&Style, Format) -> f64;
        let rows: [(&str, Property, f64); 5] = [
            ("width", |style, _| f64::from(style.size_px.0), 30.0),
            ("aspect", |style, _| f64::from(style.size_px.0) / f64::from(style.size_px.1), 0.06),
            ("png", |_, format| f64::from(u8::from(format == Format::Png)), 0.1),
            ("ink", |style, _| f64::from(color::brightness(style.ink)), 0.06),
            ("first colour", |style, _| f64::from(style.palette.color(0).red()), 0.06),
        ];
        for (name, property, spread) in rows {
            let means = class_means(property);
            let (low, high) = means.iter().fold((f64::MAX, f64::MIN), |(l, h), &m| (l.min(m), h.max(m)));
            assert!(high - low < spread, "{name}: {means:?}");
        }
    }
}
