import os

import MySQLdb

from client_error import client_errors

# Connector/C checks the name in a certificate only when an option says so that MySQLdb itself does not know.
verifying_option_file = os.path.join(os.path.dirname(__file__), "verify-server-cert.cnf")


class Connection:
    def __init__(self, job):
        options = {
            "host": job.get("host"),
            "port": job.get("port"),
            "unix_socket": job.get("socketPath"),
            "database": job.get("database"),
            "compress": 1 if job.get("compress") else None,
            **tls_options(job.get("tls", "off")),
        }
        given = {name: value for name, value in options.items() if value is not None}
        with client_errors():
            self.connection = MySQLdb.connect(
                user=job["user"],
                password=job["password"],
                connect_timeout=30,
                charset=job.get("charset", "utf8mb4"),
                autocommit=True,
                **given,
            )

    def query(self, sql):
        with client_errors():
            cursor = self.connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall()

    def change_user(self, user, password, database):
        with client_errors():
            self.connection.change_user(user, password, database or "")

    def ping(self):
        with client_errors():
            self.connection.ping()

    def close(self):
        self.connection.close()


def tls_options(tls):
    if tls == "off":
        return {}
    files = {"ca": tls["ca"]} if "ca" in tls else {}
    return {"ssl": files, "read_default_file": verifying_option_file if tls["verify"] else None}
