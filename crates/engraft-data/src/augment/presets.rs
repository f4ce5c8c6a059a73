//! Settings that have a name.

/// Named settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it stands for, as a person would write it.
    pub settings: &'static str,
    /// When to choose it.
    pub purpose: &'static str,
}

/// All presets.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "tutorial",
        settings: "width-shift=0.2,height-shift=0.2,zoom=0.2,fill=nearest",
        purpose: "that of the tutorial: for pictures that have an upright side",
    },
    Preset {
        name: "light",
        settings: "rotation=5,width-shift=0.05,height-shift=0.05,zoom=0.05,color-jitter=0.1:0.1:0.1:0",
        purpose: "small changes that no class can mind",
    },
    Preset {
        name: "strong",
        settings: "crop=0.35:1,rotation=15,horizontal-flip,color-jitter=0.4:0.4:0.4:0.1,greyscale=0.1,erasing=0.25,\
                   fill=reflect",
        purpose: "for photographs, which stay what they are in a mirror and in another light",
    },
    Preset {
        name: "trivial",
        settings: "trivial-augment",
        purpose: "one random change of random strength: nothing to tune",
    },
];
