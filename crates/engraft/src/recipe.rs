//! Networks to be trained: which layers stand between pixels, or frozen features, and the classes.
//!
//! A recipe is a list of layers like one that a person writes in a file; the built-in ones are such files in `recipe/`.

mod layer;
mod list;

use std::{fmt, str::FromStr};

use engraft_train::{Optimizer, Sgd};

use crate::Error;
pub use layer::RecipeLayer;
pub(crate) use list::{InputMap, PREDICTIONS};
pub use list::{LayerList, NetworkInput};

/// A network that comes with the program.
///
/// Source: the tutorial on chart types whose networks these are; its settings are the defaults of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// Two dense layers with dropout on the features of a frozen backbone.
    Dense,
    /// Three convolutions with pooling and a dense layer, on pixels.
    Cnn,
    /// Two dense layers, on pixels.
    Pixels,
}

/// What a recipe is trained with unless a person says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecipeDefaults {
    /// Times that every image is learnt from, at most.
    pub epochs: usize,
    /// Images of a step.
    pub batch_size: usize,
    /// How weights follow their gradients, at its own learning rate.
    pub optimizer: Optimizer,
}

impl Recipe {
    /// All of them.
    pub const ALL: [Recipe; 3] = [Recipe::Dense, Recipe::Cnn, Recipe::Pixels];

    /// Side of the square that a network on pixels reads, in pixels.
    pub const IMAGE_SIZE: usize = 100;

    /// The training loss below which training ends.
    pub const STOP_LOSS: f64 = 1e-7;

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::Dense => "dense",
            Recipe::Cnn => "cnn",
            Recipe::Pixels => "pixels",
        }
    }

    /// Its layers.
    pub fn layers(self) -> LayerList {
        let text = match self {
            Recipe::Dense => include_str!("recipe/dense.toml"),
            Recipe::Cnn => include_str!("recipe/cnn.toml"),
            Recipe::Pixels => include_str!("recipe/pixels.toml"),
        };
        text.parse().expect("the files of the recipes are ours, and tested")
    }

    /// What it is trained with.
    pub fn defaults(self) -> RecipeDefaults {
        match self {
            Recipe::Dense => RecipeDefaults::of(NetworkInput::Features),
            Recipe::Cnn => RecipeDefaults::of(NetworkInput::Pixels),
            Recipe::Pixels => RecipeDefaults {
                optimizer: Optimizer::Sgd(Sgd::default()),
                ..RecipeDefaults::of(NetworkInput::Pixels)
            },
        }
    }
}

impl RecipeDefaults {
    /// What any network on such an input is trained with.
    pub fn of(input: NetworkInput) -> RecipeDefaults {
        let optimizer = Optimizer::Adam(Default::default());
        match input {
            NetworkInput::Features => RecipeDefaults { epochs: 200, batch_size: 32, optimizer },
            NetworkInput::Pixels => RecipeDefaults { epochs: 100, batch_size: 20, optimizer },
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Recipe {
    type Err = Error;

    fn from_str(text: &str) -> Result<Recipe, Error> {
        Recipe::ALL.into_iter().find(|recipe| recipe.name() == text).ok_or_else(|| Error::Setting {
            setting: "--recipe",
            found: text.to_owned(),
            expected: "linear, dense, cnn or pixels",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipes_have_the_parameters_that_keras_counts() {
        // Of the same layers in Keras, for 5 classes; features are 768 as MobileNet 0.75 gives them, pooled.
        for (recipe, want) in [
            (Recipe::Dense, 768 * 128 + 128 + 128 * 128 + 128 + 128 * 5 + 5),
            (Recipe::Cnn, 3_584 + 73_792 + 18_464 + 1_638_912 + 2_565),
            (Recipe::Pixels, 30_000 * 1024 + 1024 + 1024 * 512 + 512 + 512 * 5 + 5),
        ] {
            let layers = recipe.layers();
            let input = match layers.input {
                NetworkInput::Features => InputMap::Features([1, 1, 768]),
                NetworkInput::Pixels => InputMap::Levels([Recipe::IMAGE_SIZE, Recipe::IMAGE_SIZE, 3]),
            };
            let graph = layers.graph(input, 5);
            assert_eq!(graph.unwrap().parameter_count(), want, "{recipe}");
            assert_eq!(recipe.name().parse::<Recipe>().unwrap(), recipe);
        }
        let error = "cnnn".parse::<Recipe>().unwrap_err().to_string();
        assert_eq!(error, "--recipe is cnnn, expected linear, dense, cnn or pixels");
    }
}
