"""One part of a training: its fits, left in the store, from which a training of the whole takes them as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.ensemble.explanation.looking import kind_of
from bids_stroke.networks.device import Thrift, resolve_device
from bids_stroke.training.checkpoint import UnfinishedError
from bids_stroke.training.cohort import Cases, check_covariates, make_cohort, read_cases
from bids_stroke.training.cost import Means, plan_memory
from bids_stroke.training.cross_validation import MemberFolds, cross_validate, fit_final, fit_shuffled
from bids_stroke.training.folds import OuterFold, make_folds, roles
from bids_stroke.training.members import planned_members
from bids_stroke.training.parts.seeds import place_of_fold, place_of_member
from bids_stroke.training.parts.shares import Last, Share, share_of
from bids_stroke.training.trainer import Place


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a training, planned as the whole is, and ready to be computed.

    Attributes
    ----------
    wanted : sequence of Cases
        All planned members, without samples.
    folds : sequence of OuterFold
        All of the training.
    place : Place
        Of the training, with its store.
    thrift : mapping of str to Thrift
        How each member of this part uses memory.
    share : Share
        What is computed.
    """

    wanted: Sequence[Cases]
    folds: Sequence[OuterFold]
    place: Place
    thrift: Mapping[str, Thrift]
    share: Share

    @classmethod
    def of(
        cls,
        units: Sequence[Labelled],
        settings: Settings,
        device: str,
        means: Means,
        part: tuple[int, int],
    ) -> Part:
        """Plan part k of n; members that are fitted in one go take seconds, and are of no part.

        Parameters
        ----------
        units, settings, device, means
            As for `train_ensemble`, with a store.
        part : (int, int)
            k and n.

        Raises
        ------
        UsageError
            A budget of minutes: which members it holds is decided by how fast a machine is, so that parts could come
            to other members than the training that assembles them. Otherwise as for `train_ensemble`.
        """
        cohort = make_cohort(units, settings.outcome.column)
        check_covariates(cohort)
        folds = make_folds(cohort.participants, cohort.poor, settings.training, settings.seed)
        wanted = [Cases(member, options, (), cohort) for member, options in planned_members(settings, cohort)]
        if wanted[0].options.max_minutes is not None:
            raise UsageError(
                "--train-part: training.max_minutes chooses members by the speed of the machine, and the parts may "
                "run on several.",
                "Leave training.max_minutes out and name the members to train (training.members), or train in one "
                "piece, without --train-part.",
            )
        share = share_of(part, [i for i, cases in enumerate(wanted) if not cases.shallow], len(folds))
        here = Place(resolve_device(device), settings.precision, settings.seed, means.store)
        own = [wanted[i] for i in share.members]
        thrift = {} if means.memory_gb is None else plan_memory(own, here.device, means.memory_gb, _silent)
        return cls(wanted, folds, here, thrift, share)

    def compute(self, progress: Callable[[str], object]) -> list[str]:
        """Compute what is not in the store yet; members whose last fits wait for folds of other parts.

        Each member's samples are read once, and let go before the next member's.

        Parameters
        ----------
        progress : callable
            Takes a line of text after each fold and each last fit.
        """
        waiting = []
        for member in self.share.members:
            bare = self.wanted[member]
            cases = read_cases(bare.member, bare.options, bare.cohort)
            name = bare.member.name
            here = place_of_member(replace(self.place, thrift=self.thrift.get(name, self.place.thrift)), member)
            for fold in (fold for i, fold in self.share.folds if i == member):
                run = cross_validate(cases, [self.folds[fold]], place_of_fold(here, fold), _silent)
                chosen = run.epochs[0]
                found = f"{chosen:.0f} epochs" if np.isfinite(chosen) else "too few to train on"
                progress(f"{name}: fold {fold + 1}/{len(self.folds)}: {found}")
            if last := [which for i, which in self.share.last if i == member]:
                whole = self._all_folds(cases, here)
                if whole is None:
                    waiting.append(name)
                else:
                    self._last(cases, whole, here, last)
                    progress(f"{name}: fitted on {' and '.join(_IN_WORDS[which] for which in last)}")
        return waiting

    def _all_folds(self, cases: Cases, here: Place) -> MemberFolds | None:
        """A member's cross-validation from what the store has; None where a fit of it is not finished."""
        assert here.store is not None  # a part without one would leave nothing
        try:
            return cross_validate(cases, self.folds, replace(here, store=here.store.finished_only()), _silent)
        except UnfinishedError:
            return None

    def _last(self, cases: Cases, run: MemberFolds, here: Place, last: Sequence[Last]) -> None:
        rows = roles(self.folds, len(cases.samples))["train"]
        if "everybody" in last:
            fit_final(cases, run, here, rows)
        if "shuffled" in last and cases.options.audit and kind_of(cases.member):
            fit_shuffled(cases, run, here, rows)


_IN_WORDS = {"everybody": "everybody", "shuffled": "shuffled outcomes"}


def _silent(_: str) -> None:
    """What a part says of a fold, it says itself: of a part the fold is not the first of one."""
