//! The layout of Keras 3: nested groups named by class and counter, each with its numbered variables in `vars`.
//!
//! HDF5 lists groups by name, which is no order of layers. Without the model's configuration only the counters tell
//! how layers of one class follow one another.

use std::collections::HashSet;

use engraft_graph::Tensor;

use crate::{
    FormatError, KerasLayer,
    hdf5::Group,
    keras_layers::{LayerPlace, split_counter},
};

/// A layer as the model's configuration lists it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigLayer {
    /// The layer's group in its container.
    pub(crate) group: String,
    /// The layer's name.
    pub(crate) name: String,
    /// The layers of a nested model, where it lists them.
    pub(crate) layers: Option<Vec<ConfigLayer>>,
}

/// The layers below `root` that have weights, in the order of `config` where there is one; nothing if `root` is no
/// model.
pub(super) fn read(
    root: &Group,
    config: Option<&[ConfigLayer]>,
) -> Result<Option<Vec<KerasLayer>>, FormatError> {
    for name in CONTAINERS {
        if let Some(container) = root.find_group(name)? {
            let mut walk = Walk { layers: Vec::new(), seen: HashSet::from([root.address()]) };
            walk.container(&container, config, 0)?;
            return Ok(Some(walk.layers));
        }
    }
    Ok(None)
}

/// What holds the layers of a model; the second name is that of Keras 2.13.
const CONTAINERS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

/// The state of random draws, which is saved beside the weights and belongs to none.
const RANDOM_STATE: &str = "seed_generator";

/// Most groups inside one another.
const MAX_DEPTH: usize = 64;

struct Walk {
    layers: Vec<KerasLayer>,
    /// The groups that were visited: one group under two names would make a circle or a bomb.
    seen: HashSet<u64>,
}

impl Walk {
    /// Visits the layers of a container.
    fn container(
        &mut self,
        container: &Group,
        config: Option<&[ConfigLayer]>,
        depth: usize,
    ) -> Result<(), FormatError> {
        self.enter(container, depth)?;
        let (mut names, _) = container.names()?;
        match config {
            Some(config) => sort_by_config(&mut names, config, container.path())?,
            None => names.sort_by(|a, b| split_counter(a).cmp(&split_counter(b))),
        }
        for name in names {
            let config = config.and_then(|layers| layers.iter().find(|layer| layer.group == name));
            self.layer(&container.group(&name)?, config, depth + 1)?;
        }
        Ok(())
    }

    /// Visits a layer: its own variables, then the layers inside it.
    fn layer(
        &mut self,
        group: &Group,
        config: Option<&ConfigLayer>,
        depth: usize,
    ) -> Result<(), FormatError> {
        self.enter(group, depth)?;
        let (mut names, _) = group.names()?;
        if names.iter().any(|name| name == "vars") {
            self.push(group, config)?;
        }
        names.retain(|name| name != "vars" && name != RANDOM_STATE);
        names.sort_by(|a, b| split_counter(a).cmp(&split_counter(b)));
        for name in names {
            let child = group.group(&name)?;
            match config.and_then(|layer| layer.layers.as_deref()) {
                Some(layers) if name == CONTAINERS[0] => self.container(&child, Some(layers), depth + 1)?,
                _ => self.layer(&child, None, depth + 1)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, group: &Group, config: Option<&ConfigLayer>) -> Result<(), FormatError> {
        let variables = group.group("vars")?;
        let weights = read_variables(&variables)?;
        if weights.is_empty() {
            return Ok(());
        }
        let place = LayerPlace::of(group.path());
        let name = match config {
            Some(layer) => layer.name.clone(),
            None => variables.attributes()?.text("name")?.unwrap_or_else(|| last_part(&place.path)),
        };
        self.layers.push(KerasLayer { name, place: Some(place), weights });
        Ok(())
    }

    fn enter(&mut self, group: &Group, depth: usize) -> Result<(), FormatError> {
        if depth > MAX_DEPTH || !self.seen.insert(group.address()) {
            let object = format!("the group `{}`", group.path());
            let reason = "it is reached twice or lies too deep, expected a tree of groups".to_owned();
            return Err(FormatError::Content { format: "HDF5", object, reason });
        }
        Ok(())
    }
}

/// The variables of a layer, by number: `10` follows `9`.
fn read_variables(group: &Group) -> Result<Vec<(String, Tensor)>, FormatError> {
    let (_, mut names) = group.names()?;
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut variables = Vec::with_capacity(names.len());
    for name in names {
        let tensor = group.tensor(&name)?;
        variables.push((name, tensor));
    }
    Ok(variables)
}

fn sort_by_config(names: &mut [String], config: &[ConfigLayer], path: &str) -> Result<(), FormatError> {
    let place = |name: &String| config.iter().position(|layer| layer.group == *name);
    if let Some(stranger) = names.iter().find(|name| place(name).is_none()) {
        let object = format!("the group `{path}/{stranger}`");
        let reason = "the model's configuration has no such layer".to_owned();
        return Err(FormatError::Content { format: "HDF5", object, reason });
    }
    names.sort_by_key(place);
    Ok(())
}

fn last_part(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}
