"""The one exception that means: the user can mend this."""


class UserError(ValueError):
    """A setting, a file or a machine is not as it must be.

    The message says what is, what must be, and what to do. Entry points print it without a
    traceback and exit with status 2; any other exception is a defect of ours and keeps its
    traceback.
    """
