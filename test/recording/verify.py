"""Verifies recordings after docs/recording.md alone; shares no code with the server.

Usage: verify.py KEY.pub FILE...    prints one word for each file: the result, or "error".
"""
import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

MAX_LINE = 1024 * 1024
MAX_DEPTH = 64
PREFIX = b"# bartizan "
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)")


class Altered(Exception):
    pass


class Foreign(Exception):
    pass


def refuse(_name):
    raise ValueError("no such number in JSON")


def too_deep(text):
    depth = 0
    in_string = False
    escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif char in "]}":
            depth -= 1
    return False


def parse(text):
    if too_deep(text):
        raise Altered("too deep")
    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError:
        raise Altered("no JSON")


def parse_object(text):
    value = parse(text)
    if not isinstance(value, dict):
        raise Altered("no object")
    return value


def parse_base64(text):
    if not BASE64.fullmatch(text):
        raise Altered("no base64")
    return base64.b64decode(text)


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def whole(value, least, most):
    return number(value) and value == int(value) and least <= value <= most


class Verifier:
    def __init__(self, key):
        self.key = key
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    def verify(self, data):
        try:
            return self.run(data)
        except Altered:
            return "altered"

    def run(self, data):
        chain = bytes(32)
        chunk_from = 0
        cuts = out = tail = seals = gaps = 0
        pending = None
        start = end = final = None
        unknown_key = False
        position = 0
        line_number = 0
        while position < len(data):
            stop = data.find(b"\n", position)
            length = (len(data) if stop < 0 else stop) - position
            if length > MAX_LINE:
                raise Altered("long line")
            if final is not None:
                raise Altered("behind the final seal")
            if stop < 0:
                break
            line = data[position:stop]
            line_number += 1
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                raise Altered("no UTF-8")
            if line_number == 1:
                self.header(text)
            elif line_number == 2:
                start = self.start(text)
            elif not line.startswith(b"#"):
                event = parse(text)
                if not isinstance(event, list) or len(event) < 3:
                    raise Altered("no event")
                after, code, content = event[:3]
                if not number(after) or not 0 <= after < float("inf"):
                    raise Altered("no time")
                if not isinstance(code, str) or not isinstance(content, str):
                    raise Altered("no event")
                if code == "o":
                    if pending == "screen":
                        pass
                    elif pending is not None:
                        out += len(pending)
                        tail = 0
                    else:
                        out += len(content.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8"))
                        tail = 0
                    pending = None
                elif pending is not None:
                    raise Altered("exact bytes of no output")
            elif line.startswith(PREFIX):
                word, _, rest = text[len(PREFIX):].partition(" ")
                if word == "bytes":
                    pending = parse_base64(rest)
                elif word == "screen":
                    parse_base64(rest)
                    pending = "screen"
                elif word == "tail":
                    tail = len(parse_base64(rest))
                elif word in ("joined", "left", "notice"):
                    parse_object(rest)
                elif word == "start":
                    raise Altered("a second start")
                elif word == "end":
                    end = parse_object(rest)
                elif word == "gap":
                    to = parse_object(rest).get("to")
                    if not whole(to, out, 2**53 - 1):
                        raise Altered("gap")
                    gaps += 1
                    out = int(to)
                elif word in ("link", "seal"):
                    signed, signature = rest, None
                    if word == "seal":
                        signed, _, signature = rest.rpartition(" ")
                        signature = parse_base64(signature)
                    cut = parse_object(signed)
                    cuts += 1
                    chain = hashlib.sha256(chain + data[chunk_from:position]).digest()
                    chunk_from = position
                    if (cut.get("n"), cut.get("at"), cut.get("out")) != (cuts, position, out + tail):
                        raise Altered("cutting line")
                    if cut.get("hash") != chain.hex():
                        raise Altered("hash")
                    if word == "seal":
                        seals += 1
                        for name in ("recording", "session", "key"):
                            if cut.get(name) != start.get(name):
                                raise Altered("seal of another")
                        if cut["key"] != self.key_id:
                            unknown_key = True
                        else:
                            try:
                                self.key.verify(signature, ("bartizan seal 1 " + signed).encode("utf-8"))
                            except InvalidSignature:
                                raise Altered("signature")
                        if "final" in cut:
                            if end is None or end.get("cause") != cut["final"]:
                                raise Altered("end")
                            final = cut["final"]
            position = stop + 1
        if seals == 0 or unknown_key:
            return "unsigned"
        if final is None or (isinstance(final, dict) and final.get("kind") == "incomplete"):
            return "incomplete"
        return "gap" if gaps else "complete"

    def header(self, text):
        header = parse_object(text)
        version = header.get("version")
        if not number(version):
            raise Altered("header")
        if version != 3:
            raise Foreign()
        term = header.get("term")
        if not isinstance(term, dict) or not all(whole(term.get(name), 1, 1000) for name in ("cols", "rows")):
            raise Altered("header")

    def start(self, text):
        if not text.startswith("# bartizan start "):
            raise Altered("start")
        start = parse_object(text[len("# bartizan start "):])
        if number(start.get("format")) and start["format"] != 1:
            raise Foreign()
        if not number(start.get("format")):
            raise Altered("start")
        recording = start.get("recording")
        if not isinstance(recording, str) or not re.fullmatch("[0-9a-f]{32}", recording):
            raise Altered("start")
        if not isinstance(start.get("session"), str) or not isinstance(start.get("key"), str):
            raise Altered("start")
        return start


def main(key_file, files):
    with open(key_file, "rb") as key:
        verifier = Verifier(load_pem_public_key(key.read()))
    for name in files:
        with open(name, "rb") as file:
            data = file.read()
        try:
            print(verifier.verify(data))
        except Foreign:
            print("error")


main(sys.argv[1], sys.argv[2:])
