"""The one exception that speaks to the user, and the exit codes of what is said."""

EXIT_USER = 2
# Some of several files could not be read, or cells of a table not filled; the others are done.
EXIT_SKIPPED = 3


class UserError(Exception):
    """Bad input. The message is one line that names the flag or file and the remedy.

    The command line prints it and exits with code 2; a notebook sees an ordinary exception.
    """

    def __str__(self):
        # Names in files from elsewhere may hold lines of their own, or orders to a terminal.
        text = super().__str__()
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
