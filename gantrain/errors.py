"""The one exception that speaks to the user."""

EXIT_USER = 2


class UserError(Exception):
    """Bad input. The message is one line that names the flag or file and the remedy.

    The command line prints it and exits with code 2; a notebook sees an ordinary exception.
    """
