"""What is there, what is missing, and how a data set should lie: commands `check`, `prepare`."""

import dataclasses
from pathlib import Path

from gantrain.data import datasets, tfds
from gantrain.data.domain import FileImages
from gantrain.data.pairs import pair_count
from gantrain.data.sources import SOURCES
from gantrain.errors import UserError

# Damaged files named one by one.
_NAMED = 20


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


def check(name, data_dir, image_size=None):
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
    data_dir = Path(data_dir)
    size = image_size or dataset.image_size
    lines, problems = [f"{name}: {dataset.summary}"], []
    for source in (SOURCES[source] for source in dataset.sources):
        found, wrong = _check_source(source, data_dir, size, name)
        lines += found
        problems += wrong
    if not problems:
        for split in ("train", "test"):
            request = datasets.Request(data_dir, True, size, split, 0)
            try:
                domains = dataset.load(request)
            except UserError as error:
                problems.append(str(error))
                continue
            lines.append(f"  {split}: " + ", ".join(map(_describe, domains)) + _pairs(domains))
            # The files of named sources have been read above.
            if not dataset.sources:
                problems += _unreadable(domains)
    lines += [f"  PROBLEM {problem}" for problem in problems]
    lines.append(f"  {'not ready' if problems else 'ready'}")
    return Report(tuple(lines), not problems)


def prepare(name, data_dir, image_size=None):
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
    data_dir = Path(data_dir)
    for source in (SOURCES[source] for source in datasets.find(name).sources):
        if not source.has_files(data_dir) and tfds.prepared(source.tfds, data_dir) is None:
            source.download(data_dir)
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
    for split in ("train", "test"):
        try:
            domains = source.open(data_dir, True, split, size)
        except UserError as error:
            problems.append(str(error))
            continue
        problems += _unreadable(domains)
    if problems:
        lines.append(f"  layout {data_dir / source.name}/: {source.layout}")
    return lines, problems


def _unreadable(domains):
    """A message for each image of the domains that cannot be decoded, the first ones named."""
    encoded = [domain.images for domain in domains if isinstance(domain.images, FileImages)]
    # Both halves of a pair may lie in one file.
    messages = list(dict.fromkeys(line for images in encoded for line in images.problems()))
    more = len(messages) - _NAMED
    return messages[:_NAMED] + ([f"and {more} more unreadable images"] if more > 0 else [])


def _pairs(domains):
    """The pairs of a set in a few words; empty for an unpaired set."""
    pairs = pair_count(domains)
    targets = max(domain.rows.shape[1] for domain in domains) if pairs else 1
    each = f" with {targets} targets each" if targets > 1 else ""
    return f"; {pairs} pairs{each}" if pairs else ""


def _describe(domain):
    """A domain in a few words."""
    shape = "x".join(map(str, domain.shape))
    if domain.labels is None:
        labels = "no labels"
    else:
        labels = f"{len(domain.classes)} {'attributes' if domain.multi_label else 'classes'}"
    return f"{domain.name} {domain.size} x {shape}, {labels}"
