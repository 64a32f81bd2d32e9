"""The command line: words in, exit code out.

Exit codes: 0 done; 1 a bug; 2 bad input or a file that cannot be read or written, one line names
the flag or file and the remedy; 3 some of several files were unreadable, or cells of a table could
not be filled, the others are done; 4 training diverged; 75 stopped early by a signal or the time
limit with everything saved: the same command goes on.

Little is imported before the signals are listened to: all else comes inside.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from gantrain.errors import EXIT_USER, UserError
from gantrain.output import bearing
from gantrain.stop import Stop, listening

EXIT_DIVERGED = 4
# What these commands say is a log: all that they have made is in files.
KEPT = ("train", "reproduce")

# What someone new can run, on the page that the bare program shows.
FIRST = (
    "--preset quick                 # pairs of digits in two styles: minutes, no files needed",
    "--preset quick_pix2pix         # plans of facades to pictures, likewise",
    "--gan_type cyclegan --dataset folder:photos,drawings --image_size 128   # your own images",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line, that of the process by default; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow takes the first trace of each run's program, judges' too, for a trace too many.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    program, stop = os.path.basename(sys.argv[0]) or "gantrain", Stop()
    program = f"python {program}" if program.endswith(".py") else program
    with bearing() as output:
        try:
            with listening(stop, ends=argv is None):
                return _guarded(program, list(sys.argv[1:] if argv is None else argv), output)
        except KeyboardInterrupt as error:
            # From whatever line, those included that tell of another error.
            return _say(str(error) or stop.interrupted(), stop.code)


def _guarded(program, words, output):
    try:
        name, code = _run(program, words)
        output.flush()
        if output.lost and not code:
            return _say(output.lost, 0 if name in KEPT else EXIT_USER)
        return code
    except UserError as error:
        return _say(error, EXIT_USER)
    except OSError as error:
        return _say(_described(error), EXIT_USER)
    except Exception as error:
        from gantrain.runs.callbacks import Diverged

        if isinstance(error, Diverged):
            return _say(error, EXIT_DIVERGED)
        # TensorFlow's own is asked for by its name, since it may not be loaded.
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return _say(
                "the memory of this machine or device is not enough; take a smaller --batch_size, "
                "--image_size or --width, or let nobody else use it",
                EXIT_USER,
            )
        raise


def _run(program, words):
    from gantrain import devices, flags
    from gantrain.commands import COMMANDS
    from gantrain.core import Devices
    from gantrain.progress import restart

    restart()
    name, options = flags.parse(
        program,
        {k: v[:2] for k, v in COMMANDS.items()},
        "train",
        # Nobody means hours of training by a bare word.
        [] if words == ["train"] else words,
        FIRST,
    )
    devices.begin(options.get("gpus"), options.get("devices", 0), options.get("gpu_mem_mb", 0))
    if name != "train":
        options = {k: v for k, v in options.items() if k not in Devices.__dataclass_fields__}
    return name, COMMANDS[name][2](options)


def _described(error):
    """An error of the system in one line: what no reader or writer has said in its own words."""
    places = [str(place) for place in (error.filename, error.filename2) if place is not None]
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return f"{' to '.join(places) or 'a file'}: cannot be read or written ({reason})"


def _say(message, code) -> int:
    print(f"gantrain: {message}", file=sys.stderr)
    return code
