"""Writes golden/formats/keras_files*: small weight files made by the real Keras and h5py, and what is in them.

- `keras_files.zip`: the files, packed together because HDF5 is mostly padding. Those in `refused/` must be refused.
- `keras_files.safetensors`: the expected tensors under the keys `CONTENT|NUMBER|LAYER|WEIGHT`. CONTENT is the stem of
  the files that hold them, up to the first underscore; NUMBER counts in the order of the model's layers; LAYER is a
  layer's name or, for the formats of Keras 3, `NAME|PATH`. Values are kept in the type in which they are to be read.
- `keras_files.keras`: one of the files, to be read from the disk.
"""

import io
import pathlib
import tempfile
import zipfile

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils.naming import to_snake_case

from common import write_golden, write_golden_file

SEED = 11
PACKAGES = ["h5py", "keras", "numpy", "safetensors", "tensorflow-cpu"]


def legacy_model() -> keras.Model:
    """One layer of every kind whose weights have an order of their own, in three element types."""
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Normalization(name="whiten")(image)
    x = keras.layers.Conv2D(4, 3, name="stem")(x)
    x = keras.layers.BatchNormalization(scale=False)(x)
    x = keras.Sequential([keras.layers.Conv2D(3, 2), keras.layers.LayerNormalization()], name="nested")(x)
    x = keras.layers.SeparableConv2D(5, 3, depth_multiplier=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Dense(3, name="aaa_before_the_others_by_name")(x)
    x = keras.layers.Dense(2, dtype="float16", name="half")(x)
    x = keras.layers.Dense(2, dtype="float64", name="double")(x)
    return randomised(keras.Model(image, x, name="legacy"))


def counted_model() -> keras.Model:
    """More than ten layers of one class, out of order by name, an operation that is no layer, and nested models."""
    image = keras.Input((6, 6, 2))
    x = keras.layers.DepthwiseConv2D(2)(image)
    x = keras.Sequential([keras.layers.Conv2D(2, 1), keras.layers.Conv2D(3, 1, name="inner")])(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.ops.add(x, 1.0)
    x = keras.layers.Conv2D(2, 1)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    for number in range(12):
        x = keras.layers.Dense(2, name=f"z{20 - number}")(x)
    return randomised(keras.Model(image, x))


def long_names_model() -> keras.Model:
    """Names that together need more than the 64 kB of one attribute."""
    x = vector = keras.Input((2,), name="vector")
    x = keras.layers.Dense(2, name="n" * 1500)(x)
    for number in range(43):
        x = keras.layers.Activation("linear", name=f"activation_{number}")(x)
    x = keras.layers.Dense(1, name="head")(x)
    return randomised(keras.Model(vector, x))


def randomised(model: keras.Model) -> keras.Model:
    """The model with other weights than zeros and ones, its integers included."""
    random = np.random.default_rng(SEED)
    for weight in model.weights:
        if weight.dtype.startswith("int"):
            weight.assign(np.full(weight.shape, 12345))
        else:
            weight.assign(random.standard_normal(weight.shape).astype(weight.dtype))
    return model


def legacy_tensors(model: keras.Model) -> list[tuple[str, str, np.ndarray]]:
    """Layer, weight and value, in the order of the old layout."""
    return [
        (layer.name, weight.path, weight.numpy())
        for layer in model.layers
        for weight in layer.trainable_weights + layer.non_trainable_weights
    ]


def class_group_tensors(model: keras.Model, path: str = "layers") -> list[tuple[str, str, np.ndarray]]:
    """Layer and path, variable and value, in the order of `model.layers`."""
    tensors, counts = [], {}
    for layer in model.layers:
        name = to_snake_case(type(layer).__name__)
        count = counts.setdefault(name, 0)
        counts[name] += 1
        group = f"{path}/{name}_{count}" if count else f"{path}/{name}"
        if isinstance(layer, keras.Model):
            tensors += class_group_tensors(layer, f"{group}/layers")
            continue
        variables = layer._trainable_variables + layer._non_trainable_variables
        tensors += [(f"{layer.name}|{group}", str(n), value.numpy()) for n, value in enumerate(variables)]
    return tensors


def legacy_bytes(model: keras.Model, libver: str) -> bytes:
    """A weights file in the old layout, as `save_weights` wrote it until Keras 2."""
    file = io.BytesIO()
    with h5py.File(file, "w", libver=libver) as h5:
        legacy_h5_format.save_weights_to_hdf5_group(h5, model)
    return file.getvalue()


def saved(save, name: str) -> bytes:
    """The bytes of the file that `save` makes of a path that ends in `name`."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        save(str(path))
        return path.read_bytes()


def zipped(entries: dict[str, bytes]) -> bytes:
    """A compressed archive, equal for equal entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def compressed(archive: bytes) -> bytes:
    """The same entries, compressed."""
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        return zipped({name: stored.read(name) for name in stored.namelist()})


def array_file(save, arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def storage_tensors() -> list[tuple[str, str, np.ndarray]]:
    """Arrays for every way in which HDF5 stores one."""
    random = np.random.default_rng(SEED)
    matrix = random.standard_normal((9, 5))
    names = ["contiguous", "gzip", "shuffled", "checked", "growing_rows", "growing_both", "one_chunk", "compact",
             "many_chunks", "half_big", "double", "double_big", "integer", "unsigned_big", "scalar", "none", "unwritten"]
    arrays = {name: matrix.astype(np.float32) for name in names}
    arrays["many_chunks"] = random.standard_normal((70, 20)).astype(np.float32)
    arrays["half_big"] = matrix.astype(">f2")
    arrays["double"] = matrix
    arrays["double_big"] = matrix.astype(">f8")
    arrays["integer"] = random.integers(-128, 128, size=(3, 4), dtype=np.int8)
    arrays["unsigned_big"] = random.integers(0, 1 << 32, size=(3, 4)).astype(">u4")
    arrays["scalar"] = np.array(-7, dtype=np.int64)
    arrays["none"] = np.zeros((0, 3), np.float32)
    arrays["unwritten"] = np.full((4, 3), 1.5, np.float32)
    return [(f"layer_{number // 2}", name, arrays[name]) for number, name in enumerate(names)]


STORAGE_OPTIONS = {
    "gzip": {"chunks": (4, 4), "compression": "gzip"},
    "shuffled": {"chunks": (9, 2), "compression": "gzip", "shuffle": True},
    "checked": {"chunks": (4, 5), "fletcher32": True},
    "growing_rows": {"chunks": (2, 3), "maxshape": (None, 5)},
    "growing_both": {"chunks": (2, 3), "maxshape": (None, None), "compression": "gzip"},
    "one_chunk": {"chunks": (9, 5), "compression": "gzip"},
    "many_chunks": {"chunks": (2, 2)},
}


def storage_bytes(libver: str) -> bytes:
    """A file in the old layout, by h5py alone: names of variable length, many attributes, a soft link."""
    file = io.BytesIO()
    with h5py.File(file, "w", libver=libver) as h5:
        tensors = storage_tensors()
        layers = list(dict.fromkeys(layer for layer, _, _ in tensors))
        h5.attrs["layer_names"] = layers + ["empty"]
        for number in range(12):
            h5.attrs[f"note_{number}"] = "x" * 100
        if libver == "latest":
            h5.attrs["long"] = np.zeros(70_000, np.uint8)
        h5.create_group("empty").attrs["weight_names"] = []
        for layer in layers:
            weights = [name for owner, name, _ in tensors if owner == layer]
            h5.create_group(layer).attrs["weight_names"] = [name.encode() for name in weights]
        for layer, name, array in tensors:
            create_dataset(h5[layer], name, array)
        h5.move("layer_0/gzip", "layer_0/moved")
        h5["layer_0/gzip"] = h5py.SoftLink("/layer_0/moved")
    return file.getvalue()


def create_dataset(group: h5py.Group, name: str, array: np.ndarray) -> None:
    if name == "unwritten":
        group.create_dataset(name, array.shape, array.dtype, fillvalue=1.5)
    elif name == "compact":
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(array.shape)
        data = h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(array.dtype), space, properties)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, array)
    else:
        group.create_dataset(name, data=array, **STORAGE_OPTIONS.get(name, {}))


def layer_bytes(change, libver: str = "earliest") -> bytes:
    """A small file in the old layout with whatever `change` adds to its layer."""
    file = io.BytesIO()
    with h5py.File(file, "w", libver=libver) as h5:
        h5.attrs["layer_names"] = [b"layer"]
        layer = h5.create_group("layer")
        layer.attrs["weight_names"] = [b"weight"]
        change(layer)
    return file.getvalue()


def tiny_tensors() -> list[tuple[str, str, np.ndarray]]:
    return [("layer", "weight", np.arange(6, dtype=np.float32).reshape(2, 3))]


def add_tiny(layer: h5py.Group) -> None:
    layer.create_dataset("weight", data=tiny_tensors()[0][2], chunks=(2, 2), compression="gzip", shuffle=True)


def add_external_data(layer: h5py.Group) -> None:
    layer.create_dataset("weight", (4,), np.float32, external=[("/etc/passwd", 0, 16)])


def add_virtual(layer: h5py.Group) -> None:
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "weight", (4,))
    layer.create_virtual_dataset("weight", layout)


