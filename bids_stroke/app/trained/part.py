"""``train --train-part K/N``: the fits of one part of a training, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Console

from bids_stroke.app.executors import memory_left_gb
from bids_stroke.app.request import Request
from bids_stroke.app.train import labelled_cohort
from bids_stroke.core.records import Session
from bids_stroke.derivatives.names import dataset_file


def run_part(request: Request, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Compute the fits of part k of n, and leave them where the training of the whole looks for them; 0.

    Raises
    ------
    UsageError
        The training has a budget of minutes.
    """
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    cohort = labelled_cohort(request, sessions, dataset_name, say)  # before the imports: it may end here
    from bids_stroke.training.checkpoint import Store
    from bids_stroke.training.cost import Means
    from bids_stroke.training.parts.fits import Part

    assert request.train_part is not None  # as the caller asked
    k, n = request.train_part
    settings, execution = request.settings, request.execution
    store = Store(dataset_file(request.output_dir, "unfinished", name=settings.training.name))
    means = Means(store, memory_left_gb(execution.mem_gb))
    there = store.names()
    part = Part.of(cohort, settings, execution.device, means, (k, n))
    if not part.share.members:
        say(f"Part {k} of {n} has nothing to do: there are fewer fits than parts.")
        return 0
    waiting = part.compute(say)
    taken = len(there & store.finished)
    say(f"Part {k} of {n} is done ({taken} of its fits were there before): {store.folder}")
    if waiting:
        say(
            f"The last fits of {', '.join(waiting)} wait for folds of other parts: when all parts have ended, run them "
            "once more, or leave these fits to the training itself."
        )
    say("When all parts are done, the same command without --train-part makes the model.")
    return 0
