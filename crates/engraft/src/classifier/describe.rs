//! What a model file says about itself.

use serde::Serialize;

use super::{Classifier, views};
use crate::{
    backbone::BackboneInfo, manifest::Manifest, model_file::Preprocessing, skipped::printable,
    stored_score::RecordedScore,
};

/// Everything in a model file but the numbers of its tensors.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Layout of the file.
    pub format: u32,
    /// Names of the classes, in order.
    pub classes: Vec<String>,
    /// Its backbone.
    pub backbone: BackboneInfo,
    /// How images are brought to the network's input.
    pub preprocessing: Preprocessing,
    /// Values in the backbone's weights.
    pub backbone_parameters: usize,
    /// Values in the head.
    pub head_parameters: usize,
    /// Operations of the network.
    pub nodes: usize,
    /// How it was trained and judged.
    pub training: Manifest,
}

impl Classifier {
    /// What the model file says about itself.
    pub fn describe(&self) -> Description {
        let header = &self.header;
        Description {
            format: header.format,
            classes: header.classes.clone(),
            backbone: self.backbone.info().clone(),
            preprocessing: header.preprocessing.clone(),
            backbone_parameters: self.backbone.parameters(),
            head_parameters: self.head.weight().len() + self.head.bias().len(),
            nodes: header.parts.iter().map(|part| part.graph.nodes().len()).sum(),
            training: header.training.map_scores(RecordedScore::new),
        }
    }
}

impl Description {
    /// The description as lines for people.
    pub fn text(&self) -> String {
        let Description { backbone, preprocessing, training, .. } = self;
        let mut lines = vec![
            format!("model format   {}, written by engraft {}", self.format, training.engraft),
            format!("classes        {}: {}", self.classes.len(), printable(&self.classes.join(", "))),
            format!(
                "backbone       {}, {} parameters in {} nodes",
                backbone.described(),
                self.backbone_parameters,
                self.nodes
            ),
            format!("weights        sha256 {}", backbone.weights_sha256),
            format!(
                "input          {size} x {size} RGB, fit {}, filter {}",
                preprocessing.fit,
                preprocessing.filter,
                size = backbone.input_size
            ),
            format!(
                "head           linear, {} features, {} parameters{}",
                backbone.features,
                self.head_parameters,
                training.l2.map_or(String::new(), |l2| format!(", l2 {l2:.3e}"))
            ),
            format!(
                "trained on     {} images, sha256 {}, seed {}, {}",
                training.data.train.images,
                training.data.train.sha256,
                training.seed,
                training.instruction_set
            ),
        ];
        if let Some(network) = &training.network {
            lines.push(format!("network        {}, {}", printable(&network.recipe), network.length()));
            lines.push(format!("optimizer      {}", network.method()));
            lines.extend(network.augment.as_ref().map(|augment| format!("augmented by   {augment}")));
        }
        let network_weights =
            training.network.as_ref().and_then(|network| network.options.class_weights.as_ref());
        lines.extend(training.class_weights.as_ref().or(network_weights).map(|weights| {
            let pairs = self.classes.iter().zip(weights);
            let pairs: Vec<String> = pairs.map(|(class, weight)| format!("{class}={weight}")).collect();
            format!("class weights  {}", printable(&pairs.join(",")))
        }));
        lines.extend(
            training.views.as_ref().map(|views| format!("views          {}", views::described(views))),
        );
        lines
            .extend(training.tta.as_ref().map(|views| format!("tta            {}", views::described(views))));
        let cv = training.cv.as_ref().map(|cv| &cv.score);
        for (name, score) in [("cv", cv), ("val", training.val.as_ref()), ("test", training.test.as_ref())] {
            if let Some(score) = score {
                let [low, high] = score.ci95();
                lines.push(format!(
                    "{name:<14} accuracy {:.3} (95 % from {low:.3} to {high:.3})",
                    score.accuracy()
                ));
            }
        }
        lines.join("\n") + "\n"
    }
}
