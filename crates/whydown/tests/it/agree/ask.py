# What urllib, socket and ssl say about the URL in the first argument; nothing when they are content.
import socket, ssl, sys, urllib.error, urllib.parse, urllib.request


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


def ask(url):
    if url.scheme in ("http", "https"):
        urllib.request.urlopen(url.geturl()).read()
        return
    with socket.create_connection((url.hostname, url.port)) as tcp:
        if url.scheme == "tls":
            ssl.create_default_context().wrap_socket(tcp, server_hostname=url.hostname)


try:
    ask(urllib.parse.urlsplit(sys.argv[1]))
except Exception as error:
    print(words(error))
