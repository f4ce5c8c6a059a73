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

/// A network whose features are taken.
pub struct FeatureNetwork<'a> {
    /// Its input is a square RGB image, its output a vector.
    pub plan: &'a Plan,
    /// Names the plan; fit and filter are filled in by the [`Embedder`].
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
    /// Per requested fit, in their order, the features of all networks one after another.
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
        let run = |network: &FeatureNetwork| {
            self.run(network, &fit_image(image, network.side_px(), fit, self.filter), true)
        };
        Ok(self.networks.iter().map(run).collect::<Result<Vec<_>, _>>()?.concat())
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
        let requests = self.requests(file_hash, fits);
        let stored = self.timed(&self.decode_nanos, || self.look_up(&requests));
        if let Some((pixel_hash, features)) = stored {
            return Ok(EmbeddedImage { file_hash, pixel_hash, features: self.joined(&features) });
        }
        // The image and its share of the memory budget are gone before the network runs: a thread that waits for others
        // there may begin another image, and must not hold a permit while it asks for one.
        let (pixel_hash, fitted) = self.timed(&self.decode_nanos, || {
            let read = file.decode(&self.limits)?;
            let fitted: Vec<Image> = requests
                .iter()
                .map(|request| fit_image(&read.image, request.network.side_px(), request.fit, self.filter))
                .collect();
            Ok::<_, ReadError>((read.image.pixel_hash(), fitted))
        })?;
        let compute = |(request, fitted)| self.compute(request, fitted, pixel_hash, alone);
        let features = requests.iter().zip(&fitted).map(compute).collect::<Result<Vec<_>, _>>()?;
        Ok(EmbeddedImage { file_hash, pixel_hash, features: self.joined(&features) })
    }

    /// What has to be known of an image, fit by fit.
    fn requests(&self, image: Digest, fits: &[Fit]) -> Vec<Request<'_, 'a>> {
        let request = |fit: Fit, network| {
            let FeatureNetwork { space, .. }: &FeatureNetwork = network;
            let space = FeatureSpace { fit: fit.name().to_owned(), ..space.clone() };
            Request { network, fit, key: FeatureKey { image, space } }
        };
        fits.iter().flat_map(|&fit| self.networks.iter().map(move |network| request(fit, network))).collect()
    }

    /// The features of all networks side by side, fit by fit.
    fn joined(&self, features: &[Vec<f32>]) -> Vec<Vec<f32>> {
        features.chunks(self.networks.len()).map(<[Vec<f32>]>::concat).collect()
    }

    /// The features of every request, if all are stored.
    fn look_up(&self, requests: &[Request]) -> Option<(Digest, Vec<Vec<f32>>)> {
        let store = self.store?;
        let found = requests.iter().map(|request| store.get(&request.key));
        let found = found.collect::<Option<Vec<StoredFeatures>>>()?;
        let pixel_hash = found.first()?.pixel_hash;
        Some((pixel_hash, found.into_iter().map(|stored| stored.values).collect()))
    }

    /// The features of a fitted image under its key, stored if they were not.
    fn compute(
        &self,
        request: &Request,
        fitted: &Image,
        pixel_hash: Digest,
        alone: bool,
    ) -> Result<Vec<f32>, EmbedError> {
        if let Some(stored) = self.store.and_then(|store| store.get(&request.key)) {
            return Ok(stored.values);
        }
        let stored = StoredFeatures { pixel_hash, values: self.run(request.network, fitted, alone)? };
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

    /// Runs a network on this thread, or on all of them for an image that is alone.
    fn run(&self, network: &FeatureNetwork, image: &Image, alone: bool) -> Result<Vec<f32>, EmbedError> {
        let mut values = vec![0.0; network.space.feature_len];
        self.timed(&self.network_nanos, || {
            if alone {
                return network.plan.run_u8(&[&image.pixels], &mut values);
            }
            network.plan.run_u8_here(&image.pixels, &mut values)
        })?;
        if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(EmbedError::NotFinite) }
    }

    fn timed<T>(&self, nanos: &AtomicU64, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        nanos.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }
}

/// One vector that is asked for.
struct Request<'n, 'a> {
    network: &'n FeatureNetwork<'a>,
    fit: Fit,
    key: FeatureKey,
}

