//! Writing settings as a person would give them.

use std::fmt;

use toml::{Table, Value};

use super::Augmentation;

/// `KEY=VALUE,KEY=VALUE`, defaults included: what [`Augmentation::parse`] reads the same settings from.
impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = Table::try_from(self.settings()).map_err(|_| fmt::Error)?;
        let items: Vec<String> =
            settings.into_iter().map(|(key, value)| format!("{key}={}", written(&value))).collect();
        f.write_str(&items.join(","))
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        // Behind a single item a colon tells that it is a list.
        Value::Array(items) if items.len() == 1 => format!("{}:", written(&items[0])),
        Value::Array(items) => items.iter().map(written).collect::<Vec<_>>().join(":"),
        number_or_switch => number_or_switch.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::PRESETS;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let others =
            ["width-shift=5,height-shift=5.0", "width-shift=3.5:,cval=7", "horizontal-flip,mixup=0.2"];
        for text in PRESETS.iter().map(|preset| preset.name).chain(others) {
            let augmentation = Augmentation::parse(text).unwrap();
            assert_eq!(Augmentation::parse(&augmentation.to_string()).unwrap(), augmentation, "{text}");
        }
        let text =
            Augmentation::parse("zoom=0.2,width-shift=4,height-shift=0.1:0.3,rand-augment=2:9").unwrap();
        assert_eq!(
            text.to_string(),
            "cval=0.0,fill=nearest,height-shift=0.1:0.3,rand-augment=2:9,width-shift=4,zoom=0.8:1.2"
        );
    }
}
