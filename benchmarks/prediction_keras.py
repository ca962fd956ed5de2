"""The other side of prediction.py and training_step.py: the published network in Keras, in an environment of its own.

    python prediction_keras.py {prepare|cold|warm|train} FOLDER THREADS

Written after the description of the network; needs tensorflow, h5py and nibabel. Prints one line of JSON; as
``warm`` and ``train``, one for each line that comes in.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Way = Callable[[], Any]

MAPS = ("FA", "MD", "RD", "AD", "GM", "WM")
SCALES = {"MD": 100.0, "RD": 100.0, "AD": 100.0}
"""The study's maps from ours in mm^2/s."""
SHAPE = (91, 109, 91)
COVARIATES = ((0.6, 1.0, 0.2),)
BATCH = 8


def start(threads: int) -> Any:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return keras


def cbam(keras: Any, x: Any) -> Any:
    layers, ops, width = keras.layers, keras.ops, x.shape[-1]
    reduce, expand = layers.Dense(width // 8, activation="relu"), layers.Dense(width)
    mean = expand(reduce(layers.GlobalAveragePooling3D()(x)))
    peak = expand(reduce(layers.GlobalMaxPooling3D()(x)))
    gate = layers.Reshape((1, 1, 1, width))(layers.Activation("sigmoid")(layers.Add()([mean, peak])))
    x = layers.Multiply()([x, gate])
    pooled = ops.concatenate([ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)], axis=-1)
    return layers.Multiply()([x, layers.Conv3D(1, 7, padding="same", activation="sigmoid")(pooled)])


def build(keras: Any) -> Any:
    layers = keras.layers

    def conv(x: Any, width: int, size: int = 3, stride: int = 1) -> Any:
        x = layers.Conv3D(width, size, strides=stride, padding="same")(x)
        return layers.BatchNormalization(axis=3)(x)

    def relu(x: Any) -> Any:
        return layers.Activation("relu")(x)

    def pool(x: Any) -> Any:
        return layers.AveragePooling3D(3, strides=2, padding="same")(x)

    image, known = keras.Input((*SHAPE, 1)), keras.Input((3,))
    x = relu(conv(pool(relu(conv(image, 32))), 16))
    for _ in range(5):
        x = relu(layers.Add()([conv(x, 16), x]))
    for width in (16, 64, 128, 256):
        branch = cbam(keras, pool(conv(x, width)))
        x = relu(layers.Add()([branch, conv(x, width, 1, 2)]))
    x = layers.GlobalAveragePooling3D()(cbam(keras, conv(x, 512)))
    x = layers.BatchNormalization()(layers.Concatenate()([x, layers.Dense(1, activation="relu")(known)]))
    for _ in range(2):
        x = layers.BatchNormalization()(layers.Dropout(0.3)(layers.Dense(256, activation="relu")(x)))
    return keras.Model([image, known], layers.Dense(2, activation="softmax")(x))


def prepare(keras: Any, folder: Path) -> dict[str, Any]:
    """Six weight files of random numbers in the published (legacy) format."""
    import h5py
    import numpy as np
    from keras.src.legacy.saving import legacy_h5_format

    for seed, name in enumerate(MAPS):
        keras.utils.set_random_seed(seed)
        model = build(keras)
        rng = np.random.default_rng(seed)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                gamma, beta, mean, var = layer.get_weights()
                numbers = (gamma, beta + 0.1 * rng.standard_normal(beta.shape), mean, var * rng.uniform(0.5, 1.5))
                layer.set_weights([value.astype("float32") for value in numbers])
        with h5py.File(folder / f"{name}_MotorScore_weights.hdf5", "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return {}


def load(keras: Any, folder: Path, name: str) -> Any:
    model = build(keras)
    model.load_weights(str(folder / f"{name}_MotorScore_weights.hdf5"))
    return model


def read(folder: Path, name: str) -> Any:
    import nibabel as nib
    import numpy as np

    data = np.asarray(nib.load(folder / f"{name.lower()}.nii.gz").dataobj, dtype=np.float32)
    return (data * np.float32(SCALES.get(name, 1)))[None, ..., None]


def cold(keras: Any, folder: Path) -> dict[str, Any]:
    import numpy as np

    known = np.array(COVARIATES, dtype=np.float32)
    return {"poor": [float(load(keras, folder, n).predict([read(folder, n), known], verbose=0)[0, 0]) for n in MAPS]}


def warm(keras: Any, folder: Path) -> dict[str, Way]:
    """Both usual ways: ``predict``, and the traced function called directly, which is faster for one sample."""
    import numpy as np
    import tensorflow as tf

    model, data, known = load(keras, folder, "FA"), read(folder, "FA"), np.array(COVARIATES, dtype=np.float32)
    direct = tf.function(lambda image, row: model([image, row], training=False))
    return {"predict": lambda: model.predict([data, known], verbose=0), "direct": lambda: direct(data, known).numpy()}


def train(keras: Any, folder: Path) -> dict[str, Way]:
    import numpy as np

    model = load(keras, folder, "FA")
    model.compile(keras.optimizers.Adam(1e-4), "categorical_crossentropy")
    data = np.repeat(read(folder, "FA"), BATCH, axis=0)
    known = np.repeat(np.array(COVARIATES, dtype=np.float32), BATCH, axis=0)
    labels = np.eye(2, dtype=np.float32)[np.arange(BATCH) % 2]
    return {"step": lambda: model.train_on_batch([data, known], labels)}


def serve(ways: dict[str, Way]) -> None:
    """Do each way once for every line that comes in and tell what it took: so two programs can take turns."""
    for _ in sys.stdin:
        result = {}
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way()
            result[name] = [time.perf_counter() - wall, time.process_time() - cpu]
        print(json.dumps({"took": result, "peak_mb": peak_mb()}), flush=True)


def peak_mb() -> float:
    """Most memory that this process held (getrusage would count that of its parent, too)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    what, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    keras = start(threads)
    if what in ("warm", "train"):
        serve({"warm": warm, "train": train}[what](keras, folder))
        return
    result = {"prepare": prepare, "cold": cold}[what](keras, folder)
    print(json.dumps({**result, "peak_mb": peak_mb(), "cpu": time.process_time()}), flush=True)


if __name__ == "__main__":
    main()
