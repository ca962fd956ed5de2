"""A training step of the published network with 8 maps of 91 x 109 x 91: this app against Keras, in one run.

    python benchmarks/training_step.py --keras-python PATH [--threads 2 1] [--rounds 2]

PATH as for prediction.py. Both programs stay alive and take turns, a step (loss, gradients, Adam) at a time; the first,
in which Keras traces its graph, is not counted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from prediction import commands, header, parse, prepare, show, start, take_turns
from prediction_keras import BATCH, COVARIATES, Way, serve


def train(folder: Path) -> dict[str, Way]:
    """Like Keras' ``train_on_batch``: the app's network, memory and loss."""
    import torch

    from bids_stroke.features.readers import read_samples
    from bids_stroke.networks import registry
    from bids_stroke.networks.base import POOR_LOGIT
    from bids_stroke.networks.device import keep_memory

    keep_memory()
    torch.manual_seed(0)
    model = registry.build("miccai2025").train()
    adam = torch.optim.Adam(model.parameters(), 1e-4)
    data = torch.from_numpy(read_samples("fa", [folder / "fa.nii.gz"], {}).data).repeat(BATCH, 1, 1, 1, 1)
    known, poor = torch.tensor(COVARIATES).repeat(BATCH, 1), (torch.arange(BATCH) % 2).float()

    def step() -> None:
        logit = model(data, known)[:, POOR_LOGIT]
        adam.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(logit, poor).backward()
        adam.step()

    return {"step": step}


def main() -> None:
    options = parse(__doc__, 2)
    if options.part:
        start(options.one_thread_count)
        serve(train(options.folder))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, options)
        header()
        for threads in options.threads:
            show(
                "step",
                threads,
                take_turns(commands(__file__, "train", folder, options.keras_python), threads, options.rounds),
            )


if __name__ == "__main__":
    main()
