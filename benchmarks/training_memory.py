"""Memory that a training takes, by network and batch size: estimated before (training/cost.py), and measured.

    python benchmarks/training_memory.py [--only cbam_resnet3d ...] [--batches 2 4 8] [--threads 1]

Each figure is a process of its own that fits on noise for three epochs of one batch each and validates on 16 samples:
the most memory that it held, less what it held before the network was built. Volumes are 91 x 109 x 91, slices
224 x 224, windows 10 s of 22 channels at 250 Hz. Memory as it is kept, given back at once, and spared as well
(`Thrift`).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

SHAPES = {
    "cbam_resnet3d": ("fa", (1, 91, 109, 91), 1),
    "miccai2025": ("fa", (1, 91, 109, 91), 1),
    "slice_cnn": ("bold", (3, 224, 224), 8),
    "lstm": ("eegemg", (2500, 22), 8),
    "tcn": ("eegemg", (2500, 22), 8),
}
"""Network -> modality, shape of a sample, samples of a unit."""
WAYS = ("PLENTY", "GIVING_BACK", "SPARING")
VALID = 16


def measure(network: str, batch: int, way: str) -> None:
    """Print the estimate and what it was (GB), and CPU seconds."""
    import numpy as np
    import torch

    from bids_stroke.core.records import Labelled, Member, UnitFeatures
    from bids_stroke.core.settings_training import TrainingSettings
    from bids_stroke.networks import device, registry
    from bids_stroke.training.cohort import Cases, make_cohort
    from bids_stroke.training.cost import needed_memory
    from bids_stroke.training.trainer import Place, fit_watching

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    modality, shape, per_unit = SHAPES[network]
    n_train = max(2, batch // per_unit)
    n = n_train + max(2, VALID // per_unit)
    features = {modality: (Path("x"),)}
    people = [UnitFeatures(str(i), None, features, {}, {"age": 50.0 + i}, "noise") for i in range(n)]
    units = [Labelled(person, i % 2 * 30.0, i % 2 == 0) for i, person in enumerate(people)]
    options = TrainingSettings(batch_size=batch, epochs=3, samples_per_epoch=max(1, batch // n_train))
    member = Member(network, modality, network, registry.NETWORKS[network].defaults | covariates(network), {})
    cases = Cases(member, options, tuple(torch.randn(per_unit, *shape) for _ in range(n)), make_cohort(units, "none"))
    thrift = getattr(device, way)
    need = needed_memory(cases, cases.of(0), thrift)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    place = Place(torch.device("cpu"), "fp32", 0, thrift=thrift)
    fit_watching(cases, np.arange(n_train), np.arange(n_train, n), place)
    seconds = time.process_time() - begin
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e9
    print(f"{need.by(thrift, place.device) - need.samples:.2f} {taken:.2f} {seconds:.0f}")


def covariates(network: str) -> dict[str, int]:
    return {"n_covariates": 6} if network == "cbam_resnet3d" else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--batches", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", nargs=3, metavar=("NETWORK", "BATCH", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one[0], int(options.one[1]), options.one[2])
        return
    print("| network | batch | way | estimated GB | measured GB | CPU s |\n|---|---|---|---|---|---|")
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    for network in options.only:
        for batch in options.batches:
            for way in options.ways:
                command = [sys.executable, __file__, "--one", network, str(batch), way]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
                found = " | ".join(done.stdout.split()) if done.returncode == 0 else done.stderr[-300:]
                print(f"| {network} | {batch} | {way} | {found} |", flush=True)


if __name__ == "__main__":
    main()
