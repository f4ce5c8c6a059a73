//! From image files to features: read, look up, decode what is new, run the network, store.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use engraft_data::{Digest, Filter, Fit, Image, Limits, MemoryBudget, ReadError, ReadFile, fit_image};
use engraft_engine::{EngineError, Plan};
use rayon::prelude::*;

use crate::{
    progress::Progress,
    store::{FeatureKey, FeatureSpace, Store, StoreError, StoredFeatures},
};

/// Memory for files and decoded images, shared by all threads, in bytes.
const DECODE_BUDGET_BYTES: u64 = 128 << 20;

/// Entries that are stored before the store is brought back to its limit, at the latest.
const TRIM_EVERY: u64 = 10_000;

/// Turns image files into features of one backbone.
pub struct Embedder<'a> {
    plan: &'a Plan,
    /// Names everything but fit and filter, which are filled in per request.
    space: FeatureSpace,
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
    /// Per requested fit, in their order, `[feature_len]`.
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
            EmbedError::Engine(_) => "engine",
            EmbedError::Cancelled => "interrupted",
        }
    }
}

/// Where the time of an [`Embedder`] went, summed over its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbedTimes {
    /// Reading, hashing, looking up, decoding and resizing.
    pub decode: Duration,
    /// Running the network.
    pub network: Duration,
}

