//! The single vectors that an image's features consist of.

use engraft_data::{Digest, Fit};

use super::FeatureNetwork;
use crate::{
    store::{FeatureKey, FeatureSpace},
    views::Views,
};

/// What is wanted of an image.
pub(super) struct Wanted<'w> {
    pub fits: &'w [Fit],
    pub views: Option<&'w Views>,
    /// Whether all threads work on this image.
    pub alone: bool,
}

/// One vector that is asked for.
pub(super) struct Request<'n, 'a> {
    pub network: &'n FeatureNetwork<'a>,
    /// Position among the images of [`Wanted::fitted`].
    pub fitted: usize,
    pub view: usize,
    pub key: FeatureKey,
}

impl Wanted<'_> {
    /// What has to be known of an image, fit by fit, of each view by view.
    pub fn requests<'n, 'a>(
        &self,
        image: Digest,
        networks: &'n [FeatureNetwork<'a>],
    ) -> Vec<Request<'n, 'a>> {
        let mut requests = Vec::new();
        for (fit_index, fit) in self.fits.iter().enumerate() {
            for view in 0..Views::rows(self.views) {
                for (index, network) in networks.iter().enumerate() {
                    let mut space = FeatureSpace { fit: fit.name().to_owned(), ..network.space.clone() };
                    if let Some(key) = self.views.and_then(|views| views.key(view)) {
                        space.view = key;
                    }
                    let (fitted, key) = (fit_index * networks.len() + index, FeatureKey { image, space });
                    requests.push(Request { network, fitted, view, key });
                }
            }
        }
        requests
    }

    /// The fitted images that requests refer to; `fit_for` makes one.
    pub fn fitted<'n, 'a, T>(
        &self,
        networks: &'n [FeatureNetwork<'a>],
        fit_for: impl Fn(&'n FeatureNetwork<'a>, Fit) -> T,
    ) -> Vec<T> {
        let pairs = self.fits.iter().flat_map(|&fit| networks.iter().map(move |network| (network, fit)));
        pairs.map(|(network, fit)| fit_for(network, fit)).collect()
    }

    /// The features of every fit: those of all networks side by side, view by view.
    pub fn joined(&self, features: &[Vec<f32>]) -> Vec<Vec<f32>> {
        features.chunks(features.len() / self.fits.len().max(1)).map(<[Vec<f32>]>::concat).collect()
    }
}
