//! From image files to features: read, look up, decode what is new, run the network, store.

mod request;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use engraft_data::{
    Digest, Filter, Fit, Image, Limits, MemoryBudget, ReadError, ReadFile, StandardizeError, Standardizer,
    augment::FloatImage, fit_image,
};
use engraft_engine::{EngineError, Plan};
use rayon::prelude::*;

use crate::{
    progress::Progress,
    store::{FeatureSpace, Store, StoreError, StoredFeatures},
    views::Views,
};
use request::{Request, Wanted};

/// Memory for files and decoded images, shared by all threads, in bytes.
const DECODE_BUDGET_BYTES: u64 = 128 << 20;

/// Entries that are stored before the store is brought back to its limit, at the latest.
const TRIM_EVERY: u64 = 10_000;

/// A network whose features are taken.
pub struct FeatureNetwork<'a> {
    /// Its input is a square RGB image, its output a vector.
    pub plan: &'a Plan,
    /// What is done to the values of an image before; else the plan takes its levels, 0..255.
    pub standardizer: Option<&'a Standardizer>,
    /// Names plan and standardisation; fit and filter are filled in by the [`Embedder`].
    pub space: FeatureSpace,
}

/// Turns image files into the features of one network, or of several side by side.
pub struct Embedder<'a> {
    networks: Vec<FeatureNetwork<'a>>,
    filter: Filter,
    store: Option<&'a Store>,
    limits: Limits,
    budget: MemoryBudget,
    decode_nanos: AtomicU64,
    network_nanos: AtomicU64,
    store_error: Mutex<Option<StoreError>>,
    /// Entries written to the store since it was last trimmed.
    untrimmed: AtomicU64,
}

/// The features of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedImage {
    /// Digest of the file's bytes.
    pub file_hash: Digest,
    /// Digest of the decoded pixels.
    pub pixel_hash: Digest,
    /// Per requested fit, in their order, `[views, features]`: row by row those of all networks one after another.
    pub features: Vec<Vec<f32>>,
}

/// Why an image has no features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The file could not be read or decoded.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The features are not numbers, so no head could judge them.
    #[error("its features are not finite, expected weights that keep them so")]
    NotFinite,
    /// The values of the image cannot be standardised: a bug, since every image is resized for it.
    #[error(transparent)]
    Standardize(#[from] StandardizeError),
    /// The network does not take such an image: a bug, since every image is resized for it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The caller asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl EmbedError {
    /// A short constant name of the kind of error, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            EmbedError::Read(error) => error.kind(),
            EmbedError::NotFinite => "not_finite",
            EmbedError::Standardize(_) => "standardize",
            EmbedError::Engine(_) => "engine",
            EmbedError::Cancelled => "interrupted",
        }
    }
}

/// Where the time of an [`Embedder`] went, summed over its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbedTimes {
    /// Reading, hashing, looking up, decoding, resizing and augmenting.
    pub decode: Duration,
    /// Running the network.
    pub network: Duration,
}