def add_bomb(layer: h5py.Group) -> None:
    layer.create_dataset("weight", (1 << 40,), np.float32, chunks=(1 << 16,), compression="gzip")


def add_wide_chunk(layer: h5py.Group) -> None:
    layer.create_dataset("weight", (1 << 20,), np.float32, chunks=(1 << 20,), compression="gzip")[:] = 0


REFUSED = {
    "link_to_a_file": lambda layer: layer.update({"weight": h5py.ExternalLink("/etc/passwd", "weight")}),
    "link_to_itself": lambda layer: layer.update({"weight": h5py.SoftLink("/layer/weight")}),
    "link_to_nothing": lambda layer: layer.update({"weight": h5py.SoftLink("/nowhere")}),
    "data_in_a_file": add_external_data,
    "virtual": add_virtual,
    "bomb": add_bomb,
    "wide_chunk": add_wide_chunk,
    "text": lambda layer: layer.create_dataset("weight", data=b"text"),
    "complex": lambda layer: layer.create_dataset("weight", data=np.ones(3, np.complex64)),
    "extended": lambda layer: layer.create_dataset("weight", data=np.ones(3, np.longdouble)),
}


def circle_bytes() -> bytes:
    """Class groups in which a group contains itself."""
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        group = h5.create_group("layers/dense")
        group["vars/0"] = np.ones(2, np.float32)
        group["inside"] = group
    return file.getvalue()