impl<'a> Embedder<'a> {
    /// An embedder for `plan`, whose input is a square RGB image and whose output is a vector. `space` names the plan;
    /// its `fit` and `filter` are filled in by the embedder. Without a store everything is computed.
    pub fn new(
        plan: &'a Plan,
        space: FeatureSpace,
        filter: Filter,
        store: Option<&'a Store>,
    ) -> Embedder<'a> {
        Embedder {
            plan,
            space: FeatureSpace { filter: filter.name().to_owned(), ..space },
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

    /// The features of every file under every fit, in the order of `paths`, computed in the current rayon pool.
    ///
    /// A file that cannot be used has its reason in its place. After an interruption the remaining files have
    /// [`EmbedError::Cancelled`].
    pub fn embed(
        &self,
        paths: &[&Path],
        fits: &[Fit],
        progress: &dyn Progress,
    ) -> Vec<Result<EmbeddedImage, EmbedError>> {
        let embedded = paths
            .par_iter()
            .with_max_len(1)
            .map(|path| {
                if progress.is_cancelled() {
                    return Err(EmbedError::Cancelled);
                }
                let embedded = self.embed_file(path, fits, paths.len() == 1);
                progress.step();
                embedded
            })
            .collect();
        self.trim(1);
        embedded
    }

    /// The features of one image that is already decoded, never stored.
    ///
    /// # Errors
    /// [`EmbedError::NotFinite`] or [`EmbedError::Engine`].
    pub fn embed_image(&self, image: &Image, fit: Fit) -> Result<Vec<f32>, EmbedError> {
        self.run(&fit_image(image, self.space.input[0], fit, self.filter), true)
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

    fn embed_file(&self, path: &Path, fits: &[Fit], alone: bool) -> Result<EmbeddedImage, EmbedError> {
        let read = || ReadFile::open(path, &self.limits, &self.budget);
        let file = self.timed(&self.decode_nanos, read)?;
        let file_hash = file.hash();
        let keys: Vec<FeatureKey> = fits.iter().map(|&fit| self.key(file_hash, fit)).collect();
        let stored = self.timed(&self.decode_nanos, || self.look_up(&keys));
        if let Some((pixel_hash, features)) = stored {
            return Ok(EmbeddedImage { file_hash, pixel_hash, features });
        }
        let side_px = self.space.input[0];
        // The image and its share of the memory budget are gone before the network runs: a thread that waits for others
        // there may begin another image, and must not hold a permit while it asks for one.
        let (pixel_hash, fitted) = self.timed(&self.decode_nanos, || {
            let read = file.decode(&self.limits)?;
            let fitted: Vec<Image> =
                fits.iter().map(|&fit| fit_image(&read.image, side_px, fit, self.filter)).collect();
            Ok::<_, ReadError>((read.image.pixel_hash(), fitted))
        })?;
        let compute = |(key, fitted)| self.compute(fitted, pixel_hash, key, alone);
        let features = keys.iter().zip(&fitted).map(compute).collect::<Result<_, _>>()?;
        Ok(EmbeddedImage { file_hash, pixel_hash, features })
    }

    /// The features under every key, if all are stored.
    fn look_up(&self, keys: &[FeatureKey]) -> Option<(Digest, Vec<Vec<f32>>)> {
        let store = self.store?;
        let found = keys.iter().map(|key| store.get(key)).collect::<Option<Vec<StoredFeatures>>>()?;
        let pixel_hash = found.first()?.pixel_hash;
        Some((pixel_hash, found.into_iter().map(|stored| stored.values).collect()))
    }

    /// The features of a fitted image under its key, stored if they were not.
    fn compute(
        &self,
        fitted: &Image,
        pixel_hash: Digest,
        key: &FeatureKey,
        alone: bool,
    ) -> Result<Vec<f32>, EmbedError> {
        if let Some(stored) = self.store.and_then(|store| store.get(key)) {
            return Ok(stored.values);
        }
        let stored = StoredFeatures { pixel_hash, values: self.run(fitted, alone)? };
        if let Some(store) = self.store {
            self.note(store.put(key, &stored));
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

    /// Runs the network on this thread, or on all of them for an image that is alone.
    fn run(&self, image: &Image, alone: bool) -> Result<Vec<f32>, EmbedError> {
        let mut values = vec![0.0; self.space.feature_len];
        self.timed(&self.network_nanos, || {
            if alone {
                self.plan.run_u8(&[&image.pixels], &mut values)
            } else {
                self.plan.run_alone_u8(&image.pixels, &mut values)
            }
        })?;
        if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(EmbedError::NotFinite) }
    }

    fn key(&self, image: Digest, fit: Fit) -> FeatureKey {
        FeatureKey { image, space: FeatureSpace { fit: fit.name().to_owned(), ..self.space.clone() } }
    }

    fn timed<T>(&self, nanos: &AtomicU64, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        nanos.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }
}

/// A thread that panicked while it held the lock left a whole value behind.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use engraft_engine::PlanOptions;
    use engraft_graph::{GraphBuilder, NamedTensors};
    use engraft_kernels::InstructionSet;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        Silent,
        progress::tests::Counter,
        store::tests::{key, store},
    };

    const FITS: [Fit; 2] = [Fit::Stretch, Fit::Crop];

    /// A network whose features are the mean colour of the image.
    fn plan() -> Plan {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [8, 8, 3]).unwrap();
        let pool = net.global_average_pool2d("pool", image).unwrap();
        let graph = net.finish(pool).unwrap();
        let options = PlanOptions { isa: InstructionSet::best() };
        Plan::compile(&graph, &NamedTensors::new(), &options).unwrap()
    }

    fn embedder<'a>(plan: &'a Plan, store: Option<&'a Store>) -> Embedder<'a> {
        let space = FeatureSpace { input: [8, 8], feature_len: 3, ..key("", "").space };
        Embedder::new(plan, space, Filter::Bicubic, store)
    }

    /// Wide images of different colours, with an edge that the two fits see differently.
    fn images(folder: &TempDir, count: u8) -> Vec<PathBuf> {
        let image = |index: u8| {
            let path = folder.path().join(format!("{index}.ppm"));
            let pixel = |at: usize| [index * 20, 200, if at % 24 < 4 { 255 } else { 0 }];
            let pixels: Vec<u8> = (0..24 * 8).flat_map(pixel).collect();
            fs::write(&path, [b"P6 24 8 255\n", &pixels[..]].concat()).unwrap();
            path
        };
        (0..count).map(image).collect()
    }

    fn embed(
        embedder: &Embedder,
        paths: &[PathBuf],
        progress: &dyn Progress,
    ) -> Vec<Result<EmbeddedImage, EmbedError>> {
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        embedder.embed(&paths, &FITS, progress)
    }