impl<'a> Embedder<'a> {
    /// An embedder for `networks`, whose features are joined in their order. Each network's are stored under a key of
    /// their own, whatever stands beside it. Without a store everything is computed.
    pub fn new(
        mut networks: Vec<FeatureNetwork<'a>>,
        filter: Filter,
        store: Option<&'a Store>,
    ) -> Embedder<'a> {
        networks.iter_mut().for_each(|network| filter.name().clone_into(&mut network.space.filter));
        Embedder {
            networks,
            filter,
            store,
            limits: Limits::default(),
            budget: MemoryBudget::new(DECODE_BUDGET_BYTES),
            decode_nanos: AtomicU64::new(0),
            network_nanos: AtomicU64::new(0),
            store_error: Mutex::default(),
            untrimmed: AtomicU64::new(0),
        }
    }

    /// The features of every file under every fit, in the order of `paths`, computed in the current rayon pool; without
    /// `views` those of the untouched image.
    ///
    /// A file that cannot be used has its reason in its place. After an interruption the remaining files have
    /// [`EmbedError::Cancelled`].
    pub fn embed(
        &self,
        paths: &[&Path],
        fits: &[Fit],
        views: Option<&Views>,
        progress: &dyn Progress,
    ) -> Vec<Result<EmbeddedImage, EmbedError>> {
        let embedded = paths
            .par_iter()
            .with_max_len(1)
            .map(|path| {
                if progress.is_cancelled() {
                    return Err(EmbedError::Cancelled);
                }
                let wanted = Wanted { fits, views, alone: paths.len() == 1 };
                let embedded = self.embed_file(path, &wanted, progress);
                progress.step();
                embedded
            })
            .collect();
        self.trim(1);
        embedded
    }

    /// The features `[views, features]` of one image that is already decoded, never stored.
    ///
    /// # Errors
    /// [`EmbedError::NotFinite`] or [`EmbedError::Engine`].
    pub fn embed_image(
        &self,
        image: &Image,
        fit: Fit,
        views: Option<&Views>,
    ) -> Result<Vec<f32>, EmbedError> {
        let wanted = Wanted { fits: &[fit], views, alone: true };
        let (pixel_hash, fitted) = (image.pixel_hash(), self.fitted(image, &wanted));
        let run = |request: Request| self.run(&request, &wanted, &fitted, &pixel_hash);
        let requests = wanted.requests(pixel_hash, &self.networks).into_iter();
        Ok(requests.map(run).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Where the time went so far.
    pub fn times(&self) -> EmbedTimes {
        let duration = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        EmbedTimes { decode: duration(&self.decode_nanos), network: duration(&self.network_nanos) }
    }

    /// The first failure to write to the store or to trim it, such as a full disk; features are right all the same.
    pub fn take_store_error(&self) -> Option<StoreError> {
        lock(&self.store_error).take()
    }

    fn embed_file(
        &self,
        path: &Path,
        wanted: &Wanted,
        progress: &dyn Progress,
    ) -> Result<EmbeddedImage, EmbedError> {
        let read = || ReadFile::open(path, &self.limits, &self.budget);
        let file = self.timed(&self.decode_nanos, read)?;
        let file_hash = file.hash();
        let requests = wanted.requests(file_hash, &self.networks);
        let stored = self.timed(&self.decode_nanos, || self.look_up(&requests));
        if let Some((pixel_hash, features)) = stored {
            return Ok(EmbeddedImage { file_hash, pixel_hash, features: wanted.joined(&features) });
        }
        // The image and its share of the memory budget are gone before the network runs: a thread that waits for others
        // there may begin another image, and must not hold a permit while it asks for one.
        let (pixel_hash, fitted) = self.timed(&self.decode_nanos, || {
            let read = file.decode(&self.limits)?;
            Ok::<_, ReadError>((read.image.pixel_hash(), self.fitted(&read.image, wanted)))
        })?;
        let compute = |request: &Request| match progress.is_cancelled() {
            true => Err(EmbedError::Cancelled),
            false => self.compute(request, wanted, &fitted, pixel_hash),
        };
        let features = requests.iter().map(compute).collect::<Result<Vec<_>, _>>()?;
        Ok(EmbeddedImage { file_hash, pixel_hash, features: wanted.joined(&features) })
    }

    /// The image as each network sees it under each fit.
    fn fitted(&self, image: &Image, wanted: &Wanted) -> Vec<Image> {
        wanted.fitted(&self.networks, |network, fit| fit_image(image, network.side_px(), fit, self.filter))
    }

    /// The features of every request, if all are stored.
    fn look_up(&self, requests: &[Request]) -> Option<(Digest, Vec<Vec<f32>>)> {
        let store = self.store?;
        let found = requests.iter().map(|request| store.get(&request.key));
        let found = found.collect::<Option<Vec<StoredFeatures>>>()?;
        let pixel_hash = found.first()?.pixel_hash;
        Some((pixel_hash, found.into_iter().map(|stored| stored.values).collect()))
    }

    /// The features of a view under its key, stored if they were not.
    fn compute(
        &self,
        request: &Request,
        wanted: &Wanted,
        fitted: &[Image],
        pixel_hash: Digest,
    ) -> Result<Vec<f32>, EmbedError> {
        if let Some(stored) = self.store.and_then(|store| store.get(&request.key)) {
            return Ok(stored.values);
        }
        let values = self.run(request, wanted, fitted, &pixel_hash)?;
        let stored = StoredFeatures { pixel_hash, values };
        if let Some(store) = self.store {
            self.note(store.put(&request.key, &stored));
            self.untrimmed.fetch_add(1, Ordering::Relaxed);
            self.trim(TRIM_EVERY);
        }
        Ok(stored.values)
    }

    /// Brings the store back to its limit if at least `entries` were written since that was last done.
    fn trim(&self, entries: u64) {
        let enough = |count| (count >= entries).then_some(0);
        let due = self.untrimmed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough).is_ok();
        if let Some(store) = self.store.filter(|_| due) {
            self.note(store.trim());
        }
    }

    fn note(&self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            lock(&self.store_error).get_or_insert(error);
        }
    }

    /// Runs a network on a view, on this thread, or on all of them for an image that is alone.
    fn run(
        &self,
        request: &Request,
        wanted: &Wanted,
        fitted: &[Image],
        pixel_hash: &Digest,
    ) -> Result<Vec<f32>, EmbedError> {
        let fitted = &fitted[request.fitted];
        let drawn = self.timed(&self.decode_nanos, || wanted.views?.draw(fitted, pixel_hash, request.view));
        let image = drawn.as_ref().unwrap_or(fitted);
        let values = self.timed(&self.network_nanos, || request.network.run(image, wanted.alone))?;
        if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(EmbedError::NotFinite) }
    }

    fn timed<T>(&self, nanos: &AtomicU64, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        nanos.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }
}

impl FeatureNetwork<'_> {
    fn side_px(&self) -> usize {
        self.space.input[0]
    }

    /// The features of an image of its size, on this thread, or on all of them if the image is `alone`.
    fn run(&self, image: &Image, alone: bool) -> Result<Vec<f32>, EmbedError> {
        let mut values = vec![0.0; self.space.feature_len];
        match self.standardizer {
            Some(standardizer) => {
                let standardized = standardizer.apply(&FloatImage::from(image))?;
                match alone {
                    true => self.plan.run_f32(&[&standardized], &mut values)?,
                    false => self.plan.run_f32_here(&standardized, &mut values)?,
                }
            }
            None if alone => self.plan.run_u8(&[&image.pixels], &mut values)?,
            None => self.plan.run_u8_here(&image.pixels, &mut values)?,
        }
        Ok(values)
    }
}

/// A thread that panicked while it held the lock left a whole value behind.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
