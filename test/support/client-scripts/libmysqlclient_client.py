"""Calls the C library itself: no module for Python is built with it and has mysql_change_user, too."""
import sys
from ctypes import CDLL, POINTER, byref, c_bool, c_char_p, c_uint, c_ulong, c_void_p, string_at
from glob import glob

from client_error import ClientError

# Of enum mysql_option in mysql.h.
OPT_CONNECT_TIMEOUT = 0
OPT_COMPRESS = 1
SET_CHARSET_NAME = 7
OPT_PROTOCOL = 9
OPT_SSL_CA = 21
OPT_SSL_MODE = 35
OPT_GET_SERVER_PUBLIC_KEY = 36

PROTOCOL_TCP = 1
PROTOCOL_SOCKET = 2

SSL_MODE_DISABLED = 1
SSL_MODE_REQUIRED = 3
SSL_MODE_VERIFY_IDENTITY = 5


def load_library():
    library = CDLL(glob(sys.prefix + "/lib/*/libmysqlclient.so.*")[0])
    signatures = {
        "mysql_init": (c_void_p, [c_void_p]),
        "mysql_options": (c_uint, [c_void_p, c_uint, c_void_p]),
        "mysql_real_connect": (
            c_void_p,
            [c_void_p, c_char_p, c_char_p, c_char_p, c_char_p, c_uint, c_char_p, c_ulong],
        ),
        "mysql_change_user": (c_bool, [c_void_p, c_char_p, c_char_p, c_char_p]),
        "mysql_ping": (c_uint, [c_void_p]),
        "mysql_real_query": (c_uint, [c_void_p, c_char_p, c_ulong]),
        "mysql_store_result": (c_void_p, [c_void_p]),
        "mysql_num_fields": (c_uint, [c_void_p]),
        "mysql_fetch_row": (POINTER(c_void_p), [c_void_p]),
        "mysql_fetch_lengths": (POINTER(c_ulong), [c_void_p]),
        "mysql_free_result": (None, [c_void_p]),
        "mysql_errno": (c_uint, [c_void_p]),
        "mysql_error": (c_char_p, [c_void_p]),
        "mysql_sqlstate": (c_char_p, [c_void_p]),
        "mysql_close": (None, [c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


library = load_library()


class Connection:
    def __init__(self, job):
        self.mysql = library.mysql_init(None)
        self.set_number(OPT_CONNECT_TIMEOUT, 30)
        self.set_number(OPT_PROTOCOL, PROTOCOL_SOCKET if "socketPath" in job else PROTOCOL_TCP)
        self.set_text(SET_CHARSET_NAME, job.get("charset", "utf8mb4"))
        # Without TLS it would neither know nor ask for the key that encrypts a password.
        library.mysql_options(self.mysql, OPT_GET_SERVER_PUBLIC_KEY, byref(c_bool(True)))
        if job.get("compress"):
            library.mysql_options(self.mysql, OPT_COMPRESS, None)
        if "tls" in job:
            self.set_tls(job["tls"])
        self.check(
            library.mysql_real_connect(
                self.mysql,
                encoded(job.get("host")),
                encoded(job["user"]),
                encoded(job["password"]),
                encoded(job.get("database")),
                job.get("port", 0),
                encoded(job.get("socketPath")),
                0,
            )
            is not None
        )

    def set_tls(self, tls):
        if tls == "off":
            self.set_number(OPT_SSL_MODE, SSL_MODE_DISABLED)
            return
        if "ca" in tls:
            self.set_text(OPT_SSL_CA, tls["ca"])
        self.set_number(OPT_SSL_MODE, SSL_MODE_VERIFY_IDENTITY if tls["verify"] else SSL_MODE_REQUIRED)

    def set_number(self, option, number):
        library.mysql_options(self.mysql, option, byref(c_uint(number)))

    def set_text(self, option, text):
        library.mysql_options(self.mysql, option, encoded(text))

    def query(self, sql):
        statement = encoded(sql)
        self.check(library.mysql_real_query(self.mysql, statement, len(statement)) == 0)
        result = library.mysql_store_result(self.mysql)
        if result is None:
            self.check(library.mysql_errno(self.mysql) == 0)
            return []
        rows = []
        while row := library.mysql_fetch_row(result):
            lengths = library.mysql_fetch_lengths(result)
            columns = range(library.mysql_num_fields(result))
            rows.append([None if row[n] is None else string_at(row[n], lengths[n]) for n in columns])
        library.mysql_free_result(result)
        return rows

    def change_user(self, user, password, database):
        failed = library.mysql_change_user(self.mysql, encoded(user), encoded(password), encoded(database))
        self.check(not failed)

    def ping(self):
        self.check(library.mysql_ping(self.mysql) == 0)

    def close(self):
        library.mysql_close(self.mysql)

    def check(self, succeeded):
        if succeeded:
            return
        message, sql_state = library.mysql_error(self.mysql), library.mysql_sqlstate(self.mysql)
        raise ClientError(library.mysql_errno(self.mysql), message.decode("utf-8", "replace"), sql_state.decode())


def encoded(text):
    return None if text is None else text.encode("utf-8")
