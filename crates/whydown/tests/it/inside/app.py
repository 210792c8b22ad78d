"""A service of one's own: MODE ADDRESS PORT. Serves, or fails in the way that MODE says."""
import os
import socket
import sys
import time

mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if mode == "configure":
    sys.exit("settings.json:7: unknown key 'databse'")
if mode == "wait":
    time.sleep(3600)
listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if ":" in address:
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
listener.bind((address, port))
kept = []
if mode == "leak":
    while True:
        try:
            kept.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
listener.listen(2 if mode == "never-accept" else 64)
if mode == "crash":
    raise KeyError("DATABASE_URL")
if mode == "eat":
    kept.append(bytearray(200 << 20))
if mode == "write":
    with open(sys.argv[4], "wb") as file:
        while True:
            file.write(b"." * 65536)
            file.flush()
while mode == "never-accept":
    time.sleep(3600)
while True:
    try:
        connection, _ = listener.accept()
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        time.sleep(0.2)
        continue
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
    connection.close()
