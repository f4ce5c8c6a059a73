//! The engine `tract`, with a plan for each size of batch, as its optimiser wants to know every shape.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rust_peers::{Engine, Result, serve};
use tract_onnx::{prelude::*, tract_core::tract_linalg::multithread};

struct Tract {
    model: PathBuf,
    plans: BTreeMap<usize, Arc<TypedRunnableModel>>,
}

impl Engine for Tract {
    fn open(folder: &Path, threads: usize) -> Result<Tract> {
        if threads > 1 {
            multithread::set_default_executor(multithread::Executor::multithread(threads));
        }
        Ok(Tract { model: folder.join("model.onnx"), plans: BTreeMap::new() })
    }

    fn run(&mut self, images: &[f32], batch: usize, side: usize) -> Result<Vec<f32>> {
        if !self.plans.contains_key(&batch) {
            let shape = f32::fact([batch, 3, side, side]).into();
            let model = onnx().model_for_path(&self.model)?.with_input_fact(0, shape)?;
            self.plans.insert(batch, model.into_optimized()?.into_runnable()?);
        }
        let images = Tensor::from_shape(&[batch, 3, side, side], images)?;
        let features = self.plans[&batch].run(tvec!(images.into()))?;
        Ok(features[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    }
}

fn main() -> Result<()> {
    serve::<Tract>()
}
