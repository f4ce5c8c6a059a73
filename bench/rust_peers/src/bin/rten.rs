//! The engine `rten`, with its optimisations and prepacked weights.

use std::{path::Path, sync::Arc};

use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::{AsView, NdTensor, NdTensorView};
use rust_peers::{Engine, Result, serve};

struct Rten {
    model: Model,
    options: RunOptions,
}

impl Engine for Rten {
    fn open(folder: &Path, threads: usize) -> Result<Rten> {
        let model =
            ModelOptions::with_all_ops().prepack_weights(true).load_file(folder.join("model.onnx"))?;
        let pool = Arc::new(ThreadPool::with_num_threads(threads));
        Ok(Rten { model, options: RunOptions::default().with_thread_pool(Some(pool)) })
    }

    fn run(&mut self, images: &[f32], batch: usize, side: usize) -> Result<Vec<f32>> {
        let images = NdTensorView::from_data([batch, 3, side, side], images);
        let features = self.model.run_one(images.into(), Some(self.options.clone()))?;
        let features: NdTensor<f32, 2> = features.try_into()?;
        Ok(features.to_vec())
    }
}

fn main() -> Result<()> {
    serve::<Rten>()
}
