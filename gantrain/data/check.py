"""What is there, what is missing, and whether it can be trained on: commands `check`, `prepare`."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections import Counter
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gantrain import decoding, images
from gantrain.data import datasets, levels, parts, tfds
from gantrain.data.domain import FileImages
from gantrain.data.pairs import pair_count
from gantrain.data.sources import SOURCES
from gantrain.errors import UserError

# Damaged files named one by one, and classes with their counts.
_NAMED, _CLASSES = 20, 15

# Share of test images that are training images too, from which a score on them says little.
_LEAK = 0.05


@dataclasses.dataclass(frozen=True)
class Report:
    """Findings about a data set.

    Attributes:
      lines: text for the user.
      complete: whether the set can be trained on as it lies.
    """

    lines: tuple[str, ...]
    complete: bool

    def __str__(self):
        return "\n".join(self.lines)


def check(name: str, data_dir: str | PathLike, image_size: int | None = None) -> Report:
    """Read everything a data set needs, without the network, and say what was found.

    Args:
      name: a name that `gantrain.data.datasets.find` knows.
      data_dir: folder with one folder per source.
      image_size: side of the images in pixels; None takes the set's default.

    Returns:
      A Report. Damaged files are named in it.

    Raises:
      UserError: there is no data set of that name.
    """
    dataset = datasets.find(name)
    data_dir = Path(data_dir).expanduser()
    size = image_size or dataset.image_size
    lines, problems = [f"{name}: {dataset.summary}"], []
    for source in (SOURCES[source] for source in dataset.sources):
        found, wrong = _check_source(source, data_dir, size, name)
        lines += found
        problems += wrong
    both = {}
    for split in parts.PARTS if not problems else ():
        try:
            request = datasets.Request(data_dir, size, split, 0, as_they_lie=True)
            both[split] = datasets.label_maps(name, dataset, request)
        except UserError as error:
            problems.append(str(error))
            continue
        described = ", ".join(_described(domain, size) for domain in both[split])
        lines.append(f"  {split}: {described}{_pairs(both[split])}")
    if len(both) == len(parts.PARTS):
        found, wrong = _compared(both)
        lines += found
        problems += wrong
    lines += [f"  PROBLEM {problem}" for problem in problems]
    if not dataset.is_here(data_dir):
        lines.append(
            f"  --dataset {datasets.nearest(dataset, data_dir)} needs no files that are not here"
        )
    lines.append(f"  {'not ready' if problems else 'ready'}")
    return Report(tuple(lines), not problems)


def prepare(name: str, data_dir: str | PathLike, image_size: int | None = None) -> Report:
    """Download by TFDS what is absent and generate what the program draws, then `check`.

    Args:
      name: a name that `gantrain.data.datasets.find` knows.
      data_dir: folder with one folder per source.
      image_size: side of the images in pixels; None takes the set's default.

    Returns:
      The Report of `check`: if it is complete, a node without a network can train.

    Raises:
      UserError: there is no data set of that name, or a download fails.
    """
    data_dir = Path(data_dir).expanduser()
    datasets.fetch([name], data_dir)
    return check(name, data_dir, image_size)


def _check_source(source, data_dir, size, name):
    """Lines about one source and a list of its problems."""
    directory = tfds.prepared(source.tfds, data_dir)
    if source.has_files(data_dir):
        found = f"  {source.name}: original files in {data_dir / source.name}"
    elif directory is not None:
        found = f"  {source.name}: prepared by TFDS in {directory}"
    else:
        found = f"  {source.name}: missing"
        advice = (
            f"  or let TFDS fetch {source.tfds}: gantrain prepare --dataset {name}"
            if source.tfds
            else "  TFDS does not offer it"
        )
        layout = f"  layout {data_dir / source.name}/: {source.layout}; from {source.homepage}"
        return [found, layout, advice], [f"{source.name} is absent"]
    lines, problems = [f"{found} ({source.licence})"], []
    for split in parts.PARTS:
        try:
            source.open(data_dir, split, size)
        except UserError as error:
            problems.append(str(error))
    if problems:
        lines.append(f"  layout {data_dir / source.name}/: {source.layout}")
    return lines, problems


class _Facts(NamedTuple):
    """What the images of one domain and part are, as they lie.

    Attributes:
      sizes: {(height, width): images}.
      channels: {1 or 3: images}.
      bits: {8, 16 or 32: images}.
      alpha: images with transparency.
      values: least and greatest sample.
      hashes: of the pixels of each image, None of one that cannot be read.
      damaged: a message for each image that cannot be read.
    """

    sizes: Counter
    channels: Counter
    bits: Counter
    alpha: int
    values: tuple
    hashes: list
    damaged: list


def _facts(domain):
    """`_Facts` of a domain of images; None of points."""
    if isinstance(domain.images, FileImages):
        seen = domain.images.visit(functools.partial(_look, domain.images))
    elif domain.images.ndim == 4:
        bits = 8 * domain.images.itemsize
        shape = domain.images.shape[1:]
        low, high = levels.values([domain.images.min(), domain.images.max()], domain.levels)
        seen = [(shape, bits, False, (low, high), _hash(pixels), None) for pixels in domain.images]
    else:
        return None
    whole = [one for one in seen if one[-1] is None]
    ends = [one[3] for one in whole] or [(0, 0)]
    return _Facts(
        Counter(shape[:2] for shape, *_ in whole), Counter(shape[2] for shape, *_ in whole),
        Counter(bits for _, bits, *_ in whole), sum(alpha for _, _, alpha, *_ in whole),
        (min(low for low, _ in ends), max(high for _, high in ends)), [one[4] for one in seen],
        [one[-1] for one in seen if one[-1] is not None],
    )  # fmt: skip


def _look(files, index):
    """(shape, bits, has alpha, least and greatest value, hash, message or None) of one image."""
    source, name = files.named(index)
    try:
        header = images.header(source, name)
        colour, alpha = decoding.samples(source, name, plain=True)
        colour = files.picked_from(colour, name)
        if colour.dtype != np.uint8:
            images.decode(source, name, levels=files.levels)
    except UserError as error:
        return None, None, None, None, None, str(error)
    alpha = alpha is not None and bool((alpha != alpha.max()).any())
    return colour.shape, header.bits, alpha, (colour.min(), colour.max()), _hash(colour), None


def _hash(pixels):
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def _compared(both):
    """Lines about the domains of both parts, and what would make training go wrong."""
    lines, problems, facts = [], [], {}
    for train, test in zip(both["train"], both["test"], strict=True):
        found = facts[train.name] = [_facts(train), _facts(test)]
        if found[0] is None:
            return [], []
        texts = [_files(part) for part in found]
        if texts[0] == texts[1]:
            lines.append(f"  {train.name}: {texts[0]}")
        else:
            lines += [f"  {train.name}, {part}: {text}"
                      for part, text in zip(parts.PARTS, texts, strict=True)]  # fmt: skip
        lines += _classes(train, test)
        problems += _mixed(train, *found)
    lines += [f"  {remark}" for remark in parts.remarks(both["train"])]
    found, wrong = _duplicates(both, facts)
    damaged = [line for pair in facts.values() for part in pair for line in part.damaged]
    messages = list(dict.fromkeys(damaged))  # Both halves of a pair may lie in one file.
    if len(messages) > _NAMED:
        messages[_NAMED:] = [f"and {len(messages) - _NAMED} more unreadable images"]
    for domain in both["train"]:
        if parts.in_folders(domain.left_out) > domain.size:
            wrong.append(
                f"{domain.name}: {domain.size:,} files are read and more left out, "
                f"{parts.described(domain.left_out)}; is this the right folder?"
            )
    return lines + found, messages + problems + wrong


def _files(facts):
    """The images of one part in words, as they lie on the disk."""
    low, high = min(facts.sizes, default=(0, 0)), max(facts.sizes, default=(0, 0))
    if len(facts.sizes) > 1:
        by_area = sorted(facts.sizes, key=lambda side: (side[0] * side[1], side))
        low, high = by_area[0], by_area[-1]
    sizes = "x".join(map(str, low)) + (f" to {high[0]}x{high[1]}" if high != low else "")
    names = {1: "gray", 3: "colour"}
    channels = " and ".join(
        (f"{count:,} " if len(facts.channels) > 1 else "") + names[channels]
        for channels, count in sorted(facts.channels.items())
    )
    bits = " and ".join(
        (f"{count:,} of " if len(facts.bits) > 1 else "") + f"{bits} bits"
        for bits, count in sorted(facts.bits.items())
    )
    least, most = facts.values
    alpha = f", {facts.alpha:,} with transparency" if facts.alpha else ""
    return f"{sizes}, {channels}, {bits}, values {least:g} to {most:g}{alpha}"


def _classes(train, test):
    """A line about the classes and how often each is there."""
    if train.labels is None:
        return []
    counts = [
        domain.labels.sum(0) if train.multi_label
        else np.bincount(domain.labels, minlength=len(train.classes))
        for domain in (train, test)
    ]  # fmt: skip
    each = [f"{name} {a:,} + {b:,}" for name, a, b in zip(train.classes, *counts, strict=True)]
    if len(each) > 1 and all(len(set(part.tolist())) == 1 for part in counts):
        each = [f"each class {counts[0][0]:,} + {counts[1][0]:,}"]
    more = [f"and {len(each) - _CLASSES} more"] if len(each) > _CLASSES else []
    return [f"  {train.name}, training + test images: {', '.join(each[:_CLASSES] + more)}"]


def _mixed(domain, train, test):
    """What of a domain's two parts does not go together."""
    problems, names = [], {1: "gray", 3: "colour"}
    kinds = [max(part.channels, default=0) for part in (train, test)]
    if 0 not in kinds and kinds[0] != kinds[1]:
        problems.append(
            f"{domain.name}: the training part is {names[kinds[0]]} and the test part "
            f"{names[kinds[1]]}, which is converted: a score on it says little"
        )
    bits = [max(part.bits, default=0) for part in (train, test)]
    if 0 not in bits and (bits[0] != bits[1] or (domain.levels and len(train.bits) > 1)):
        found = sorted(set(train.bits) | set(test.bits))
        problems.append(
            f"{domain.name}: holds images of {' and '.join(map(str, found))} bits, whose values "
            "mean different things; save all alike"
        )
    elif (
        domain.levels
        and test.hashes
        and not (domain.levels.low <= test.values[0] and test.values[1] <= domain.levels.high)
    ):
        problems.append(
            f"{domain.name}: the test part holds values from {test.values[0]:g} to "
            f"{test.values[1]:g}, the training part {levels.described(domain.levels)}; what is "
            "outside is cut off"
        )
    return problems


