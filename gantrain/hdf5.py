"""What an HDF5 file from elsewhere may be: arrays of its own, no larger than it can hold."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike

import h5py
import numpy as np

from gantrain.reading import EXPANDED, EXPANSION, regular


def refuse_links(file: h5py.File) -> None:
    """Raises ValueError for an HDF5 file whose arrays lie in other files, or are larger than it."""
    held, seen, groups = 0, set(), [file]
    while groups:
        group = groups.pop()
        # A group may hold itself.
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise ValueError("a group stands in it twice")
        seen.add(address)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link")
            found = group[name]
            if isinstance(found, h5py.Group):
                groups.append(found)
            elif isinstance(found, h5py.Dataset):
                if found.is_virtual or found.external:
                    raise ValueError(f"{name} lies in another file")
                # What no byte was written of would be as large as it says.
                if found.size and not found.id.get_storage_size():
                    raise ValueError(f"{name} says it is {list(found.shape)}, and holds nothing")
                held += found.size * found.dtype.itemsize

    if held > max(EXPANDED, EXPANSION * file.id.get_filesize()):
        raise ValueError("its arrays are too large for the size of the file")


def own_datasets(path: str | PathLike, names: Iterable[str], most: int) -> list[np.ndarray]:
    """Arrays of real numbers, at most `most` long.

    Raises:
        OSError, ValueError, KeyError, RuntimeError: the file is damaged or holds something else.
        UserError: it is no regular file.
    """
    regular(path)
    arrays = []
    with h5py.File(path, "r") as file:
        refuse_links(file)
        for name in names:
            found = file[name]
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
                raise ValueError(f"{name} is no array of real numbers")
            if not found.shape or found.shape[0] > most:
                raise ValueError(f"{name} is {found.shape}, and at most {most} are expected")
            arrays.append(found[()])
    return arrays
