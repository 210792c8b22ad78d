# What urllib, socket and ssl say about the target, its host and its port in the arguments; nothing
# when they are content.
import socket, ssl, sys, urllib.error, urllib.request


def words(error):
    if isinstance(error, urllib.error.HTTPError):
        said = f"urllib.error.HTTPError: HTTP Error {error.code}"
        return said if error.code >= 400 else f"{said}: {error.msg.splitlines()[0]}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{name}: certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLZeroReturnError):
        return name
    if isinstance(error, ssl.SSLError):
        return f"{name}: {error.reason or error.strerror.split(' (_ssl')[0]}"
    if kind is OSError and error.errno is None:
        return f"{name}: " + " ".join(str(error).split()[:4])  # without the proxy's own words
    if kind is OSError or kind is socket.gaierror:
        return f"{name}: [Errno {error.errno}] {error.strerror}"
    return name


def ask(target, host, port):
    scheme = target.split(":")[0]
    if scheme in ("http", "https"):
        urllib.request.urlopen(target).read()
        return
    if scheme == "udp":
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.connect((host, int(port)))
            udp.send(b"hello")
            udp.recv(1)
        return
    with socket.create_connection((host, int(port))) as tcp:
        if scheme == "tls":
            ssl.create_default_context().wrap_socket(tcp, server_hostname=host)


try:
    ask(*sys.argv[1:])
except Exception as error:
    print(words(error))
