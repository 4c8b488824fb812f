"""A program of somebody else: opens a shell, types, watches, and kicks, with nothing but gRPC and the .proto files.

Arguments: host:port, target. The tokens come in the environment. Prints one line for each thing it saw.
"""

import os
import queue
import sys

import grpc
from bartizan.v1 import session_pb2 as session
from bartizan.v1 import session_pb2_grpc, target_pb2, target_pb2_grpc

DEADLINE_SECONDS = 15


def as_who(name):
    return [("authorization", "Bearer " + os.environ["TOKEN_" + name])]


def output_until(view, wanted):
    """Reads events until the output holds `wanted`; a prompt or an end before that is a failure."""
    seen = b""
    for message in view:
        kind = message.WhichOneof("event")
        if kind == "output":
            seen += message.output.data
        elif kind == "key_frame":
            seen = message.key_frame.data
        elif kind == "ended":
            raise SystemExit("ended early: %s" % message)
        if wanted in seen:
            return
    raise SystemExit("the stream ended without %r" % wanted)


def last(view):
    """The last message of a stream that the server ends."""
    message = None
    for message in view:
        pass
    return message


def main():
    address, target = sys.argv[1:]
    with grpc.insecure_channel(address) as channel:
        targets = target_pb2_grpc.TargetServiceStub(channel)
        listed = targets.ListTargets(target_pb2.ListTargetsRequest(), metadata=as_who("OPERATOR"), timeout=DEADLINE_SECONDS)
        print("targets:", " ".join(each.name for each in listed.targets))

        sessions = session_pb2_grpc.SessionServiceStub(channel)
        requests = queue.Queue()
        size = session.TermSize(cols=80, rows=24)
        requests.put(session.ShellRequest(start=session.ShellStart(target=target, size=size)))
        shell = sessions.Shell(iter(requests.get, None), metadata=as_who("OPERATOR"), timeout=DEADLINE_SECONDS)
        started = next(each for each in shell if each.WhichOneof("event") == "started").started
        print("started:", started.session.target)

        requests.put(session.ShellRequest(input=b"echo sum-$((40+2))\n"))
        output_until(shell, b"sum-42")
        print("operator saw: sum-42")

        request = session.WatchRequest(session_id=started.session.id)
        watch = sessions.Watch(request, metadata=as_who("AUDITOR"), timeout=DEADLINE_SECONDS)
        first = next(iter(watch))
        print("watcher began with:", first.WhichOneof("event"), "sum-42" if b"sum-42" in first.state.key_frame.data else "")
        requests.put(session.ShellRequest(input=b"echo product-$((6*7))\n"))
        output_until(watch, b"product-42")
        print("watcher saw: product-42")

        order = session.KickRequest(session_id=started.session.id, reason="lunch", idempotency_id="one")
        try:
            sessions.Kick(order, metadata=as_who("AUDITOR"), timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            print("auditor's kick:", error.code().name)
        answer = sessions.Kick(order, metadata=as_who("ADMIN"), timeout=DEADLINE_SECONDS)
        print("kick:", session.KickOutcome.Name(answer.outcome), answer.watchers_told)
        for name, view in (("operator", shell), ("watcher", watch)):
            kicked = last(view).ended.kicked
            print("%s ended: kicked by %s: %s" % (name, kicked.by.name, kicked.reason))
        requests.put(None)


main()
