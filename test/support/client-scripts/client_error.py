"""What every client's own errors are turned into."""
from contextlib import contextmanager


class ClientError(Exception):
    def __init__(self, errno, message, sql_state=None):
        super().__init__(message)
        self.errno = errno
        self.message = message
        self.sql_state = sql_state

    def as_json(self):
        known = {"errno": self.errno, "message": self.message}
        return known if self.sql_state is None else {**known, "sqlState": self.sql_state}


def unsupported(what):
    return ClientError(0, f"unsupported: {what}")


@contextmanager
def client_errors():
    """For clients that raise errors as the Python Database API has them, sometimes without a number."""
    try:
        yield
    except Exception as error:
        if len(error.args) >= 2 and isinstance(error.args[0], int):
            raise ClientError(error.args[0], str(error.args[1])) from error
        raise ClientError(0, f"{type(error).__name__}: {error}") from error
