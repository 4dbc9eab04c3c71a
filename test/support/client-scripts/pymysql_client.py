import ssl

import pymysql

from client_error import client_errors, unsupported


class Connection:
    def __init__(self, job):
        if job.get("compress"):
            raise unsupported("PyMySQL can not compress")
        with client_errors():
            self.connection = pymysql.connect(
                host=job.get("host"),
                port=job.get("port", 0),
                unix_socket=job.get("socketPath"),
                user=job["user"],
                password=job["password"],
                database=job.get("database"),
                ssl=ssl_context(job.get("tls", "off")),
                connect_timeout=30,
                autocommit=True,
            )

    def query(self, sql):
        with client_errors(), self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def change_user(self, user, password, database):
        raise unsupported("PyMySQL can not change the user")

    def ping(self):
        with client_errors():
            self.connection.ping(reconnect=False)

    def close(self):
        if self.connection.open:
            self.connection.close()


def ssl_context(tls):
    if tls == "off":
        return None
    context = ssl.create_default_context(cafile=tls.get("ca"))
    if not tls["verify"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
