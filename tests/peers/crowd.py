"""Holds many TCP connections to 127.0.0.1:PORT open, each with BYTES bytes of a line that never ends.

usage: crowd.py PORT CONNECTIONS BYTES

Says "ready" when all are made and written, and stays until it is killed. A connection that the other side closes is fine.
"""

import resource
import socket
import sys
import time

port, connections, size = (int(argument) for argument in sys.argv[1:])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for number in range(connections):
    held.append(socket.create_connection(("127.0.0.1", port)))
    try:
        held[-1].sendall(b"x" * size)
    except OSError:
        pass
print("ready", flush=True)
while True:
    time.sleep(60)
