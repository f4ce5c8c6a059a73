//! From the text that a person writes to checked settings.

use toml::{Table, Value};

use super::{AugmentError, AugmentSettings, Augmentation, PRESETS, Preset, Setting};

/// The key that names a preset in a TOML file.
const PRESET_KEY: &str = "preset";

impl Augmentation {
    /// Reads `KEY=VALUE,KEY=VALUE`, optionally with a preset as the first item: `light,rotation=20,horizontal-flip`.
    ///
    /// Lists are written `A:B`; a key without a value is switched on. What a preset sets can be set again.
    ///
    /// # Errors
    /// See [`AugmentError`].
    pub fn parse(text: &str) -> Result<Augmentation, AugmentError> {
        let mut table = Table::new();
        for (index, item) in text.split(',').map(str::trim).filter(|item| !item.is_empty()).enumerate() {
            let (name, value) = match item.split_once('=') {
                Some((key, value)) => (name(key), value_of(value.trim())),
                None if preset(item).is_some() && index > 0 => {
                    return Err(AugmentError::PresetNotFirst { preset: item.to_owned() });
                }
                None if preset(item).is_some() => (PRESET_KEY.to_owned(), Value::String(item.to_owned())),
                None => (name(item), Value::Boolean(true)),
            };
            insert(&mut table, name, value)?;
        }
        from_table(table)
    }

    /// Reads a TOML file of the same keys; `preset = "light"` names a preset.
    ///
    /// # Errors
    /// See [`AugmentError`].
    pub fn parse_toml(text: &str) -> Result<Augmentation, AugmentError> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| AugmentError::Toml {
            problem: error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
        })?;
        let mut table = Table::new();
        for (key, value) in file {
            insert(&mut table, name(&key), value)?;
        }
        from_table(table)
    }
}

/// The setting of that name read from `value`.
pub(super) fn setting<S: Setting>(name: &str, value: Value) -> Result<S, AugmentError> {
    let found = value.to_string();
    let setting: Option<S> = value.try_into().ok();
    setting.filter(S::is_valid).ok_or_else(|| wrong_value::<S>(name, found))
}

/// Whether a setting that was not read from text is in its range.
pub(super) fn check<S: Setting + std::fmt::Debug>(name: &str, value: Option<&S>) -> Result<(), AugmentError> {
    match value {
        Some(setting) if !setting.is_valid() => Err(wrong_value::<S>(name, format!("{setting:?}"))),
        _ => Ok(()),
    }
}

/// A name as a person writes it.
pub(super) fn key(name: &str) -> String {
    name.replace('_', "-")
}

fn name(key: &str) -> String {
    key.trim().replace('-', "_")
}

fn wrong_value<S: Setting>(name: &str, found: String) -> AugmentError {
    AugmentError::Value { key: key(name), found, expected: S::EXPECTED }
}

fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

fn insert(table: &mut Table, name: String, value: Value) -> Result<(), AugmentError> {
    match table.insert(name.clone(), value) {
        Some(_) => Err(AugmentError::DuplicateKey { key: key(&name) }),
        None => Ok(()),
    }
}

/// The settings of a preset, if one is named, and over them those of the table.
fn from_table(mut table: Table) -> Result<Augmentation, AugmentError> {
    if table.is_empty() {
        return Err(AugmentError::Empty);
    }
    let mut settings = match table.remove(PRESET_KEY) {
        Some(Value::String(name)) => match preset(&name) {
            Some(preset) => Augmentation::parse(preset.settings)?.0,
            None => return Err(AugmentError::unknown_key(&name)),
        },
        Some(other) => return Err(AugmentError::unknown_key(&other.to_string())),
        None => AugmentSettings::default(),
    };
    for (name, value) in table {
        settings.set(&name, value)?;
    }
    settings.check()
}

