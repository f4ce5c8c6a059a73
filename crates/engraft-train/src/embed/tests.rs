//! What an embedder computes, what it takes from its store, and in which order.

use std::{fs, path::PathBuf, sync::atomic::AtomicUsize};

use engraft_data::{augment::Augmentation, decode};
use engraft_engine::PlanOptions;
use engraft_graph::{GraphBuilder, NamedTensors, Padding, Tensor};
use engraft_testing::{noise, noise_u8};

use super::*;
use crate::{
    progress::Silent,
    store::{FeatureKey, tests as stores},
};

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
    Embedder::new(vec![FeatureNetwork { plan, standardizer: None, space: space() }], Filter::Bicubic, store)
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

fn views(count: usize) -> Views {
    Views { count, seed: 5, augment: Augmentation::parse("zoom=0.5").unwrap() }
}

fn key_of(embedder: &Embedder, path: &Path, fit: Fit) -> FeatureKey {
    let wanted = Wanted { fits: &[fit], views: None, alone: false };
    wanted.requests(Digest::of(&fs::read(path).unwrap()), &embedder.networks).remove(0).key
}

/// Stores other features than the network would give, under the key of the file.
fn plant(embedder: &Embedder, store: &Store, path: &Path, fit: Fit) {
    let key = key_of(embedder, path, fit);
    let pixel_hash = Digest::of(b"planted");
    store.put(&key, &StoredFeatures { pixel_hash, values: PLANTED.to_vec() }).unwrap();
}

fn features(embedder: &Embedder, paths: &[PathBuf], fits: &[Fit]) -> Vec<Vec<Vec<f32>>> {
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let embedded = embedder.embed(&paths, fits, None, &Silent);
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
        standardizer: None,
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
fn views_stand_below_one_another_and_each_is_stored_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan(), stores::store(&folder.path().join("store"), u64::MAX));
    let paths = pictures(folder.path(), 2);
    let borrowed: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let fits = [Fit::Stretch, Fit::Crop];
    let of = |count, store| {
        let embedded = embedder(&plan, store).embed(&borrowed, &fits, Some(&views(count)), &Silent);
        embedded.into_iter().map(|image| image.unwrap().features).collect::<Vec<_>>()
    };
    let untouched = features(&embedder(&plan, Some(&store)), &paths, &fits);
    let (three, five) = (of(3, None), of(5, None));
    assert_eq!(of(1, None), untouched);
    for (image, fit) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let rows = three[image][fit].as_chunks::<FEATURE_LEN>().0;
        assert_eq!(rows[0], untouched[image][fit][..], "image {image}, fit {fit}");
        assert!(rows[0] != rows[1] && rows[1] != rows[2], "image {image}, fit {fit}: {rows:?}");
        assert_eq!(five[image][fit][..3 * FEATURE_LEN], three[image][fit], "image {image}, fit {fit}");
    }
    assert_eq!(of(3, Some(&store)), three);
    assert_eq!(store.info().unwrap().entries, 2 * 2 * 3, "the untouched images were there");
    assert_eq!(of(5, Some(&store)), five);
    let decoded = decode(&fs::read(&paths[0]).unwrap(), &Limits::default()).unwrap();
    let in_memory = embedder(&plan, None).embed_image(&decoded, Fit::Crop, Some(&views(3))).unwrap();
    assert_eq!(in_memory, three[0][1]);
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
    let embedded = embedder(&plan, None).embed(&paths, &[Fit::Pad], None, &Silent);
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
    let embedded = pool.install(|| stored.embed(&paths, &[Fit::Stretch], None, &stop));
    let cancelled = embedded.iter().filter(|image| matches!(image, Err(EmbedError::Cancelled))).count();
    assert_eq!((embedded.len() - cancelled, store.info().unwrap().entries), (2, 2));
}
