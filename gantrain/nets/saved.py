"""What a saved network may hold: layers and operations that compute, and nothing that acts.

Keras refuses code by itself (`safe_mode`), for `.h5` only since 3.11.3. It is looked for here
before Keras reads a file, so that nothing rests on one release.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.hdf5 import refuse_links
from gantrain.reading import most_bytes, parse_json, regular

# Where the classes of a file may come from: Keras's own parts, and the layers of this package.
_MODULES = re.compile(
    r"keras(\.src)?(\.(layers|models|ops|initializers|regularizers|constraints|dtype_policies"
    r"|activations|backend)(\.\w+)*)?"
)
_OWN = "gantrain>"
# Layers that hold code or another format, or read files that they name.
_ACTING = (
    "Lambda", "TFOpLambda", "SlicingOpLambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer",
    "FlaxLayer", "StringLookup", "IntegerLookup", "TextVectorization", "FeatureSpace",
)  # fmt: skip
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_CONFIG_BYTES = 2**26


def refuse_code(path: str | PathLike) -> None:
    """Refuses a `.keras` or `.h5` file with more than Keras's layers, this package's and weights.

    Raises:
        UserError: it has code, objects of other packages, files or links, or cannot be read.
        ValueError, OSError, KeyError, zipfile.BadZipFile: it is damaged.
    """
    most = most_bytes(path)
    if Path(path).suffix in (".h5", ".hdf5"):
        with h5py.File(path, "r") as file:
            refuse_links(file)
            text = file.attrs.get("model_config")
            if not isinstance(text, (str, bytes)):
                raise ValueError("holds weights and no network; save the model whole")
    else:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if sorted(names) != sorted(_MEMBERS):
                raise ValueError(f"holds {', '.join(names[:5])} and not {', '.join(_MEMBERS)}")
            if sum(member.file_size for member in archive.infolist()) > most:
                raise ValueError("what it holds is too large for the size of the file")
            if archive.getinfo("config.json").file_size > _CONFIG_BYTES:
                raise ValueError("its config.json is too large")
            text = archive.read("config.json")
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                refuse_links(file)
    config = parse_json(text, dict)
    # Of training, which is not read.
    config.pop("compile_config", None)
    for entry in _entries(config):
        if reason := _acts(entry):
            raise UserError(
                f"{path}: has {reason}, which may run anything; nothing of it was run. Save the "
                f"network with Keras's own layers"
            )


def _entries(value: Any) -> Iterator[dict]:
    """All dicts in a JSON value."""
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            yield value
            rest += value.values()
        elif isinstance(value, list):
            rest += value


def _acts(entry):
    """What a part of a config has that is no data, or None."""
    if "class_name" not in entry:
        return None
    name, module = entry["class_name"], entry.get("module")
    if not isinstance(name, str):
        return f"an object without a name, {json.dumps(name)[:40]}"
    kind = name.rsplit(">", 1)[-1]
    if kind in _ACTING or kind in ("__lambda__", "function"):
        return f"a layer or function {kind[:40]}"
    if name.startswith(_OWN) or str(entry.get("registered_name") or "").startswith(_OWN):
        return None if module in (None, "gantrain.nets.layers") else f"an object of {module}"
    if ">" in name or (module is not None and not _MODULES.fullmatch(str(module))):
        return f"a custom object {name} of {module}"
    if module is not None and not kind[:1].isupper():
        return f"a function {kind}"
    return None


def refuse_unfinite(model: keras.Model) -> None:
    """Raises ValueError for a network with a weight that is NaN, infinite or complex."""
    for variable in model.weights:
        values = np.asarray(variable)
        if values.dtype.kind == "c":
            raise ValueError(f"its {variable.path} is complex")
        if values.dtype.kind not in "biu" and not np.isfinite(values.astype(np.float32)).all():
            raise ValueError(f"its {variable.path} is not finite")


# Operations that are stateful, in TensorFlow's words, and yet touch nothing but the network.
_STATEFUL = re.compile(
    r"(Stateful)?PartitionedCall|VarHandleOp|VarIsInitializedOp|ReadVariableOp|ResourceGather(Nd)?"
    r"|Placeholder|If|While|Case|Assert|Random\w+|TruncatedNormal|FusedBatchNorm\w*"
)
_FILES = re.compile(
    r"File|Save|Restore|Checkpoint|PyFunc|Dataset|Iterator|Reader|Remote|Rpc|Debug|Print|Summary"
)


def refuse_operations(folder: str | PathLike) -> None:
    """Refuses a SavedModel with operations on files, of Python or of a kind that is not known.

    What is looked at is all that loading and calling it can run: the functions of its objects, and
    those that they call. Its `saver`, which the loader of TensorFlow 2 does not run, is left out.

    Raises:
        UserError: it has them, or cannot be read.
    """
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.framework import op_def_registry

    path = Path(folder) / "saved_model.pb"
    not_known = (
        f"--stylizer {folder}: not a network that takes a content and a style image and gives one "
        f"image; arbitrary-image-stylization-v1-256 is expected"
    )
    for file in (path, *sorted((Path(folder) / "variables").glob("*"))):
        regular(file)
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(path.read_bytes())
        (graph,) = saved.meta_graphs
    except (OSError, ValueError, tf.errors.OpError, _decode_error()):
        raise UserError(not_known) from None
    objects = graph.object_graph_def
    bodies = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    if not objects.concrete_functions:
        raise UserError(not_known)
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind in ("asset", "resource") or (node.saveable_objects and kind != "variable"):
            raise UserError(
                f"--stylizer {folder}: holds a {kind or 'node'} that acts when it is loaded; "
                f"nothing of it was run"
            )
    seen, rest = set(), list(objects.concrete_functions)
    while rest:
        name = rest.pop()
        if name in seen or name not in bodies:
            continue
        seen.add(name)
        for node in bodies[name]:
            known = op_def_registry.get(node.op)
            if node.op in bodies:
                rest.append(node.op)
            elif (
                known is None
                or _FILES.search(node.op)
                or (known.is_stateful and not _STATEFUL.fullmatch(node.op))
            ):
                raise UserError(
                    f"--stylizer {folder}: has the operation {node.op}, which may reach beyond the "
                    f"network; nothing of it was run"
                )
            for value in node.attr.values():
                rest += [value.func.name, *(function.name for function in value.list.func)]


def _decode_error():
    from google.protobuf.message import DecodeError

    return DecodeError