/// A number, `true`, `false`, a list with `:` between its items or behind a single one, or else a word.
fn value_of(text: &str) -> Value {
    if text.contains(':') {
        let text = text.strip_suffix(':').unwrap_or(text);
        return Value::Array(text.split(':').map(|item| value_of(item.trim())).collect());
    }
    let integer = text.parse().map(Value::Integer).ok();
    let number = integer.or_else(|| text.parse().map(Value::Float).ok());
    let switch = number.or_else(|| text.parse().map(Value::Boolean).ok());
    switch.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{Chance, FillMode, HorizontalFlip, Rotation, ShiftRange, WidthShift, Zoom};

    fn parsed(text: &str) -> AugmentSettings {
        Augmentation::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).0
    }

    #[test]
    fn the_tutorial_is_exactly_its_three_ranges() {
        let want = AugmentSettings {
            width_shift: Some(WidthShift(ShiftRange::Distance(0.2))),
            zoom: Some(Zoom { low: 0.8, high: 1.2 }),
            fill: Some(FillMode::Nearest),
            ..parsed("height-shift=0.2")
        };
        assert_eq!(parsed("tutorial"), want);
    }

    #[test]
    fn values_are_read_as_keras_reads_them() {
        assert_eq!(parsed("width-shift=5").width_shift, Some(WidthShift(ShiftRange::WholePixels(5))));
        assert_eq!(parsed("width_shift=5.0").width_shift, Some(WidthShift(ShiftRange::Distance(5.0))));
        let list = ShiftRange::OneOf(vec![-3.0, 0.0, 3.5]);
        assert_eq!(parsed("width-shift=-3:0:3.5").width_shift, Some(WidthShift(list)));
        assert_eq!(parsed("zoom=0.5:1").zoom, Some(Zoom { low: 0.5, high: 1.0 }));
        assert_eq!(parsed("horizontal-flip").horizontal_flip, Some(HorizontalFlip(Chance(0.5))));
        assert_eq!(parsed("horizontal-flip=1").horizontal_flip, Some(HorizontalFlip(Chance(1.0))));
    }

    #[test]
    fn settings_stand_over_their_preset_and_every_preset_is_valid() {
        assert_eq!(parsed("light,rotation=20").rotation, Some(Rotation(20.0)));
        for preset in PRESETS {
            assert_eq!(parsed(preset.name), parsed(preset.settings), "{}", preset.name);
        }
    }

    #[test]
    fn toml_says_the_same_as_flags() {
        let file = "preset = 'light'\nrotation = 20\nzoom = [0.5, 1]\nfill = 'wrap'\n";
        assert_eq!(
            Augmentation::parse_toml(file).unwrap().0,
            parsed("light,rotation=20,zoom=0.5:1,fill=wrap")
        );
    }

    #[test]
    fn effective_values_round_trip() {
        for text in
            ["tutorial", "strong,mixup=0.2,rescale=0.01,width-shift=4", "trivial", "height-shift=1:2,cval=9"]
        {
            let augmentation = Augmentation::parse(text).unwrap();
            let json = serde_json::to_string(&augmentation).unwrap();
            assert_eq!(serde_json::from_str::<Augmentation>(&json).unwrap(), augmentation, "{json}");
        }
        let json = serde_json::to_value(Augmentation::parse("horizontal-flip").unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({ "horizontal-flip": 0.5, "fill": "nearest", "cval": 0.0 }));
        assert!(serde_json::from_str::<Augmentation>(r#"{ "rotation": 1e9 }"#).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, want) in [
            ("", "no augmentation is given"),
            ("rotaton=5", "`rotaton` is unknown, the nearest is `rotation`"),
            ("width_shift_range=0.2", "the nearest is `width-shift`"),
            ("fill_mode=wrap", "the nearest is `fill`"),
            ("flip=true", "augmentation `flip` is unknown, expected one of "),
            ("xyzzy=1", "expected one of tutorial, light, strong, trivial, crop, rotation"),
            ("rotation=5,zoom=0.1,rotation=6", "`rotation` is given twice"),
            ("zoom=0.1,tutorial", "preset `tutorial` stands behind"),
            ("preset=none", "augmentation `none` is unknown"),
            ("rotation=nan", "`rotation` is nan, expected degrees from 0 to 180"),
            ("rotation=-1", "`rotation` is -1, expected degrees"),
            ("rotation=1e9", "`rotation` is 1000000000.0, expected degrees"),
            ("rotation", "`rotation` is true, expected degrees"),
            ("zoom=0", "`zoom` is 0, expected a number above 0"),
            ("zoom=1", "`zoom` is 1, expected a number above 0 and below 1"),
            ("zoom=0:2", "`zoom` is [0, 2], expected"),
            ("zoom=2:1", "`zoom` is [2, 1], expected"),
            ("width-shift=inf", "`width-shift` is inf, expected"),
            ("width-shift=-0.1", "`width-shift` is -0.1, expected"),
            ("width-shift=99999999999", "`width-shift` is 99999999999, expected"),
            ("brightness=0.5", "`brightness` is 0.5, expected two factors"),
            ("brightness=nan:1", "`brightness` is [nan, 1], expected two factors"),
            ("color-jitter=1:1:1", "`color-jitter` is [1, 1, 1], expected BRIGHTNESS"),
            ("color-jitter=1:1:1:0.6", "hue from 0 to 0.5"),
            ("fill=mirror", "`fill` is \"mirror\", expected nearest, constant, reflect or wrap"),
            ("cval=256", "`cval` is 256, expected a number from 0 to 255"),
            ("horizontal-flip=2", "`horizontal-flip` is 2, expected true"),
            ("rand-augment=2:31", "magnitude from 0 to 30"),
            ("mixup=0", "`mixup` is 0, expected a number above 0"),
            ("zoom=:", "`zoom` is [\"\"], expected"),
            ("zoom=0.5::2", "`zoom` is [0.5, \"\", 2], expected"),
            ("crop=0:1", "`crop` is [0, 1], expected"),
            ("shear=181", "`shear` is 181, expected"),
            ("channel-shift=256", "`channel-shift` is 256, expected"),
            ("greyscale=1.1", "`greyscale` is 1.1, expected"),
            ("blur=-1:2", "`blur` is [-1, 2], expected"),
            ("noise=-1", "`noise` is -1, expected"),
            ("trivial-augment=3", "`trivial-augment` is 3, expected true or false"),
            ("cutmix=-1", "`cutmix` is -1, expected"),
            ("rescale=0", "`rescale` is 0, expected"),
            ("featurewise-center=3", "`featurewise-center` is 3, expected true or false"),
            ("erasing=often", "`erasing` is \"often\", expected"),
        ] {
            let error = Augmentation::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        for (file, want) in [
            ("rotation = ", "not a TOML file: "),
            ("rotation = 1\nrotation = 2", "not a TOML file: "),
            ("width-shift = 1\nwidth_shift = 2", "`width-shift` is given twice"),
            ("rotation = { angle = 3 }", "expected degrees from 0 to 180"),
            ("preset = 3", "augmentation `3` is unknown"),
        ] {
            let error = Augmentation::parse_toml(file).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains('\n'), "{file}: {error}");
        }
    }
}
