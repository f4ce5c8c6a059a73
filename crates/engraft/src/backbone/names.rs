//! What stands where a backbone is named: one name, or several joined by `+`.

use engraft_zoo::BackboneSpec;

use super::MAX_PARTS;
use crate::Error;

/// The backbones that `text` names, in its order, at least one.
///
/// # Errors
/// If a name is unknown or empty, if one is there twice, or if there are more than [`MAX_PARTS`].
pub(crate) fn specs(text: &str) -> Result<Vec<&'static BackboneSpec>, Error> {
    let names: Vec<&str> = text.split('+').collect();
    let wrong = |problem: String, expected| {
        let found = format!("`{text}`, {problem}");
        Err(Error::Setting { setting: "the backbone", found, expected })
    };
    if names.len() > 1 && names.contains(&"") {
        return wrong("in which a name is empty".to_owned(), "names joined by `+`");
    }
    if names.len() > MAX_PARTS {
        return wrong(format!("a combination of {}", names.len()), "at most 16 names");
    }
    let mut specs: Vec<&'static BackboneSpec> = Vec::new();
    for name in names {
        let spec = engraft_zoo::backbone(name)?;
        if specs.iter().any(|known| known.name == spec.name) {
            return wrong(format!("which names {} twice", spec.name), "each name once");
        }
        specs.push(spec);
    }
    Ok(specs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_by_plus_in_either_spelling() {
        for (text, want) in [
            ("efficientnet_lite0", &["efficientnet_lite0"][..]),
            ("VGG16+efficientnet_lite1+xception", &["vgg16", "efficientnet_lite1", "xception"]),
        ] {
            let found: Vec<&str> = specs(text).unwrap().iter().map(|spec| spec.name).collect();
            assert_eq!(found, want);
        }
    }

    #[test]
    fn what_is_no_combination_is_told_why() {
        let many = vec!["vgg16"; MAX_PARTS + 1].join("+");
        for (text, want) in [
            ("vgg16+", "the backbone is `vgg16+`, in which a name is empty, expected names joined by `+`"),
            ("+vgg16", "in which a name is empty"),
            ("vgg16++vgg19", "in which a name is empty"),
            ("+", "in which a name is empty"),
            ("", "backbone `` is unknown"),
            ("vgg16+vgg17", "backbone `vgg17` is unknown"),
            ("vgg16+vgg19+vgg16", "which names vgg16 twice, expected each name once"),
            ("VGG16+vgg16", "which names vgg16 twice"),
            (&many, "a combination of 17, expected at most 16 names"),
        ] {
            let error = specs(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
