//! What can go wrong in this crate.

/// An error of feature rows, heads or judgement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The values do not make whole rows.
    #[error("{found} feature values do not make rows of {dim}")]
    RowLength {
        /// Values given.
        found: usize,
        /// Expected length of a row.
        dim: usize,
    },
    /// A feature is NaN or infinite.
    #[error("feature {column} of row {row} is {value}, expected a finite number")]
    NonFiniteFeature {
        /// Row of the value.
        row: usize,
        /// Column of the value.
        column: usize,
        /// The value.
        value: f32,
    },
    /// Two lists that belong together differ in length.
    #[error("{found} {what}, expected {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Expected length.
        expected: usize,
        /// Found length.
        found: usize,
    },
    /// A label stands for no class.
    #[error("label {label} of row {row} is not below the number of classes, {classes}")]
    Label {
        /// Row of the label.
        row: usize,
        /// The label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// There is nothing to tell apart.
    #[error("{found} classes have images, expected at least 2")]
    TooFewClasses {
        /// Classes with at least one row.
        found: usize,
    },
    /// The weight of a class is not a positive number.
    #[error("class {class} has weight {found}, expected a positive number")]
    ClassWeight {
        /// The class.
        class: usize,
        /// Its weight.
        found: f32,
    },
    /// The L2 strength is not a positive number.
    #[error("l2 strength is {found}, expected a positive number")]
    Strength {
        /// The value given.
        found: f64,
    },
    /// Cross-validation needs at least two folds.
    #[error("{found} folds, expected at least 2")]
    TooFewFolds {
        /// The number asked for.
        found: usize,
    },
    /// A stored head holds values that no fit gives.
    #[error("head has no class, no feature, a value that is not finite or a scale that is not positive")]
    Head,
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A score of no image.
    #[error("no image to judge, expected at least one")]
    NothingToJudge,
}