def _duplicates(both, facts):
    """Lines about images that are in both parts, and the problems that these make."""
    lines, problems = [], []
    if pair_count(both["train"]) and pair_count(both["test"]):
        sets = {"pairs": [
            [tuple(facts[domain.name][part].hashes[row] for domain in both[split]
                   for row in domain.rows[number]) for number in range(pair_count(both[split]))]
            for part, split in enumerate(parts.PARTS)]}  # fmt: skip
    else:
        sets = {f"{name} images": [one.hashes for one in pair] for name, pair in facts.items()}
    for name, (train, test) in sets.items():
        known = {one for one in train if one is not None}
        again = sum(one in known for one in test)
        if len(train) > 1:  # A single image is in both.
            line = f"{again:,} of {len(test):,} test {name} are training {name.split()[-1]} too"
            if again > _LEAK * len(test):
                problems.append(line)
            else:
                lines.append(f"  {line}")
    return lines, problems


def _pairs(domains):
    """The pairs of a set in a few words; empty for an unpaired set."""
    pairs = pair_count(domains)
    targets = max(domain.targets for domain in domains) if pairs else 1
    each = f" with {targets} targets each" if targets > 1 else ""
    return f"; {pairs} pairs{each}" if pairs else ""


def _described(domain, size):
    """A domain in a few words, as it is trained on."""
    shape = domain.shape if size is None else (size, size, domain.shape[-1])
    shape = "x".join(map(str, shape))
    if domain.palette is not None:
        labels = f"label maps in {len(domain.palette.classes)} classes"
    elif domain.labels is None:
        labels = "no labels"
    else:
        labels = f"{len(domain.classes)} {'attributes' if domain.multi_label else 'classes'}"
    return f"{domain.name} {domain.size} x {shape}, {labels}"
