"""The command line: words in, exit code out.

Exit codes: 0 done; 1 a bug; 2 bad input, one line names the flag or file and the remedy; 3 some of
several files were unreadable, the others are done; 4 training diverged; 75 stopped early by a
signal or the time limit with everything saved: the same command goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gantrain import flags
from gantrain.commands import COMMANDS
from gantrain.errors import EXIT_USER, UserError
from gantrain.progress import restart

EXIT_DIVERGED, EXIT_INTERRUPTED = 4, 75

# What someone new can run, on the page that the bare program shows.
FIRST = (
    "--preset quick                 # pairs of digits in two styles: minutes, no files needed",
    "--preset quick_pix2pix         # plans of facades to pictures, likewise",
    "--gan_type cyclegan --dataset folder:photos,drawings --image_size 128   # your own images",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    program = os.path.basename(sys.argv[0]) or "gantrain"
    program = f"python {program}" if program.endswith(".py") else program
    restart()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        name, options = flags.parse(
            program,
            {k: v[:2] for k, v in COMMANDS.items()},
            "train",
            # Nobody means hours of training by a bare word.
            [] if words == ["train"] else words,
            FIRST,
        )
        return COMMANDS[name][2](options)
    except UserError as error:
        return _say(error, EXIT_USER)
    except KeyboardInterrupt:
        return _say(
            "interrupted; the same command goes on from the last checkpoint, if there is one",
            EXIT_INTERRUPTED,
        )
    except Exception as error:
        from gantrain.runs.callbacks import Diverged
        from gantrain.runs.loop import Interrupted

        if isinstance(error, Diverged):
            return _say(error, EXIT_DIVERGED)
        if isinstance(error, Interrupted):
            return _say(error, EXIT_INTERRUPTED)
        raise


def _say(message, code) -> int:
    print(f"gantrain: {message}", file=sys.stderr)
    return code
