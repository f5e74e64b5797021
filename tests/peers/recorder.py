"""An upstream that writes down what it reads, and has bad manners on request.

usage: recorder.py [ADDRESS:]PORT DIRECTORY [slow BYTES_PER_SECOND | deaf | closing LINES]

Listens on ADDRESS, 127.0.0.1 unless given, and says "ready". What a connection brings goes into a file of its own in
DIRECTORY, whose name sorts by the time of the accept, also over restarts. It takes from a connection only what it has
written down, so that a kill loses nothing that the sender could hold for read. "slow" reads no faster than that, "deaf"
accepts and reads nothing, "closing" closes each connection after so many lines.
"""

import os
import socket
import sys
import threading
import time

place, directory, manners = sys.argv[1], sys.argv[2], sys.argv[3:]
address, _, port = place.rpartition(":")


def record(connection, path):
    lines = 0
    with open(path, "wb", buffering=0) as file:
        while True:
            if manners[:1] == ["deaf"]:
                time.sleep(3600)
            if manners[:1] == ["slow"]:
                time.sleep(0.25)
            try:
                data = connection.recv(int(manners[1]) // 4 if manners[:1] == ["slow"] else 1 << 18, socket.MSG_PEEK)
            except OSError:
                return
            if not data:
                return
            file.write(data)
            try:
                connection.recv(len(data))
            except OSError:
                return
            lines += data.count(b"\n")
            if manners[:1] == ["closing"] and lines >= int(manners[1]):
                connection.close()
                return


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address or "127.0.0.1", int(port)))
listener.listen(64)
print("ready", flush=True)
while True:
    accepted, _ = listener.accept()
    name = os.path.join(directory, f"{time.time_ns():020}.lines")
    threading.Thread(target=record, args=(accepted, name), daemon=True).start()
