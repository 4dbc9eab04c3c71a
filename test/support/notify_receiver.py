"""Takes the place of systemd: prints each message to the notify socket on a line, and whether clients can connect by then."""
import json
import select
import socket
import sys


def accepts_clients(address):
    host, port = address.rsplit(":", 1)
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps({"listening": True}), flush=True)
# Standard input ends with the test.
while sys.stdin not in select.select([receiver, sys.stdin], [], [])[0]:
    # The descriptor that comes with BARRIER=1 is not taken, and so closed, which is what the sender waits for.
    message = dict(line.split("=", 1) for line in receiver.recv(4096).decode().splitlines())
    address = message.get("STATUS", "").removeprefix("listening on ")
    print(json.dumps({**message, "accepts": ":" in address and accepts_clients(address)}), flush=True)
