"""Sheets of pairs for a person to check: what is shown, and what each judge read in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gantrain import images
from gantrain.data.domain import Domain
from gantrain.errors import UserError
from gantrain.files import write_text
from gantrain.measures.coherence import Readings, of_generated, readings, unfit
from gantrain.measures.streams import Streams

SHEETS = ("surest", "least_sure", "random")
LEAST_SIDE = 64  # images are enlarged by whole pixels to at least this
LINE, MARGIN, FONT = 14, 4, (cv2.FONT_HERSHEY_SIMPLEX, 0.38)


class ReadPairs(NamedTuple):
    """Samples of a run and how they are read.

    Attributes:
        shown: images float32 [N, H, W, C] in [-1, 1] per domain, of the same latent vectors.
        read: `Readings` [J, N, A] per domain.
        sureness: float [N], see `sureness`.
    """

    shown: list[np.ndarray]
    read: list[Readings]
    sureness: np.ndarray


def sureness(logits: Sequence[np.ndarray], multi_label: bool) -> np.ndarray:
    """How sure all judges are that an image of each domain shows the same thing, [N].

        s_n = max_l min_ij p_ij(l | x_in)

    with p_ij(l | x) the probability that judge j of domain i gives to label l: low where one of
    them is unsure, and where two are sure of different labels. Of attributes it is the mean.

    Args:
        logits: one float array [J, N, C] per domain.
        multi_label: True if a column is an attribute of its own.
    """
    v = np.stack([np.asarray(x, np.float64) for x in logits])
    if multi_label:
        v = np.stack([0 * v, v], axis=-1)
    p = np.exp(v - v.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    least = p.min(axis=(0, 1)).max(-1)
    return least.mean(-1) if multi_label else least


def pairs_of(e: Streams) -> ReadPairs:
    """The samples of a run, read by all its judges. Raises UserError if it has no coherence."""
    reason = unfit(e)
    if reason:
        raise UserError(f"--run_dir {e.config.run.run_dir}: {reason}")
    logits, multi_label = of_generated(e), e.domains[0].multi_label
    shown = [np.concatenate(parts) for parts in zip(*e.generated(), strict=True)]
    read = [readings(np.asarray(v, np.float64), multi_label) for v in logits]
    return ReadPairs(shown, read, sureness(logits, multi_label))


def chosen(sure: np.ndarray, count: int, seed: int) -> dict[str, np.ndarray]:
    """Numbers of the samples of every sheet; the surest and the least sure come first."""
    order = np.argsort(-sure, kind="stable")
    random = np.random.default_rng(seed).permutation(len(sure))
    return dict(zip(SHEETS, (order[:count], order[::-1][:count], random[:count]), strict=True))


def text(domain: Domain, read: Readings, judge: int, number: int) -> str:
    """What a judge read: the name of a class, or a digit, 1 or 0, for each attribute."""
    labels = read.chosen[judge, number]
    names = domain.classes or ()
    return "".join(map(str, labels)) if domain.multi_label else str(names[labels[0]])


def sheet(
    pairs: ReadPairs, domains: Sequence[Domain], numbers: Sequence[int], columns: int
) -> np.ndarray:
    """Pairs with captions, uint8 [H, W, 3]: images one above the other, below them the readings.

    The first line of a caption is the number of the sample and its sureness, the others have of
    each domain what its judges read, in their order.
    """
    captions = [
        [f"{n}: {pairs.sureness[n]:.2f}"]
        + [
            " ".join([d.name, *(text(d, r, j, n) for j in range(len(r.chosen)))])
            for d, r in zip(domains, pairs.read, strict=True)
        ]
        for n in numbers
    ]
    wide = max(cv2.getTextSize(line, *FONT, 1)[0][0] for lines in captions for line in lines)
    tiles = []
    for n, lines in zip(numbers, captions, strict=True):
        picture = images.grid([shown[n : n + 1] for shown in pairs.shown], 1)
        times = -(-LEAST_SIDE // picture.shape[1])
        picture = picture.repeat(times, 0).repeat(times, 1)
        height = len(picture) + LINE * len(lines) + 2 * MARGIN
        tile = np.full((height, max(picture.shape[1], wide) + 2 * MARGIN, 3), 255, np.uint8)
        tile[: len(picture), MARGIN : MARGIN + picture.shape[1]] = picture
        for k, line in enumerate(lines, 1):
            place = (MARGIN, len(picture) + LINE * k)
            cv2.putText(tile, line, place, *FONT, (0, 0, 0), 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    return np.concatenate(
        [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    )


def table(
    pairs: ReadPairs, domains: Sequence[Domain], judges: Sequence[str], numbers: Sequence[int]
) -> str:
    """The same as CSV: number, sureness, and of every judge its reading and its probability.

    The probability of attributes is the mean of those of what was chosen.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    who = [(d.name, j) for d in domains for j in judges]
    writer.writerow(
        ["sample", "sureness"]
        + [f"{what}/{name}/{j}" for name, j in who for what in ("read", "probability")]
    )
    for n in numbers:
        row = [n, f"{pairs.sureness[n]:.4f}"]
        for d, r in zip(domains, pairs.read, strict=True):
            for j in range(len(judges)):
                row += [text(d, r, j, n), f"{r.probability[j, n].mean():.4f}"]
        writer.writerow(row)
    return out.getvalue()


def write_sheets(e: Streams, folder: Path, count: int, columns: int, seed: int) -> list[Path]:
    """Writes a picture and a CSV for every name of SHEETS; returns the pictures' paths."""
    pairs, written = pairs_of(e), []
    judges = list(e.networks["evaluation_classifiers"][e.names[0]])
    for name, numbers in chosen(pairs.sureness, count, seed).items():
        path = folder / f"{name}.png"
        images.write_png(path, sheet(pairs, e.domains, numbers, columns))
        write_text(path.with_suffix(".csv"), table(pairs, e.domains, judges, numbers))
        written.append(path)
    return written
