"""What has to exist before a run: runs of their own and files, each named before it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gantrain.config import default_config, resolve
from gantrain.consulted import FromFile, Trained, Wanted, network, pruning_classifier
from gantrain.core import Config
from gantrain.data.datasets import find
from gantrain.data.domain import Domain
from gantrain.files import file_name, short
from gantrain.runs.directory import RunDirectory
from gantrain.runs.domains import training_domains, whole_domains
from gantrain.terms import consults
from gantrain.trainers import TRAINERS


class OwnRun(NamedTuple):
    """One network of a plan, which a run of its own trains, unless an earlier one has.

    Attributes:
        wanted: the network.
        config: of the run.
        domains: what it trains on; None if it reads its own, pruned or cropped otherwise.
    """

    wanted: Trained
    config: Config
    domains: Sequence[Domain] | None

    @property
    def directory(self) -> RunDirectory:
        return RunDirectory(self.config.run.run_dir)

    @property
    def there(self) -> bool:
        """Whether it has been trained."""
        return self.directory.summary() is not None

    def __str__(self):
        """A line of the plan."""
        run = self.config.run
        if not self.there:
            return f"train  {self.wanted.title}: {run.run_dir}, {run.steps:,} steps"
        return f"found  {self.wanted.title}: {run.run_dir}, {self.scored()}"

    @property
    def scores(self) -> dict[str, float]:
        """What its trainer measured on the test part, by name."""
        summary = self.directory.summary() or {}
        return {name: v for name, v in summary.items() if isinstance(v, float)}

    def scored(self) -> str:
        """The scores in words."""
        each = (f"{name.removeprefix('accuracy/')} {v:.3f}" for name, v in self.scores.items())
        return f"{', '.join(each)} on the test part"


Need = FromFile | OwnRun


class Plan(NamedTuple):
    """What a run needs, in the order in which it comes into being.

    Attributes:
        domains: of the training part, not pruned yet.
        unsure: name of the domain of which the network "pruning" chooses the images, or None.
        needs: {name of a network: where it comes from}.
    """

    domains: list[Domain]
    unsure: str | None
    needs: dict[str, Need]


def plan(
    config: Config,
    domains: list[Domain] | None = None,
    asked: Callable[[Config, list[Domain]], dict[str, Wanted]] | None = None,
) -> Plan:
    """Names the networks that have to exist before a run, and computes nothing.

    Args:
        config: a resolved config.
        domains: training domains of a program; None reads those of the config.
        asked: (config, domains) -> {name: `Trained` or `FromFile`} of what else is wanted, such as
            the judges of measurements.

    Raises:
        UserError: the data or the options do not fit what the run consults.
    """
    unsure: str | None = None
    wanted: dict[str, Wanted] = {}
    if domains is None:
        domains, unsure = training_domains(config)
    if unsure is not None:
        wanted["pruning"] = pruning_classifier(whole_domains(config, domains))
    wanted |= consults(TRAINERS[config.run.gan_type].terms, config, domains)
    wanted |= asked(config, domains) if asked else {}
    needs = {name: need(config, what) for name, what in wanted.items()}
    if unsure is not None:
        # Their own runs read the domains pruned, once it can be done.
        needs = {
            name: n._replace(domains=None) if isinstance(n, OwnRun) and name != "pruning" else n
            for name, n in needs.items()
        }
    return Plan(domains, unsure, needs)


def need(config: Config, wanted: Wanted) -> Need:
    """Where a network lies that a run with this config wants."""
    if isinstance(wanted, FromFile):
        return wanted
    if wanted.given:
        return FromFile(wanted.title, wanted.given, partial(network, wanted.given, wanted.kind))
    own = own_run(config, wanted)
    alike = wanted.whole or _scale(own) == _scale(config)
    return OwnRun(wanted, own, wanted.domains if alike else None)


def own_run(config: Config, wanted: Trained) -> Config:
    """The config of a network's own run, in a directory named after everything it depends on.

    Args:
        config: of the run that wants it.
        wanted: `gantrain.consulted.Trained`.
    """
    data, usual = config.data, default_config(wanted.kind)
    own = usual.with_options(
        dataset=data.dataset,
        place=data.place,
        data_dir=data.data_dir,
        offline=data.offline,
        image_size=data.image_size,
        fit=data.fit,
        gpus=config.runtime.gpus,
        gpu_mem_mb=config.runtime.gpu_mem_mb,
        log_every=500,
        sample_every=10**6,
        checkpoint_every=500,
        keep=1,
    )
    own = own.with_options(**wanted.options)
    return resolve(own.with_options(run_dir=str(_directory(config, own, usual.flat(), wanted))))


def _directory(config, own, usual, wanted):
    chosen = own.with_options(
        data_dir="", place=None, offline=False, devices=0, gpus=None, gpu_mem_mb=0
    )
    # A pruned set says by its name how many of its images are left.
    sized = find(config.data.dataset).prune_domain is None
    # Only what differs from the defaults: an option that is added later changes no name.
    what = repr(
        sorted((k, v) for k, v in chosen.flat().items() if v != usual[k])
        + [(d.size if sized else None, d.shape, d.fingerprint) for d in wanted.domains]
        + list(wanted.depends)
    )
    digest = hashlib.sha256(what.encode()).hexdigest()[:8]
    parent = Path(config.run.run_dir).parent
    # What is asked for by another consulted network's run lies beside that.
    parent = parent if parent.name == "classifiers" else parent / "classifiers"
    names = [*wanted.names, wanted.net or wanted.kind]
    return parent / f"{short('_'.join(map(file_name, names)))}_{digest}"


def _scale(config):
    """The side that training images are scaled to before they are cropped."""
    return config.data.load_size or config.data.image_size
