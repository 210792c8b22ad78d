"""Sends real SYNs from a neighbouring namespace and says what comes back.

A line of input: interface, source, destination, source port, destination port. A line of output:
"syn-ack", "rst", "icmp TYPE CODE", "icmpv6 TYPE CODE" or "silence".

Silence needs no waiting: behind the SYN go ARP requests, which no rule filters. Everything here
runs on one CPU, whose queue of received packets is first in, first out through all namespaces; an
answer of the machine itself is here before the answer to the first ARP request, one of a machine
behind it (three more hops) before the fourth.
"""
import ipaddress
import os
import select
import socket
import struct
import sys

ROUNDS = 6
DEADLINE_S = 5.0
ARP, IP4, IP6 = 0x0806, 0x0800, 0x86DD
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(source, destination, source_port, port):
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    options = bytes([2, 4, 5, 0xB4, 1, 3, 3, 7])
    header = struct.pack("!HHIIBBHHH", source_port, port, 1000, 0, 7 << 4, 2, 64240, 0, 0)
    tcp = header + options
    pseudo = source.packed + destination.packed + struct.pack("!IBBBB", len(tcp), 0, 0, 0, 6)
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if source.version == 6:
        header = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64)
        return IP6, header + source.packed + destination.packed + tcp
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), source_port, 0x4000, 64, 6, 0)
    ip += source.packed + destination.packed
    return IP4, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


def answer(frame, source_port):
    """What a frame says to the SYN from that port, if anything."""
    kind, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
    if kind == IP4:
        length, protocol = (packet[0] & 15) * 4, packet[9]
    elif kind == IP6:
        length, protocol = 40, packet[6]
    else:
        return None
    body = packet[length:]
    if protocol == 6 and struct.unpack("!H", body[2:4])[0] == source_port:
        flags = body[13]
        return "rst" if flags & 4 else "syn-ack" if flags & 18 == 18 else None
    if protocol in (1, 58):
        inner = body[8:]
        inner = inner[(inner[0] & 15) * 4 if kind == IP4 else 40:]
        if len(inner) >= 2 and struct.unpack("!H", inner[:2])[0] == source_port:
            return f"{'icmp' if protocol == 1 else 'icmpv6'} {body[0]} {body[1]}"
    return None


class Link:
    def __init__(self, name, own_mac, other_mac, own_ip, other_ip):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((name, 0))
        self.own_mac, self.other_mac = own_mac, other_mac
        self.arp = struct.pack("!HHBBH", 1, IP4, 6, 4, 1) + own_mac + own_ip + b"\0" * 6 + other_ip

    def send(self, kind, payload):
        to = b"\xff" * 6 if kind == ARP else self.other_mac
        self.socket.send(to + self.own_mac + struct.pack("!H", kind) + payload)

    def receive(self):
        if not select.select([self.socket], [], [], DEADLINE_S)[0]:
            sys.exit("no answer to ARP: the queue is not what it should be")
        frame, (_, _, direction, _, _) = self.socket.recvfrom(65535)
        return None if direction == socket.PACKET_OUTGOING else frame

    def ask(self, source, destination, source_port, port):
        self.send(*syn(source, destination, source_port, port))
        said = None
        for _ in range(ROUNDS):
            self.send(ARP, self.arp)
            while True:
                frame = self.receive()
                if frame is None:
                    continue
                if struct.unpack("!HH", frame[12:14] + frame[20:22]) == (ARP, 2):
                    break
                said = said or answer(frame, source_port)
            if said:
                return said
        return "silence"


def link(text):
    name, own_mac, other_mac, own_ip, other_ip = text.split(",")
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in (own_mac, other_mac)]
    return name, Link(name, *macs, socket.inet_aton(own_ip), socket.inet_aton(other_ip))


links = dict(link(text) for text in sys.argv[1:])
print("ready", flush=True)
for line in sys.stdin:
    interface, source, destination, source_port, port = line.split()
    print(links[interface].ask(source, destination, int(source_port), int(port)), flush=True)
