//! Reads the arrays that the scripts in `reference/` made with the real library.

use std::{fs, path::PathBuf};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// One golden file: named arrays, each with its shape.
pub struct Golden {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Golden {
    /// Opens `golden/NAME.safetensors`, for a name such as `"head/logistic"`.
    ///
    /// # Panics
    /// If the file cannot be read.
    pub fn open(name: &str) -> Golden {
        let path = golden_path(&format!("{name}.safetensors"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Golden { path, bytes }
    }

    /// The names of all arrays, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.tensors().names().iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    /// The shape of array `name`.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.view(name, |view| view.shape().to_vec())
    }

    /// Array `name` as f32, in row-major order; stored as f16, f32 or f64.
    pub fn f32(&self, name: &str) -> Vec<f32> {
        self.f64(name).into_iter().map(|value| value as f32).collect()
    }

    /// Array `name` as f64, in row-major order; stored as f16, f32 or f64.
    pub fn f64(&self, name: &str) -> Vec<f64> {
        self.view(name, |view| match view.dtype() {
            Dtype::F16 => values(view.data(), |b: [u8; 2]| half::f16::from_le_bytes(b).to_f64()),
            Dtype::F32 => values(view.data(), |b| f32::from_le_bytes(b).into()),
            Dtype::F64 => values(view.data(), f64::from_le_bytes),
            other => panic!("{}: `{name}` is {other:?}, expected floats", self.path.display()),
        })
    }

    /// Array `name` of bytes, in row-major order.
    pub fn u8(&self, name: &str) -> Vec<u8> {
        self.view(name, |view| match view.dtype() {
            Dtype::U8 => view.data().to_vec(),
            other => panic!("{}: `{name}` is {other:?}, expected U8", self.path.display()),
        })
    }

    /// Array `name` of indices or counts, in row-major order; stored as i64.
    pub fn usize(&self, name: &str) -> Vec<usize> {
        self.view(name, |view| match view.dtype() {
            Dtype::I64 => values(view.data(), |b| i64::from_le_bytes(b) as usize),
            other => panic!("{}: `{name}` is {other:?}, expected I64", self.path.display()),
        })
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes)
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }

    fn view<T>(&self, name: &str, read: impl FnOnce(&TensorView) -> T) -> T {
        let tensors = self.tensors();
        let view = tensors.tensor(name).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        read(&view)
    }
}

/// Where the golden file `name` is, for a name such as `"formats/keras_files.zip"`.
pub fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden")).join(name)
}

fn values<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
}