impl FeatureNetwork<'_> {
    fn side_px(&self) -> usize {
        self.space.input[0]
    }
}

/// A thread that panicked while it held the lock left a whole value behind.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, sync::atomic::AtomicUsize};

    use engraft_engine::PlanOptions;
    use engraft_graph::{GraphBuilder, NamedTensors, Padding, Tensor};
    use engraft_testing::{noise, noise_u8};

    use super::*;
    use crate::{progress::Silent, store::tests as stores};

    const SIDE_PX: usize = 4;
    const FEATURE_LEN: usize = 3;

    /// What a store would hold of an image if something else had computed it.
    const PLANTED: [f32; FEATURE_LEN] = [7.0, 8.0, 9.0];

    fn plan() -> Plan {
        plan_of(1)
    }

    fn plan_of(seed: u64) -> Plan {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [SIDE_PX, SIDE_PX, 3]).unwrap();
        let x = net.conv2d("conv", image, FEATURE_LEN, 3, 1, Padding::Same).unwrap();
        let output = net.global_average_pool2d("pool", x).unwrap();
        let graph = net.finish(output).unwrap();
        let mut weights = NamedTensors::new();
        let kernel = Tensor::from_f32(vec![3, 3, 3, FEATURE_LEN], noise(seed, 27 * FEATURE_LEN)).unwrap();
        weights.insert("conv/kernel", kernel).unwrap();
        Plan::compile(&graph, &weights, &PlanOptions::from_env().unwrap()).unwrap()
    }

    fn space() -> FeatureSpace {
        let space = FeatureSpace { input: [SIDE_PX; 2], ..stores::key("", "").space };
        assert_eq!(space.feature_len, FEATURE_LEN);
        space
    }

    fn embedder<'a>(plan: &'a Plan, store: Option<&'a Store>) -> Embedder<'a> {
        Embedder::new(vec![FeatureNetwork { plan, space: space() }], Filter::Bicubic, store)
    }

    /// Writes `count` different pictures, wider than high, so that fits differ.
    fn pictures(folder: &Path, count: usize) -> Vec<PathBuf> {
        let write = |index: usize| {
            let path = folder.join(format!("{index}.ppm"));
            fs::write(&path, [&b"P6 9 5 255\n"[..], &noise_u8(index as u64, 9 * 5 * 3)].concat()).unwrap();
            path
        };
        (0..count).map(write).collect()
    }

    fn key_of(embedder: &Embedder, path: &Path, fit: Fit) -> FeatureKey {
        embedder.requests(Digest::of(&fs::read(path).unwrap()), &[fit]).remove(0).key
    }

    /// Stores other features than the network would give, under the key of the file.
    fn plant(embedder: &Embedder, store: &Store, path: &Path, fit: Fit) {
        let key = key_of(embedder, path, fit);
        let pixel_hash = Digest::of(b"planted");
        store.put(&key, &StoredFeatures { pixel_hash, values: PLANTED.to_vec() }).unwrap();
    }

    fn features(embedder: &Embedder, paths: &[PathBuf], fits: &[Fit]) -> Vec<Vec<Vec<f32>>> {
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let embedded = embedder.embed(&paths, fits, &Silent);
        embedded.into_iter().map(|image| image.unwrap().features).collect()
    }

    #[test]
    fn what_is_stored_is_not_computed_and_the_order_is_that_of_the_paths() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, store) = (plan(), stores::store(&folder.path().join("store"), u64::MAX));
        let paths = pictures(folder.path(), 5);
        let computed = features(&embedder(&plan, None), &paths, &[Fit::Stretch]);
        let stored = embedder(&plan, Some(&store));
        plant(&stored, &store, &paths[1], Fit::Stretch);
        plant(&stored, &store, &paths[3], Fit::Stretch);
        let mixed = features(&stored, &paths, &[Fit::Stretch]);
        for (index, features) in mixed.iter().enumerate() {
            let want = if [1, 3].contains(&index) { &PLANTED[..] } else { &computed[index][0] };
            assert_eq!(features[0], want, "image {index}");
        }
        assert_eq!(store.info().unwrap().entries, 5, "the rest is stored by now");
        assert_eq!(features(&stored, &paths, &[Fit::Stretch]), mixed);
    }

    #[test]
    fn a_fit_that_is_not_stored_is_computed_beside_one_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, store) = (plan(), stores::store(&folder.path().join("store"), u64::MAX));
        let paths = pictures(folder.path(), 2);
        let fits = [Fit::Stretch, Fit::Crop];
        let computed = features(&embedder(&plan, None), &paths, &fits);
        assert_ne!(computed[0][0], computed[0][1], "the fits differ");
        let stored = embedder(&plan, Some(&store));
        plant(&stored, &store, &paths[0], Fit::Crop);
        let mixed = features(&stored, &paths, &fits);
        assert_eq!(mixed, [vec![computed[0][0].clone(), PLANTED.to_vec()], computed[1].clone()]);
    }

    #[test]
    fn networks_side_by_side_share_the_store_with_each_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (plans, store) = ([plan(), plan_of(2)], stores::store(&folder.path().join("store"), u64::MAX));
        let paths = pictures(folder.path(), 2);
        let network = |index: usize| FeatureNetwork {
            plan: &plans[index],
            space: FeatureSpace { backbone_sha256: index.to_string(), ..space() },
        };
        let of = |networks: &[usize], store| {
            Embedder::new(networks.iter().map(|&index| network(index)).collect(), Filter::Bicubic, store)
        };
        let fits = [Fit::Stretch, Fit::Crop];
        let [first, second] = [0, 1].map(|index| features(&of(&[index], None), &paths, &fits));
        features(&of(&[1], Some(&store)), &paths, &fits);
        let both = of(&[1, 0], Some(&store));
        let joined = features(&both, &paths, &fits);
        for (image, fit) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let want = [&second[image][fit][..], &first[image][fit]].concat();
            assert_eq!(joined[image][fit], want, "image {image}, fit {fit}");
        }
        assert_eq!(store.info().unwrap().entries, 8, "the second network's were there");
        let alone = of(&[0], Some(&store));
        assert_eq!(features(&alone, &paths, &fits), first);
        assert_eq!(alone.times().network, Duration::ZERO, "stored by both together");
    }

    #[test]
    fn a_damaged_entry_is_embedded_again() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, store) = (plan(), stores::store(&folder.path().join("store"), u64::MAX));
        let paths = pictures(folder.path(), 1);
        let stored = embedder(&plan, Some(&store));
        let computed = features(&stored, &paths, &[Fit::Stretch]);
        let key = key_of(&stored, &paths[0], Fit::Stretch);
        stores::damage(&store, &key);
        assert_eq!(store.get(&key), None);
        assert_eq!(features(&stored, &paths, &[Fit::Stretch]), computed);
        assert_eq!(store.get(&key).map(|entry| entry.values), Some(computed[0][0].clone()));
    }

    #[test]
    fn an_unusable_file_has_its_reason_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan();
        let mut paths = pictures(folder.path(), 2);
        paths.insert(1, folder.path().join("absent.ppm"));
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let embedded = embedder(&plan, None).embed(&paths, &[Fit::Pad], &Silent);
        assert!(matches!(embedded[..], [Ok(_), Err(EmbedError::Read(_)), Ok(_)]));
    }

    /// Asks to stop once some images are done.
    struct StopAfter {
        images: usize,
        done: AtomicUsize,
    }

    impl Progress for StopAfter {
        fn begin(&self, _stage: &str, _total: usize) {}

        fn step(&self) {
            self.done.fetch_add(1, Ordering::Relaxed);
        }

        fn is_cancelled(&self) -> bool {
            self.done.load(Ordering::Relaxed) >= self.images
        }
    }

    #[test]
    fn an_interruption_keeps_what_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, store) = (plan(), stores::store(&folder.path().join("store"), u64::MAX));
        let paths = pictures(folder.path(), 6);
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let stop = StopAfter { images: 2, done: AtomicUsize::new(0) };
        let stored = embedder(&plan, Some(&store));
        let embedded = pool.install(|| stored.embed(&paths, &[Fit::Stretch], &stop));
        let cancelled = embedded.iter().filter(|image| matches!(image, Err(EmbedError::Cancelled))).count();
        assert_eq!((embedded.len() - cancelled, store.info().unwrap().entries), (2, 2));
    }
}
