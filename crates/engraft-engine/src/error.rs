//! What can be wrong with a network to be run, or with the images given to it.

use engraft_graph::GraphError;
use engraft_kernels::KernelError;

/// A network that cannot be compiled, or a run with the wrong sizes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The weights do not fit the graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The instruction set asked for cannot be had.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A precision that plans do not know.
    #[error("precision `{found}` is unknown, expected f32, bf16 or int8")]
    UnknownPrecision {
        /// The name.
        found: String,
    },
    /// A convolution in bytes whose inputs were never looked at.
    #[error("node `{node}` has no range of inputs for int8, expected a calibration with images")]
    NotCalibrated {
        /// The node.
        node: String,
    },
    /// Numbers that cannot be those of a network.
    #[error("the calibration for int8 has {found} numbers, expected {expected}")]
    CalibrationLen {
        /// How many there are.
        found: usize,
        /// Two for each convolution and one for each of its input channels.
        expected: usize,
    },
    /// A range that holds no numbers.
    #[error("the inputs of node `{node}` are said to be from {} to {}, expected finite limits around zero", found[0], found[1])]
    CalibrationRange {
        /// The node.
        node: String,
        /// The limits.
        found: [f32; 2],
    },
    /// A mean that cannot be one of its inputs.
    #[error("a channel that node `{node}` reads is said to be {found} on average, expected {} to {}", range[0], range[1])]
    CalibrationMean {
        /// The node.
        node: String,
        /// The mean.
        found: f32,
        /// The least and the greatest of the inputs.
        range: [f32; 2],
    },
    /// Images that make a network overflow.
    #[error("the inputs of node `{node}` are not finite, expected weights and images that keep them so")]
    NotFiniteInputs {
        /// The node.
        node: String,
    },
    /// The network does not read exactly one image.
    #[error("the network has {found} input nodes, expected one")]
    InputCount {
        /// How many input nodes there are.
        found: usize,
    },
    /// An operation that plans do not know.
    #[error("node `{node}` has an operation that cannot be run, expected one of those this version knows")]
    UnknownOperation {
        /// The node.
        node: String,
    },
    /// A normalisation that would divide by zero, or weights that are not finite.
    #[error(
        "node `{node}` scales by numbers that are not finite, expected finite weights and a positive variance"
    )]
    NotFinite {
        /// The node.
        node: String,
    },
    /// The activations would not fit into a reasonable amount of memory.
    #[error("node `{node}` needs a buffer of {found} numbers, expected at most {most}")]
    TooLarge {
        /// The node.
        node: String,
        /// Numbers in the buffer, padding included.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// An image of the wrong size.
    #[error("image {index} has {found} values, expected {expected}")]
    ImageLen {
        /// Its place among the images given.
        index: usize,
        /// How many values it has.
        found: usize,
        /// How many the network reads.
        expected: usize,
    },
    /// No room, or too much, for the results.
    #[error("the output has room for {found} values, expected {expected}")]
    OutputLen {
        /// How many values the slice holds.
        found: usize,
        /// How many the run produces.
        expected: usize,
    },
    /// A worker that belongs to another plan.
    #[error("the worker belongs to another plan, expected one made by this plan")]
    ForeignWorker,
    /// A network that does not end as a classifier does.
    #[error("node `{node}` ends the network, expected a softmax over the classes")]
    NotAClassifier {
        /// The last node.
        node: String,
    },
    /// An operation that gradients do not pass through.
    #[error("node `{node}` cannot be trained: {reason}")]
    NoGradient {
        /// The node.
        node: String,
        /// What is in the way.
        reason: &'static str,
    },
    /// A frozen node that the network does not have.
    #[error("node `{found}` is to stay frozen, expected the name of a node of the network")]
    UnknownNode {
        /// The name.
        found: String,
    },
    /// A fraction of the targets that cannot be spread.
    #[error("the label smoothing is {found}, expected a number in 0..=1")]
    LabelSmoothing {
        /// The fraction.
        found: f32,
    },
    /// Too few or too many arrays of parameters or gradients.
    #[error("there are {found} arrays of {what}, expected {expected}")]
    ParameterCount {
        /// Parameters or gradients.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many the network has.
        expected: usize,
    },
    /// Parameters or gradients of the wrong length.
    #[error("{what} of `{parameter}` have {found} values, expected {expected}")]
    ParameterLen {
        /// Parameters or gradients.
        what: &'static str,
        /// The parameter.
        parameter: String,
        /// How many values there are.
        found: usize,
        /// How many the parameter has.
        expected: usize,
    },
    /// Arrays of a batch that do not fit together.
    #[error("the batch has {found} values in its {what}, expected {expected}")]
    BatchLen {
        /// Images, targets or weights.
        what: &'static str,
        /// How many values there are.
        found: usize,
        /// How many there must be.
        expected: String,
    },
}
