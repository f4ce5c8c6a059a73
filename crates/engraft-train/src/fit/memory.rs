//! How much memory a training takes.

use engraft_engine::{Gradient, GradientOptions};
use engraft_graph::Graph;
use engraft_kernels::InstructionSet;

use super::{FitError, FitOptions, Layout};

/// Bytes that [`crate::fit_network`] holds at the same time, at least, to train `graph` on `images` images; nothing of that is
/// allocated here.
///
/// Counted are the weights as they begin, as they are learnt, and as they are given back, what the optimizer and the best epoch
/// keep of them, what a batch computes in both directions, and its images with those of the next; with `checkpoints`, also
/// what is learnt and kept once more, as the file that is written. What kernels need for themselves is not, nor the bytes of the
/// one tensor that is being written.
///
/// # Errors
/// [`FitError::Engine`] if the network cannot be differentiated.
pub fn least_fit_bytes(
    graph: &Graph,
    options: &FitOptions,
    images: usize,
    checkpoints: bool,
) -> Result<u64, FitError> {
    const VALUE: u64 = size_of::<f32>() as u64;
    // What is counted is the same for all kernels.
    let gradient_options =
        GradientOptions { frozen: options.frozen.clone(), ..GradientOptions::new(InstructionSet::best()) };
    let gradient = Gradient::compile(graph, &gradient_options)?;
    let batch = options.batch_size.min(images);
    let image_len = graph.nodes().first().map_or(0, |node| node.shape.len());
    let prepared = VALUE.saturating_mul(image_len as u64).saturating_mul(2 * batch as u64);
    let weights = VALUE.saturating_mul(graph.parameter_count() as u64);
    let state = Layout::new(gradient.parameters(), options).byte_len();
    let written = if checkpoints { state } else { 0 };
    // What is given back is made when no checkpoint is written any more.
    let parts = [weights, state, weights.max(written), gradient.least_run_bytes(batch), prepared];
    Ok(parts.into_iter().fold(0, u64::saturating_add))
}
