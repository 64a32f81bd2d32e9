"""The domains of a run: those of its data set that it chooses, in the order that it takes them."""

from __future__ import annotations

from gantrain.core import Config
from gantrain.data.datasets import find, load
from gantrain.data.domain import Domain
from gantrain.errors import UserError
from gantrain.nets import Direction
from gantrain.progress import phase
from gantrain.runs.directory import RunDirectory
from gantrain.trainers import TRAINERS


def chosen_domains(
    config: Config, split: str, decoded: bool = True
) -> tuple[list[Domain], str | None]:
    """The domains of a part as `--domains` and `--direction` choose them.

    Args:
        config: a resolved config.
        split: "train" or "test".
        decoded: False leaves image files encoded.

    Returns:
        The domains, and the name of the one of which a run prunes the training part, or None.
    """
    d = config.data
    # Generated sets are drawn once: runs that differ in their seed train on the same data.
    kind, dataset = TRAINERS[config.run.gan_type], find(d.dataset)
    scaled = {
        n: getattr(d, n) for n in ("image_size", "load_size", "fit") if n not in dataset.unread
    }
    with phase("data", f"reading {d.dataset}, {split} part"):
        domains = load(
            d.dataset,
            place=d.place,
            data_dir=d.data_dir,
            offline=d.offline,
            **scaled,
            same_channels=kind.same_channels,
            split=split,
            decoded=decoded,
        )
    number = dataset.prune_domain
    unsure = None if number is None else domains[number].name
    if d.domains:
        by_name = {domain.name: domain for domain in domains}
        wanted = d.domains.split(",")
        unknown = [n for n in wanted if n not in by_name]
        if unknown:
            raise UserError(
                f"--domains {unknown[0]}: --dataset {d.dataset} has {', '.join(by_name)}"
            )
        if len(set(wanted)) < len(wanted):
            raise UserError(f"--domains {d.domains}: names a domain twice; name each once")
        domains = [by_name[n] for n in wanted]
    return domains[::-1] if turned(config) else domains, unsure


def turned(config: Config) -> bool:
    """Whether a run takes the domains of its data set in the opposite order."""
    return config.has(Direction) and config.of(Direction).direction == "b2a"


def training_domains(config: Config) -> tuple[list[Domain], str | None]:
    """The training part, not pruned yet: what `chosen_domains` gives.

    Raises:
        UserError: the run has begun on other data.
    """
    domains, unsure = chosen_domains(config, "train")
    directory = RunDirectory(config.run.run_dir)
    if directory.exists and not config.run.dry_run:
        directory.refuse_other_data(domains, unsure)
    return domains, unsure if unsure in [domain.name for domain in domains] else None


def whole_domains(config: Config, domains: list[Domain]) -> list[Domain]:
    """The training part of the whole set, whatever is chosen or cropped of it."""
    usual = config.with_options(domains=None, load_size=None)
    return domains if usual == config else chosen_domains(usual, "train")[0]