def main() -> None:
    legacy, counted, long_names = legacy_model(), counted_model(), long_names_model()
    arrays = {"b": np.float32([[1, 2], [3, 4]]), "a": np.float32(0.5), "empty": np.zeros((0, 2), np.float32)}
    keras_archive = saved(counted.save, "model.keras")
    files = {
        "legacy_earliest.h5": legacy_bytes(legacy, "earliest"),
        "legacy_latest.h5": legacy_bytes(legacy, "latest"),
        "legacy_model.h5": saved(legacy.save, "model.h5"),
        "long_earliest.h5": legacy_bytes(long_names, "earliest"),
        "long_latest.h5": legacy_bytes(long_names, "latest"),
        "storage_earliest.h5": storage_bytes("earliest"),
        "storage_latest.h5": storage_bytes("latest"),
        "tiny_earliest.h5": layer_bytes(add_tiny, "earliest"),
        "tiny_latest.h5": layer_bytes(add_tiny, "latest"),
        "counted_weights.h5": saved(counted.save_weights, "model.weights.h5"),
        "counted_stored.keras": keras_archive,
        "counted_compressed.keras": compressed(keras_archive),
        "arrays_stored.npz": array_file(np.savez, arrays),
        "arrays_compressed.npz": array_file(np.savez_compressed, arrays),
        "refused/circle.h5": circle_bytes(),
        "refused/zeros.npz": array_file(np.savez_compressed, {"zeros": np.zeros(1 << 22, np.float32)}),
        "refused/integers.npz": array_file(np.savez, {"integers": np.arange(3)}),
    }
    files |= {f"refused/{name}.h5": layer_bytes(change) for name, change in REFUSED.items()}
    expected = {
        "legacy": legacy_tensors(legacy),
        "long": legacy_tensors(long_names),
        "storage": storage_tensors(),
        "tiny": tiny_tensors(),
        "counted": class_group_tensors(counted),
        "arrays": [("", name, array) for name, array in arrays.items()],
    }
    tensors = {
        f"{content}|{number:03}|{layer}|{name}": array.astype("<f2" if array.dtype.itemsize == 2 else "<f4")
        for content, entries in expected.items()
        for number, (layer, name, array) in enumerate(entries)
    }
    write_golden_file("formats/keras_files.zip", zipped(files), SEED, PACKAGES)
    write_golden_file("formats/keras_files.keras", files["counted_compressed.keras"], SEED, PACKAGES)
    write_golden("formats/keras_files", tensors, SEED, PACKAGES)


if __name__ == "__main__":
    main()
