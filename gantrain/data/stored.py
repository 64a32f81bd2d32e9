"""A domain as a run remembers it: an entry of `domains.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from gantrain.data.domain import Domain
from gantrain.data.palettes import Palette
from gantrain.decoding import MOST_PIXELS
from gantrain.errors import UserError
from gantrain.files import LONGEST
from gantrain.images import Levels

# Domains of a run, classes of a domain, targets of an image: as many as that at most.
MOST = 2**16


def entry(domain: Domain) -> dict:
    """What a run stores of a domain: enough to build its networks and to know its data again."""
    return {
        "name": domain.name, "shape": domain.shape, "size": domain.size, "classes": domain.classes,
        "multi_label": domain.multi_label,
        "targets": domain.targets,
        "palette": domain.palette and domain.palette.to_json(),
        "levels": domain.levels, "fingerprint": domain.fingerprint, "left_out": domain.left_out,
    }  # fmt: skip


def blank(stored: Any) -> Domain:
    """A Domain of one blank example, from the entry that a run stored.

    Raises:
      ValueError: the entry is not of this form.
    """
    if not isinstance(stored, dict):
        raise ValueError("an entry is no domain")

    def value(name, fits, usual=None):
        found = stored.get(name, usual)
        if not fits(found):
            raise ValueError(f"{name} is {str(found)[:60]!r}")
        return found

    # Files are called by it.
    name = value("name", lambda v: isinstance(v, str) and 0 < len(v) <= LONGEST
                 and v.isprintable() and not set(v) & set("/\\") and v.strip("."))  # fmt: skip
    shape = value("shape", lambda v: v == [2] or (isinstance(v, list) and len(v) == 3
                  and all(map(_count, v)) and v[2] in (1, 3)
                  and math.prod(v[:2]) <= MOST_PIXELS))  # fmt: skip
    value("size", _count)
    classes = value("classes", lambda v: isinstance(v, list) and len(v) <= MOST
                    and all(isinstance(n, str) for n in v) and len(set(v)) == len(v))  # fmt: skip
    several = value("multi_label", lambda v: isinstance(v, bool))
    targets = value("targets", lambda v: v == 0 or (_count(v) and v <= MOST))
    levels = value("levels", levels_fit)
    levels = levels and Levels(*levels)
    fingerprint = value("fingerprint", lambda v: v is None or isinstance(v, str))
    left_out = value("left_out", lambda v: isinstance(v, dict) and all(map(_count, v.values())), {})
    try:
        palette = stored.get("palette") and Palette.from_json(stored["palette"])
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"palette has no {error}") from None
    images = np.zeros(
        (1, *shape), np.float32 if len(shape) == 1 else np.uint16 if levels else np.uint8
    )
    labels = np.zeros((1, len(classes)), np.uint8) if several else np.zeros(1, np.int32)
    rows = np.zeros((1, targets), np.int32) if targets else None
    return Domain(
        name, images, labels if classes else None, tuple(classes), rows, left_out=left_out,
        fingerprint=fingerprint, levels=levels, palette=palette,
    )  # fmt: skip


def refuse_other(
    stored: Any, domains: Sequence[Domain], where: str | PathLike, uncounted: str | None = None
) -> None:
    """Refuses data that are not those a run was trained on.

    Args:
      stored: the run's entries.
      domains: the domains of the training part as they are read now.
      where: directory of the run.
      uncounted: name of a domain whose size is not compared.

    Raises:
      UserError: a domain differs.
    """
    old, new = [e["name"] for e in stored], [domain.name for domain in domains]
    differences = [] if old == new else [f"domains {', '.join(old)} -> {', '.join(new)}"]
    for before, domain in zip(stored, domains, strict=False):
        now = json.loads(json.dumps(entry(domain)))
        compared = {"size", "shape", "classes", "levels", "palette"} - {
            "size" if domain.name == uncounted else ""
        }
        changed = [
            f"{domain.name}: {key} {_short(before[key])} -> {_short(now[key])}"
            for key in sorted(compared)
            if before.get(key, now[key]) != now[key]
        ]
        # Runs of earlier versions have no levels, no palette and no fingerprint.
        if not changed and before.get("fingerprint") not in (None, now["fingerprint"]):
            changed = [f"{domain.name}: other content"]
        differences += changed
    if differences:
        raise UserError(
            f"--run_dir {where}: was trained on other data than are read now "
            f"({'; '.join(differences)}); give the place of its own by --data_dir or --dataset, or "
            "train a new run"
        )


def levels_fit(value: Any) -> bool:
    """Whether a JSON value is None or `Levels`."""
    if not isinstance(value, list):
        return value is None
    return (
        len(value) == 3
        and all(type(number) in (int, float) for number in value[:2])
        and value[0] < value[1]
        and value[2] in ("uint16", "float32")
    )


def _count(value):
    return type(value) is int and value > 0


def _short(value):
    return str(value) if len(str(value)) < 60 else f"{str(value)[:60]} ..."