    fn all(results: Vec<Result<EmbeddedImage, EmbedError>>) -> Vec<EmbeddedImage> {
        results.into_iter().map(Result::unwrap).collect()
    }

    /// Changes what is stored for `image` under `fit`, so that a later result shows where it came from.
    fn mark(embedder: &Embedder, store: &Store, image: &EmbeddedImage, fit: Fit) -> Vec<f32> {
        let values = vec![-1.0, -2.0, -3.0];
        let stored = StoredFeatures { pixel_hash: image.pixel_hash, values: values.clone() };
        store.put(&embedder.key(image.file_hash, fit), &stored).unwrap();
        values
    }

    #[test]
    fn what_is_stored_is_taken_and_the_rest_computed_in_order() {
        let (folder, cache, plan) = (TempDir::new().unwrap(), TempDir::new().unwrap(), plan());
        let paths = images(&folder, 4);
        let want = all(embed(&embedder(&plan, None), &paths, &Silent));
        assert!((want[3].features[0][0] - 60.0).abs() < 0.5, "{:?}", want[3].features);
        assert_ne!(want[0].features[0], want[0].features[1], "the fits differ");
        let store = store(cache.path(), u64::MAX);
        let embedder = embedder(&plan, Some(&store));
        let mut marked = want.clone();
        // Image 1 is wholly stored, image 2 under its second fit only.
        for (image, fit) in [(1, 0), (1, 1), (2, 1)] {
            marked[image].features[fit] = mark(&embedder, &store, &want[image], FITS[fit]);
        }
        assert_eq!(all(embed(&embedder, &paths, &Silent)), marked);
        // What was computed has been stored beside it.
        assert_eq!(store.info().unwrap().entries, 8);
        assert_eq!(all(embed(&embedder, &paths, &Silent)), marked);
    }

    #[test]
    fn a_damaged_entry_is_embedded_again_and_replaced() {
        let (folder, cache, plan) = (TempDir::new().unwrap(), TempDir::new().unwrap(), plan());
        let paths = images(&folder, 2);
        let store = store(cache.path(), u64::MAX);
        let embedder = embedder(&plan, Some(&store));
        let want = all(embed(&embedder, &paths, &Silent));
        for image in &want {
            let digest = embedder.key(image.file_hash, Fit::Crop).digest().to_string();
            let entry = cache.path().join("features-1").join(&digest[..2]).join(&digest[2..]);
            let mut bytes = fs::read(&entry).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&entry, bytes).unwrap();
        }
        let key = embedder.key(want[0].file_hash, Fit::Crop);
        assert_eq!(store.get(&key), None);
        assert_eq!(all(embed(&embedder, &paths, &Silent)), want);
        assert_eq!(store.get(&key).unwrap().values, want[0].features[1]);
    }

    #[test]
    fn a_file_that_cannot_be_used_keeps_its_place() {
        let (folder, plan) = (TempDir::new().unwrap(), plan());
        let mut paths = images(&folder, 3);
        fs::write(&paths[1], "P6 24 8 255\n").unwrap();
        paths.push(folder.path().join("absent.ppm"));
        let results = embed(&embedder(&plan, None), &paths, &Silent);
        let usable: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(usable, [true, false, true, false]);
    }

    #[test]
    fn an_interruption_leaves_what_is_done_for_the_next_run() {
        let (folder, cache, plan) = (TempDir::new().unwrap(), TempDir::new().unwrap(), plan());
        let paths = images(&folder, 5);
        let store = store(cache.path(), u64::MAX);
        let embedder = embedder(&plan, Some(&store));
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let results = one_thread.install(|| embed(&embedder, &paths, &Counter::stopping_after(2)));
        let done = results.iter().filter(|result| result.is_ok()).count();
        let cancelled = results.iter().filter(|result| matches!(result, Err(EmbedError::Cancelled))).count();
        assert_eq!((done, cancelled), (2, 3));
        assert_eq!(store.info().unwrap().entries, 4);
        let later = all(embed(&embedder, &paths, &Silent));
        for (early, later) in results.iter().zip(&later) {
            assert!(early.as_ref().map_or(true, |early| early == later));
        }
    }
}
